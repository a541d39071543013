package engine_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

const (
	// mostHeap is what all rules together may keep of clean traffic: room for
	// the bounds that their pages state, see docs/performance.md.
	mostHeap = 256 << 20
	// mostEntries is more than any store of a rule may count.
	mostEntries = 131_072
)

// TestMemoryOfAllRulesIsBounded shows all rules a million keys in ten thousand
// topics.
func TestMemoryOfAllRulesIsBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("there is one goroutine, and it would take a minute")
	}
	bench := newAlertBench(t, builtin.Specs())
	g := bench.Gate()
	defer g.Close()
	random := rand.New(rand.NewPCG(1, 2))
	value := jsonOf100(random)
	now, before := epoch, heap()
	const topics, batches, inBatch = 10_000, 5, 20
	for i := range topics {
		name := fmt.Sprint("topic-", i)
		bench.topics.Learn(name, [16]byte{1, byte(i), byte(i >> 8)}, cleanPartitions)
		bench.topics.LearnConfig(name, []string{"compact", "delete"}[i%2], epoch)
		for range batches {
			build := records.NewBuilder(records.None)
			for range inBatch {
				build.Add(fmt.Appendf(nil, "user-%011d", random.IntN(1e9)), value)
			}
			blob, err := build.AppendBatch(nil)
			if err != nil {
				t.Fatal(err)
			}
			body := ruletest.Body{Version: 9, Acks: -1, Parts: []ruletest.Part{{Topic: name, Partition: int32(random.IntN(cleanPartitions)), Records: blob}}}
			req, err := protocol.ParseProduceRequest(9, body.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			g.Produce(java, &req, now)
		}
		if now = now.Add(10 * time.Millisecond); i%100 == 0 {
			bench.Tick(now)
		}
	}
	for _, store := range bench.Stores() {
		t.Logf("%-16s %6d entries, %6d evicted", store.Name, store.Len, store.Evicted)
		if store.Len > mostEntries {
			t.Errorf("%s has %d entries", store.Name, store.Len)
		}
	}
	grown := heap() - before
	t.Logf("the heap has grown by %.1f MiB", float64(grown)/(1<<20))
	if grown > mostHeap {
		t.Errorf("the heap has grown by %d bytes, more than %d", grown, mostHeap)
	}
	runtime.KeepAlive(g)
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
