package engine_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/ruletest"
	"warder/rules/state"
)

// following is a rule that needs keys and nothing else, and hears what is found.
func following(heard *[]rules.Event) rules.Spec {
	f := &fake{watch: func(_ *rules.Watch, ev rules.Event) { *heard = append(*heard, ev) }}
	spec := f.spec("following")
	spec.Needs = rules.NeedKeys
	spec.Watches = []rules.Interest{
		{Kind: rules.KindPartitionerFound, By: rules.ByTopic},
		{Kind: rules.KindKeysMoved, By: rules.ByTopic},
	}
	return spec
}

// keyed builds a batch of the keys of from..to that Java puts on a partition.
func keyed(t testing.TB, codec records.Codec, partition, n int32, from, to int) []byte {
	t.Helper()
	b := records.NewBuilder(codec)
	for i := from; i < to; i++ {
		key := fmt.Appendf(nil, "user-%d", i)
		if state.Java.Partition(key, n) == partition {
			b.Add(key, []byte("v"))
		}
	}
	blob, err := b.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestKeysAreFollowed(t *testing.T) {
	for codec := records.None; codec <= records.Zstd; codec++ {
		var heard []rules.Event
		b := newBench(t, []rules.Spec{following(&heard)}, nil)
		b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
		g := b.Gate()
		for p := range int32(12) {
			g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: p, Records: keyed(t, codec, p, 12, 0, 60)}), epoch)
		}
		if len(heard) != 1 {
			t.Fatalf("%s: heard %v", codec, heard)
		}
		if f := heard[0].(rules.PartitionerFound); f.Partitioner != "java" || f.Partitions != 12 || f.Keys != 20 || f.Matches != 20 || f.Client != java || f.Topic != "events" {
			t.Errorf("%s: %+v", codec, f)
		}
		g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: 3, Records: keyed(t, codec, 7, 12, 0, 60)}), epoch)
		if m, ok := heard[len(heard)-1].(rules.KeysMoved); !ok || m.From != 7 || m.To != 3 || m.Writer != java || m.Moved != len(m.Hashes) {
			t.Errorf("%s: %+v", codec, heard)
		}
		g.Close()
	}
}

// A batch that a rule refuses leaves its keys where they were.
func TestRefusedKeysHaveNotMoved(t *testing.T) {
	var heard []rules.Event
	b := newBench(t, []rules.Spec{following(&heard), (&fake{record: func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		if b.Partition == 3 {
			denyAll("no")(c, b, r)
		}
	}}).spec("denying")}, nil)
	b.block(t)
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	g, blob := b.Gate(), keyed(t, records.None, 7, 12, 0, 60)
	for _, partition := range []int32{7, 3, 7} {
		g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: partition, Records: blob}), epoch)
	}
	if len(heard) != 0 {
		t.Errorf("heard %v", heard)
	}
}

// A broken batch says nothing of keys, and what came before it is not repeated.
func TestBrokenBatchesHaveNoKeys(t *testing.T) {
	var heard []rules.Event
	b := newBench(t, []rules.Spec{following(&heard)}, nil)
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	g := b.Gate()
	broken := keyed(t, records.None, 7, 12, 0, 60)
	broken[len(broken)-3] = 0x7e // the length of the last value
	for _, blob := range [][]byte{broken, keyed(t, records.None, 7, 12, 100, 160)} {
		g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: 7, Records: blob}), epoch)
	}
	g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: 3, Records: keyed(t, records.None, 7, 12, 0, 60)}), epoch)
	if len(heard) != 0 {
		t.Errorf("heard %v", heard)
	}
}

func TestRuleIsToldOfThoseItLooksAt(t *testing.T) {
	for config, want := range map[string]int{
		"":                                      2,
		"{topics: [\"other*\"]}":                0,
		"{clients: [else]}":                     0,
		"{allow: [{client_id: profile-svc}]}":   0,
		"{allow: [{client_id: mirror}]}":        1, // not of keys that the mirror had put elsewhere
		"{allow: [{topic: other}]}":             2,
		"{allow: [{topic: \"e*\", reason: x}]}": 0,
	} {
		var heard []rules.Event
		b := newBench(t, []rules.Spec{following(&heard), (&fake{}).spec("plain")}, nil)
		if config != "" {
			if err := b.configure(t, "rules: {following: "+config+"}"); err != nil {
				t.Fatal(err)
			}
		}
		mirror := &rules.Identity{ClientID: "mirror", Remote: netip.MustParseAddrPort("10.0.0.9:1")}
		b.Emit(rules.PartitionerFound{At: epoch, Client: java, Topic: "events"})
		b.Emit(rules.KeysMoved{At: epoch, Client: java, Writer: mirror, Topic: "events"})
		if len(heard) != want {
			t.Errorf("%s: heard %v", config, heard)
		}
	}
}

// What the client saw, and when that counts, is for rules to see.
func TestRulesSeeWhatTheClientSaw(t *testing.T) {
	var seen []rules.PartitionsSeen
	f := &fake{batch: func(_ *rules.Case, b *rules.Batch) { seen = append(seen, b.Seen) }}
	spec := f.spec("looking")
	spec.Needs |= rules.NeedKeys
	b := newBench(t, []rules.Spec{spec}, nil)
	b.topics.Learn("events", [16]byte{}, 12)
	g, blob, now := b.Gate(), batchOf(t, records.None, "a"), epoch
	write := func(at time.Duration) {
		now = epoch.Add(at)
		g.Produce(java, request(t, -1, part("events", blob)), now)
	}
	write(0) // it asked before anybody listened
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, now)
	write(time.Second)
	b.Keys().SawPartitions(java, "events", [16]byte{}, 16, now)
	write(2 * time.Second)
	write(11 * time.Minute)
	want := []rules.PartitionsSeen{{}, {Now: 12}, {Now: 16, Before: 12}, {Now: 16}}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

// Clients that write no keys are not decompressed for nothing, but now and then.
func TestKeylessClientsAreLookedAtNowAndThen(t *testing.T) {
	b := newBench(t, []rules.Spec{following(new([]rules.Event))}, nil)
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	build := records.NewBuilder(records.Gzip)
	build.Add(nil, []byte("v"))
	blob, err := build.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Gate()
	for range 1600 {
		produce(t, g, "events", blob)
	}
	if n := b.counts["records"]; n < 100 || n > 130 {
		t.Errorf("%d of 1600 batches were opened", n)
	}
}

func TestFollowingKeysAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools allocate at random under the race detector")
	}
	b := newBench(t, []rules.Spec{following(new([]rules.Event))}, func(o *engine.Options) {
		o.Meter = engine.Meter{Inspected: func(_, _ int) {}, Verdict: func(engine.Verdict, int) {}}
	})
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	g := b.Gate()
	req := request(t, -1, ruletest.Part{Topic: "events", Partition: 7, Records: keyed(t, records.LZ4, 7, 12, 0, 6000)})
	g.Produce(java, req, epoch)
	for range 10 {
		if n := testing.AllocsPerRun(100, func() { g.Produce(java, req, epoch.Add(time.Second)) }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
	}
}

// BenchmarkKeys is the cost of all builtin rules that look at keys, the walk over
// the records included: batches of 100 records with keys of 16 bytes out of a million, on the
// partitions that a partitioner chooses.
func BenchmarkKeys(b *testing.B) {
	for _, p := range append(state.Partitioners(), state.NoPartitioner) {
		for _, distinct := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", p, distinct), func(b *testing.B) { benchmarkKeys(b, p, distinct) })
		}
	}
	b.Run("pinned", func(b *testing.B) {
		bench := keyBench(b)
		if err := bench.configure(b, "rules: {partitioner-mix: {action: block, pins: [{topic: events, partitioner: java}]}}"); err != nil {
			b.Fatal(err)
		}
		benchmarkRequests(b, bench, keyedRequests(b, state.Java, 1_000_000))
	})
	b.Run("unfollowed", func(b *testing.B) {
		bench := newBench(b, []rules.Spec{(&fake{}).spec("walk")}, func(o *engine.Options) { o.Meter = engine.Meter{} })
		benchmarkRequests(b, bench, keyedRequests(b, state.Java, 1_000_000))
	})
}

func benchmarkKeys(b *testing.B, p state.Partitioner, distinct int) {
	benchmarkRequests(b, keyBench(b), keyedRequests(b, p, distinct))
}

// keyBench has the builtin rules that need keys.
func keyBench(b *testing.B) *bench {
	var specs []rules.Spec
	for _, spec := range builtin.Specs() {
		if spec.Needs.Has(rules.NeedKeys) {
			specs = append(specs, spec)
		}
	}
	bench := newBench(b, specs, func(o *engine.Options) { o.Meter = engine.Meter{} })
	bench.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	return bench
}

func benchmarkRequests(b *testing.B, bench *bench, requests [][]byte) {
	g := bench.Gate()
	defer g.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		req, err := protocol.ParseProduceRequest(9, requests[i%len(requests)])
		if err != nil {
			b.Fatal(err)
		}
		g.Produce(java, &req, epoch)
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
}

// keyedRequests makes requests of one batch of 100 records each.
func keyedRequests(b *testing.B, p state.Partitioner, distinct int) (all [][]byte) {
	const n = 12
	random := rand.New(rand.NewPCG(1, 2))
	builders := make([]*records.Builder, n)
	size := make([]int, n)
	for len(all) < max(distinct/100, 1000) {
		key := fmt.Appendf(nil, "key-%012d", random.IntN(distinct))
		at := p.Partition(key, n)
		if p == state.NoPartitioner {
			at = random.Int32N(n)
		}
		if builders[at] == nil {
			builders[at] = records.NewBuilder(records.None)
		}
		builders[at].Add(key, []byte("0123456789"))
		if size[at]++; size[at] < 100 {
			continue
		}
		blob, err := builders[at].AppendBatch(nil)
		if err != nil {
			b.Fatal(err)
		}
		builders[at], size[at] = nil, 0
		body := ruletest.Body{Version: 9, Acks: -1, Parts: []ruletest.Part{{Topic: "events", Partition: at, Records: blob}}}
		all = append(all, body.Append(nil))
	}
	return all
}
