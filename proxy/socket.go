package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"syscall"
)

// socket is a TCP connection whose system calls Go's scheduler is not told of. They
// never block, since the sockets of package net do not, and are over in microseconds.
// When it is told of them its monitor, where processors are few, takes the processor
// from whoever is in one every now and then and wakes a thread to go on with it, which
// was a third of all switches between threads, and a tenth of what forwarding costs.
//
// One goroutine reads, and one at a time writes.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
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
	s := &socket{TCPConn: tcp, raw: raw}
	s.in.step, s.out.step = s.readStep, s.writeStep
	return s
}

// tcpOf gives the TCP connection beneath conn, if there is one.
func tcpOf(conn net.Conn) (*net.TCPConn, bool) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if s, ok := conn.(*socket); ok {
		return s.TCPConn, true
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
}

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
	s.in = t
	err := s.raw.Read(t.step)
	n := s.in.n
	if err == nil {
		err = s.in.err
	}
	s.in = transfer{step: t.step}
	return n, err
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
