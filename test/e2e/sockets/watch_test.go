package sockets

import (
	"net"
	"os"
	"testing"
	"time"
)

// TestWatchSeesAForbiddenSocket shows that the watch would notice: this process dials a port it must not dial.
func TestWatchSeesAForbiddenSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	w := Start([]int{port})
	w.Add(os.Getpid(), "this test")
	if got := w.Found(); len(got) != 0 {
		t.Fatalf("found %v before anything was dialled", got)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for deadline := time.Now().Add(10 * time.Second); len(w.Found()) == 0; time.Sleep(Every) {
		if time.Now().After(deadline) {
			t.Fatal("the socket was not noticed")
		}
	}
	if _, _, _, err := w.Stop(); err != nil {
		t.Fatal(err)
	}
}
