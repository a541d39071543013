package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// socket is a TCP connection whose system calls Go's scheduler is not told of. They
// never block, since the sockets of package net do not, and are over in microseconds.
// When it is told of them its monitor, where processors are few, takes the processor
// from whoever is in one every now and then and wakes a thread to go on with it, which
// was a third of all switches between threads, and a tenth of what forwarding costs.
//
// One goroutine reads, and one at a time writes.
type socket struct {
	net.Conn // tcp, of which not all is in reach: io.Copy would pass Read by
	tcp      *net.TCPConn
	raw      syscall.RawConn
	in, out  transfer
	mayRest  bool // set by the reader: it is to be told of a nudge

	mu       sync.Mutex
	deadline time.Time // guarded by mu: of reads, as it was set
	nudged   bool      // guarded by mu: another deadline is in its place, to wake the reader

	token uint64 // guarded by sleepers.mu; 0: it has never been with them
}

// transfer is the call at hand in one direction of a socket.
type transfer struct {
	p    []byte
	room lender // of a reader, in the place of p
	n    int
	err  error
	step func(fd uintptr) bool // the body of RawConn.Read or RawConn.Write, made once
}

// lender has room for what is read, when there may be something to read.
type lender interface {
	lend() []byte // not empty
	takeBack()    // after lend, when nothing was read
}

// asSocket returns conn as a socket if it is one, else conn.
func asSocket(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	s := &socket{Conn: tcp, tcp: tcp, raw: raw}
	s.in.step, s.out.step = s.readStep, s.writeStep
	return s
}

// tcpOf gives the TCP connection beneath conn, if there is one.
func tcpOf(conn net.Conn) (*net.TCPConn, bool) {
	if s := socketOf(conn); s != nil {
		return s.tcp, true
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
}

// socketOf gives the socket beneath conn; nil when there is none.
func socketOf(conn net.Conn) *socket {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	s, _ := conn.(*socket)
	return s
}

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline, s.nudged = t, false
	return s.tcp.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error {
	if err := s.SetWriteDeadline(t); err != nil {
		return err
	}
	return s.SetReadDeadline(t)
}

// nudge wakes the reader. One that may rest gets errRest, unless it has something to read or
// its deadline has passed; any other does not notice.
func (s *socket) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nudged = true
	s.tcp.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // of a closed socket the reader hears
}

// wasNudged reports whether a read ended by a deadline before the one that was set, and puts that one back.
func (s *socket) wasNudged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
		return false
	case !s.nudged: // it has been set since
		return true
	}
	s.nudged = false
	return s.tcp.SetReadDeadline(s.deadline) == nil
}

// CloseWrite ends what is said on the connection, and goes on reading.
func (s *socket) CloseWrite() error { return s.tcp.CloseWrite() }

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return s.read(transfer{p: p})
}

// readLent reads into what is lent for the time of the call only, not while it waits.
// The bytes read, if any, are in what was lent last.
func (s *socket) readLent(room lender) (int, error) { return s.read(transfer{room: room}) }

func (s *socket) read(t transfer) (int, error) {
	t.step = s.in.step
	for {
		s.in = t
		err := s.raw.Read(t.step)
		n := s.in.n
		if err == nil {
			err = s.in.err
		}
		s.in = transfer{step: t.step}
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !s.wasNudged():
			return n, err
		case s.mayRest:
			return n, errRest
		}
	}
}

// readStep reads once; false waits until there is something to read.
func (s *socket) readStep(fd uintptr) bool {
	p := s.in.p
	if s.in.room != nil {
		p = s.in.room.lend()
	}
	n, errno := uninterrupted(readCall, fd, p)
	if n > 0 {
		s.in.n = n
		return true
	}
	if s.in.room != nil {
		s.in.room.takeBack()
	}
	switch errno {
	case 0:
		s.in.err = io.EOF
	case syscall.EAGAIN:
		return false
	default:
		s.in.err = os.NewSyscallError("read", errno)
	}
	return true
}

// copiedAtOnce bounds how many bytes a call hands to the kernel, and so for how long it keeps a processor.
const copiedAtOnce = 256 << 10

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	step := s.out.step
	s.out.p = p
	err := s.raw.Write(step)
	n := s.out.n
	if err == nil {
		err = s.out.err
	}
	s.out = transfer{step: step}
	return n, err
}

// writeStep writes until nothing is left; false waits until there is room.
func (s *socket) writeStep(fd uintptr) bool {
	for s.out.n < len(s.out.p) {
		left := s.out.p[s.out.n:]
		n, errno := uninterrupted(writeCall, fd, left[:min(len(left), copiedAtOnce)])
		switch errno {
		case 0:
			s.out.n += n
		case syscall.EAGAIN:
			return false
		default:
			s.out.err = os.NewSyscallError("write", errno)
			return true
		}
	}
	return true
}

// uninterrupted makes a call again for as long as signals interrupt it.
func uninterrupted(call func(fd uintptr, p []byte) (int, syscall.Errno), fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		if n, errno := call(fd, p); errno != syscall.EINTR {
			return max(n, 0), errno
		}
	}
}
