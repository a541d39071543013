package record

import (
	"time"

	"warder/rules"
)

// Tap is where a session tells what passes. A nil Tap records nothing. Requests are
// told by one goroutine, and answers by one at a time.
type Tap struct {
	// set at construction
	recorder *Recorder
	conn     uint64

	// guarded by recorder.queue.mu
	principal string  // that was told last
	missing   [2]bool // of requests, of answers: dropped until the next frame begins
	middle    bool    // the last answer bytes ended inside a frame
	ended     bool

	stream stream // the recorder's
}

// The two ways of a connection.
const (
	up   = 0 // requests
	down = 1 // answers
)

// Open begins to record a connection; opened is its entry of kind Opened. It is called
// before anything passes.
func (r *Recorder) Open(opened *Entry) *Tap {
	if r == nil {
		return nil
	}
	t := &Tap{recorder: r, conn: opened.Conn}
	if opened.Identity != nil {
		t.principal = opened.Identity.Principal
	}
	q := &r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.putLocked(item{at: opened.At, kind: Opened, tap: t, entry: opened})
	return t
}

// tapPiece is how many bytes are copied and handed over at once.
const tapPiece = 256 << 10

// Request records bytes of a request, before any of them goes on: either a frame from
// its beginning, or where begins is false the bytes that follow those told before.
func (t *Tap) Request(p []byte, at time.Time, begins bool, id *rules.Identity) {
	if t == nil {
		return
	}
	for len(p) > 0 {
		n := min(len(p), tapPiece)
		t.put(up, p[:n], at, begins, id)
		p, begins = p[n:], false
	}
}

// Answer records bytes to the client, before it has them; mid says that they end
// inside a frame.
func (t *Tap) Answer(p []byte, at time.Time, mid bool) {
	if t == nil {
		return
	}
	for len(p) > 0 {
		n := min(len(p), tapPiece)
		t.put(down, p[:n], at, mid || n < len(p), nil)
		p = p[n:]
	}
}

// put hands bytes over, or drops them when there is no room. flag is begins of a
// request, mid of an answer.
func (t *Tap) put(way int, p []byte, at time.Time, flag bool, id *rules.Identity) {
	q := &t.recorder.queue
	it := item{at: at, kind: Request, tap: t, flag: flag}
	if way == down {
		it.kind = Answer
	}
	it.data, it.frame = copyOf(p)
	q.mu.Lock()
	defer q.mu.Unlock()
	begins := flag
	if way == down {
		begins, t.middle = !t.middle, flag
	}
	if !q.roomLocked(it.cost()) || t.missing[way] && !begins {
		t.dropLocked(way, &it)
		return
	}
	t.missing[way] = false
	if id != nil && id.Principal != t.principal {
		t.principal = id.Principal
		q.putLocked(item{at: at, kind: Identified, tap: t, entry: &Entry{Identity: id}})
	}
	q.putLocked(it)
}

// dropLocked leaves bytes out. What is missing begins for both ways at once, so that
// whole frames stand before and after it. mu is held.
func (t *Tap) dropLocked(way int, it *item) {
	q := &t.recorder.queue
	if !t.missing[way] && !q.closed {
		q.putLocked(item{at: it.at, kind: Lost, tap: t})
		t.missing = [2]bool{true, true}
	}
	t.recorder.dropped(len(it.data))
	it.release()
}

// Close ends the recording of the connection; byBroker says that the client did not
// end it.
func (t *Tap) Close(at time.Time, byBroker bool) {
	if t == nil {
		return
	}
	q := &t.recorder.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if !t.ended && !q.closed {
		t.ended = true
		q.putLocked(item{at: at, kind: Closed, tap: t, flag: byBroker})
	}
}
