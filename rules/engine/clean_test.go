package engine_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/ruletest"
)

// cleanTraffic is what a healthy producer writes to one topic, prepared so that
// nothing of it costs anything while it is played: an idempotent one, 16-byte
// keys out of a million, each in the partition that the Java client would choose,
// and JSON values of 100 bytes.
type cleanTraffic struct {
	records  int // in a batch
	requests [][]byte
	next     int
	now      time.Time
}

// cleanPartitions is how many partitions the topics have.
const cleanPartitions = 12

func newCleanTraffic(t testing.TB, topic string, codec records.Codec, batches int) *cleanTraffic {
	t.Helper()
	traffic := &cleanTraffic{records: 100, now: epoch}
	random := rand.New(rand.NewPCG(1, 2))
	var building [cleanPartitions]*records.Builder
	var sequence [cleanPartitions]int32
	for len(traffic.requests) < batches {
		key := fmt.Appendf(nil, "user-%011d", random.IntN(1_000_000))
		p := javaPartition(key, cleanPartitions)
		if building[p] == nil {
			building[p] = records.NewBuilder(codec)
			building[p].ProducerID, building[p].ProducerEpoch, building[p].BaseSequence = 7, 0, sequence[p]
			building[p].BaseTimestamp = epoch.UnixMilli()
		}
		b := building[p].Add(key, jsonOf100(random))
		if len(b.Records) < traffic.records {
			continue
		}
		blob, err := b.AppendBatch(nil)
		if err != nil {
			t.Fatal(err)
		}
		body := ruletest.Body{Version: 9, Acks: -1, Parts: []ruletest.Part{{Topic: topic, Partition: int32(p), Records: blob}}}
		traffic.requests = append(traffic.requests, body.Append(nil))
		sequence[p] += int32(len(b.Records))
		building[p] = nil
	}
	return traffic
}

func jsonOf100(random *rand.Rand) []byte {
	states := [...]string{"shipped", "pending", "packed", "returned"}
	value := fmt.Appendf(nil, `{"id":%d,"user":"u%06d","state":%q,"amount":%.2f,"note":"`,
		random.IntN(1e9), random.IntN(1e6), states[random.IntN(len(states))], random.Float64()*1000)
	for len(value) < 98 {
		value = append(value, byte('a'+random.IntN(16)))
	}
	return append(value, `"}`...)
}

// javaPartition is BuiltInPartitioner.partitionForKey of Apache Kafka.
func javaPartition(key []byte, partitions int) int {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		h = h*m ^ (k^k>>24)*m
	}
	for i, b := range key {
		h ^= uint32(b) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int(h&0x7fffffff) % partitions
}

// play judges the next request, a millisecond after the last one, and says how
// many records were looked at.
func (c *cleanTraffic) play(g *engine.Gate) int {
	req, err := protocol.ParseProduceRequest(9, c.requests[c.next])
	if err != nil {
		panic(err)
	}
	c.now = c.now.Add(time.Millisecond)
	c.next = (c.next + 1) % len(c.requests)
	v := g.Produce(java, &req, c.now)
	if len(v.Denied) != 0 {
		panic("a clean batch is denied")
	}
	return v.Records
}

// looksAtProduce says whether a rule looks at what is produced.
func looksAtProduce(t testing.TB, spec rules.Spec) bool {
	t.Helper()
	rule, err := spec.New(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	switch rule.(type) {
	case rules.RequestRule, rules.BatchRule, rules.RecordRule, rules.SampleRule:
		return true
	}
	return spec.Needs.Has(rules.NeedKeys)
}

// newAlertBench is an engine with every rule on, and topics that are known.
func newAlertBench(t testing.TB, specs []rules.Spec) *bench {
	t.Helper()
	b := newBench(t, specs, func(o *engine.Options) {
		o.Meter = engine.Meter{Panic: func(rule string) { t.Errorf("rule %s panicked", rule) }}
		o.Sinks = nil // a test's own would keep all findings
	})
	if err := b.configure(t, "rules: {defaults: {action: alert}}"); err != nil {
		t.Fatal(err)
	}
	b.topics.Learn("users", [16]byte{1}, cleanPartitions)
	b.topics.Learn("events", [16]byte{2}, cleanPartitions)
	return b
}
