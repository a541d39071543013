package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/test/fakebroker"
)

// opaque is an API that warder has no business with, at a version without tags.
const opaque = protocol.ListGroups

// opaqueRequest frames a request of that API with a body of n bytes.
func opaqueRequest(correlationID int32, n int) []byte {
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(int(correlationID) + i)
	}
	name := "c"
	return fakebroker.AppendRequest(nil, opaque, 0, correlationID, &name, body)
}

// echo answers with the body of the request.
func echo(f *fakebroker.Frame) []byte { return f.Body }

func TestUntouchedBytesStayUntouched(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Handle(opaque, echo)
	for _, write := range []int{1, 3, 4096, 1 << 20} {
		t.Run(fmt.Sprintf("written %d bytes at a time", write), func(t *testing.T) {
			c := r.dial()
			out := &chunky{c.Conn(), write}
			sizes := []int{0, 1, 11, 500, windowSize - 64, windowSize, windowSize + 1, 3*windowSize + 7, 0, 2}
			if write > 100 {
				sizes = append(sizes, 1<<20, 300_000)
			}
			var sent []byte
			for i, n := range sizes {
				sent = append(sent, opaqueRequest(int32(i), n)...)
			}
			done := make(chan error, 1)
			go func() { _, err := out.Write(sent); done <- err }()
			for i, n := range sizes {
				got := c.Next()
				if got.CorrelationID != int32(i) || len(got.Raw) != 8+n {
					t.Fatalf("answer %d: correlation id %d, %d bytes, want %d", i, got.CorrelationID, len(got.Raw), 8+n)
				}
				want := opaqueRequest(int32(i), n)
				if !bytes.Equal(got.Raw[8:], want[len(want)-n:]) {
					t.Fatalf("answer %d differs from what was asked", i)
				}
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			conns := r.broker.Conns()
			if got := conns[len(conns)-1].Received(); !bytes.Equal(got, sent) {
				t.Fatalf("the broker received %d bytes that differ from the %d sent", len(got), len(sent))
			}
		})
	}
}

func TestAnswersKeepOrder(t *testing.T) {
	// An ApiVersions of a version nobody knows is answered by warder itself; its
	// answer must wait for that of the request before it, which the broker holds back.
	r := newRig(t, nil)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	c.Write(opaqueRequest(1, 10))
	c.Write(fakebroker.AppendRequest(nil, protocol.ApiVersions, 99, 2, nil, nil))
	c.Write(opaqueRequest(3, 10))
	c.Write(fakebroker.AppendRequest(nil, protocol.ApiVersions, 98, 4, nil, nil))
	<-held.Arrived()
	held.Release()
	for want := int32(1); want <= 4; want++ {
		if got := c.Next(); got.CorrelationID != want {
			t.Fatalf("got the answer to %d in place of %d", got.CorrelationID, want)
		}
	}
}

func TestLocalAnswerGoesOutWhileBrokerIsSilent(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	c.Write(fakebroker.AppendRequest(nil, protocol.ApiVersions, 99, 7, nil, nil))
	got := c.Next()
	want := []byte{0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, byte(protocol.LookupAPI(protocol.ApiVersions).Max)}
	if !bytes.Equal(got.Raw, want) {
		t.Errorf("answered % x, want % x", got.Raw, want)
	}
}

func TestWrongCorrelationIDClosesInsteadOfMisleading(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Send([]byte{0, 0, 0, 4, 0, 0, 0, 99}), fakebroker.ExpectEnd())
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	ended(c)
	r.closedBy(ReasonMalformedResponse)
	r.logged("correlation id 99")
}

func TestUnsolicitedAnswerCloses(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Reply(nil), fakebroker.Send([]byte{0, 0, 0, 4, 0, 0, 0, 1}), fakebroker.ExpectEnd())
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	c.Next()
	ended(c)
	r.closedBy(ReasonMalformedResponse)
}

func TestInflightIsBoundedAndResumes(t *testing.T) {
	const limit = 3
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].Limits.InFlight = limit })
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	for i := range 10 {
		c.Write(opaqueRequest(int32(i), 5))
	}
	eventually(t, "the connection to be full", func() bool { return testutil.ToFloat64(r.metrics.inflightFull) > 0 })
	if n := len(r.broker.Conn(t, 0).WaitFrames(t, limit)); n != limit {
		t.Errorf("the broker got %d requests with %d allowed in flight", n, limit)
	}
	held.Release()
	for i := range 10 {
		if got := c.Next(); got.CorrelationID != int32(i) {
			t.Fatalf("got the answer to %d in place of %d", got.CorrelationID, i)
		}
	}
}

func TestHalfClosedClientGetsItsAnswers(t *testing.T) {
	r := newRig(t, nil)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	for i := range 3 {
		c.Write(opaqueRequest(int32(i), 100))
	}
	<-held.Arrived()
	if err := c.Conn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	held.Release()
	for i := range 3 {
		if got := c.Next(); got.CorrelationID != int32(i) {
			t.Fatalf("got the answer to %d in place of %d", got.CorrelationID, i)
		}
	}
	ended(c)
	r.closedBy(ReasonClientGone)
}

func TestGarbageAfterRequestsStillGetsTheirAnswers(t *testing.T) {
	r := newRig(t, nil)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	c.Write(opaqueRequest(1, 100))
	c.Write([]byte{0, 0, 0, 1, 9})
	<-held.Arrived()
	held.Release()
	if got := c.Next(); got.CorrelationID != 1 {
		t.Fatalf("correlation id %d", got.CorrelationID)
	}
	ended(c)
	r.closedBy(ReasonMalformedRequest)
}

func TestBrokerGoneEndsTheClient(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Reset())
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	ended(c)
	r.closedBy(ReasonBrokerGone)
}

// TestIdleConnectionClosedByTheBrokerIsNoNews: brokers close idle connections all
// the time; a log that warns of it would be read by nobody.
func TestIdleConnectionClosedByTheBrokerIsNoNews(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Reply(nil)) // and the end of the script closes
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	c.Next()
	ended(c)
	r.closedBy(ReasonBrokerGone)
	r.logged(`"reason":"broker_gone"`)
	if strings.Contains(r.log.String(), `"level":"warn"`) {
		t.Errorf("warned:\n%s", r.log)
	}
}

// Who looks at both sides of warder needs to know which connections belong together.
func TestLogTellsTheConnectionToTheBroker(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Reply(nil), fakebroker.ExpectEnd())
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	c.Next()
	at := r.broker.Conn(t, 0)
	r.logged(fmt.Sprintf(`"client_addr":"%s","broker":"%s","broker_side":"%s","message":"connection opened"`,
		c.Conn().LocalAddr(), r.broker.Addr(), at.RemoteAddr()))
}

func TestAnswerCutShortEndsTheClient(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Send([]byte{0, 0, 1, 0, 0, 0, 0, 1, 7, 7}))
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	if got := readAll(t, c.Conn(), 10); !bytes.Equal(got[8:], []byte{7, 7}) {
		t.Errorf("what had come was not passed on: % x", got)
	}
	ended(c)
	r.closedBy(ReasonBrokerGone)
}

// What is opened to a broker that is away ends as that does which breaks: an orderly end
// before any answer is read as a wrong security.protocol, and not tried again.
func TestUnreachableBrokerIsNamed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	a := newAuthority(t)
	listeners := map[string]*configs.ServerTLS{"plaintext": nil, "TLS": a.server("listener", "none")}
	for name, config := range listeners {
		t.Run(name, func(t *testing.T) {
			r := newRigAt(t, nil, ln.Addr().String(), func(c *configs.Config) { c.Listeners[0].TLS = config })
			var c net.Conn = r.dial().Conn()
			if config != nil {
				c = tls.Client(c, &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"})
			}
			if _, err := c.Write(opaqueRequest(1, 0)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %d bytes and %v", n, err)
			}
			c.Close()
			r.closedBy(ReasonBrokerUnreachable)
			r.logged(ln.Addr().String())
		})
	}
}

func TestSilentConnectionsNeverReachTheBroker(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	c.Conn().Close()
	r.closedBy(ReasonClientGone)
	if n := len(r.broker.Conns()); n != 0 {
		t.Errorf("%d connections at the broker for a client that said nothing", n)
	}
}

func TestFirstRequestHasADeadline(t *testing.T) {
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].Limits.Unauthenticated = 20 * time.Millisecond })
	c := r.dial()
	ended(c)
	r.closedBy(ReasonUnauthenticated)
}

func TestRefusals(t *testing.T) {
	frame := func(b ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	for _, tt := range []struct {
		name   string
		bytes  []byte
		reason CloseReason
		says   string
	}{
		{"negative length", []byte{0xff, 0xff, 0xff, 0xff}, ReasonMalformedRequest, "-1 is below 8"},
		{"too short", frame(0, 3, 0, 1), ReasonMalformedRequest, "4 is below 8"},
		{"too large", []byte{0x7f, 0, 0, 0, 0, 3}, ReasonFrameLimit, "limits.frame"},
		{"TLS", []byte{0x16, 3, 1, 2, 0, 1, 0, 1}, ReasonTLSOnPlaintext, "TLS to plaintext listener"},
		{"unknown key", frame(0x27, 0x10, 0, 0, 0, 0, 0, 1, 0, 0), ReasonUnsupportedAPI, "API key 10000"},
		{"unknown version", frame(0, 3, 0, 99, 0, 0, 0, 1, 0, 0, 0), ReasonUnsupportedAPI, "Metadata version 99"},
		{"raft voters", frame(0, 80, 0, 0, 0, 0, 0, 1, 0, 0, 0), ReasonRefusedAPI, "AddRaftVoter"},
		{"controller only", frame(0, 62, 0, 0, 0, 0, 0, 1, 0, 0, 0), ReasonRefusedAPI, "BrokerRegistration"},
		{"GSSAPI of 0.9", frame(0x60, 0x82, 1, 2, 3, 4, 5, 6, 0, 0), ReasonSASLHandshakeV0, "GSSAPI"},
		{"client id longer than the frame", frame(0, 16, 0, 0, 0, 0, 0, 1, 0x7f, 0xff), ReasonMalformedRequest, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			c := r.dial()
			c.Write(tt.bytes)
			ended(c)
			r.closedBy(tt.reason)
			r.logged(tt.says)
		})
	}
}

func TestConnectionLimits(t *testing.T) {
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].Limits.ConnectionsPerIP = 2 })
	r.broker.Handle(opaque, echo)
	a, b := r.dial(), r.dial()
	a.Write(opaqueRequest(1, 0))
	a.Next()
	b.Write(opaqueRequest(1, 0))
	b.Next()
	ended(r.dial())
	r.closedBy(ReasonConnectionLimit)
	a.Conn().Close()
	r.closedBy(ReasonClientGone)
	eventually(t, "the place to be free", func() bool { return len(r.Clients()) == 1 })
	d := r.dial()
	d.Write(opaqueRequest(1, 0))
	d.Next()
}

func TestDrainAnswersWhatIsOpen(t *testing.T) {
	r := newRig(t, nil)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	half := opaqueRequest(2, 100)
	c.Write(append(opaqueRequest(1, 100), half[:50]...)) // one write, so that both are read before the drain begins
	<-held.Arrived()
	drained := make(chan struct{})
	go func() { defer close(drained); r.drain() }()
	eventually(t, "the listener to close", func() bool {
		conn, err := net.Dial("tcp", r.addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	c.Write(half[50:]) // a frame that has begun is still served
	held.Release()
	for want := int32(1); want <= 2; want++ {
		if got := c.Next(); got.CorrelationID != want {
			t.Fatalf("got the answer to %d in place of %d", got.CorrelationID, want)
		}
	}
	ended(c)
	<-drained
	r.closedBy(ReasonShutdown)
}

func TestDrainDeadlineCuts(t *testing.T) {
	r := newRig(t, func(c *configs.Config) { c.Drain.Deadline = 30 * time.Millisecond })
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	c.Write(opaqueRequest(1, 100))
	<-held.Arrived()
	r.drain()
	ended(c)
	r.closedBy(ReasonDrainDeadline)
	held.Release()
}

func TestNothingOutlivesSession(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Handle(opaque, echo)
	before := runtime.NumGoroutine()
	for range 20 {
		c := r.dial()
		c.Write(opaqueRequest(1, 50_000))
		c.Next()
		c.Conn().Close()
	}
	eventually(t, "all sessions to be gone", func() bool { return len(r.Clients()) == 0 })
	eventually(t, "their goroutines to be gone", func() bool { return runtime.NumGoroutine() <= before+1 })
}

func TestIdentityIsLearnt(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	c.SetClientID("orders-svc")
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "apache-kafka-java", "4.1.0"
	c.Do(req)
	clients := r.Clients()
	if len(clients) != 1 || clients[0].ClientID != "orders-svc" || clients[0].SoftwareName != "apache-kafka-java" || clients[0].SoftwareVersion != "4.1.0" {
		t.Errorf("learnt %+v", clients)
	}
	c.SetClientID("other")
	c.Do(req)
	if got := r.Clients()[0].ClientID; got != "other" {
		t.Errorf("the client id is %q after it changed", got)
	}
}

// TestRandomTraffic pushes random sizes through in random pieces in both
// directions and wants every byte back.
func TestRandomTraffic(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Handle(opaque, echo)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		c := r.dial()
		var sent []byte
		sizes := make([]int, 200)
		for i := range sizes {
			sizes[i] = rng.IntN(1 << (1 + rng.IntN(17)))
			sent = append(sent, opaqueRequest(int32(i), sizes[i])...)
		}
		cut := make([]int, 0, 1000)
		for range cap(cut) {
			cut = append(cut, 1+rng.IntN(5000))
		}
		done := make(chan error, 1)
		go func() {
			rest := sent
			for i := 0; len(rest) > 0; i++ {
				n := min(len(rest), cut[i%len(cut)])
				if _, err := c.Conn().Write(rest[:n]); err != nil {
					done <- err
					return
				}
				rest = rest[n:]
			}
			done <- nil
		}()
		for i, n := range sizes {
			want := opaqueRequest(int32(i), n)
			if got := c.Next(); got.CorrelationID != int32(i) || !bytes.Equal(got.Raw[8:], want[len(want)-n:]) {
				t.Fatalf("answer %d differs", i)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		c.Conn().Close()
	}
}
