package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

// BenchmarkGate is the cost of a clean batch of 100 records of 200 bytes with
// the builtin rules on a compacted topic. The figure that counts is ns/record.
func BenchmarkGate(b *testing.B) {
	for codec := records.None; codec <= records.Zstd; codec++ {
		b.Run(codec.String(), func(b *testing.B) { benchmarkGate(b, builtin.Specs(), "users", codec) })
	}
	b.Run("not-compacted", func(b *testing.B) { benchmarkGate(b, builtin.Specs(), "events", records.LZ4) })
}

// BenchmarkRules is the cost of further rules that look at every record.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, 10} {
		specs := make([]rules.Spec, n)
		for i := range specs {
			nulls := 0
			f := &fake{record: func(_ *rules.Case, _ *rules.Batch, r *rules.Record) {
				if r.ValueNull {
					nulls++
				}
			}}
			specs[i] = f.spec(fmt.Sprint("rule-", i))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkGate(b, specs, "users", records.None) })
	}
}

func benchmarkGate(b *testing.B, specs []rules.Spec, topic string, codec records.Codec) {
	bench := newBench(b, specs, nil)
	bench.block(b)
	random := rand.New(rand.NewPCG(1, 2))
	build := records.NewBuilder(codec)
	for i := range 100 {
		value := fmt.Appendf(nil, `{"id":%d,"name":"user %d","note":"`, i, random.IntN(1000))
		for len(value) < 198 {
			value = append(value, byte('a'+random.IntN(16)))
		}
		build.Add(fmt.Appendf(nil, "user-%d", i), append(value, `"}`...))
	}
	blob, err := build.AppendBatch(nil)
	if err != nil {
		b.Fatal(err)
	}
	body := ruletest.Body{Version: 9, Acks: -1, Parts: []ruletest.Part{{Topic: topic, Records: blob}}}
	encoded := body.Append(nil)
	g := bench.Gate()
	defer g.Close()
	b.ReportAllocs()
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		req, err := protocol.ParseProduceRequest(9, encoded)
		if err != nil {
			b.Fatal(err)
		}
		if v := g.Produce(java, &req, epoch); len(v.Denied) != 0 {
			b.Fatal("denied")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
}
