package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// page is everything that a run found out, as it stands in docs/performance.md.
func (r *result) page() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s, %d processors, Linux %s, %s; %s, load average %s at the start and %s at the end. `%s`", r.Machine, r.Processors, r.Kernel, r.Go,
		r.Started.Format("2006-01-02"), r.LoadAtStart, r.LoadAtEnd, r.Command)
	if len(r.Growth) == 0 {
		fmt.Fprintf(&t, ", %d rounds; of each target %s s for each load and round", r.Rounds, number(r.Seconds))
	}
	t.WriteString(".\n\n")
	r.writeGoals(&t)
	r.writeCPU(&t, "CPU-seconds per million records", cpuPerRecord, func(load string) bool {
		return strings.HasPrefix(load, "produce") || strings.HasPrefix(load, "consume")
	})
	r.writeCPU(&t, "CPU-seconds per GB", cpuPerGB, func(load string) bool { return !strings.HasPrefix(load, "ping") })
	r.writeLatency(&t)
	r.writeMemory(&t)
	r.writeGrowth(&t)
	r.writeMicro(&t)
	r.writeKafka(&t)
	r.writeNotes(&t)
	return t.String()
}

func heading(t *strings.Builder, text string) { fmt.Fprintf(t, "### %s\n\n", text) }

func (r *result) writeGoals(t *strings.Builder) {
	var goals table
	goals.row("goal", "limit", "median (least to most of the rounds)", "reached")
	for _, g := range r.goals() {
		if f, ok := figureOf(g.values); ok {
			goals.row(g.what, g.limitText(), f.spread(), g.verdict(f))
		}
	}
	if len(goals.rows) > 1 {
		heading(t, "Goals")
		goals.write(t)
	}
}

// loads and targets in the order in which they were measured first.
func (r *result) loads() []string {
	return r.distinct(func(s *sample) string { return s.Load })
}

func (r *result) targets() []string {
	return r.distinct(func(s *sample) string { return s.Target })
}

func (r *result) distinct(of func(*sample) string) (all []string) {
	for i := range r.Samples {
		if name := of(&r.Samples[i]); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// writeCPU has a row for each load and a column for each process.
func (r *result) writeCPU(t *strings.Builder, what string, of measure, chosen func(load string) bool) {
	var cpu table
	head := []string{what}
	for _, target := range r.targets() {
		if target != direct {
			head = append(head, target)
		}
	}
	cpu.row(head...)
	for _, load := range r.loads() {
		if !chosen(load) {
			continue
		}
		row := []string{load}
		for _, target := range head[1:] {
			row = append(row, r.withRatio(load, target, of))
		}
		cpu.row(row...)
	}
	if len(cpu.rows) > 1 {
		heading(t, what)
		t.WriteString("In parentheses: as a multiple of HAProxy in the same round.\n\n")
		cpu.write(t)
	}
}

func (r *result) withRatio(load, target string, of measure) string {
	f, ok := figureOf(r.values(load, target, of))
	if !ok {
		return ""
	}
	text := f.text()
	if ratio, ok := figureOf(r.ratios(cell{load, target}, cell{load, haproxy}, of)); ok && target != haproxy {
		text += " (" + number(ratio.median) + ")"
	}
	return text
}

func (r *result) writeLatency(t *strings.Builder) {
	for _, load := range []string{pingPong1, pingPong64} {
		var times table
		times.row("µs", "p50", "p99", "p99.9", "round trips/s", "CPU µs per round trip")
		for _, target := range r.targets() {
			rate, ok := figureOf(r.values(load, target, func(s *sample) float64 { return float64(s.Requests) / s.Seconds }))
			if !ok {
				continue
			}
			row := []string{target}
			for _, of := range []measure{p50, p99, p999} {
				f, _ := figureOf(r.values(load, target, of))
				row = append(row, f.text())
			}
			cpu := ""
			if target != direct {
				cpu = r.withRatio(load, target, cpuPerRequest)
			}
			times.row(append(row, number(rate.median), cpu)...)
		}
		if len(times.rows) > 1 {
			heading(t, fmt.Sprintf("Time of a request of %d bytes: %s", smallRequest, strings.TrimPrefix(load, "ping-pong, ")))
			times.write(t)
		}
	}
}

func (r *result) writeMemory(t *strings.Builder) {
	var idle table
	idle.row("idle connections", "KiB of RSS for each", "descriptors for each", "CPU ms/s of all")
	for _, s := range r.Idle {
		idle.row(fmt.Sprintf("%s, %d", s.Target, s.Connections), fmt.Sprintf("%.1f", s.RSS/1024), fmt.Sprintf("%.2f", s.Descriptors), number(s.CPU))
	}
	var loaded table
	loaded.row("under load", "RSS at most, MiB", "allocations for a request, median of the produce loads")
	for _, target := range r.targets() {
		var rss, mallocs []float64
		for _, s := range r.Samples {
			if s.Target == target && s.RSS > 0 {
				rss = append(rss, float64(s.RSS)/(1<<20))
				if strings.HasPrefix(s.Load, "produce") {
					mallocs = append(mallocs, s.Mallocs)
				}
			}
		}
		most, ok := figureOf(rss)
		if !ok {
			continue
		}
		each := ""
		if f, ok := figureOf(mallocs); ok && strings.HasPrefix(target, "warder") {
			each = fmt.Sprintf("%.2f", f.median)
		}
		loaded.row(target, number(most.most), each)
	}
	if len(idle.rows)+len(loaded.rows) > 2 {
		heading(t, "Memory")
		idle.write(t)
		loaded.write(t)
	}
}

func (r *result) writeNotes(t *strings.Builder) {
	for _, s := range r.Skipped {
		fmt.Fprintf(t, "Left out: %s\n\n", s)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(t, "Found in loads that are meant to be clean: %s\n\n", f)
	}
}

// A section of the page is written from a result.
type section struct{ begin, end string }

var (
	costSection   = section{"<!-- bench: written by `make bench-docs` from the result of `make bench` -->", "<!-- end of bench -->"}
	growthSection = section{"<!-- growth: written by `make bench-docs` from the result of `make bench-growth` -->", "<!-- end of growth -->"}
)

// replace gives the page with another text between the lines of the section.
func (s section) replace(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, s.begin)
	_, after, ended := strings.Cut(rest, s.end)
	if !ok || !ended {
		return "", fmt.Errorf("the page has no section %s", s.begin)
	}
	return before + s.begin + "\n\n" + strings.TrimRight(text, "\n") + "\n\n" + s.end + after, nil
}

// writeDocs writes what was measured last, of each kind.
func writeDocs(o options) error {
	file, err := os.ReadFile(o.page)
	if err != nil {
		return err
	}
	page, written := string(file), 0
	for result, of := range map[string]section{o.result: costSection, o.growth: growthSection} {
		r, err := loadResult(result)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			page, err = of.replace(page, r.page())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", result, err)
		}
		written++
	}
	if written == 0 {
		return errors.New("there is no result: make bench")
	}
	return os.WriteFile(o.page, []byte(page), 0o644)
}
