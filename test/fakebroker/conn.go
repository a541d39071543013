package fakebroker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Patience bounds every wait of this package. No test passes because of it; it only ends those that hang.
const Patience = 15 * time.Second

// Conn is one accepted connection. Its reading methods belong to one goroutine, the script or the serving loop;
// the log methods are safe for any.
type Conn struct {
	ID   int // 0 for the first connection the broker accepted
	conn net.Conn

	mu       sync.Mutex // guards the following
	received []byte
	frames   []*Frame
	readErr  error         // why reading ended
	changed  chan struct{} // closed and replaced at every change above
}

func newConn(id int, c net.Conn) *Conn {
	return &Conn{ID: id, conn: c, changed: make(chan struct{})}
}

// Read takes bytes off the connection and logs them.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.update(func() {
		c.received = append(c.received, p[:n]...)
		if err != nil {
			c.readErr = err
		}
	})
	return n, err
}

func (c *Conn) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Next reads and logs the next request. It returns io.EOF when the peer closed at a frame's border.
func (c *Conn) Next() (*Frame, error) {
	raw, err := readFrame(c)
	if err != nil {
		return nil, err
	}
	f, err := parseRequest(raw)
	if err != nil {
		return nil, err
	}
	c.update(func() { c.frames = append(c.frames, f) })
	return f, nil
}

// Reply answers a request with the given body under the right response header.
func (c *Conn) Reply(f *Frame, body []byte) error {
	return c.Send(AppendResponse(nil, f.Key, f.Version, f.CorrelationID, body))
}

// Send writes raw bytes.
func (c *Conn) Send(raw []byte) error {
	_, err := c.conn.Write(raw)
	return err
}

// SendBytewise writes raw bytes one write per byte, so that the peer sees every possible split.
func (c *Conn) SendBytewise(raw []byte) error {
	for i := range raw {
		if err := c.Send(raw[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// HalfClose ends our sending side; reading goes on.
func (c *Conn) HalfClose() error {
	hc, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T cannot be half-closed", c.conn)
	}
	return hc.CloseWrite()
}

// Reset aborts the connection, so that the peer sees a reset and not an orderly end.
func (c *Conn) Reset() error {
	if tc, ok := c.conn.(*net.TCPConn); ok {
		if err := tc.SetLinger(0); err != nil {
			return err
		}
	}
	return c.conn.Close()
}

// Close closes the connection in an orderly way.
func (c *Conn) Close() error { return c.conn.Close() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Received returns a copy of every byte received so far.
func (c *Conn) Received() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.received...)
}

// Frames returns the requests received so far, in order.
func (c *Conn) Frames() []*Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Frame(nil), c.frames...)
}

// WaitFrames waits until at least n requests have been received and returns all received by then.
func (c *Conn) WaitFrames(tb testing.TB, n int) []*Frame {
	tb.Helper()
	c.wait(tb, fmt.Sprintf("%d requests", n), func() bool { return len(c.frames) >= n })
	return c.Frames()
}

// WaitReceived waits until at least n raw bytes have been received and returns all received by then.
func (c *Conn) WaitReceived(tb testing.TB, n int) []byte {
	tb.Helper()
	c.wait(tb, fmt.Sprintf("%d bytes", n), func() bool { return len(c.received) >= n })
	return c.Received()
}

// WaitEnd waits until the peer has ended or aborted its sending side, and returns how: io.EOF or an error.
func (c *Conn) WaitEnd(tb testing.TB) error {
	tb.Helper()
	c.wait(tb, "the end of the connection", func() bool { return c.readErr != nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readErr
}

// wait polls cond, called with mu held, at every change of the log.
func (c *Conn) wait(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		ok, changed := cond(), c.changed
		state := fmt.Sprintf("%d requests, %d bytes, end: %v", len(c.frames), len(c.received), c.readErr)
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			tb.Fatalf("fakebroker: connection %d: waited in vain for %s (has %s)", c.ID, what, state)
		}
	}
}

// ended reports whether err is an orderly or disorderly end of the peer, as opposed to bytes we cannot read.
func ended(err error) bool {
	var ne *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &ne) || errors.Is(err, io.ErrUnexpectedEOF)
}
