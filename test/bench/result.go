package main

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// sample is one target with one load in one round.
type sample struct {
	Load, Target             string
	Round                    int
	Seconds, CPU             float64 // CPU-seconds of the target's process
	Requests, Records, Bytes int64   // answered; bytes of requests and answers
	P50, P99, P999           float64 `json:",omitempty"` // µs from request to answer
	RSS                      int64   // bytes, at the end
	Mallocs                  float64 `json:",omitempty"` // objects allocated for each request, by warder
}

// result is all that a run found out, in the file that docs are written from.
type result struct {
	Machine, Kernel, Go, Command string
	Processors                   int
	Started, Ended               time.Time
	LoadAtStart, LoadAtEnd       string // load averages
	Rounds                       int
	Seconds                      float64
	Skipped                      []string
	Findings                     []string // of warder, about loads that are meant to be clean
	Micro                        []microSample
	Samples                      []sample
	Idle                         []idleSample
	Kafka                        []kafkaSample
	Growth                       []growthSample
}

func newResult(o options) *result {
	return &result{
		Machine: machine(), Kernel: kernel(), Go: runtime.Version(), Command: o.command, Processors: runtime.NumCPU(),
		Started: time.Now().UTC(), LoadAtStart: loadAverage(), Rounds: o.rounds, Seconds: o.seconds,
	}
}

func (r *result) skip(why string) {
	if !slices.Contains(r.Skipped, why) {
		r.Skipped = append(r.Skipped, why)
		report("%s", why)
	}
}

func (r *result) save(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func loadResult(file string) (*result, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &result{}
	return r, json.Unmarshal(text, r)
}

// measure is a figure that a sample has.
type measure func(*sample) float64

func cpuPerGB(s *sample) float64 { return s.CPU / (float64(s.Bytes) / 1e9) }

// cpuPerRecord is CPU-seconds per million records, or µs per record.
func cpuPerRecord(s *sample) float64 { return s.CPU / (float64(s.Records) / 1e6) }

// cpuPerRequest is µs per round trip.
func cpuPerRequest(s *sample) float64 { return s.CPU / (float64(s.Requests) / 1e6) }

// recordsPerCore is million records for a second of a core.
func recordsPerCore(s *sample) float64 { return float64(s.Records) / 1e6 / s.CPU }

func (r *result) sample(load, target string, round int) *sample {
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Load == load && s.Target == target && s.Round == round {
			return s
		}
	}
	return nil
}

// overRounds gives a figure of each round in which it could be computed.
func (r *result) overRounds(figure func(round int) (float64, bool)) []float64 {
	var all []float64
	for round := range r.Rounds {
		if x, ok := figure(round); ok {
			all = append(all, x)
		}
	}
	return all
}

// values gives a measure of each round.
func (r *result) values(load, target string, of measure) []float64 {
	return r.overRounds(func(round int) (float64, bool) {
		s := r.sample(load, target, round)
		if s == nil {
			return 0, false
		}
		return of(s), true
	})
}

// cell names a load with a target.
type cell struct{ load, target string }

// ratios compares two cells inside each round.
func (r *result) ratios(a, b cell, of measure) []float64 {
	return r.overRounds(func(round int) (float64, bool) {
		x, y := r.sample(a.load, a.target, round), r.sample(b.load, b.target, round)
		if x == nil || y == nil || of(y) == 0 {
			return 0, false
		}
		return of(x) / of(y), true
	})
}

// figure is the median of the rounds with the least and the greatest.
type figure struct{ median, least, most float64 }

func figureOf(values []float64) (figure, bool) {
	if len(values) == 0 {
		return figure{}, false
	}
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (middle + sorted[len(sorted)/2-1]) / 2
	}
	return figure{middle, sorted[0], sorted[len(sorted)-1]}, true
}
