package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/test/fakebroker"
)

// blackHole is an address where a connection is neither accepted nor refused, as
// behind a firewall that drops: the queue of a socket from which nobody accepts is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) }) //nolint:errcheck // the test is over
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	inet, _ := name.(*syscall.SockaddrInet4)
	address := fmt.Sprintf("127.0.0.1:%d", inet.Port)
	for range 100 {
		conn, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this system queues connections without end")
	return ""
}

// A broker that drops what is sent to it costs its client the dial timeout, and
// nobody anything who can be given another.
func TestBlackHoleBeforeTheConnection(t *testing.T) {
	hole := blackHole(t)
	t.Run("alone", func(t *testing.T) {
		r := newRigAt(t, nil, hole, func(c *configs.Config) { c.Upstream.DialTimeout = 50 * time.Millisecond })
		c := r.dial()
		c.Write(opaqueRequest(1, 0))
		ended(c)
		r.closedBy(ReasonBrokerUnreachable)
		r.logged(hole)
	})
	t.Run("beside a broker that lives", func(t *testing.T) {
		broker := fakebroker.New(t)
		broker.Handle(opaque, echo)
		r := newRigAt(t, broker, hole, func(c *configs.Config) {
			c.Upstream.DialTimeout = time.Hour
			c.Upstream.Bootstrap = append(c.Upstream.Bootstrap, configs.Address(broker.Addr()))
		})
		for range 2 { // the first begins with the black hole
			r.neighbour()
		}
	})
}

// A broker may fall silent with requests open. The client decides how long it waits;
// when it has left, what was held for it is let go soon, although the broker says nothing.
func TestBlackHoleBehindTheConnection(t *testing.T) {
	const clients = 20
	r := hostileRig(t, nil)
	n := r.neighbour()
	silent := make(chan struct{})
	defer close(silent)
	for range clients {
		r.broker.Script(fakebroker.Expect(opaque), fakebroker.Expect(opaque), fakebroker.Wait(silent))
	}
	before := runtime.NumGoroutine()
	for i := range clients {
		c := r.dial()
		c.Write(opaqueRequest(1, 100))
		c.Write(opaqueRequest(2, 100))
		r.broker.Conn(t, i+1).WaitFrames(t, 2)
		if i%2 == 0 {
			reset(t, c)
		}
		c.Conn().Close()
	}
	n.works()
	eventually(t, "those who left to be let go", func() bool { return len(r.Clients()) == 1 })
	// Each had two here and one at the broker, which ends with its script.
	eventually(t, "their goroutines to end", func() bool { return runtime.NumGoroutine() <= before+clients })
	r.unharmed(n)
}

// reset has the client's connection end with a reset when it is closed.
func reset(t *testing.T, c *fakebroker.Client) {
	t.Helper()
	if err := c.Conn().(*net.TCPConn).SetLinger(0); err != nil { //nolint:forcetypeassert // as dialled
		t.Fatal(err)
	}
}

// What a broker does not read is not gathered: the client is held back, as it would be
// by the broker, and nothing is lost.
func TestSlowBrokerHoldsTheClientBack(t *testing.T) {
	const size, most = 32 << 20, 4 << 20 // sockets hold up to 20 MiB of it
	r := hostileRig(t, nil)
	n := r.neighbour()
	reads := make(chan struct{})
	request := opaqueRequest(1, size)
	r.broker.Script(fakebroker.Wait(reads), fakebroker.ExpectRaw(request), fakebroker.Send([]byte{0, 0, 0, 4, 0, 0, 0, 1}))
	c := r.dial()
	before := heap()
	var written atomic.Int64
	sent := make(chan error, 1)
	go func() {
		for part := range slices.Chunk(request, 1<<20) {
			if _, err := c.Conn().Write(part); err != nil {
				sent <- err
				return
			}
			written.Add(int64(len(part)))
		}
		sent <- nil
	}()
	eventually(t, "the client to be held back", standsStill(&written))
	if held := heap() - before; held > most {
		t.Errorf("%d bytes are held for a broker that does not read", held)
	}
	n.works()
	if written.Load() >= size {
		t.Errorf("all %d bytes were taken from the client", size)
	}
	close(reads)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	c.Next()
	r.unharmed(n)
}

// While a broker reads nothing nobody reads from its client: one that is there is waited for, one
// that has left is found out.
func TestClientThatLeavesBehindABrokerThatReadsNothing(t *testing.T) {
	r := hostileRig(t, nil)
	n := r.neighbour()
	reads := make(chan struct{})
	defer close(reads)
	r.broker.Script(fakebroker.Wait(reads))
	c := r.dial()
	left := make(chan struct{})
	go func() {
		defer close(left)
		c.Conn().Write(opaqueRequest(1, 32<<20)) //nolint:errcheck // until it is reset
	}()
	stuck := r.session(c)
	var written uint32
	eventually(t, "the broker to take no more", func() bool {
		before := written
		written = stuck.toBroker.steps.Load()
		r.endLulls()
		return written == before && stuck.toBroker.looks > 2*lullLooks
	})
	n.works()
	if len(r.Clients()) != 2 {
		t.Error("a client that is there was not waited for")
	}
	reset(t, c)
	c.Conn().Close()
	<-left
	eventually(t, "the client to be missed", func() bool { r.endLulls(); return len(r.Clients()) == 1 })
	r.closedBy(ReasonClientGone)
	r.unharmed(n)
}

// A client that ends inside a request gets the answers to what it had sent whole, and the
// broker does not wait for the rest.
func TestEndInsideARequestIsPassedOn(t *testing.T) {
	r := hostileRig(t, nil)
	n := r.neighbour()
	whole, half := opaqueRequest(1, 100), opaqueRequest(2, 8*windowSize)[:3*windowSize]
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.ExpectRaw(half), fakebroker.ExpectEnd(), fakebroker.Reply([]byte("late")), fakebroker.HalfClose())
	c := r.dial()
	c.Write(whole)
	c.Write(half)
	if err := c.Conn().(*net.TCPConn).CloseWrite(); err != nil { //nolint:forcetypeassert // as dialled
		t.Fatal(err)
	}
	if got := c.Next(); got.CorrelationID != 1 || !bytes.HasSuffix(got.Raw, []byte("late")) {
		t.Errorf("got %+v", got)
	}
	ended(c)
	r.closedBy(ReasonClientGone)
	r.unharmed(n)
}

// What a client has sent whole reaches the broker although the client is reset, and cannot be given
// the answers that come meanwhile: it may have sent more, with acks=0, than it waits for.
func TestRequestsOutliveTheirClient(t *testing.T) {
	r := hostileRig(t, func(c *configs.Config) { blocking(c); c.Inspect.MaxMessage = 16 * configs.MiB })
	n := r.neighbour()
	lost := make(chan struct{})
	name := "c"
	first, answer := opaqueRequest(1, 100), fakebroker.AppendResponse(nil, opaque, 0, 1, make([]byte, 1<<20)) // more than is read at once
	// It is inspected, so it is read as a whole before it goes on, and larger than what the broker's system takes unread.
	rest := fakebroker.AppendRequest(nil, protocol.Produce, 9, 2, &name, produce(9, -1, "orders", []string{string(make([]byte, 12<<20))}).AppendTo(nil))
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Wait(lost), fakebroker.Send(answer), fakebroker.ExpectRaw(rest), fakebroker.ExpectEnd())
	c := r.dial()
	c.Write(first)
	c.Write(rest)
	eventually(t, "all of it to be taken", func() bool {
		return slices.ContainsFunc(r.Clients(), func(about ClientInfo) bool { return about.InFlight == 2 })
	})
	reset(t, c)
	c.Conn().Close()
	close(lost)
	r.broker.Conn(t, 1).WaitReceived(t, len(first)+len(rest))
	eventually(t, "it to be let go", func() bool { return len(r.Clients()) == 1 })
	r.unharmed(n)
}

// Clients that are cut off inside a request: the broker never gets a whole one, and its
// connections end too.
func TestResetInsideARequest(t *testing.T) {
	name := "c"
	inspected := fakebroker.AppendRequest(nil, protocol.Produce, 9, 1, &name, produce(9, -1, "orders", []string{string(make([]byte, 200<<10))}).AppendTo(nil))
	cases := []struct {
		what    string
		request []byte
		cut     int
	}{
		{"in its length", opaqueRequest(1, 100), 2},
		{"in its header", opaqueRequest(1, 100), 9},
		{"in a small one", opaqueRequest(1, 100), 60},
		{"in one that streams", opaqueRequest(1, 8*windowSize), 3*windowSize + 7},
		{"in one that is inspected", inspected, 3 * windowSize},
	}
	r := hostileRig(t, blocking)
	n := r.neighbour()
	before := opaqueRequest(7, 10)
	for _, tt := range cases {
		c := r.dial()
		c.Write(before) // so that it has a connection to the broker
		c.Next()
		c.Write(tt.request[:tt.cut])
		n.works()
		reset(t, c)
		c.Conn().Close()
	}
	for i, tt := range cases {
		conn := r.broker.Conn(t, i+1)
		conn.WaitEnd(t) //nolint:errcheck // however it ends
		if frames := conn.Frames(); len(frames) != 1 {
			t.Errorf("cut off %s: the broker has %d whole requests", tt.what, len(frames)-1)
		}
		if got := conn.Received()[len(before):]; !bytes.HasPrefix(tt.request[:tt.cut], got) {
			t.Errorf("cut off %s: the broker got %d bytes that were not sent", tt.what, len(got))
		}
	}
	eventually(t, "their sessions to end", func() bool { return len(r.Clients()) == 1 })
	if gone := testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(ReasonClientGone))); gone != float64(len(cases)) {
		t.Errorf("%v of %d ended as %s", gone, len(cases), ReasonClientGone)
	}
	r.unharmed(n)
}

// A broker that is cut off inside an answer: the client gets the beginning of what the
// broker said or nothing, and then the end; never a whole answer, nor one of warder's making.
func TestResetInsideAnAnswer(t *testing.T) {
	topics := kmsg.NewPtrMetadataResponse()
	topics.Version = 12
	for i := range 3000 {
		topic := kmsg.NewMetadataResponseTopic()
		name := fmt.Sprint("topic-", i)
		topic.Topic = &name
		topics.Topics = append(topics.Topics, topic)
	}
	for _, tt := range []struct {
		what    string
		request kmsg.Request
		answer  []byte
	}{
		{"in a small one", requestOf(opaque, 0), make([]byte, 100)},
		{"in one that streams", requestOf(opaque, 0), make([]byte, 8*windowSize)},
		{"in one that is walked", requestOf(protocol.Fetch, 12), passing(12, true).AppendTo(nil)},
		{"in one that is rewritten", requestOf(protocol.Metadata, 12), topics.AppendTo(nil)},
	} {
		t.Run(tt.what, func(t *testing.T) {
			r := hostileRig(t, nil)
			n := r.neighbour()
			answer := fakebroker.AppendResponse(nil, tt.request.Key(), tt.request.GetVersion(), 1, tt.answer)
			sent := answer[:len(answer)-len(answer)/3]
			broken := make(chan struct{})
			r.broker.Script(fakebroker.Expect(tt.request.Key()), fakebroker.Send(sent), fakebroker.Wait(broken), fakebroker.Reset())
			c := r.dial()
			c.Send(tt.request)
			r.broker.Conn(t, 1).WaitFrames(t, 1)
			n.works()
			close(broken)
			got, _ := io.ReadAll(c.Conn()) // however it ends
			c.Conn().Close()
			if !bytes.HasPrefix(sent, got) {
				t.Errorf("the client got %d bytes that the broker has not said", len(got))
			}
			r.closedBy(ReasonBrokerGone)
			r.unharmed(n)
		})
	}
}
