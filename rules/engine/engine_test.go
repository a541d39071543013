package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hung is a sink that does not come back until it is let go.
type hung struct {
	entered chan struct{}
	let     chan struct{}
	written atomic.Int32
	closed  atomic.Bool
}

func newHung() *hung { return &hung{entered: make(chan struct{}, 1000), let: make(chan struct{})} }

func (h *hung) Name() string { return "hung" }
func (h *hung) Close() error { h.closed.Store(true); return nil }
func (h *hung) Write(*rules.Finding) error {
	h.entered <- struct{}{}
	<-h.let
	h.written.Add(1)
	return errors.New("broken anyway")
}

// lively is a bench with goroutines.
func lively(t *testing.T, h sink.Sink, queue int) (*bench, *sync.Map) {
	t.Helper()
	var dropped sync.Map
	b := newBench(t, builtin.Specs(), func(o *engine.Options) {
		o.Inline, o.Limits.SinkQueue = false, queue
		o.Sinks = []sink.Sink{h}
		o.Meter = engine.Meter{Dropped: func(queue string, n int) {
			v, _ := dropped.LoadOrStore(queue, new(atomic.Int32))
			v.(*atomic.Int32).Add(int32(n))
		}}
	})
	return b, &dropped
}

func TestDeadSinkDelaysNobody(t *testing.T) {
	h := newHung()
	b, dropped := lively(t, h, 4)
	b.block(t)
	g := b.Gate()
	blob := batchOf(t, records.None, "-")
	produce(t, g, "users", blob)
	<-h.entered // the sink hangs now
	for i := range 200 {
		topic := fmt.Sprint("topic-", i) // an incident each
		b.topics.LearnConfig(topic, "compact", epoch)
		if v := produce(t, g, topic, blob); len(v.Denied) != 1 {
			t.Fatalf("verdict %+v", v)
		}
	}
	close(h.let)
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := 0
	dropped.Range(func(queue, n any) bool {
		if queue != "sink_hung" && queue != "findings" {
			t.Errorf("dropped in %v", queue)
		}
		lost += int(n.(*atomic.Int32).Load())
		return true
	})
	if lost == 0 || int(h.written.Load())+lost != 201 {
		t.Errorf("%d written, %d dropped, of 201", h.written.Load(), lost)
	}
	if !h.closed.Load() {
		t.Error("the sink was not closed")
	}
}

func TestCloseGivesUpOnAHungSink(t *testing.T) {
	h := newHung()
	b, _ := lively(t, h, 4)
	produce(t, b.Gate(), "users", batchOf(t, records.None, "-"))
	<-h.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(h.let) // the goroutine left behind ends, or goleak complains
}

func TestCloseDeliversWhatIsQueued(t *testing.T) {
	found := &capture{}
	b, _ := lively(t, found, 1000)
	g := b.Gate()
	blob := batchOf(t, records.None, "-")
	for range 100 {
		produce(t, g, "users", blob)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(found.found); n == 0 || found.found[n-1].Count != 100 {
		t.Errorf("%d findings, the last: %+v", n, found.found[max(n-1, 0):])
	}
}

// Sessions, reloads, news of topics, events and queries at the same time; for
// the race detector. Each frame is judged by exactly one configuration.
func TestEverythingAtOnce(t *testing.T) {
	b, _ := lively(t, &capture{}, 100)
	blob := batchOf(t, records.Snappy, "a", "-")
	var sessions, others sync.WaitGroup
	stop := make(chan struct{})
	other := func(f func(i int)) {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	other(func(i int) {
		action := []string{"alert", "block", "\"off\""}[i%3]
		if err := b.configure(t, "rules: {tombstone: {action: "+action+"}}"); err != nil {
			t.Error(err)
		}
	})
	other(func(i int) {
		b.topics.Learn("users", [16]byte{byte(i)}, 3)
		b.topics.LearnConfig("users", "compact", epoch)
	})
	other(func(i int) {
		b.Emit(rules.TransactionEnded{At: epoch, TransactionalID: fmt.Sprint(i % 10), Committed: true})
		b.Findings().Query(sink.Query{Rule: "tombstone"})
		b.Stores()
	})
	for range 4 {
		sessions.Go(func() {
			g := b.Gate()
			defer g.Close()
			req := request(t, -1, part("users", blob), part("events", blob))
			for range 500 {
				v := g.Produce(java, req, epoch)
				if len(v.Denied) > 1 || len(v.Denied) == 1 && !strings.Contains(v.Denied[0].Message, "compacted topic users") {
					t.Errorf("%+v", v)
				}
			}
		})
	}
	sessions.Wait()
	close(stop)
	others.Wait()
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
