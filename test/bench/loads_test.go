package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warder/protocol/records"
)

// Every kind of load is answered by the sink, to its last byte, and counts what it did.
func TestLoadsAreAnswered(t *testing.T) {
	batches, err := makeBatches(records.LZ4, 1<<10, 64)
	if err != nil {
		t.Fatal(err)
	}
	read := &topic{name: "events", id: [16]byte{2}, partitions: fetchedPartitions}
	read.answer = newFetchAnswer(read.id, append(batches, makeMore(t)...))
	sink := &broker{
		topics:  []*topic{{name: "users", id: writtenTopic, compacted: true, partitions: writtenPartitions}, read},
		logDirs: make([]byte, len(read.answer.body)),
	}
	defer sink.close()
	addr, err := sink.listen()
	if err != nil {
		t.Fatal(err)
	}
	small, err := smallScript()
	if err != nil {
		t.Fatal(err)
	}
	request, offsets := fetchRequest(read.id)
	for name, load := range map[string]traffic{
		"produce": stream{script: produceScript(batches)}, "consume": pull{request, offsets, read.answer},
		"opaque": opaque(read.answer), "ping-pong": pingPong{small},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := begin(t.Context(), &running{addr: addr}, 1, load)
			if err != nil {
				t.Fatal(err)
			}
			b.timing.Store(true)
			for b.requests.Load() < 100 {
				if err := pause(t.Context(), time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			times, err := b.end()
			if err != nil {
				t.Fatal(err)
			}
			if (len(times) > 0) != (name == "ping-pong") || b.bytes.Load() < 100*smallRequest {
				t.Errorf("%d times, %d bytes", len(times), b.bytes.Load())
			}
		})
	}
}

// makeMore makes the batches that fill an answer to Fetch.
func makeMore(t *testing.T) []batch {
	t.Helper()
	more, err := makeBatches(records.None, 16<<10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return more
}

func TestOffsetsOfAFetchAnswerGoOn(t *testing.T) {
	a := newFetchAnswer([16]byte{2}, makeMore(t))
	var first, next records.Header
	whole, err := first.Peek(a.body[a.batches[0]:])
	a.advance()
	if _, err := next.Peek(a.body[a.batches[0]:]); err != nil {
		t.Fatal(err)
	}
	if err != nil || !whole || a.step == 0 || first.BaseOffset != 0 || next.BaseOffset != a.step || a.records != fetchedPartitions*a.step {
		t.Errorf("from %d to %d, step %d, %d records", first.BaseOffset, next.BaseOffset, a.step, a.records)
	}
}

// The page compares inside a round, and only what was measured.
func TestPageComparesInsideARound(t *testing.T) {
	r := &result{Rounds: 3}
	for round, busy := range []float64{1, 5, 2} { // the machine was busy in the second round
		r.Samples = append(r.Samples,
			sample{Load: produceNone16, Target: haproxy, Round: round, Seconds: 1, CPU: busy, Bytes: 1e9, Records: 1e6, Requests: 1e4},
			sample{Load: produceNone16, Target: warderOff, Round: round, Seconds: 1, CPU: 0.9 * busy, Bytes: 1e9, Records: 1e6, Requests: 1e4})
	}
	page := r.page()
	for _, want := range []string{
		"| forwarding, requests of 16 KB, CPU per GB | ≤ 1.00× HAProxy | 0.90 (0.90 to 0.90)                  | yes     |",
		"| produce none, 16 KB | 2.00    | 1.80 (0.90)      |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no line %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "gzip") || strings.Contains(page, "Memory") {
		t.Errorf("tells what was not measured:\n%s", page)
	}
}

func TestDocsReplacesItsSectionAlone(t *testing.T) {
	dir := t.TempDir()
	o := options{result: filepath.Join(dir, "result.json"), growth: filepath.Join(dir, "none.json"), page: filepath.Join(dir, "page.md")}
	r := newResult(options{rounds: 1})
	r.Idle = []idleSample{{Target: warderOff, Connections: 10, RSS: 8 << 10, Descriptors: 2}}
	if err := r.save(o.result); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.page, []byte("before\n"+costSection.begin+"\nold\n"+costSection.end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again, and nothing changes
		if err := writeDocs(o); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(o.page)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	if !strings.HasPrefix(page, "before\n"+costSection.begin) || !strings.HasSuffix(page, costSection.end+"\nafter\n") || strings.Contains(page, "old") ||
		strings.Count(page, "### Goals") != 1 || !strings.Contains(page, "8.0") {
		t.Errorf("the page is\n%s", page)
	}
}

func TestMicroKeepsTheBestRun(t *testing.T) {
	out := "BenchmarkScan/none/64KB-2  100  5000 ns/op  10.5 ns/record  0 B/op  0 allocs/op\n" +
		"BenchmarkScan/none/64KB-2  100  4000 ns/op  8.4 ns/record  0 B/op  0 allocs/op\nBenchmarkKmsg-2  10  40000 ns/op  90 ns/record  7 B/op  3 allocs/op\nPASS\n"
	r := &result{Micro: parseMicro("protocol/records", []byte(out))}
	if len(r.Micro) != 2 || r.Micro[0].NsPerOp != 4000 || r.Micro[0].NsPerRecord != 8.4 || r.kmsgOf(r.Micro[0]) == nil {
		t.Errorf("%+v", r.Micro)
	}
}

func TestCPUTimeOfAProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Skip(err)
	}
	for after := before; after < before+10*time.Millisecond && ctx.Err() == nil; {
		if after, err = cpuTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if ctx.Err() != nil {
		t.Error("this process used a minute without any CPU time")
	}
}
