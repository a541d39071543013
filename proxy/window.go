package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"warder/protocol"
)

// windowSize is the read buffer of one direction while bytes are in it. 32 KiB
// beats 64 KiB on loopback, whose segments of 64 KiB and a little straddle the larger one.
const windowSize = 32 << 10

type windowBuffer [windowSize]byte

var windowPool = sync.Pool{New: func() any { return new(windowBuffer) }}

// errStop is what a window returns from wait when the session is asked to end
// at the next frame boundary.
var errStop = errors.New("asked to stop at a frame boundary")

// window reads one direction of a connection and passes bytes on. It holds a
// pooled buffer only while bytes are in it, so an idle connection costs none.
//
//	buf: [ ... sent ... r ... w ... ]
//	       written  passed  unread
//
// Bytes between sent and r are decided to pass and go out in one write before
// the window blocks or runs full. It belongs to one goroutine.
type window struct {
	// set at construction
	src     net.Conn
	now     func() time.Time
	sock    *socket // src, or nil when it is none (TLS, in-memory pipe)
	beneath *socket // src, or what is beneath its TLS; nil when there is none
	flush   func(p []byte, midFrame bool) error
	// patience gives the deadline that replaces one that passed inside a frame;
	// ok false ends the session. See session.stop.
	patience func() (until time.Time, ok bool)
	lull     *lull // of reads inside a frame; nil where nobody looks
	// seen is shown what pass forwards; begins says that a frame begins there. nil
	// while nobody records.
	seen func(p []byte, begins bool)

	// owned by the loop
	buf        *windowBuffer
	sent, r, w int
	midFrame   bool // the passed bytes end inside a frame
	lastFrame  bool // patience was given: nothing is read beyond the frame at hand
	readAt     time.Time
	received   int64
	first      [64]byte // where another source than a socket is read while no buffer is held
}

func newWindow(src net.Conn, now func() time.Time, flush func([]byte, bool) error, patience func() (time.Time, bool)) *window {
	sock, _ := src.(*socket)
	return &window{src: src, sock: sock, beneath: socketOf(src), now: now, flush: flush, patience: patience}
}

// buffered returns the number of unread bytes.
func (w *window) buffered() int { return w.w - w.r }

// wait returns once at least one byte is unread. It is called at a frame
// boundary only: it writes out what has been passed and lets go of the buffer.
// io.EOF is a clean end, errStop the end of waiting by request; after errRest it may be called again.
func (w *window) wait() error {
	if w.buffered() > 0 {
		return nil
	}
	if err := w.push(); err != nil {
		return err
	}
	w.detach()
	if w.lastFrame {
		return errStop
	}
	n, err := w.readIdle()
	if n > 0 {
		w.readAt = w.now()
		w.received += int64(n)
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errStop
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// readIdle reads the first bytes after a pause, taking a buffer only when they are there.
func (w *window) readIdle() (int, error) {
	if w.beneath != nil {
		w.beneath.mayRest = true
		defer func() { w.beneath.mayRest = false }()
	}
	if w.sock != nil {
		n, err := w.sock.readLent(w)
		w.w = n
		return n, err
	}
	n, err := w.src.Read(w.first[:])
	if n > 0 {
		w.attach()
		w.w = copy(w.buf[:], w.first[:n])
	}
	return n, err
}

// lend and takeBack implement lender: a window that waits holds no buffer.
func (w *window) lend() []byte {
	w.attach()
	return w.buf[:]
}

func (w *window) takeBack() { w.detach() }

func (w *window) attach() {
	if w.buf == nil {
		w.buf, _ = windowPool.Get().(*windowBuffer)
		w.sent, w.r, w.w = 0, 0, 0
	}
}

func (w *window) detach() {
	if w.buf != nil {
		windowPool.Put(w.buf)
		w.buf = nil
	}
	w.sent, w.r, w.w = 0, 0, 0
}

// push writes out the passed bytes.
func (w *window) push() error {
	var p []byte
	if w.buf != nil {
		p = w.buf[w.sent:w.r]
	}
	err := w.flush(p, w.midFrame)
	w.sent = w.r
	return err
}

// peek makes the next n bytes (n <= windowSize) contiguous and returns them
// without consuming them. They are valid until the next call on the window.
func (w *window) peek(n int) ([]byte, error) {
	for w.buffered() < n {
		if err := w.fill(n - w.buffered()); err != nil {
			return nil, err
		}
	}
	return w.buf[w.r : w.r+n], nil
}

// fill reads more bytes of a frame that has begun and lacks need. It writes out
// the passed bytes first, so that nothing waits for a slow sender.
func (w *window) fill(need int) error {
	if err := w.push(); err != nil {
		return err
	}
	w.attach()
	if w.r == w.w {
		w.sent, w.r, w.w = 0, 0, 0
	} else if w.w == windowSize {
		w.w = copy(w.buf[:], w.buf[w.r:w.w])
		w.sent, w.r = 0, 0
	}
	n, err := w.read(w.buf[w.w:], need)
	w.w += n
	return err
}

// read reads at least one byte inside a frame that lacks need bytes. When a
// deadline passes that was set to stop the session at a boundary, the frame
// that has begun still counts: it is read to its end and no further.
func (w *window) read(p []byte, need int) (int, error) {
	for {
		if w.lastFrame {
			p = p[:min(len(p), need)]
		}
		w.lull.step()
		n, err := w.src.Read(p)
		w.lull.step()
		if n > 0 {
			w.readAt = w.now()
			w.received += int64(n)
			return n, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if until, ok := w.patience(); ok && !w.lastFrame {
				w.lastFrame = true
				if err := w.src.SetReadDeadline(until); err == nil {
					continue
				}
			}
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
}

// pass forwards the next n bytes unread, streaming what does not fit the window.
// last says that they end the frame.
func (w *window) pass(n int, last bool) error {
	if n <= w.buffered() {
		w.over(n, true)
		w.midFrame = !last
		return nil
	}
	w.midFrame = true
	for begins := true; n > 0; begins = false {
		if w.buffered() == 0 {
			if err := w.fill(n); err != nil {
				return err
			}
		}
		k := min(n, w.buffered())
		w.over(k, begins)
		n -= k
	}
	w.midFrame = !last
	return nil
}

// over steps over the next n bytes, which are buffered, and shows them to who records.
func (w *window) over(n int, begins bool) {
	if w.seen != nil {
		w.seen(w.buf[w.r:w.r+n], begins)
	}
	w.r += n
}

// take consumes the next n bytes without passing them on. They are in the window
// when they fit (frame nil), else gathered in a pooled frame that the caller
// releases. They are valid until the next call on the window.
func (w *window) take(n int) (p []byte, frame *protocol.Frame, err error) {
	if n <= windowSize {
		if p, err = w.peek(n); err != nil {
			return nil, nil, err
		}
		if err = w.push(); err != nil {
			return nil, nil, err
		}
		w.r += n
		w.sent = w.r
		return p, nil, nil
	}
	frame, err = w.gather(n)
	if err != nil {
		return nil, nil, err
	}
	return frame.Bytes()[:n], frame, nil
}

// look is take for a caller that will most likely pass the bytes on as they are:
// a frame within the window stays there unconsumed (frame nil) and goes out with its neighbours by pass.
func (w *window) look(n int) (p []byte, frame *protocol.Frame, err error) {
	if n <= windowSize {
		p, err = w.peek(n)
		return p, nil, err
	}
	return w.take(n)
}

func (w *window) gather(n int) (*protocol.Frame, error) {
	if err := w.push(); err != nil {
		return nil, err
	}
	return protocol.ReadFrame((*frameReader)(w), n)
}

// frameReader is the window as a source of one frame's bytes: first those that it holds.
type frameReader window

// Read implements io.Reader.
func (f *frameReader) Read(p []byte) (int, error) {
	w := (*window)(f)
	if w.buffered() == 0 {
		w.detach()
		return w.read(p, len(p))
	}
	n := copy(p, w.buf[w.r:w.w])
	w.r += n
	w.sent = w.r
	return n, nil
}

// write sends p in place of bytes that were taken; last says that it ends the frame.
func (w *window) write(p []byte, last bool) error {
	if w.r > w.sent {
		if err := w.push(); err != nil {
			return err
		}
	}
	w.midFrame = !last
	return w.flush(p, w.midFrame)
}

// frameCursor lets a streaming walker of package protocol read a frame through
// the window: what it advances over is passed on.
type frameCursor struct {
	w    *window
	left int
}

// Peek implements protocol.Cursor.
func (c *frameCursor) Peek(n int) ([]byte, error) {
	if n > c.left {
		return nil, io.ErrUnexpectedEOF
	}
	return c.w.peek(n)
}

// Advance implements protocol.Cursor.
func (c *frameCursor) Advance(n int) error {
	if n > c.left {
		return io.ErrUnexpectedEOF
	}
	c.left -= n
	return c.w.pass(n, c.left == 0)
}

// passBuffered passes the next n bytes, which are buffered, and returns them. They
// stay where they are until more is read into the window; writing them out does
// not move them.
func (c *frameCursor) passBuffered(n int) ([]byte, error) {
	p, err := c.Peek(n)
	if err != nil {
		return nil, err
	}
	return p, c.Advance(n)
}

// copyWhilePassing passes the next len(dst) bytes as they come, and copies them.
func (c *frameCursor) copyWhilePassing(dst []byte) error {
	for len(dst) > 0 {
		p, err := c.passBuffered(min(len(dst), max(c.w.buffered(), 1)))
		if err != nil {
			return err
		}
		dst = dst[copy(dst, p):]
	}
	return nil
}

// replace sends p in place of the next len(p) bytes.
func (c *frameCursor) replace(p []byte) error {
	if _, _, err := c.w.take(len(p)); err != nil {
		return err
	}
	c.left -= len(p)
	return c.w.write(p, c.left == 0)
}

// Remaining implements protocol.Cursor.
func (c *frameCursor) Remaining() int { return c.left }
