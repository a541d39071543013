package proxy

import (
	"net"
	"sync"
)

// writer is the one place where bytes leave towards a socket. Both loops of a
// session may write to the same side (a local answer, an own request), so every
// write says whether it ended at a frame boundary: nobody speaks into the
// middle of another's frame.
type writer struct {
	mu   sync.Mutex
	conn net.Conn
	mid  bool // guarded by mu: the last write ended inside a frame
	err  error
	lull *lull // of its writes; nil where nobody looks
	// seen is shown what is written, before the peer has it. nil while nobody records.
	seen func(p []byte, mid bool)
}

// mostWritten is written in one go, so that a slow peer is seen to take it.
const mostWritten = 1 << 20

// writeLocked writes p; mid says that more bytes of the same frame will follow.
// The first error is sticky, since a stream that lost bytes cannot be resumed.
func (w *writer) writeLocked(p []byte, mid bool) error {
	if w.err != nil {
		return w.err
	}
	w.mid = mid
	if len(p) == 0 {
		return nil
	}
	if w.seen != nil {
		w.seen(p, mid)
	}
	for len(p) > 0 && w.err == nil {
		part := p[:min(len(p), mostWritten)]
		w.lull.step()
		_, w.err = w.conn.Write(part)
		w.lull.step()
		p = p[len(part):]
	}
	return w.err
}

// inFrame reports whether what was written ends inside a frame.
func (w *writer) inFrame() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mid
}
