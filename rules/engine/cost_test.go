package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
)

// costBatches of 100 records are 50 MB that no cache holds, with more than 300,000
// of the keys.
const costBatches = 4096

// BenchmarkEachRule is what a record of clean traffic costs with each rule alone
// and with all of them, beside what it costs to walk over it (scan: decompress and
// parse; gate: that, and a rule that does nothing). At the end it prints a table
// for docs/performance.md, which stands on the best of many stretches,
// since other work on the machine only ever adds:
//
//	go test ./rules/engine -run '^$' -bench EachRule -benchtime 4096x -count 25 | grep '^|'
func BenchmarkEachRule(b *testing.B) {
	specs := builtin.Specs()
	var names []string
	sets := map[string][]rules.Spec{"gate": {idle()}, "all rules": specs}
	for _, spec := range specs {
		if looksAtProduce(b, spec) {
			names = append(names, spec.ID)
			sets[spec.ID] = []rules.Spec{spec}
		}
	}
	names = append(names, "gate", "all rules")
	best := costs{}
	for _, codec := range []records.Codec{records.None, records.LZ4} {
		for _, topic := range []string{"users", "events"} {
			traffic := newCleanTraffic(b, topic, codec, costBatches)
			column := codec.String() + "/" + topic
			b.Run(column+"/scan", func(b *testing.B) { best.note(column, "scan", benchmarkScan(b, traffic)) })
			for _, name := range names {
				b.Run(column+"/"+strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
					best.note(column, name, benchmarkRules(b, sets[name], traffic))
				})
			}
		}
	}
	fmt.Print(best.table(names)) // the log of a benchmark is cut after ten lines
}

// idle is a rule that has every record shown to it and does nothing.
func idle() rules.Spec {
	f := &fake{record: func(*rules.Case, *rules.Batch, *rules.Record) {}}
	return f.spec("idle")
}

// benchmarkScan is what nobody gets around who wants to look at records.
func benchmarkScan(b *testing.B, traffic *cleanTraffic) cost {
	var scanner records.Scanner
	defer scanner.Release()
	var laps laps
	i, sum := 0, 0
	for b.Loop() {
		laps.lap()
		req, err := protocol.ParseProduceRequest(9, traffic.requests[i%len(traffic.requests)])
		if err != nil {
			b.Fatal(err)
		}
		i++
		var part protocol.ProducePartition
		it := req.Partitions()
		for it.Next(&part) {
			scanner.Reset(part.Records, records.Limits{})
			for _, ok := scanner.NextBatch(); ok; _, ok = scanner.NextBatch() {
				for r, ok := scanner.NextRecord(); ok; r, ok = scanner.NextRecord() {
					sum += len(r.Key) + len(r.Value)
				}
			}
		}
	}
	if sum == 0 {
		b.Fatal("no record was seen")
	}
	return laps.end(b, true)
}

func benchmarkRules(b *testing.B, specs []rules.Spec, traffic *cleanTraffic) cost {
	bench := newAlertBench(b, specs)
	g := bench.Gate()
	defer g.Close()
	seen, i := 0, 0
	play := func() {
		seen += traffic.play(g)
		if i++; i%1000 == 0 {
			bench.Tick(traffic.now)
		}
	}
	for range traffic.requests {
		play() // what rules remember is as large as it gets
	}
	var laps laps
	b.ReportAllocs()
	for b.Loop() {
		laps.lap()
		play()
	}
	return laps.end(b, seen > 0)
}

// laps times stretches of batches that are over before the scheduler turns to
// something else.
type laps struct {
	began time.Time
	n     int
	best  time.Duration
}

const lapBatches = 128

func (l *laps) lap() {
	if l.n%lapBatches == 0 {
		now := time.Now()
		if lap := now.Sub(l.began); l.n == lapBatches || l.n > lapBatches && lap < l.best {
			l.best = lap
		}
		l.began = now
	}
	l.n++
}

// end reports the mean for tools that compare runs, and gives the best.
func (l *laps) end(b *testing.B, opened bool) cost {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
	return cost{float64(l.best.Nanoseconds()) / lapBatches / 100, opened}
}

// costs are the best ns/record of each column and row.
type costs map[[2]string]cost

type cost struct {
	ns     float64
	opened bool // the records were looked at
}

func (c costs) note(column, row string, of cost) {
	key := [2]string{column, row}
	if before, ok := c[key]; of.ns > 0 && (!ok || of.ns < before.ns) {
		c[key] = of
	}
}

// table is Markdown: what each rule costs on top of the gate; where it leaves
// batches unopened, what that costs in all.
func (c costs) table(names []string) string {
	columns := []string{"none/users", "none/events", "lz4/users", "lz4/events"}
	var t strings.Builder
	t.WriteString("\n| ns per record | none, compacted | none, plain | lz4, compacted | lz4, plain |\n|---|---|---|---|---|\n")
	for _, name := range append([]string{"scan"}, names...) {
		fmt.Fprintf(&t, "| %s |", name)
		for _, column := range columns {
			at, gate := c[[2]string{column, name}], c[[2]string{column, "gate"}]
			switch {
			case at.ns == 0:
				t.WriteString(" |") // -bench left it out
			case name == "scan" || name == "gate":
				fmt.Fprintf(&t, " %.1f |", at.ns)
			case at.opened:
				fmt.Fprintf(&t, " %+.1f |", at.ns-gate.ns)
			default:
				fmt.Fprintf(&t, " %.1f, not opened |", at.ns)
			}
		}
		t.WriteString("\n")
	}
	return t.String()
}

// TestEveryRuleAllocatesNothing: a clean batch costs no allocation in the steady
// state, whatever rules look at it.
func TestEveryRuleAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools allocate at random under the race detector")
	}
	sets := map[string][]rules.Spec{"all rules": builtin.Specs()}
	for _, spec := range builtin.Specs() {
		if looksAtProduce(t, spec) {
			sets[spec.ID] = []rules.Spec{spec}
		}
	}
	for _, topic := range []string{"users", "events"} {
		for _, codec := range []records.Codec{records.None, records.LZ4} {
			traffic := newCleanTraffic(t, topic, codec, 64)
			for name, specs := range sets {
				bench := newAlertBench(t, specs)
				g := bench.Gate()
				for range 4 * len(traffic.requests) {
					traffic.play(g)
				}
				if n := testing.AllocsPerRun(200, func() { traffic.play(g) }); n != 0 {
					t.Errorf("%s: %v allocations for a clean batch to %s, %s", name, n, topic, codec)
				}
				g.Close()
			}
		}
	}
}

func TestCleanTrafficGoesWhereJavaSendsIt(t *testing.T) {
	for key, want := range map[string]int{"user-1": 8, "order-12345": 1} {
		if got := javaPartition([]byte(key), 12); got != want {
			t.Errorf("%s: partition %d, want %d", key, got, want)
		}
	}
}
