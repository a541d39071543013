package fakebroker

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Handler answers one request with a response body in the request's version; the broker adds the header.
// A nil body means no answer, as for Produce with acks=0. A handler that blocks holds back all later answers of
// its connection, while requests go on being read and logged.
type Handler func(f *Frame) []byte

// Broker listens on a loopback port. Make it with [New].
type Broker struct {
	// set at construction
	tb     testing.TB
	ln     net.Listener
	nodeID int32
	closed chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex // guards the following
	handlers map[int16]Handler
	scripts  [][]Step
	conns    []*Conn
	changed  chan struct{} // closed and replaced when conns grows
}

// Option changes how [New] starts a broker.
type Option func(*Broker)

// NodeID sets the node id the default Metadata answer names; the default is 1.
func NodeID(id int32) Option { return func(b *Broker) { b.nodeID = id } }

// TLS makes the broker speak TLS with this configuration.
func TLS(c *tls.Config) Option { return func(b *Broker) { b.ln = tls.NewListener(b.ln, c) } }

// New starts a broker on a free loopback port and closes it, with all its connections, at the end of the test.
func New(tb testing.TB, opts ...Option) *Broker {
	tb.Helper()
	return NewAt(tb, "127.0.0.1:0", opts...)
}

// NewAt is [New] on a given address, for a broker that comes back where it was.
func NewAt(tb testing.TB, addr string, opts ...Option) *Broker {
	tb.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		tb.Fatalf("fakebroker: %v", err)
	}
	b := &Broker{tb: tb, ln: ln, nodeID: 1, closed: make(chan struct{}), changed: make(chan struct{}), handlers: map[int16]Handler{}}
	for _, o := range opts {
		o(b)
	}
	b.defaults()
	b.wg.Go(b.accept)
	tb.Cleanup(b.Close)
	return b
}

// Addr is the address the broker listens on, host:port.
func (b *Broker) Addr() string { return b.ln.Addr().String() }

// HostPort is Addr in two parts, as Metadata names it.
func (b *Broker) HostPort() (host string, port int32) {
	h, p, err := net.SplitHostPort(b.Addr())
	if err != nil {
		panic(err) // a listener's own address always splits
	}
	n, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		panic(err)
	}
	return h, int32(n)
}

// Handle sets the answer of one API key, replacing the earlier one.
func (b *Broker) Handle(key int16, h Handler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlers[key] = h
}

// Script makes the next connection that has no script yet run these steps instead of the handlers.
// The first failing step fails the test and closes the connection; so does the end of the script, without failing.
func (b *Broker) Script(steps ...Step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scripts = append(b.scripts, steps)
}

// Conn waits for the n-th accepted connection, counted from 0.
func (b *Broker) Conn(tb testing.TB, n int) *Conn {
	tb.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		conns, changed := b.conns, b.changed
		b.mu.Unlock()
		if n < len(conns) {
			return conns[n]
		}
		select {
		case <-changed:
		case <-timeout.C:
			tb.Fatalf("fakebroker: waited in vain for connection %d (has %d)", n, len(conns))
		}
	}
}

// Conns returns all connections accepted so far, closed ones too.
func (b *Broker) Conns() []*Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*Conn(nil), b.conns...)
}

// Close stops listening, closes every connection and waits for all goroutines. Calling it again does nothing.
func (b *Broker) Close() {
	b.mu.Lock()
	select {
	case <-b.closed:
		b.mu.Unlock()
		return
	default:
	}
	close(b.closed)
	conns := b.conns
	b.mu.Unlock()
	_ = b.ln.Close()
	for _, c := range conns {
		_ = c.Close()
	}
	b.wg.Wait()
}

func (b *Broker) accept() {
	for {
		nc, err := b.ln.Accept()
		if err != nil {
			return
		}
		c, steps, scripted := b.admit(nc)
		if c == nil {
			_ = nc.Close()
			return
		}
		b.wg.Go(func() {
			defer func() { _ = c.Close() }()
			if scripted {
				b.runScript(c, steps)
				return
			}
			b.serve(c)
		})
	}
}

// admit registers a connection and takes its script, if one waits. It returns nil once the broker is closed.
func (b *Broker) admit(nc net.Conn) (c *Conn, steps []Step, scripted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.closed:
		return nil, nil, false
	default:
	}
	c = newConn(len(b.conns), nc)
	b.conns = append(b.conns, c)
	close(b.changed)
	b.changed = make(chan struct{})
	if len(b.scripts) > 0 {
		steps, scripted = b.scripts[0], true
		b.scripts = b.scripts[1:]
	}
	return c, steps, scripted
}

// serve reads ahead (up to 1024 requests) and answers in order.
func (b *Broker) serve(c *Conn) {
	queue := make(chan *Frame, 1024)
	b.wg.Go(func() {
		defer close(queue)
		for {
			f, err := c.Next()
			if err != nil {
				if !ended(err) {
					b.fail("connection %d: %v", c.ID, err)
				}
				return
			}
			select {
			case queue <- f:
			case <-b.closed:
				return
			}
		}
	})
	for f := range queue {
		if !b.answer(c, f) {
			// The peer is gone or gets no further answer: close, and let the reader end.
			_ = c.Close()
			for range queue {
				continue
			}
			return
		}
	}
}

func (b *Broker) answer(c *Conn, f *Frame) bool {
	b.mu.Lock()
	h := b.handlers[f.Key]
	b.mu.Unlock()
	if h == nil {
		b.fail("connection %d: no handler for key %d version %d", c.ID, f.Key, f.Version)
		return false
	}
	body := h(f)
	if body == nil {
		return true
	}
	return c.Reply(f, body) == nil
}

// fail reports a mistake of the test's traffic, unless the broker is closed already (then nobody asked).
func (b *Broker) fail(format string, args ...any) {
	select {
	case <-b.closed:
	default:
		b.tb.Errorf("fakebroker: %s", fmt.Sprintf(format, args...))
	}
}
