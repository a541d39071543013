package proxy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/protocol"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/test/fakebroker"
)

// profileOf waits for an open connection that shows something, and gives it.
func profileOf(t *testing.T, r *rig, what string, shows func(*ClientInfo) bool) (found ClientInfo) {
	t.Helper()
	eventually(t, "a connection that shows "+what, func() bool {
		for _, c := range r.Clients() {
			if shows(&c) {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// What a client's settings come to on the wire can be seen while it is connected.
func TestConnectionsShowSettings(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := startModelled(t, cluster.Bootstrap(), []rules.Spec{forbidden}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("shop"), kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("billing"),
		kgo.FetchMinBytes(7), kgo.FetchMaxWait(300*time.Millisecond), kgo.FetchMaxBytes(1<<20), kgo.Rack("b"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range 3 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: make([]byte, 10_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.PollFetches(ctx).Err(); err != nil {
		t.Fatal(err)
	}

	writes := profileOf(t, r, "writing", func(c *ClientInfo) bool { return c.Produces != nil })
	p := writes.Produces
	if p.Acks != -1 || p.TransactionalID != "" || p.IntervalMs == nil || p.Batches == nil {
		t.Fatalf("%+v", p)
	}
	if diff := cmp.Diff(&BatchesInfo{Idempotent: true, Compression: []string{"lz4"}, Records: 1}, p.Batches, cmpopts.IgnoreFields(BatchesInfo{}, "Bytes")); diff != "" || p.Batches.Bytes < 61 || p.Batches.Bytes > 5000 {
		t.Errorf("%v bytes; %s", p.Batches.Bytes, diff)
	}
	reads := profileOf(t, r, "reading", func(c *ClientInfo) bool { return c.Fetches != nil && c.Fetches.Partitions == 3 })
	if diff := cmp.Diff(&ConsumerInfo{MinBytes: 7, MaxBytes: 1 << 20, MaxWaitMs: 300, IsolationLevel: "read_committed", Rack: "b", Partitions: 3}, reads.Fetches); diff != "" {
		t.Error(diff)
	}
	member := profileOf(t, r, "a membership", func(c *ClientInfo) bool { return len(c.Groups) > 0 })
	if g := member.Groups; len(g) != 1 || g[0].Group != "billing" || g[0].MemberID == "" || member.ClientID != "shop" {
		t.Errorf("%+v", member)
	}
	last := -1
	for _, v := range writes.APIVersions {
		if int(v.Key) <= last || v.API != protocol.APIName(v.Key) || v.Lowest > v.Highest {
			t.Errorf("%+v", writes.APIVersions)
		}
		last = int(v.Key)
	}
}

func TestVersionsOfAConnection(t *testing.T) {
	r := newRig(t, nil)
	r.rules("off")
	seen := make(chan struct{})
	r.broker.Script(fakebroker.Expect(protocol.Produce), fakebroker.Expect(protocol.Produce), fakebroker.Expect(protocol.Produce), fakebroker.Wait(seen))
	c := r.dial()
	for _, version := range []int16{8, 11, 9} {
		c.Send(produce(version, 1, "orders", []string{"v"}))
	}
	info := profileOf(t, r, "three requests", func(c *ClientInfo) bool { return c.Requests == 3 && c.Produces != nil })
	want := Profile{APIVersions: []APIVersions{{Key: protocol.Produce, API: "Produce", Lowest: 8, Highest: 11}}, Produces: &ProducerInfo{Acks: 1, IntervalMs: info.Produces.IntervalMs}}
	if diff := cmp.Diff(want, info.Profile); diff != "" {
		t.Errorf("where no rule looks only acks are known: %s", diff)
	}
	close(seen) // the broker goes away
}

// A hostile client cannot make a connection expensive.
func TestProfileIsBounded(t *testing.T) {
	var p profile
	for i := range 1000 {
		p.speaksFor(rules.Membership{Group: fmt.Sprint("g", i)})
		p.speaksFor(rules.Membership{Group: "g0", Generation: int32(i)})
		p.used(protocol.Produce, int16(i%14))
	}
	p.fetched(&protocol.FetchRequest{RackID: make([]byte, 10_000)}, 1)
	p.produced(&protocol.ProduceRequest{TransactionalID: make([]byte, 10_000)}, time.Now())
	if len(p.fetch.rack) != profileText || len(p.produce.transactionalID) != profileText {
		t.Errorf("a rack of %d bytes, a transactional id of %d", len(p.fetch.rack), len(p.produce.transactionalID))
	}
	if len(p.groups) != maxSpeaksFor || p.groups[0].Generation != 999 || len(p.versions) != 1 || p.versions[0] != (versionsUsed{protocol.Produce, 0, 13}) {
		t.Errorf("%d groups, versions %v", len(p.groups), p.versions)
	}
}

func TestAveragesFollowWhatIsDoneNow(t *testing.T) {
	var p profile
	at := time.Now()
	write := func(n int, every time.Duration, texts ...string) {
		raw := produce(9, -1, "orders", texts).AppendTo(nil)
		req, err := protocol.ParseProduceRequest(9, raw)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			at = at.Add(every)
			p.produced(&req, at)
		}
	}
	write(1, 0, "a")
	if v := p.view().Produces; v.IntervalMs != nil || v.Batches.Records != 1 || !v.Batches.Idempotent || v.Batches.Compression[0] != "none" {
		t.Errorf("after one: %+v, %+v", v, v.Batches)
	}
	write(1, 100*time.Millisecond, "a", "b", "c")
	if v := p.view().Produces; *v.IntervalMs != 100 || v.Batches.Records != 2 {
		t.Errorf("after two: %v ms, %+v", *v.IntervalMs, v.Batches)
	}
	write(300, 20*time.Millisecond, make([]string, 50)...)
	if v := p.view().Produces; *v.IntervalMs < 19.9 || *v.IntervalMs > 20.1 || v.Batches.Records < 49.9 {
		t.Errorf("after many: %v ms, %+v", *v.IntervalMs, v.Batches)
	}
}
