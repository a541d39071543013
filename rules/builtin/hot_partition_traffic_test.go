package builtin

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"warder/rules"
)

// hotBench plays batches to the rule, as a gate and a shard do.
type hotBench struct {
	rule *hotPartition
	c    rules.Case
	now  time.Time
	said []string
	last rules.Report
}

func newHotBench() *hotBench {
	rule, err := newHotPartition(func(any) error { return nil })
	if err != nil {
		panic(err) // it takes its knobs as they are
	}
	h := rule.(*hotPartition)
	return &hotBench{rule: h, c: rules.Case{Shared: h.NewShared(), Scratch: h.NewScratch()}, now: epoch}
}

func (b *hotBench) traffic() *hotTraffic { return b.c.Shared.(*hotTraffic) }

func (b *hotBench) batch(topic *rules.Topic, partition int32, n int) *rules.Batch {
	batch := &rules.Batch{Request: rules.Request{Time: b.now, Identity: &rules.Identity{}}, Topic: topic, Partition: partition, Weight: 1}
	batch.Header = fresh(batch.Header)
	batch.Header.Magic, batch.Header.NumRecords, batch.Header.Size = 2, int32(n), 100*n
	return batch
}

// fresh makes a value of a type that rules do not name.
func fresh[T any](*T) *T { return new(T) }

// produce sends a batch of n records of one key, of which the first is sampled.
func (b *hotBench) produce(topic *rules.Topic, partition int32, key string, n int) {
	batch := b.batch(topic, partition, n)
	b.rule.Sample(&b.c, batch, &rules.Record{Key: []byte(key), KeyNull: key == ""})
	b.rule.Batch(&b.c, batch)
}

// window ends one.
func (b *hotBench) window() {
	b.now = b.now.Add(b.rule.Window)
	w := &rules.Watch{Now: b.now, Shared: b.c.Shared}
	b.rule.Sweep(w)
	reports, _ := w.Left()
	for _, r := range reports {
		b.last = r
		what := "hot"
		if r.Resolved {
			what = "over"
		}
		b.said = append(b.said, fmt.Sprintf("%s %d %s", r.Subject.Topic, *r.Subject.Partition, what))
	}
}

// windows lets n of them pass, in each of which one partition takes a share of
// 1,000 records for each partition, and the others the rest of it.
func (b *hotBench) windows(n int, topic *rules.Topic, hot int32, share float64) {
	for range n {
		for p := range topic.Partitions {
			part := (1 - share) / float64(topic.Partitions-1)
			if p == hot {
				part = share
			}
			b.produce(topic, p, fmt.Sprint("key-", p), int(1000*part*float64(topic.Partitions)))
		}
		b.window()
	}
}

func (b *hotBench) want(t testing.TB, said ...string) {
	t.Helper()
	if got, want := strings.Join(b.said, ", "), strings.Join(said, ", "); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	b.said = nil
}

func TestHotPartitionFollowsThePartitionCount(t *testing.T) {
	b := newHotBench()
	b.windows(3, &rules.Topic{Name: "orders", Partitions: 12}, 11, 0.5)
	b.want(t, "orders 11 hot")
	b.windows(12, &rules.Topic{Name: "orders", Partitions: 24}, 11, 0.5)
	b.want(t, "orders 11 hot") // ten minutes later, of the same incident
	if loads := b.traffic().loads; loads != 24 {
		t.Errorf("%d loads", loads)
	}
	// Deleted and made anew with fewer: that partition is no more.
	b.windows(2, &rules.Topic{Name: "orders", Partitions: 6}, 1, 0.2)
	b.want(t)
	b.windows(1, &rules.Topic{Name: "orders", Partitions: 6}, 1, 0.2)
	b.want(t, "orders 11 over")
}

func TestHotPartitionSaysWhatItKnowsOfKeys(t *testing.T) {
	orders := &rules.Topic{Name: "orders", Partitions: 6}
	for _, c := range []struct {
		name            string
		key             func(i int) string
		samples         int // in a window
		summary, advice string
	}{
		{"one key", func(int) string { return "tenant-42" }, 50, "key sha256:f71d3741 is 100 % of it", "suffix"},
		{"half", func(i int) string { return []string{"tenant-42", fmt.Sprintf("tenant-%02d", i)}[i%2] }, 50, "key sha256:f71d3741 is 50 % of it", "suffix"},
		{"less than half", func(i int) string { return fmt.Sprint("tenant-", max(i%20-8, 0)) }, 60, "no single key feeds it", "different values"},
		{"a third", func(i int) string { return []string{"tenant-42", "tenant-43", "tenant-44"}[i%3] }, 51, "no single key feeds it", "different values"},
		{"hardly seen", func(int) string { return "tenant-42" }, 3, "too few records were looked at", "print.key=true"},
	} {
		b := newHotBench()
		for range b.rule.Windows {
			for i := range c.samples {
				b.produce(orders, 2, c.key(i), 2000)
			}
			b.window()
		}
		b.want(t, "orders 2 hot")
		if !strings.Contains(b.last.Summary, c.summary) || !strings.Contains(b.last.Advice, c.advice) {
			t.Errorf("%s: %s\n%s", c.name, b.last.Summary, b.last.Advice)
		}
	}
}

// What counts are the last windows: a key that has had its day is not blamed.
func TestHotPartitionForgetsFormerKeys(t *testing.T) {
	b := newHotBench()
	orders := &rules.Topic{Name: "orders", Partitions: 6}
	for i := range b.rule.Windows + int(hotTellEvery/b.rule.Window) {
		key := "tenant-42"
		if i >= b.rule.Windows {
			key = "tenant-7"
		}
		for range 50 {
			b.produce(orders, 2, key, 2000)
		}
		b.window()
	}
	b.want(t, "orders 2 hot", "orders 2 hot")
	if want := "key " + rules.KeyText([]byte("tenant-7")) + " is 100 % of it"; !strings.Contains(b.last.Summary, want) {
		t.Errorf("%s, want %s", b.last.Summary, want)
	}
}

// Of several readers the one that is farthest behind counts, for half a minute.
func TestHotPartitionKnowsItsSlowestReader(t *testing.T) {
	h, s := newHotBench().rule, &hotSuspect{}
	audit, billing := &rules.Identity{ClientID: "audit"}, &rules.Identity{ClientID: "billing"}
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	if h.lags(s, at(0)) {
		t.Error("nobody reads it, and lags")
	}
	s.reader.note(audit, 10, at(0))
	s.reader.note(billing, 4000, at(1))
	s.reader.note(audit, 20, at(2))
	if s.reader.client != billing || !h.lags(s, at(31)) || h.lags(s, at(32)) {
		t.Errorf("%+v", s.reader)
	}
	if s.reader.note(audit, 30, at(32)); s.reader.client != audit || h.lags(s, at(32)) {
		t.Errorf("%+v is what is known after half a minute", s.reader)
	}
}

func TestHotPartitionOfALargeTopic(t *testing.T) {
	b := newHotBench()
	large := &rules.Topic{Name: "large", Partitions: 10_000}
	b.windows(3, large, 7777, 0.01) // three times a fair share is 0.03 %
	b.want(t, "large 7777 hot")
	for n, want := range map[int32]bool{0: false, 2: false, 3: true, hotMostPartitions: true, hotMostPartitions + 1: false} {
		if got := b.rule.Wants(nil, &rules.Topic{Name: "t", Partitions: n}); got != want {
			t.Errorf("wants a topic of %d partitions: %v", n, got)
		}
	}
}

func TestHotTrafficIsBounded(t *testing.T) {
	b := newHotBench()
	topics := func(n int, partitions int32) {
		for i := range n {
			b.produce(&rules.Topic{Name: fmt.Sprint("topic-", partitions, "-", i), Partitions: partitions}, 0, "k", 1)
			if s := b.traffic(); s.Len() > hotTopics || s.loads > hotLoads {
				t.Fatalf("%d topics, %d loads", s.Len(), s.loads)
			}
		}
	}
	topics(3000, 12)
	if s := b.traffic(); s.Len() != hotTopics || s.Evicted() != 2000 || s.loads != 12*hotTopics {
		t.Errorf("%d topics, %d evicted, %d loads", s.Len(), s.Evicted(), s.loads)
	}
	topics(100, hotMostPartitions)
	if s := b.traffic(); s.Len() != hotLoads/hotMostPartitions || s.loads != hotLoads || s.Evicted() != 3100-uint64(s.Len()) {
		t.Errorf("%d topics, %d evicted, %d loads", s.Len(), s.Evicted(), s.loads)
	}
}

func TestHotPartitionTakesWhatItsCommentsSay(t *testing.T) {
	for name, c := range map[string]struct{ size, most uintptr }{
		"load": {unsafe.Sizeof(hotLoad{}), 16}, "session": {unsafe.Sizeof(hotSession{}), 600},
		"topic": {unsafe.Sizeof(hotTopic{}) + 4*(unsafe.Sizeof(hotSuspect{})+8), 800},
	} {
		if c.size > c.most {
			t.Errorf("a %s takes %d bytes, more than %d", name, c.size, c.most)
		}
	}
}

// Whatever happens: reports and ends alternate, few partitions are suspects at
// once, and silence ends everything.
func TestHotPartitionComesToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newHotBench()
		topic := &rules.Topic{Name: "orders", Partitions: rapid.Int32Range(3, 6).Draw(t, "partitions")}
		open := map[string]bool{}
		check := func() {
			for _, said := range b.said {
				name, over := strings.CutSuffix(said, " over")
				name = strings.TrimSuffix(name, " hot")
				if over && !open[name] {
					t.Fatalf("%q, and it was never hot", said)
				}
				open[name] = !over
			}
			b.said = nil
			kept := b.traffic().all()[0].suspects
			following := 0
			for _, s := range kept {
				if s.keys != nil {
					following++
				}
			}
			if len(kept) > 4 || following > 2 {
				t.Fatalf("%d suspects, %d of them with keys", len(kept), following)
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "phases") {
			hot := rapid.Int32Range(0, topic.Partitions-1).Draw(t, "hot")
			share := rapid.SampledFrom([]float64{0.1, 0.9}).Draw(t, "share")
			for range rapid.IntRange(1, 4).Draw(t, "windows") {
				// By records another partition may be in front than by bytes.
				small := b.batch(topic, rapid.Int32Range(0, topic.Partitions-1).Draw(t, "small"), rapid.SampledFrom([]int{1, 200_000}).Draw(t, "records"))
				small.Header.Size = 100
				b.rule.Sample(&b.c, small, &rules.Record{Key: []byte("k")})
				b.rule.Batch(&b.c, small)
				b.windows(1, topic, hot, share)
				check()
			}
		}
		for range b.rule.Windows + 1 {
			b.window()
			check()
		}
		for name, still := range open {
			if still {
				t.Fatalf("%s was hot and never over", name)
			}
		}
		if topic := b.traffic().all()[0]; len(topic.suspects) != 0 || !topic.began.IsZero() {
			t.Fatalf("silence leaves %d suspects", len(topic.suspects))
		}
	})
}

// A batch that breaks off after some samples brings nothing, and what it left
// behind is not the next one's.
func TestHotPartitionForgetsABrokenBatch(t *testing.T) {
	b := newHotBench()
	orders := &rules.Topic{Name: "orders", Partitions: 3}
	b.rule.Sample(&b.c, b.batch(orders, 1, 5), &rules.Record{Index: 0, KeyNull: true})
	b.produce(&rules.Topic{Name: "carts", Partitions: 3}, 1, "k", 7)
	b.rule.Sample(&b.c, b.batch(orders, 1, 5), &rules.Record{Index: 0, KeyNull: true})
	b.produce(orders, 1, "k", 7)
	for _, topic := range b.traffic().all() {
		if got := topic.loads[1][hotRecords]; got != 7 {
			t.Errorf("%s: %v records with a key", topic.name, got)
		}
	}
}

// Where a batch has no sample, the session's last ones speak for it.
func TestHotSessionRemembersWhoSetsKeys(t *testing.T) {
	b := newHotBench()
	topics := make([]*rules.Topic, 20)
	for i := range topics {
		topics[i] = &rules.Topic{Name: fmt.Sprint("topic-", i), Partitions: 3}
	}
	unsampled := func(i, n int) { b.rule.Batch(&b.c, b.batch(topics[i], 0, n)) }
	taken := func(i int) float64 { return b.traffic().topicOf(topics[i]).loads[0][hotRecords] }
	unsampled(0, 50)
	if taken(0) != 0 {
		t.Errorf("%v records of which nothing is known", taken(0))
	}
	b.produce(topics[0], 0, "k", 1)
	unsampled(0, 50)
	if taken(0) != 51 {
		t.Errorf("%v records with a key", taken(0))
	}
	b.produce(topics[1], 0, "", 1)
	unsampled(1, 50)
	if taken(1) != 0 {
		t.Errorf("%v records without a key", taken(1))
	}
	for i := range topics {
		b.produce(topics[i], 0, "k", 1)
	}
	unsampled(19, 50)
	unsampled(2, 50)
	if taken(19) != 51 || taken(2) != 1 {
		t.Errorf("of the last topic %v, of one long ago %v", taken(19), taken(2))
	}
}

func TestHotPartitionFromManySessions(t *testing.T) {
	b := newHotBench()
	topics := []*rules.Topic{{Name: "orders", Partitions: 6}, {Name: "carts", Partitions: 12}}
	var all sync.WaitGroup
	for w := range 4 {
		session := &hotBench{rule: b.rule, c: rules.Case{Shared: b.c.Shared, Scratch: b.rule.NewScratch()}, now: epoch}
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range 3000 {
				session.now = epoch.Add(time.Duration(i) * 100 * time.Millisecond)
				session.produce(topics[i%2], int32(random.IntN(6)/5*2), fmt.Sprint("key-", random.IntN(3)), 100)
				if w == 0 && i%100 == 99 {
					session.window()
				}
			}
		})
	}
	all.Wait()
	if got := b.traffic().topicOf(topics[0]).suspects; len(got) != 1 || got[0].partition != 0 {
		t.Errorf("%d suspects", len(got))
	}
}

func BenchmarkHotPartition(b *testing.B) {
	for _, share := range []float64{0.1, 0.9} {
		b.Run(fmt.Sprint("share-", share), func(b *testing.B) {
			bench := newHotBench()
			orders := &rules.Topic{Name: "orders", Partitions: 12}
			bench.windows(3, orders, 4, share)
			batch, record := bench.batch(orders, 4, 100), &rules.Record{Key: []byte("0123456789abcdef"), Value: make([]byte, 100)}
			batch.Weight = rules.SampleEvery
			b.ReportAllocs()
			for b.Loop() {
				record.Index = 0
				bench.rule.Sample(&bench.c, batch, record)
				record.Index = rules.SampleEvery
				bench.rule.Sample(&bench.c, batch, record)
				bench.rule.Batch(&bench.c, batch)
			}
		})
	}
}
