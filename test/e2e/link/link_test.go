package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// open puts a link before a server, which the test is given the connections of.
func open(t *testing.T) (l *Link, connect func() (client, server net.Conn)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err = Open("127.0.0.1:0", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		_ = ln.Close()
	})
	return l, func() (client, server net.Conn) {
		t.Helper()
		client, err := net.Dial("tcp", l.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if server, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = client.Close()
			_ = server.Close()
		})
		for _, c := range []net.Conn{client, server} {
			if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		return client, server
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func arrives(t *testing.T, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v arrived, not %q", got, err, text)
	}
}

// resets wants text to be all that still comes.
func resets(t *testing.T, c net.Conn, text string) {
	t.Helper()
	var got bytes.Buffer
	if _, err := got.ReadFrom(c); err == nil || got.String() != text {
		t.Fatalf("%q, %v arrived, not %q and a reset", &got, err, text)
	}
}

func TestBothWaysAndToTheEnd(t *testing.T) {
	_, connect := open(t)
	client, server := connect()
	send(t, client, "to the broker")
	arrives(t, server, "to the broker")
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("%d bytes, %v arrived", n, err)
	}
	send(t, server, "the last word")
	arrives(t, client, "the last word")
}

func TestBlackHole(t *testing.T) {
	l, connect := open(t)
	loses, _ := connect()
	idle, idleServer := connect()
	send(t, idle, "before")
	arrives(t, idleServer, "before")
	l.Swallow()
	send(t, loses, "lost")
	for { // until the link has read it
		l.mu.Lock()
		lost := 0
		for p := range l.pairs {
			if p.lost {
				lost++
			}
		}
		l.mu.Unlock()
		if lost == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	l.Heal()
	resets(t, loses, "")
	send(t, idle, "after")
	arrives(t, idleServer, "after")
}

func TestCutsInTheMiddle(t *testing.T) {
	for _, d := range []Direction{Requests, Answers} {
		l, connect := open(t)
		client, server := connect()
		send(t, client, "first")
		arrives(t, server, "first")
		l.Cut(d)
		to, from := server, client
		if d == Answers {
			to, from = client, server
		}
		send(t, from, "frame")
		resets(t, to, "fram")
		if accepted, cut := l.Counts(); accepted != 1 || cut != 1 {
			t.Errorf("%d connections, %d cut", accepted, cut)
		}
	}
}

func TestCloseRefuses(t *testing.T) {
	l, connect := open(t)
	client, _ := connect()
	l.Close()
	resets(t, client, "")
	if c, err := net.Dial("tcp", l.ln.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("a closed link still accepts")
	}
}
