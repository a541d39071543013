package proxy

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// played is the pair of connections of a session of the past: the client's, from
// which its requests are read, and the broker's, from which the answers come. What
// the session writes goes nowhere.
//
// It works in lockstep: give returns when the session has dealt with the bytes
// completely and waits for more on both sides. So the two loops never run at once,
// and requests and answers meet in the order in which they were given.
type played struct {
	client, broker playedConn
	address        string // of the broker

	mu    sync.Mutex
	moved sync.Cond // something below, or of the two connections, has changed
	done  bool      // guarded by mu: no more requests are read, only answers to open ones
	ended bool      // guarded by mu: the session is over
}

// playedConn is one of the two. Deadlines mean nothing to it, but that a session sets
// one for the answers when it reads no more requests (session.awaitAnswers).
type playedConn struct {
	of     *played
	remote net.Addr

	// guarded by of.mu
	data    []byte // not yet read; belongs to whoever gave it, who waits
	closed  bool
	used    bool // the session knows it
	waiting bool // somebody waits in Read
}

func newPlayed(remote netip.AddrPort, broker string) *played {
	p := &played{address: broker}
	p.moved.L = &p.mu
	p.client = playedConn{of: p, remote: net.TCPAddrFromAddrPort(remote), used: true}
	p.broker = playedConn{of: p, remote: &net.TCPAddr{}}
	return p
}

// dial is how the session gets its broker.
func (p *played) dial() (net.Conn, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broker.used = true
	return &p.broker, p.address, nil
}

// give hands on bytes, and reports whether the session has taken them: it has not
// when it is over, or does not know the connection yet.
func (p *played) give(c *playedConn, data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || !c.used || p.done && c == &p.client {
		return false
	}
	c.data = data
	p.moved.Broadcast()
	p.settleLocked()
	taken := len(c.data) == 0
	c.data = nil
	return taken
}

// settle waits until the session waits.
func (p *played) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settleLocked()
}

func (p *played) settleLocked() {
	for !p.ended && !((p.done || p.client.idle()) && (!p.broker.used || p.broker.idle())) {
		p.moved.Wait()
	}
}

// wait waits for the end of the session.
func (p *played) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.ended {
		p.moved.Wait()
	}
}

// end is called when the session is over.
func (p *played) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.moved.Broadcast()
}

// over reports whether the session is over.
func (p *played) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// idle: mu is held.
func (c *playedConn) idle() bool { return c.waiting && len(c.data) == 0 }

// Read implements net.Conn.
func (c *playedConn) Read(b []byte) (int, error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.waiting = true
	c.of.moved.Broadcast() // once: two that wait would wake each other for ever
	for len(c.data) == 0 && !c.closed {
		c.of.moved.Wait()
	}
	c.waiting = false
	if c.closed {
		return 0, net.ErrClosed
	}
	n := copy(b, c.data)
	c.data = c.data[n:]
	return n, nil
}

// Write implements net.Conn.
func (c *playedConn) Write(b []byte) (int, error) { return len(b), nil }

// Close implements net.Conn.
func (c *playedConn) Close() error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.closed = true
	c.of.moved.Broadcast()
	return nil
}

// RemoteAddr implements net.Conn.
func (c *playedConn) RemoteAddr() net.Addr { return c.remote }

// LocalAddr implements net.Conn.
func (c *playedConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline implements net.Conn.
func (c *playedConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *playedConn) SetReadDeadline(time.Time) error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c == &c.of.broker {
		c.of.done = true
		c.of.moved.Broadcast()
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *playedConn) SetWriteDeadline(time.Time) error { return nil }
