package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Go's own benchmarks of what the hot path is made of, with kmsg beside it where kmsg can do the same. They stand beside the code.

// microBenchmarks are the packages and which of their benchmarks.
var microBenchmarks = []struct{ pkg, run string }{
	{"./protocol", "^(BenchmarkProduceRequest|BenchmarkFetchResponse|BenchmarkRequestHeader)$"},
	{"./protocol/records", "^(BenchmarkScan|BenchmarkScanNulls|BenchmarkKmsg)$"},
	{"./rules/engine", "^(BenchmarkGate|BenchmarkKeys)$"},
	{"./proxy", "^(BenchmarkProduce|BenchmarkFetch)$"},
}

const microRuns = "3"

// microSample is one benchmark; the best of some runs, since other work on the machine only ever adds.
type microSample struct {
	Package, Name string
	NsPerOp       float64
	NsPerRecord   float64 `json:",omitempty"`
	AllocsPerOp   float64
}

func (b *bench) runMicro() error {
	for _, m := range microBenchmarks {
		cmd := exec.CommandContext(b.ctx, "go", "test", "-run", "^$", "-bench", m.run, "-benchmem", "-benchtime", "100ms", "-count", microRuns, m.pkg)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
		b.result.Micro = append(b.result.Micro, parseMicro(strings.TrimPrefix(m.pkg, "./"), out)...)
		report("benchmarks of %s", m.pkg)
	}
	return nil
}

var (
	microLine   = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)`)
	microFigure = regexp.MustCompile(`([0-9.e+-]+) (\S+)`)
)

// parseMicro keeps the best run of each benchmark.
func parseMicro(pkg string, out []byte) (all []microSample) {
	at := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		m := microLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		s := microSample{Package: pkg, Name: m[1]}
		for _, f := range microFigure.FindAllStringSubmatch(m[2], -1) {
			x, err := strconv.ParseFloat(f[1], 64)
			switch {
			case err != nil:
			case f[2] == "ns/op":
				s.NsPerOp = x
			case f[2] == "ns/record":
				s.NsPerRecord = x
			case f[2] == "allocs/op":
				s.AllocsPerOp = x
			}
		}
		if i, ok := at[s.Name]; !ok {
			at[s.Name] = len(all)
			all = append(all, s)
		} else if s.NsPerOp < all[i].NsPerOp {
			all[i] = s
		}
	}
	return all
}

func (r *result) writeMicro(t *strings.Builder) {
	if len(r.Micro) == 0 {
		return
	}
	heading(t, "Parts of the hot path")
	var micro table
	micro.row("benchmark", "ns", "ns per record", "allocations", "kmsg, ns", "kmsg / warder")
	for _, s := range r.Micro {
		if strings.Contains(strings.ToLower(s.Name), "kmsg") {
			continue
		}
		record, theirs, ratio := "", "", ""
		if s.NsPerRecord > 0 {
			record = number(s.NsPerRecord)
		}
		if k := r.kmsgOf(s); k != nil {
			theirs, ratio = number(k.NsPerOp), number(k.NsPerOp/s.NsPerOp)
		}
		micro.row(s.Package+" "+s.Name, number(s.NsPerOp), record, number(s.AllocsPerOp), theirs, ratio)
	}
	micro.write(t)
}

// kmsgOf is the benchmark in which kmsg does the same.
func (r *result) kmsgOf(s microSample) *microSample {
	theirs := "Kmsg" // of package records, which reads the batch of this one
	if name, ok := strings.CutSuffix(s.Name, "/warder"); ok {
		theirs = name + "/kmsg"
	} else if s.Name != "Scan/none/64KB" {
		return nil
	}
	for i := range r.Micro {
		if k := &r.Micro[i]; k.Package == s.Package && k.Name == theirs {
			return k
		}
	}
	return nil
}
