package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// socketPair is a socket and its peer.
func socketPair(tb testing.TB) (*socket, *net.TCPConn) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	s, ok := asSocket(conn).(*socket)
	if !ok {
		tb.Fatal("a TCP connection is no socket")
	}
	tb.Cleanup(func() { conn.Close(); peer.Close() })
	return s, peer.(*net.TCPConn) //nolint:forcetypeassert // net.Dial("tcp")
}

// A peer that reads late, and more than the buffers of both sides hold: nothing is lost.
func TestSocketMovesMoreThanBuffersHold(t *testing.T) {
	s, peer := socketPair(t)
	sent := make([]byte, 32<<20)
	for i := range sent {
		sent[i] = byte(i >> 7)
	}
	written := make(chan error, 1)
	go func() {
		n, err := s.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		if err == nil {
			err = s.CloseWrite()
		}
		written <- err
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	go func() {
		peer.Write(sent)  //nolint:errcheck // the other side says what has come
		peer.CloseWrite() //nolint:errcheck // likewise
	}()
	got, err = io.ReadAll(s)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("back: %d of %d bytes, %v", len(got), len(sent), err)
	}
}

// room counts what is lent.
type room struct {
	buf        [8]byte
	lent, back int
}

func (r *room) lend() []byte { r.lent++; return r.buf[:] }
func (r *room) takeBack()    { r.back++ }

// While a socket waits for something to read it holds nothing that it was lent.
func TestSocketWaitsWithoutRoom(t *testing.T) {
	s, peer := socketPair(t)
	var r room
	s.SetReadDeadline(time.Now().Add(time.Millisecond)) //nolint:errcheck // the read says so
	if _, err := s.readLent(&r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v, not a deadline", err)
	}
	if r.lent == 0 || r.lent != r.back {
		t.Errorf("lent %d times, given back %d times", r.lent, r.back)
	}
	s.SetReadDeadline(time.Time{}) //nolint:errcheck // likewise
	peer.Write([]byte("abc"))      //nolint:errcheck // likewise
	if n, err := s.readLent(&r); n != 3 || err != nil || string(r.buf[:n]) != "abc" || r.lent != r.back+1 {
		t.Errorf("%q, %v; lent %d times, given back %d times", r.buf[:n], err, r.lent, r.back)
	}
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing to read into: %d, %v", n, err)
	}
}

func TestSocketEnds(t *testing.T) {
	t.Run("closed by the peer", func(t *testing.T) {
		s, peer := socketPair(t)
		peer.CloseWrite() //nolint:errcheck // the read says so
		if n, err := s.Read(make([]byte, 8)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("reset by the peer", func(t *testing.T) {
		s, peer := socketPair(t)
		peer.SetLinger(0) //nolint:errcheck // the read says so
		net.Conn(peer).Close()
		if n, err := s.Read(make([]byte, 8)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %d, %v", n, err)
		}
		if n, err := s.Write(make([]byte, 8)); n != 0 || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %d, %v", n, err)
		}
	})
	t.Run("closed here", func(t *testing.T) {
		s, _ := socketPair(t)
		ended := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 8))
			ended <- err
		}()
		net.Conn(s).Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// Neither direction makes anything for each call.
func TestSocketAllocatesNothing(t *testing.T) {
	s, peer := socketPair(t)
	p, q := make([]byte, 64), make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := s.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, q); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, q); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A reader that may not rest does not notice a nudge, and a deadline that was set counts after one.
func TestNudgeKeepsDeadlines(t *testing.T) {
	s, far := socketPair(t)
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	s.mayRest = true
	s.nudge()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, errRest) {
		t.Errorf("may rest: %v", err)
	}
	s.mayRest = false
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	s.nudge()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("may not rest: %v", err)
	}
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.nudge()
	far.Write([]byte("x")) //nolint:errcheck // the read says so
	if n, err := s.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	for range 300 { // the reader hears of the nudge when another deadline stands already
		read := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 1))
			read <- err
		}()
		s.nudge()
		s.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // the read says so
		far.Write([]byte("x"))                      //nolint:errcheck // likewise
		if err := <-read; err != nil {
			t.Fatal(err)
		}
	}
	if _, passes := net.Conn(s).(io.WriterTo); passes {
		t.Error("io.Copy does not read by Read, which alone knows of nudges")
	}
}
