package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"warder/configs"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
	"warder/test/fakebroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends waits of tests that have already failed.
const patience = 10 * time.Second

// forbidden is a rule that needs no knowledge of topics: no record may say "forbidden".
var forbidden = rules.Spec{
	ID: "tombstone", Summary: "finds records that say forbidden", Severity: rules.Critical, Needs: rules.NeedRecords,
	CanBlock: true, Default: rules.Alert, Doc: "docs/rules/tombstone.md",
	New: func(decode func(any) error) (rules.Rule, error) { return forbiddenRule{}, decode(&struct{}{}) },
}

type forbiddenRule struct{}

func (forbiddenRule) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if string(r.Value) == "forbidden" {
		c.Deny(rules.Denial{Record: r.Index, Reason: "it says forbidden"})
	}
}

// rig is a server in front of a broker, without the background tasks of Run
// unless a test starts them.
type rig struct {
	*Server
	t      testing.TB
	broker *fakebroker.Broker
	log    *lockedBuffer
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newRig starts a server on free ports; change may alter its configuration first.
func newRig(t *testing.T, change func(*configs.Config)) *rig {
	t.Helper()
	broker := fakebroker.New(t)
	return newRigAt(t, broker, broker.Addr(), change)
}

func newRigAt(t *testing.T, broker *fakebroker.Broker, upstream string, change func(*configs.Config)) *rig {
	t.Helper()
	return startRig(t, broker, upstream, []rules.Spec{forbidden}, change)
}

// newRigWith is newRig with other rules.
func newRigWith(t *testing.T, specs []rules.Spec, change func(*configs.Config)) *rig {
	t.Helper()
	broker := fakebroker.New(t)
	return startRig(t, broker, broker.Addr(), specs, change)
}

func startRig(t testing.TB, broker *fakebroker.Broker, upstream string, specs []rules.Spec, change func(*configs.Config)) *rig {
	t.Helper()
	return startRigOn(t, broker, upstream, change, func(o *engine.Options, _ *Options) { o.Specs = specs })
}

// startModelled is startRig with the model of groups.
func startModelled(t testing.TB, upstream string, specs []rules.Spec, change func(*configs.Config)) *rig {
	t.Helper()
	logs := state.NewLogs(0)
	return startRigOn(t, nil, upstream, change, func(eo *engine.Options, o *Options) {
		eo.Specs, eo.Models, o.Logs = specs, []rules.Model{state.NewGroups(logs)}, logs
	})
}

// startRigOn is startRig with an engine of the test's own making.
func startRigOn(t testing.TB, broker *fakebroker.Broker, upstream string, change func(*configs.Config), on func(*engine.Options, *Options)) *rig {
	t.Helper()
	c := configs.Default()
	c.Upstream.Bootstrap = []configs.Address{configs.Address(upstream)}
	c.Listeners[0].Address, c.Listeners[0].Ports = "127.0.0.1:0", &configs.PortRange{}
	c.Drain.Deadline = 5 * time.Second
	if change != nil {
		change(c)
	}
	log := &lockedBuffer{}
	topics := state.NewTopics(0)
	o := Options{Config: c, Topics: topics, Metrics: NewMetrics(), Tap: &tap.Hub{}, Log: zerolog.New(log)}
	eo := engine.Options{
		Cluster: "test", Topics: topics, Inspect: c.Inspect, Meter: o.Metrics.Meter(),
		Log: zerolog.New(log), Limits: engine.Limits{Shards: 1},
	}
	on(&eo, &o)
	e, err := engine.New(eo)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Configure(c.Rules, c.Suppressions); err != nil {
		t.Fatal(err)
	}
	o.Engine = e
	srv, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	r := &rig{Server: srv, t: t, broker: broker, log: log}
	t.Cleanup(func() {
		srv.drain()
		srv.lookups.close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of warder:\n%s", log)
		}
	})
	return r
}

// rules puts every rule on action.
func (r *rig) rules(action string) {
	r.t.Helper()
	var c configs.Rules
	c.SetDefaults()
	c.Defaults.Action = action
	if err := r.engine.Configure(c, nil); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) addr() string { return r.Addresses()[0] }

func (r *rig) dial() *fakebroker.Client {
	r.t.Helper()
	return fakebroker.Dial(r.t, r.addr())
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // the pause between two looks at a condition
	}
}

// closedBy waits until a connection was closed for reason.
func (r *rig) closedBy(reason CloseReason) {
	r.t.Helper()
	eventually(r.t, "a connection closed by "+string(reason), func() bool {
		return testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(reason))) > 0
	})
}

// logged waits for a text in the log.
func (r *rig) logged(text string) {
	r.t.Helper()
	eventually(r.t, "the log to say "+text, func() bool { return strings.Contains(r.log.String(), text) })
}

// chunky is a connection that reads and writes a few bytes at a time, so that
// every boundary in a frame is crossed somewhere.
type chunky struct {
	net.Conn
	size int
}

func (c *chunky) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		k, err = c.Conn.Write(p[:min(c.size, len(p))])
		n, p = n+k, p[k:]
	}
	return n, err
}

func readAll(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	return p
}

// ended waits for the end of a connection and closes the client's side, for
// which warder waits a moment.
func ended(c *fakebroker.Client) {
	c.End()
	c.Conn().Close()
}
