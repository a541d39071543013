// Package link is a piece of network that can be made to fail: it forwards TCP connections, and loses, delays or cuts what passes when it is told to.
package link

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Direction is one of the two in which bytes pass.
type Direction int

// Requests go to the broker, Answers come from it.
const (
	Requests Direction = iota + 1
	Answers
)

// Link forwards the connections that come to its address to another address. Each takes two goroutines with a buffer of 64 KiB.
type Link struct {
	to      string
	ln      net.Listener
	running sync.WaitGroup

	mu       sync.Mutex
	hole     chan struct{} // closed when the black hole is over; nil: there is none
	delay    time.Duration
	pairs    map[*pair]bool
	accepted int
	cut      int
	closed   bool
}

// pair is a connection to the link and the one that it is forwarded by. Its fields are guarded by the link's mu.
type pair struct {
	client, broker *net.TCPConn
	lost           bool      // bytes of it fell into a black hole
	cut            Direction // what passes next in this direction is the last
}

// Open forwards what connects to addr.
func Open(addr, to string) (*Link, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &Link{to: to, ln: ln, pairs: map[*pair]bool{}}
	l.running.Go(l.accept)
	return l, nil
}

// Close refuses new connections and resets those that there are.
func (l *Link) Close() {
	_ = l.ln.Close()
	l.Heal()
	l.mu.Lock()
	l.closed = true
	for p := range l.pairs {
		p.reset()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// Swallow makes a black hole of the link: connections stay open, new ones too, and whatever comes is lost, the end of a connection included.
func (l *Link) Swallow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hole == nil {
		l.hole = make(chan struct{})
	}
}

// Delay holds back for so long what brokers send, and at most twice as long when more comes at once.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Heal has everything pass at once again, and nothing more be cut. Connections that have lost bytes are reset: what would follow makes no sense.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = 0
	if l.hole != nil {
		close(l.hole)
		l.hole = nil
	}
	for p := range l.pairs {
		p.cut = 0
		if p.lost {
			p.reset()
		}
	}
}

// Cut resets each connection that there is when bytes pass next in a direction, all but the last of which still arrive: in the middle of a frame.
func (l *Link) Cut(d Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.cut = d
	}
}

// Counts tells how many connections there were, and how many of them were cut.
func (l *Link) Counts() (accepted, cut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted, l.cut
}

func (l *Link) accept() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.forward(conn) })
	}
}

func (l *Link) forward(from net.Conn) {
	defer from.Close()
	client := from.(*net.TCPConn)
	to, err := net.DialTimeout("tcp", l.to, 5*time.Second)
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	defer to.Close()
	p := &pair{client: client, broker: to.(*net.TCPConn)}
	l.mu.Lock()
	l.accepted++
	l.pairs[p] = true
	if l.closed {
		p.reset()
	}
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pump(p, Requests, p.client, p.broker) })
	both.Go(func() { l.pump(p, Answers, p.broker, p.client) })
	both.Wait()
	l.mu.Lock()
	delete(l.pairs, p)
	l.mu.Unlock()
}

// fate is what becomes of bytes that have arrived.
type fate struct {
	hole  <-chan struct{} // they are lost; closed when the black hole is over
	delay time.Duration
	cut   bool
}

func (l *Link) decide(p *pair, d Direction, n int) fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hole != nil {
		p.lost = true
		return fate{hole: l.hole}
	}
	f := fate{cut: p.cut == d && n > 1}
	if f.cut {
		p.cut = 0
		l.cut++
	}
	if d == Answers {
		f.delay = l.delay
	}
	return f
}

// pump passes on what comes in one direction until that ends, or both do.
func (l *Link) pump(p *pair, d Direction, from, to *net.TCPConn) {
	buf := make([]byte, 64<<10)
	for {
		n, ended := from.Read(buf)
		f := l.decide(p, d, n)
		switch {
		case f.hole != nil && ended == nil:
			continue
		case f.hole != nil: // the other side does not hear of the end
			<-f.hole
			p.reset()
			return
		}
		time.Sleep(f.delay)
		if f.cut {
			_, _ = to.Write(buf[:n-1])
			p.reset()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			p.reset()
			return
		}
		if errors.Is(ended, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if ended != nil {
			p.reset()
			return
		}
	}
}

// reset ends both connections as a network does that has forgotten them. Bytes that were written before are read before.
func (p *pair) reset() {
	for _, c := range []*net.TCPConn{p.client, p.broker} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}
