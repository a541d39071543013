package record

import (
	"encoding/binary"
	"time"

	"warder/protocol"
	"warder/record/scrub"
)

const (
	// maxHeld is the largest frame that is held to be scrubbed as a whole.
	maxHeld = 8 << 20
	// maxHeldAll bounds what is held of all connections.
	maxHeldAll = 64 << 20
	// heldHead is how much of a larger frame is held: enough for every header.
	heldHead = protocol.MaxRequestHeader
	// maxOpen bounds the requests of a connection that have no answer yet. Beyond it
	// the connection counts as lost.
	maxOpen = 16 << 10
	// frameStart is what says how long a frame is and whose: the length, then the API
	// and version, or the correlation id.
	frameStart = protocol.FrameLengthSize + protocol.MinResponseHeader
)

// stream follows the frames of one connection, to scrub them. It is the recorder's.
type stream struct {
	frames [2]assembly // of requests, of answers
	asked  uint64      // requests so far
	open   []asked     // requests without an answer
	gap    bool        // something was lost: answers may come whose requests are not known
	broken bool        // what passes is not understood any more
}

// asked is a request that waits for its answer.
type asked struct {
	key, version  int16
	correlationID int32
	number        uint64
}

// treatment is what happens to the rest of a frame.
type treatment uint8

const (
	hold  treatment = iota // until what is wanted of it is there
	pass                   // goes on as it is
	zero                   // goes on as zeros
	leave                  // goes nowhere: an answer to a request that is lost
)

// assembly is the frame under way in one direction.
type assembly struct {
	size  int // length included; 0 between frames
	got   int
	want  int // how much is held before anything goes on
	do    treatment
	held  []byte
	start [frameStart]byte
	began int // bytes in start
	asked asked
}

// feed takes the next bytes of one direction, which it may change.
func (r *Recorder) feed(t *Tap, way int, p []byte, at time.Time) {
	s := &t.stream
	a := &s.frames[way]
	if s.broken {
		r.counts.Dropped("unreadable", len(p))
	}
	for len(p) > 0 && !s.broken {
		if a.size == 0 {
			if a.began == 0 && r.feedWhole(t, way, &p, at) {
				continue
			}
			n := copy(a.start[a.began:], p)
			a.began += n
			p = p[n:]
			if a.began < frameStart {
				return
			}
			if !r.beginFrame(t, way, a.start[:]) {
				return
			}
			r.hold(a, a.start[:])
		} else {
			n := min(len(p), a.size-a.got)
			if a.do == hold {
				n = min(n, a.want-a.got)
			}
			r.goOn(t, way, p[:n], at)
			p = p[n:]
		}
		r.settle(t, way, at)
	}
}

// feedWhole takes a frame that p holds all of, without copying it.
func (r *Recorder) feedWhole(t *Tap, way int, p *[]byte, at time.Time) bool {
	if len(*p) < frameStart {
		return false
	}
	size := frameSize(*p)
	if size < frameStart || size > len(*p) || size > maxHeld {
		return false
	}
	frame := (*p)[:size]
	*p = (*p)[size:]
	if !r.beginFrame(t, way, frame) {
		return true
	}
	a := &t.stream.frames[way]
	a.got = size
	if a.do == hold {
		r.whole(t, way, frame, at)
	}
	r.endFrame(t, way)
	return true
}

func frameSize(p []byte) int {
	return protocol.FrameLengthSize + int(int32(binary.BigEndian.Uint32(p)))
}

// beginFrame decides what happens to a frame; false when the connection is not
// followed any more.
func (r *Recorder) beginFrame(t *Tap, way int, start []byte) bool {
	s := &t.stream
	a := &s.frames[way]
	a.size, a.got, a.do = frameSize(start), 0, hold
	if a.size < frameStart {
		r.giveUp(t)
		return false
	}
	if way == down && !s.match(a, int32(binary.BigEndian.Uint32(start[protocol.FrameLengthSize:]))) {
		r.giveUp(t)
		return false
	}
	a.want = a.size
	if a.size > maxHeld || r.held+a.size > maxHeldAll {
		a.want = min(a.size, heldHead)
	}
	return true
}

// match finds the request that an answer belongs to; false when there is none and
// nothing was lost.
func (s *stream) match(a *assembly, correlationID int32) bool {
	if len(s.open) > 0 && s.open[0].correlationID == correlationID {
		a.asked = s.open[0]
		s.open = s.open[1:]
		s.gap = false
		return true
	}
	a.do = leave
	return s.gap
}

// hold keeps bytes until there are enough.
func (r *Recorder) hold(a *assembly, p []byte) {
	a.got += len(p)
	if a.do == hold {
		a.held = append(a.held, p...)
		r.held += len(p)
	}
}

// goOn takes the next bytes of the frame under way.
func (r *Recorder) goOn(t *Tap, way int, p []byte, at time.Time) {
	a := &t.stream.frames[way]
	if a.do == zero {
		clear(p)
		r.counts.Blanked(len(p))
	}
	if a.do == pass || a.do == zero {
		a.got += len(p)
		r.data(t, way, p, at, true)
		return
	}
	r.hold(a, p)
}

// settle goes on once what was wanted of the frame is there, or all of it.
func (r *Recorder) settle(t *Tap, way int, at time.Time) {
	a := &t.stream.frames[way]
	if a.do == hold && a.got == a.want {
		held := a.held
		a.held = nil
		r.held -= len(held)
		if a.want == a.size {
			r.whole(t, way, held, at)
		} else {
			r.head(t, way, held, at)
		}
	}
	if a.got == a.size {
		r.endFrame(t, way)
	}
}

// whole scrubs and records a whole frame.
func (r *Recorder) whole(t *Tap, way int, frame []byte, at time.Time) {
	a := &t.stream.frames[way]
	var ok bool
	if way == down {
		frame, ok = r.scrubber.Answer(a.asked.key, a.asked.version, frame)
	} else {
		h, readable := r.asked(t, frame)
		if !readable {
			return
		}
		frame, ok = r.scrubber.Request(&h, frame)
	}
	if !ok {
		r.counts.Blanked(len(frame))
	}
	r.data(t, way, frame, at, false)
}

// asked takes in what a request asks for, of which at least the header is there. One
// that cannot be read ends the recording of the connection.
func (r *Recorder) asked(t *Tap, frame []byte) (h protocol.RequestHeader, readable bool) {
	h, err := protocol.ParseRequestHeader(frame[protocol.FrameLengthSize:])
	if err != nil {
		r.giveUp(t)
		return h, false
	}
	r.ask(t, &h, frame[protocol.FrameLengthSize+h.Size:])
	return h, true
}

// head records the beginning of a frame that is too large to be held, and decides
// about the rest.
func (r *Recorder) head(t *Tap, way int, prefix []byte, at time.Time) {
	a := &t.stream.frames[way]
	key := a.asked.key
	var keep int
	if way == down {
		keep = scrub.AnswerHead(key, a.asked.version, prefix)
	} else {
		h, readable := r.asked(t, prefix)
		if !readable {
			return
		}
		key, keep = h.Key, scrub.RequestHead(&h, prefix)
	}
	a.do = pass
	if r.scrubber.Blanks(key, way == down) {
		a.do = zero
		clear(prefix[keep:])
		r.counts.Blanked(len(prefix) - keep)
	}
	r.data(t, way, prefix, at, false)
}

// ask notes a request. body is the beginning of what follows its header.
func (r *Recorder) ask(t *Tap, h *protocol.RequestHeader, body []byte) {
	s := &t.stream
	s.asked++
	s.frames[up].asked = asked{h.Key, h.Version, h.CorrelationID, s.asked}
	if h.Key == protocol.Produce {
		if acks, err := protocol.PeekProduceAcks(h.Version, body); err == nil && acks == 0 {
			return // there is no answer
		}
	}
	if len(s.open) >= maxOpen {
		s.open, s.gap = nil, true
		r.entry(&Entry{Kind: Lost, Conn: t.conn, At: r.at}, place{})
	}
	s.open = append(s.open, s.frames[up].asked)
}

func (r *Recorder) endFrame(t *Tap, way int) {
	a := &t.stream.frames[way]
	a.size, a.got, a.began = 0, 0, 0
}

// lose forgets the frames under way and the requests without an answer.
func (r *Recorder) lose(t *Tap) {
	s := &t.stream
	for way := range s.frames {
		r.held -= len(s.frames[way].held)
		s.frames[way] = assembly{}
	}
	s.open, s.gap = nil, true
}

// giveUp records no more of the bytes of a connection, whose frames do not make sense.
func (r *Recorder) giveUp(t *Tap) {
	r.lose(t)
	t.stream.broken = true
	r.entry(&Entry{Kind: Lost, Conn: t.conn, At: r.at}, place{})
}

// data records bytes of a frame; more says that they do not begin it.
func (r *Recorder) data(t *Tap, way int, p []byte, at time.Time, more bool) {
	e := Entry{At: at, Kind: Request, Conn: t.conn}
	if way == down {
		e.Kind = Answer
	}
	for len(p) > 0 {
		n := min(len(p), maxEntry)
		e.Data = p[:n]
		r.entry(&e, place{request: t.stream.frames[way].asked.number, more: more})
		p, more = p[n:], true
	}
}
