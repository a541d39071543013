package proxy

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/records"
	"warder/test/fakebroker"
)

// neighbour is a client that goes about its business while others misbehave. It
// fails the test when an answer does not come.
type neighbour struct {
	*fakebroker.Client
	next int32
}

func (r *rig) neighbour() *neighbour {
	n := &neighbour{Client: r.dial()}
	n.works()
	return n
}

func (n *neighbour) works() {
	n.next++
	n.Write(opaqueRequest(n.next, 100))
	n.Next()
}

// hostileRig is a rig whose broker answers what the neighbour asks.
func hostileRig(t *testing.T, change func(*configs.Config)) *rig {
	t.Helper()
	r := newRig(t, change)
	r.broker.Handle(opaque, echo)
	return r
}

// unharmed is wanted at the end of each test.
func (r *rig) unharmed(n *neighbour) {
	r.t.Helper()
	n.works()
	if panics := testutil.ToFloat64(r.metrics.panics); panics != 0 {
		r.t.Errorf("%v panics", panics)
	}
}

// heap is what lives on it, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Bytes that trickle in do not put off the end of a client that does not get to its
// first request.
func TestHostileSlowLorisBeforeTheFirstRequest(t *testing.T) {
	r := hostileRig(t, func(c *configs.Config) { c.Listeners[0].Limits.Unauthenticated = 300 * time.Millisecond })
	n := r.neighbour()
	slow, ended := r.dial().Conn(), make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, slow) //nolint:errcheck // until warder ends it
	}()
	for _, b := range opaqueRequest(1, 10_000) {
		if _, err := slow.Write([]byte{b}); err != nil {
			break
		}
		n.works()
		select {
		case <-ended:
			r.closedBy(ReasonUnauthenticated)
			r.unharmed(n)
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Error("ten thousand bytes were waited for")
}

// Who has authenticated may begin a frame of any allowed size and leave it there: it
// costs a step of memory and not what was claimed, and nobody waits for it.
func TestHostileHalfFramesHoldLittle(t *testing.T) {
	const clients, each = 60, 600 << 10
	r := hostileRig(t, nil)
	r.sasl()
	n := r.neighbour()
	name := "c"
	frame := fakebroker.AppendRequest(nil, protocol.Produce, 9, 1, &name, make([]byte, 90<<20))[:1000]
	before := heap()
	for i := range clients {
		c := r.dial()
		authenticate(c, fmt.Sprint("user", i), "secret")
		c.Write(frame)
	}
	eventually(t, "all of them to be read", func() bool {
		requests := int64(0)
		for _, c := range r.Clients() {
			requests += c.Requests
		}
		return requests >= 3*clients
	})
	if held := heap() - before; held > clients*each {
		t.Errorf("%d clients hold %d bytes", clients, held)
	}
	r.unharmed(n)
}

// inLull waits until n sessions wait for the rest of a request.
func (r *rig) inLull(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprint(n, " sessions to be held up"), func() bool {
		held := 0
		for _, s := range r.open() {
			if s.fromClient.steps.Load()%2 == 1 {
				held++
			}
		}
		return held == n
	})
}

// A request that has begun, and of which nothing more comes, is given up after a minute, wherever it
// stopped. Who sends on, has nothing to say, or waits for an answer stays.
func TestHostileHalfRequestsAreGivenUp(t *testing.T) {
	r := hostileRig(t, blocking)
	n := r.neighbour()
	idle := r.neighbour()
	h, held := r.broker.Hold(echo)
	r.broker.Handle(protocol.ListTransactions, h)
	waits := r.dial()
	waits.Send(requestOf(protocol.ListTransactions, 0))
	<-held.Arrived()

	name := "c"
	inspected := fakebroker.AppendRequest(nil, protocol.Produce, 9, 1, &name, produce(9, -1, "orders", []string{string(make([]byte, 200<<10))}).AppendTo(nil))
	halves := [][]byte{
		opaqueRequest(1, 100)[:2], opaqueRequest(1, 100)[:9], opaqueRequest(1, 100)[:60], // in its length, its header, its body
		opaqueRequest(1, 8*windowSize)[:3*windowSize], inspected[:3*windowSize], // while it streams, while it is gathered
	}
	for _, half := range halves {
		c := r.dial()
		c.Write(opaqueRequest(7, 10))
		c.Next()
		c.Write(half)
	}
	goesOn, request := r.dial(), opaqueRequest(1, 1000)
	goesOn.Write(request[:100])
	r.inLull(len(halves) + 1)
	slow := r.session(goesOn)
	for i := range 2 * lullLooks {
		before := slow.fromClient.steps.Load()
		goesOn.Write(request[100+i : 101+i])
		eventually(t, "a byte to be read", func() bool { return slow.fromClient.steps.Load() == before+2 })
		r.endLulls()
		n.works()
	}
	eventually(t, "half requests to be given up", func() bool {
		return testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(ReasonRequestStalled))) == float64(len(halves))
	})
	held.Release()
	waits.Next()
	goesOn.Write(request[100+2*lullLooks:])
	goesOn.Next()
	idle.works()
	r.unharmed(n)
}

// A request that trickles in is given up after ten minutes. Who sends one after the other may be inside one
// whenever anybody looks.
func TestHostileTricklesAreGivenUp(t *testing.T) {
	r := hostileRig(t, nil)
	n := r.neighbour()
	trickles, busy, request := r.dial(), r.dial(), opaqueRequest(1, 1000)
	trickles.Write(request[:100])
	busy.Write(request[:100])
	r.inLull(2)
	slow, works := r.session(trickles), r.session(busy)
	for i := range trickleLooks + 1 {
		read := slow.fromClient.steps.Load()
		trickles.Write(request[100+i : 101+i])
		eventually(t, "a byte to be read", func() bool { return slow.fromClient.steps.Load() == read+2 })
		if open := len(r.Clients()); open != 3 {
			t.Fatalf("look %d: %d clients are left", i, open)
		}
		r.endLulls()
		busy.Write(request[100:])
		busy.Next()
		busy.Write(request[:100])
		eventually(t, "the next request to have begun", func() bool { return works.requests.Load() == int64(i+2) && works.fromClient.steps.Load()%2 == 1 })
	}
	r.closedBy(ReasonRequestStalled)
	r.logged("has not come as a whole for 10m0s")
	busy.Write(request[100:])
	busy.Next()
	r.unharmed(n)
}

// session is that of a client, which may not have been accepted yet.
func (r *rig) session(c *fakebroker.Client) (found *session) {
	r.t.Helper()
	eventually(r.t, "the client's session", func() bool {
		for _, s := range r.open() {
			if s.remote.String() == c.Conn().LocalAddr().String() {
				found = s
			}
		}
		return found != nil
	})
	return found
}

// A crowd that says nothing: what is over the limit is refused, the rest costs
// little and never a connection to a broker.
func TestHostileCrowdThatSaysNothing(t *testing.T) {
	const limit, crowd, each = 1500, 2000, 24 << 10
	r := hostileRig(t, func(c *configs.Config) {
		c.Listeners[0].Limits.Connections, c.Listeners[0].Limits.ConnectionsPerIP = limit, limit
	})
	n := r.neighbour()
	before := heap()
	conns := make([]net.Conn, crowd)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", r.addr()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	refused := r.metrics.closedBy.WithLabelValues(string(ReasonConnectionLimit))
	eventually(t, "the rest to be refused", func() bool { return testutil.ToFloat64(refused) == crowd-limit+1 })
	if held := heap() - before; held > crowd*each {
		t.Errorf("they hold %d bytes", held)
	}
	if dialled := len(r.broker.Conns()); dialled != 1 {
		t.Errorf("%d connections to the broker", dialled)
	}
	if lines := strings.Count(r.log.String(), "\n"); lines > 200 {
		t.Errorf("%d lines of log", lines)
	}
	n.works()
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "places to be free", func() bool { return len(r.Clients()) == 1 })
	r.unharmed(n)
}

func TestHostileBytesOnATLSPort(t *testing.T) {
	a := newAuthority(t)
	r := hostileRig(t, func(c *configs.Config) {
		c.Listeners[0].TLS, c.Listeners[0].Limits.Unauthenticated = a.server("l", "none"), 300*time.Millisecond
	})
	c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool})
	if err != nil {
		t.Fatal(err)
	}
	n := &neighbour{Client: c}
	n.works()
	for name, tt := range map[string]struct {
		bytes  string
		reason CloseReason
	}{
		"half a ClientHello":      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ReasonClientTLS},
		"a record that is none":   {"\x16\x03\x01\x00\x05hello", ReasonClientTLS},
		"a record too large":      {"\x16\x03\x03\xff\xff" + strings.Repeat("x", 70_000), ReasonPlaintextOnTLS},
		"a handshake never ended": {"\x16\x03\x01\x00\x04\x01\xff\xff\xff", ReasonClientTLS},
		"an alert":                {"\x15\x03\x03\x00\x02\x02\x50", ReasonClientTLS},
		"zeros":                   {strings.Repeat("\x00", 100), ReasonPlaintextOnTLS},
		"HTTP":                    {"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", ReasonPlaintextOnTLS},
	} {
		before := testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(tt.reason)))
		c := r.dial()
		c.Conn().Write([]byte(tt.bytes)) //nolint:errcheck // warder may have had enough
		io.Copy(io.Discard, c.Conn())    //nolint:errcheck // until warder ends it
		c.Conn().Close()
		eventually(t, name+" to end with "+string(tt.reason), func() bool {
			return testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(tt.reason))) == before+1
		})
	}
	r.unharmed(n)
}

// Other protocols end with a reason, and none of their bytes reaches a broker.
func TestHostileOtherProtocolsOnTheKafkaPort(t *testing.T) {
	r := hostileRig(t, nil)
	n := r.neighbour()
	for name, text := range map[string]string{
		"HTTP":      "GET /metrics HTTP/1.1\r\nHost: kafka:9092\r\n\r\n",
		"HTTP POST": "POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
		"HTTP/2":    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"SSH":       "SSH-2.0-OpenSSH_9.7\r\n",
		"Redis":     "*1\r\n$4\r\nPING\r\n",
		"SMTP":      "EHLO kafka\r\n",
		"PROXY":     "PROXY TCP4 192.0.2.1 192.0.2.2 40000 9092\r\n",
		"PROXY v2":  "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c",
	} {
		reason := r.metrics.closedBy.WithLabelValues(string(ReasonFrameLimit))
		before := testutil.ToFloat64(reason)
		c := r.dial()
		c.Write([]byte(text))
		ended(c)
		eventually(t, name+" to be refused", func() bool { return testutil.ToFloat64(reason) == before+1 })
	}
	for _, conn := range r.broker.Conns()[1:] {
		if got := conn.Received(); len(got) > 0 {
			t.Errorf("the broker received %q", got)
		}
	}
	r.unharmed(n)
}

// hostileNames are what a client may call itself, a topic, a group or its software.
var hostileNames = []string{
	"a\nb", "a\r\n{\"level\":\"error\",\"message\":\"forged\"}", "\x1b[2J\x1b]0;x\x07", "\x00", "\xff\xfe", "\u202e\u2028", `"},{"x":"`,
	"${jndi:ldap://x}", "<script>alert(1)</script>", "'; DROP TABLE t; --", "../../etc/passwd", strings.Repeat("x", 30_000), "%s%n%d", "{{.}}",
}

// Each line of the log stays one JSON object, whatever clients call themselves and
// their topics.
func TestHostileNamesInTheLog(t *testing.T) {
	r := hostileRig(t, nil)
	r.store()
	n := r.neighbour()
	for _, name := range hostileNames {
		c := r.dial()
		c.SetClientID(name)
		v := kmsg.NewPtrApiVersionsRequest()
		v.Version, v.ClientSoftwareName, v.ClientSoftwareVersion = 3, name, name
		c.Do(v)
		c.Do(produce(9, -1, name, []string{"forbidden"}))
		c.Write([]byte("GET "))
		ended(c)
	}
	eventually(t, "all ends to be logged", func() bool {
		return testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(ReasonFrameLimit))) == float64(len(hostileNames))
	})
	r.unharmed(n)
	lines := 0
	for line := range strings.Lines(r.log.String()) {
		lines++
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil || object["message"] == "forged" || object["message"] == nil {
			t.Errorf("%v: %.200q", err, line)
		}
	}
	if lines < 5 {
		t.Errorf("only %d lines", lines)
	}
}

// series is how many there are of all metrics.
func (r *rig) series() (n int) {
	r.t.Helper()
	families, err := r.metrics.Registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}

// Nothing that a client can invent makes a series.
func TestHostileLabelsMakeNoSeries(t *testing.T) {
	r := hostileRig(t, func(c *configs.Config) { c.PassUnknownAPIs = true })
	r.store()
	for i := range 300 {
		r.broker.Handle(int16(10_000+i), echo)
	}
	n := r.neighbour()
	use := func(i int) {
		c := r.dial()
		defer c.Conn().Close()
		name := fmt.Sprint("invented-", i)
		c.SetClientID(name)
		v := kmsg.NewPtrApiVersionsRequest()
		v.Version, v.ClientSoftwareName, v.ClientSoftwareVersion = 3, name, name
		c.Do(v)
		c.Do(produce(9, -1, name, []string{"forbidden"}))
		c.Write(fakebroker.AppendRequest(nil, int16(10_000+i), 0, 9, &name, nil))
		c.Next()
	}
	for i := range 3 {
		use(i)
	}
	eventually(t, "their ends", func() bool { return len(r.Clients()) == 1 })
	before := r.series()
	for i := 3; i < 300; i++ {
		use(i)
	}
	eventually(t, "their ends", func() bool { return len(r.Clients()) == 1 })
	if after := r.series(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
	r.unharmed(n)
}

// A bomb is opened as far as the limit, counted, and passes like all that cannot be
// inspected; nothing of it stays.
func TestHostileBombs(t *testing.T) {
	const limit, size = 1 << 20, 16 << 20
	r := hostileRig(t, func(c *configs.Config) { c.Inspect.MaxDecompressed = limit })
	r.store()
	n, c := r.neighbour(), r.dial()
	for i, codec := range []records.Codec{records.Gzip, records.Snappy, records.LZ4, records.Zstd} {
		blob, err := records.NewBuilder(codec).Add(nil, make([]byte, size)).AppendBatch(nil)
		if err != nil {
			t.Fatal(err)
		}
		req := produce(9, -1, "t", []string{"a"})
		req.Topics[0].Partitions[0].Records = blob
		before := heap()
		c.Do(req)
		if grown := heap() - before; grown > 8*limit {
			t.Errorf("%v: %d bytes stay", codec, grown)
		}
		n.works()
		if got := int(sumOf(t, r.metrics, "warder_uninspected_total")); got != i+1 {
			t.Errorf("%v: %d uninspected, want %d", codec, got, i+1)
		}
	}
	r.unharmed(n)
}
