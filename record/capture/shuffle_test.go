package capture_test

import (
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"warder/record"
	"warder/record/capture"
)

// chatter is a connection with requests of all sizes, some of them pipelined.
type chatter struct {
	*line
	rng           *rand.Rand
	asks, replies [][]byte
}

func newChatter(t *testing.T, rng *rand.Rand, exchanges int) *chatter {
	t.Helper()
	l := newLine(t, clientHere, brokerHere)
	l.up, l.down = rng.Uint32(), rng.Uint32()
	c := &chatter{line: l.open(), rng: rng}
	for id := int32(0); id < int32(exchanges); {
		n := 1 + rng.IntN(4)
		var asks, replies []byte
		for range n {
			acks := int16(rng.IntN(2))
			ask, reply := produce(id, acks, rng.IntN(3000)), answer(id, make([]byte, rng.IntN(2000))...)
			switch rng.IntN(10) {
			case 0:
				ask = produce(id, acks, 70_000+rng.IntN(90_000))
			case 1:
				ask, reply, acks = heartbeat(id), answer(id, make([]byte, 70_000+rng.IntN(90_000))...), 1
			case 2, 3:
				ask, acks = heartbeat(id), 1
			}
			c.asks, asks = append(c.asks, ask), append(asks, ask...)
			if acks != 0 {
				c.replies, replies = append(c.replies, reply), append(replies, reply...)
			}
			id++
		}
		c.cut(asks, c.ask)
		c.cut(replies, c.reply)
	}
	c.close()
	return c
}

// cut sends bytes in segments of any size.
func (c *chatter) cut(b []byte, send func(...[]byte) *line) {
	for len(b) > 0 {
		n := min(len(b), 1+c.rng.IntN(1+c.rng.IntN(9000)))
		send(b[:n])
		b = b[n:]
	}
}

// shuffle moves packets by up to a few places and sends some twice. The handshake stays.
func (c *chatter) shuffle(window int, twice float64) {
	all := *c.list
	var times []time.Time
	type placed struct {
		at float64
		p  capture.Packet
	}
	var places []placed
	for i, p := range all {
		times = append(times, p.At)
		jitter := 0.0
		if i > 2 {
			jitter = c.rng.Float64() * float64(window)
		}
		places = append(places, placed{float64(i) + jitter, p})
		if i > 2 && c.rng.Float64() < twice {
			places = append(places, placed{float64(i) + float64(c.rng.IntN(20)), p})
		}
	}
	slices.SortStableFunc(places, func(a, b placed) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	*c.list = nil
	for i, p := range places {
		p.p.At = times[min(i, len(times)-1)]
		*c.list = append(*c.list, p.p)
	}
}

// Whatever segments the bytes are cut into, and in whatever order and how often they
// come: what is given is what was sent.
func TestShuffledSegmentsGiveTheSameBytes(t *testing.T) {
	for seed := range uint64(60) {
		c := newChatter(t, rand.New(rand.NewPCG(seed, 1)), 40)
		c.shuffle(6, 0.1)
		got := c.read()
		got.asked(c.asks...).replied(c.replies...)
		if got.counts.Losses != 0 || got.counts.Requests != uint64(len(c.asks)) || got.counts.Answers != uint64(len(c.replies)) {
			t.Errorf("%+v", got.counts)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// What is lost costs requests, and invents none. A large one may have zeros at its end.
func TestLossInventsNothing(t *testing.T) {
	given, sent := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		c := newChatter(t, rng, 60)
		c.shuffle(3, 0.05)
		*c.list = slices.DeleteFunc(*c.list, func(capture.Packet) bool { return rng.IntN(40) == 0 })
		if seed%3 == 0 { // begun before the capture
			*c.list = (*c.list)[min(10, len(*c.list)):]
		}
		got := c.read()
		sent += len(c.asks)
		for conn := range got.up {
			given += genuine(t, got.up[conn], c.asks)
			genuine(t, got.down[conn], c.replies)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	if given < sent/3 {
		t.Errorf("only %d of %d requests were given", given, sent)
	}
}

// genuine counts the frames of a stream, each of which is one of those that were sent, in
// their order.
func genuine(t *testing.T, b []byte, sent [][]byte) (n int) {
	t.Helper()
	newContract(t).frames(b, func(frame []byte) {
		for len(sent) > 0 {
			whole := sent[0][4:]
			sent = sent[1:]
			if slices.Equal(frame, whole) || len(frame) == len(whole) && len(frame) > 60_000 && filledUp(frame, whole) {
				n++
				return
			}
		}
		t.Errorf("a frame that was not sent: %d bytes %.40x…", len(frame), frame)
	})
	return n
}

// filledUp says whether a frame is another one up to somewhere, and zeros from there on.
func filledUp(frame, whole []byte) bool {
	i := 0
	for i < len(frame) && frame[i] == whole[i] {
		i++
	}
	return !slices.ContainsFunc(frame[i:], func(b byte) bool { return b != 0 })
}

// Memory is bounded however much waits for bytes that do not come.
func TestHeldBytesAreBounded(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.ask(heartbeat(2)).lose()
	feed := &endless{line: l, chunk: make([]byte, 32<<10), left: 4000}
	s := capture.New(feed, nil)
	feed.held = s.Held
	readAll(t, s)
	if got := s.Counts(); got.Losses == 0 || feed.most < 1<<20 || feed.most > 8<<20 {
		t.Errorf("up to %d bytes held, %+v", feed.most, got)
	}
	if s.Held() > 1<<20 {
		t.Errorf("%d bytes are still held", s.Held())
	}
}

// endless sends chunks of a client that nobody acknowledges.
type endless struct {
	*line
	chunk []byte
	left  int
	held  func() int
	most  int
}

func (e *endless) Read() (capture.Packet, error) {
	e.most = max(e.most, e.held())
	if len(*e.list) == 0 {
		if e.left--; e.left < 0 {
			return capture.Packet{}, io.EOF
		}
		e.send(true, e.up, e.down, "A", e.chunk)
		e.up += uint32(len(e.chunk))
	}
	p := (*e.list)[0]
	*e.list = (*e.list)[1:]
	return p, nil
}

// readLoosely reads a source of which nothing is known to its end.
func readLoosely(t *testing.T, s *capture.Source) {
	t.Helper()
	c := newContract(t)
	for {
		e, err := s.Next()
		if err != nil {
			return
		}
		if e.Kind != record.Passed {
			c.take(e)
		}
	}
}
