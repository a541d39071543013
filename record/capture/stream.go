package capture

import (
	"slices"
	"time"
)

// after says whether sequence number a is behind b: they wrap around, and are
// compared within half of their range (RFC 9293 section 3.4).
func after(a, b uint32) bool { return int32(a-b) > 0 }

// piece is the payload of a segment that waits for its turn.
type piece struct {
	seq     uint32
	ack     uint32 // how much the sender had received when it sent this
	data    []byte // a copy
	missing int    // bytes behind data that were not captured
}

func (p *piece) size() int { return len(p.data) + p.missing }

func (p *piece) end() uint32 { return p.seq + uint32(p.size()) }

// from is what a piece holds from a sequence number on.
func (p piece) from(seq uint32) piece {
	old := int(int32(seq - p.seq))
	if old <= 0 {
		return p
	}
	cut := min(old, len(p.data))
	p.data, p.missing = p.data[cut:], max(p.missing-(old-cut), 0)
	p.seq = seq
	return p
}

// until is what a piece holds before a sequence number.
func (p piece) until(seq uint32) piece {
	keep := int(int32(seq - p.seq))
	if keep >= p.size() {
		return p
	}
	p.missing = max(keep-len(p.data), 0)
	p.data = p.data[:min(keep, len(p.data))]
	return p
}

// stream puts the bytes of one direction of a connection in order. Of bytes that come
// twice the first copy counts.
type stream struct {
	next  uint32 // sequence number of the byte whose turn it is
	known bool   // next is
	isn   uint32 // sequence number of the SYN, if that was seen
	began bool   // it was
	acked uint32 // how far the receiver has acknowledged
	hears bool   // acked is known
	ends  bool   // a FIN was seen, at end
	end   uint32

	waiting []piece // in the order of their sequence numbers
	held    int     // bytes of waiting

	since     time.Time // since when the byte whose turn it is has been missing; zero: it is not
	confirmed time.Time // the same, for bytes that the receiver has acknowledged
}

// begin is told where the sequence numbers begin, if it does not know yet.
func (s *stream) begin(seq uint32) {
	if !s.known {
		s.next, s.known = seq, true
	}
}

// behind says whether bytes are missing that the receiver has.
func (s *stream) behind() bool { return s.known && s.hears && after(s.received(), s.next) }

// received is how far the receiver is. A FIN takes a sequence number, and is no byte.
func (s *stream) received() uint32 {
	if s.ends && s.acked == s.end+1 {
		return s.end
	}
	return s.acked
}

// gap says whether the byte whose turn it is is missing though later ones are
// here, or were received.
func (s *stream) gap() bool {
	return s.behind() || len(s.waiting) > 0 && after(s.waiting[0].seq, s.next)
}

// acknowledge notes how far the receiver says it is.
func (s *stream) acknowledge(ack uint32, now time.Time) {
	if !s.hears || after(ack, s.acked) {
		s.acked, s.hears = ack, true
	}
	s.look(now)
}

// look begins or ends the waits, after something has changed.
func (s *stream) look(now time.Time) {
	s.since = begun(s.since, s.gap(), now)
	s.confirmed = begun(s.confirmed, s.behind(), now)
}

// begun is since when something lasts that lasts at the moment or does not.
func begun(since time.Time, lasts bool, now time.Time) time.Time {
	switch {
	case !lasts:
		return time.Time{}
	case since.IsZero():
		return now
	}
	return since
}

// moved begins the waits anew: what is missing now is something else.
func (s *stream) moved(now time.Time) {
	s.since, s.confirmed = time.Time{}, time.Time{}
	s.look(now)
}

// overdue says whether what is missing counts as lost.
func (s *stream) overdue(now time.Time) bool {
	return s.held > maxHeld || len(s.waiting) > maxHeldSegments ||
		!s.confirmed.IsZero() && now.Sub(s.confirmed) >= reorderWait ||
		!s.since.IsZero() && now.Sub(s.since) >= holeWait
}

// lost is how many bytes are missing before the next ones that can be given; 0 if none are.
func (s *stream) lost() int {
	switch {
	case len(s.waiting) > 0 && !after(s.waiting[0].seq, s.next):
		return 0
	case len(s.waiting) > 0 && (!s.behind() || after(s.acked, s.waiting[0].seq)):
		return int(s.waiting[0].seq - s.next)
	case s.behind():
		return int(s.received() - s.next)
	}
	return 0
}

// hold keeps of a piece what is not waiting yet until its turn, and gives how many
// bytes that takes.
func (s *stream) hold(p piece) (kept int) {
	i, _ := slices.BinarySearchFunc(s.waiting, p.seq, func(w piece, seq uint32) int {
		if after(w.end(), seq) {
			return 1
		}
		return -1
	})
	for p.size() > 0 {
		if i < len(s.waiting) && !after(s.waiting[i].seq, p.seq) {
			p = p.from(s.waiting[i].end())
			i++
			continue
		}
		part := p
		if i < len(s.waiting) {
			part = p.until(s.waiting[i].seq)
		}
		p = p.from(part.end())
		part.data = slices.Clone(part.data)
		s.waiting = slices.Insert(s.waiting, i, part)
		kept += len(part.data)
		i++
	}
	s.held += kept
	return kept
}

// take gives the first piece that waits, if its turn has come.
func (s *stream) take() piece {
	p := s.waiting[0]
	s.waiting[0] = piece{}
	s.waiting = s.waiting[1:]
	s.held -= len(p.data)
	if len(s.waiting) == 0 {
		s.waiting = nil
	}
	return p
}

// over says whether everything up to the FIN has been given.
func (s *stream) over() bool { return s.ends && s.known && !after(s.end, s.next) }
