package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// warmUp is how long a load runs before it is measured.
const warmUp = 200 * time.Millisecond

// runLoads starts every target and gives it each load, in interleaved rounds.
func (b *bench) runLoads(loads []workload) error {
	if len(loads) == 0 {
		return nil
	}
	var all []*running
	defer func() {
		for _, r := range all {
			r.stop()
		}
	}()
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	for _, t := range chosen {
		r, err := b.startTarget(t)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	for round := range b.rounds {
		for _, l := range loads {
			for _, r := range all {
				if !l.has(r.name) {
					continue
				}
				if err := b.oneLoad(&l, r, round); err != nil {
					return fmt.Errorf("%s, %s: %w", l.name, r.name, err)
				}
			}
		}
		report("round %d of %d", round+1, b.rounds)
	}
	return b.noteFindings(all)
}

func (b *bench) oneLoad(l *workload, r *running, round int) error {
	if b.pgo != "" {
		return b.profile(l, r)
	}
	s, err := b.measureLoad(l, r)
	s.Round = round
	b.result.Samples = append(b.result.Samples, s)
	return err
}

// noteFindings tells what warder found in the loads, which are meant to be clean.
func (b *bench) noteFindings(all []*running) error {
	for _, r := range all {
		if r.admin == "" {
			continue
		}
		text, err := b.get(r, "/metrics")
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, "warder_findings_total{"); ok {
				b.result.Findings = append(b.result.Findings, r.name+": "+strings.TrimSpace(rest))
			}
		}
	}
	return nil
}

// point is where a target and its load stand at a moment.
type point struct {
	at                       time.Time
	cpu                      time.Duration
	requests, records, bytes int64
}

func (r *running) point(m *meter) (p point, err error) {
	p.at, p.requests, p.records, p.bytes = time.Now(), m.requests.Load(), m.records.Load(), m.bytes.Load()
	if r.measured() {
		p.cpu, err = cpuTime(r.pid())
	}
	return p, err
}

// measureLoad gives one target one load.
func (b *bench) measureLoad(l *workload, r *running) (s sample, err error) {
	s.Load, s.Target = l.name, r.name
	scrape, err := b.scrapeCost(r)
	if err != nil {
		return s, err
	}
	load, err := begin(b.ctx, r, l.connections, l.traffic)
	if err != nil {
		return s, err
	}
	err = b.watch(load, r, &s, scrape)
	times, failed := load.end()
	if err == nil {
		err = failed
	}
	s.P50, s.P99, s.P999 = micros(times, 0.5), micros(times, 0.99), micros(times, 0.999)
	if err == nil && s.Requests == 0 {
		err = b.withLog(r, fmt.Errorf("no request was answered"))
	}
	return s, err
}

// watch fills s from a load that runs. Allocations are counted around the rest, since asking for them is work.
func (b *bench) watch(load *begun, r *running, s *sample, scrape float64) error {
	if err := pause(b.ctx, warmUp); err != nil {
		return err
	}
	mallocs, err := b.mallocs(r)
	if err != nil {
		return err
	}
	before := load.requests.Load()
	load.timing.Store(true)
	from, err := r.point(&load.meter)
	if err != nil {
		return err
	}
	if err := pause(b.ctx, time.Duration(b.seconds*float64(time.Second))); err != nil {
		return err
	}
	to, err := r.point(&load.meter)
	if err != nil {
		return err
	}
	load.timing.Store(false)
	s.Seconds, s.CPU = to.at.Sub(from.at).Seconds(), (to.cpu - from.cpu).Seconds()
	s.Requests, s.Records, s.Bytes = to.requests-from.requests, to.records-from.records, to.bytes-from.bytes
	if !r.measured() {
		return nil
	}
	if s.RSS, err = residentBytes(r.pid()); err != nil {
		return err
	}
	after := load.requests.Load() - before
	allMallocs, err := b.mallocs(r)
	if after > 0 && r.admin != "" {
		s.Mallocs = max(0, allMallocs-mallocs-scrape) / float64(after)
	}
	return err
}

// scrapeCost is what asking for the allocations of an idle warder allocates itself.
func (b *bench) scrapeCost(r *running) (float64, error) {
	first, err := b.mallocs(r)
	if err != nil {
		return 0, err
	}
	second, err := b.mallocs(r)
	return second - first, err
}

// mallocs is how many objects warder has allocated so far; 0 for others.
func (b *bench) mallocs(r *running) (float64, error) {
	if r.admin == "" {
		return 0, nil
	}
	text, err := b.get(r, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("/metrics does not tell how much was allocated")
}

func (b *bench) get(r *running, path string) (string, error) {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodGet, "http://"+r.admin+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(body), err
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// micros is a quantile of sorted times; 0 when there are none.
func micros(times []time.Duration, quantile float64) float64 {
	if len(times) == 0 {
		return 0
	}
	return float64(times[int(quantile*float64(len(times)-1))].Nanoseconds()) / 1e3
}
