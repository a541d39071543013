package capture_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"warder/record"
	"warder/record/capture"
)

// listen captures on the loopback interface.
func listen(t *testing.T, ctx context.Context, ports ...uint16) *capture.Live {
	t.Helper()
	live, err := capture.Listen(ctx, "lo", ports)
	if err != nil && strings.Contains(err.Error(), "CAP_NET_RAW") {
		t.Skip("needs CAP_NET_RAW")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := live.Close(); err != nil {
			t.Error(err)
		}
	})
	return live
}

// socket is a TCP connection over a loopback address.
func socket(t *testing.T, address string) (client, broker net.Conn, port uint16) {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("no " + address)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if broker, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); broker.Close() })
	return client, broker, addr(ln.Addr().String()).Port()
}

// say sends bytes and has them received.
func say(t *testing.T, from, to net.Conn, b []byte) {
	t.Helper()
	failed := make(chan error, 1)
	go func() {
		_, err := from.Write(b)
		failed <- err
	}()
	if _, err := io.ReadFull(to, make([]byte, len(b))); err != nil {
		t.Error(err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// What passes is seen, large packets of the loopback interface whole, and of other ports
// nothing.
func TestLiveCapture(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		client, broker, port := socket(t, address)
		other, too, _ := socket(t, address)
		ctx, cancel := context.WithCancel(t.Context())
		live := listen(t, ctx, port)
		big, large := produce(2, 1, 1<<20), answer(2, make([]byte, 1<<20)...)
		for _, b := range [][]byte{heartbeat(0), heartbeat(1)} {
			say(t, client, broker, b)
			say(t, other, too, b)
		}
		say(t, broker, client, answer(0))
		say(t, broker, client, answer(1))
		say(t, client, broker, big)
		say(t, broker, client, large)
		cancel()
		s := capture.New(live, []uint16{port})
		got := readAll(t, s)
		got.story("open ask reply ask reply").asked(heartbeat(0), heartbeat(1), big).replied(answer(0), answer(1), large)
		if u := got.skipped(capture.KernelDropped); u.Packets != 0 || got.counts.Midstream != 1 {
			t.Errorf("%+v, dropped %+v", got.counts, u)
		}
	}
}

// A capture in which nothing happens says that time passes, and ends.
func TestQuietCapture(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := capture.New(listen(t, ctx, 1), []uint16{1})
	before := time.Now().Add(-time.Minute)
	for range 2 {
		e, err := s.Next()
		if err != nil || e.Kind != record.Passed || e.At.Before(before) {
			t.Fatalf("%+v %v", e, err)
		}
	}
	cancel()
	for {
		if _, err := s.Next(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestListenErrors(t *testing.T) {
	if _, err := capture.Listen(t.Context(), "nosuch0", nil); err == nil || !strings.Contains(err.Error(), "there are: any, ") {
		t.Error(err)
	}
	var apart []uint16
	for p := uint16(2); p <= 2000; p += 2 {
		apart = append(apart, p)
	}
	if _, err := capture.Listen(t.Context(), "lo", apart); err == nil || !strings.Contains(err.Error(), "1000 ports apart") {
		t.Error(err)
	}
}

// Ports that follow one another are one row to the kernel, however many they are.
func TestLiveCaptureOfManyPorts(t *testing.T) {
	client, broker, port := socket(t, "127.0.0.1:0")
	row := func(first, last uint16) (ports []uint16) {
		for p := first; p <= last; p++ {
			ports = append(ports, p)
		}
		return ports
	}
	for _, c := range []struct {
		ports []uint16
		story string
	}{
		{row(port-1000, port), "open lost ask"},
		{row(port, port+300), "open lost ask"},
		{append(row(port-500, port+1), 9), "open lost ask"},
		{row(1, 1000), ""},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s := capture.Bytes(listen(t, ctx, c.ports...), []uint16{port})
		say(t, client, broker, heartbeat(2))
		cancel()
		readBytes(t, s).story(c.story)
	}
}
