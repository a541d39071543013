package main

import (
	"slices"
	"strings"
)

// goal is something that warder means to keep to. Nothing fails when it does not: the table says so.
type goal struct {
	what    string
	limit   float64
	atLeast bool
	unit    string
	values  []float64 // of the rounds
}

func (g *goal) limitText() string {
	sign := "≤ "
	if g.atLeast {
		sign = "≥ "
	}
	return sign + number(g.limit) + g.unit
}

func (g *goal) verdict(f figure) string {
	if g.atLeast == (f.median >= g.limit) || f.median == g.limit {
		return "yes"
	}
	return "**no**"
}

// goals of a run. Those that it did not measure have no values.
func (r *result) goals() []goal {
	return slices.Concat(r.forwardingGoals(), r.inspectionGoals(), r.latencyGoals(), r.memoryGoals(), r.kafkaGoals())
}

func (r *result) forwardingGoals() []goal {
	blind := func(load string) []float64 {
		return r.ratios(cell{load, warderOff}, cell{load, haproxy}, cpuPerGB)
	}
	fetch := func(load string) []float64 {
		return r.ratios(cell{load, warderOff}, cell{opaqueAnswers, warderOff}, cpuPerGB)
	}
	return []goal{
		{"forwarding, requests of 1 KB, CPU per GB", 1.25, false, "× HAProxy", blind(produceNone1)},
		{"forwarding, requests of 16 KB, CPU per GB", 1.0, false, "× HAProxy", blind(produceNone16)},
		{"forwarding, requests of 64 KB, CPU per GB", 1.0, false, "× HAProxy", blind(produceNone64)},
		{"forwarding, answers of 1 MB, CPU per GB", 1.0, false, "× HAProxy", blind(opaqueAnswers)},
		{"Fetch answers, uncompressed, CPU per GB", 1.15, false, "× opaque answers", fetch(consumeNone)},
		{"Fetch answers, lz4, CPU per GB", 1.15, false, "× opaque answers", fetch(consumeLZ4)},
	}
}

func (r *result) inspectionGoals() []goal {
	var all []goal
	for _, g := range []struct {
		load  string
		limit float64
	}{{produceNone16, 8}, {produceLZ4, 8}, {produceSnappy, 5.5}, {produceZstd, 3.7}, {produceGzip, 1.5}} {
		all = append(all, goal{g.load + ", tombstone blocks", g.limit, true, " M records/s per core", r.values(g.load, warderNulls, recordsPerCore)})
	}
	for _, load := range []string{produceNone16, produceLZ4} {
		all = append(all, goal{
			load + ", all rules", 1.6, false, "× tombstone alone",
			r.ratios(cell{load, warderBlock}, cell{load, warderNulls}, cpuPerRecord),
		})
	}
	return all
}

// added is what a target adds to the time of an answer, in each round.
func (r *result) added(target string, of measure) []float64 {
	return r.overRounds(func(round int) (float64, bool) {
		with, without := r.sample(pingPong1, target, round), r.sample(pingPong1, direct, round)
		if with == nil || without == nil {
			return 0, false
		}
		return of(with) - of(without), true
	})
}

func p50(s *sample) float64  { return s.P50 }
func p99(s *sample) float64  { return s.P99 }
func p999(s *sample) float64 { return s.P999 }

func (r *result) latencyGoals() []goal {
	ours, theirs := r.added(warderOff, p50), r.added(haproxy, p50)
	var ratio []float64
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] > 0 {
			ratio = append(ratio, ours[i]/theirs[i])
		}
	}
	return []goal{
		{"added to a round trip, unloaded, p50", 1.2, false, "× HAProxy", ratio},
		{"added to a round trip, unloaded, p99", 100, false, " µs", r.added(warderOff, p99)},
	}
}

func (r *result) memoryGoals() []goal {
	var plain, secure, files []float64
	for _, s := range r.Idle {
		switch s.Target {
		case warderOff:
			plain = append(plain, s.RSS/1024)
			files = append(files, s.Descriptors)
		case warderTLS:
			secure = append(secure, s.RSS/1024)
			files = append(files, s.Descriptors)
		}
	}
	var mallocs []float64
	for _, s := range r.Samples {
		if strings.HasPrefix(s.Load, "produce") && (s.Target == warderNulls || s.Target == warderOff) {
			mallocs = append(mallocs, s.Mallocs)
		}
	}
	return []goal{
		{"an idle connection, plain, RSS", 12, false, " KiB", plain},
		{"an idle connection, TLS, RSS", 28, false, " KiB", secure},
		{"an idle connection, descriptors", 2, false, "", files},
		// The clocks of the model, the metrics and Go itself allocate a little each second, whatever passes.
		{"allocations for a Produce request", 0.05, false, "", mallocs},
	}
}
