package proxy

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
)

// stalling is a rule that does not come back from Watch while it holds.
type stalling struct {
	mu   sync.Mutex
	hold chan struct{} // nil: it comes back

	inside, gaps, events atomic.Int64
	lost                 atomic.Int64 // by the gaps
}

func (s *stalling) Watch(w *rules.Watch, ev rules.Event) {
	w.State = true
	if gap, ok := ev.(rules.Gap); ok {
		s.gaps.Add(1)
		s.lost.Store(int64(gap.Lost))
		return
	}
	s.events.Add(1)
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		s.inside.Add(1)
		<-hold
		s.inside.Add(-1)
	}
}

// stall holds every shard: each gets events of some group.
func (s *stalling) stall(t *testing.T, r *rig, shards int64) (release func()) {
	t.Helper()
	hold := make(chan struct{})
	set := func(c chan struct{}) {
		s.mu.Lock()
		s.hold = c
		s.mu.Unlock()
	}
	set(hold)
	for i := 0; s.inside.Load() < shards; i++ {
		r.engine.Emit(rules.Heartbeat{At: time.Now(), Client: rigClient, Membership: rules.Membership{Group: fmt.Sprint("stall-", i), MemberID: "m"}})
		eventually(t, "a rule to be called", func() bool { return s.inside.Load() > 0 })
		runtime.Gosched()
	}
	return sync.OnceFunc(func() { set(nil); close(hold) })
}

// The bounds of the test.
const (
	stalledShards = 3
	stalledQueue  = 64
	stalledFlood  = 1000 // commits
)

// TestStalledShardsDelayNobody: while no shard does anything, since a rule does not come back, clients are answered as
// if nothing were. Queues take what they hold and no more, who looks is told that nobody can say, and what was lost is
// told to rules when they are back. Warder ends although they are not.
func TestStalledShardsDelayNobody(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	rule := &stalling{}
	listens := (&listening{}).spec(rules.ByGroup, rules.KindJoined, rules.KindHeartbeat, rules.KindCommitted, rules.KindOffsetsFetched, rules.KindMemberFetched)
	listens.New = func(decode func(any) error) (rules.Rule, error) { return rule, decode(&struct{}{}) }
	r := startRigOn(t, nil, cluster.Bootstrap(), func(c *configs.Config) { c.StateFile = configs.Path(t.TempDir() + "/state.json") }, func(o *engine.Options, p *Options) {
		p.Logs = state.NewLogs(0)
		p.Groups = state.NewGroups(p.Logs)
		o.Specs, o.Models, o.Limits = []rules.Spec{listens}, []rules.Model{p.Groups}, engine.Limits{Shards: stalledShards, Queue: stalledQueue}
	})
	release := rule.stall(t, r, stalledShards)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	write(t, r, 0, 20)
	cl := consumer(t, r, "billing-1")
	defer cl.Close()
	for n := 0; n < 20; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	dropped := func() float64 { return testutil.ToFloat64(r.metrics.dropped.WithLabelValues("events")) }
	before := dropped()
	r.commits(t, "flood", stalledFlood)
	direct, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap()))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	for group, want := range map[string]int64{"billing": 20, "flood": stalledFlood} {
		offsets, err := kadm.NewClient(direct).FetchOffsets(ctx, group)
		sum := int64(0)
		offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
		if err != nil || sum != want {
			t.Errorf("the coordinator has %v of %s: %v", offsets, group, err)
		}
	}

	// All events of a group are for one shard, which queues as many as it may.
	if lost := dropped() - before; lost < stalledFlood-stalledQueue {
		t.Errorf("%v events were dropped, so %v are queued somewhere", lost, stalledFlood-lost)
	}
	if n := rule.inside.Load(); n != stalledShards {
		t.Errorf("%d shards are stalled", n)
	}
	if found, asked := r.engine.View(rules.ByGroup, "billing", func(rules.ModelState) { t.Error("somebody looks") }); found || asked {
		t.Errorf("found %v, asked %v", found, asked)
	}

	release()
	eventually(t, "rules to be told what they missed", func() bool { return rule.gaps.Load() > 0 && rule.lost.Load() > 0 })
	eventually(t, "the group to be seen again", func() bool {
		known := false
		r.engine.View(rules.ByGroup, "billing", func(m rules.ModelState) {
			g, _ := m.(*state.Group)
			known = g.Members() == 1
		})
		return known
	})

	again := rule.stall(t, r, stalledShards)
	r.endsWhileStalled(t, cl)
	again()
}

// commits has a client commit offsets one after the other, for no member.
func (r *rig) commits(t *testing.T, group string, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		offsets := kadm.Offsets{}
		offsets.AddOffset("orders", 0, int64(i+1), -1)
		if _, err := kadm.NewClient(cl).CommitOffsets(t.Context(), group, offsets); err != nil {
			t.Fatal(err)
		}
	}
}

// endsWhileStalled drains and closes a warder whose rules do not come back.
func (r *rig) endsWhileStalled(t *testing.T, client *kgo.Client) {
	t.Helper()
	running, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * patience):
		t.Fatal("it does not end")
	}
	if !strings.Contains(r.log.String(), "not all groups could be asked") {
		t.Error("nobody is told that groups are not written down")
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := r.engine.Close(soon); err == nil || !strings.Contains(err.Error(), "does not come back") {
		t.Errorf("closed: %v", err)
	}
}
