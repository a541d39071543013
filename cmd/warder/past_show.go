package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"warder/rules"
)

// pastShown is the sink that shows findings as they come: people the first of an
// incident and its end, programs each line that any other sink would get.
type pastShown struct {
	app  *app
	json bool
}

// Name implements sink.Sink.
func (*pastShown) Name() string { return "stdout" }

// Write implements sink.Sink.
func (s *pastShown) Write(f *rules.Finding) error {
	if s.json {
		return json.NewEncoder(s.app.stdout).Encode(f)
	}
	if f.Count > 1 && !f.Resolved {
		return nil
	}
	var text strings.Builder
	what := actionOf(*f)
	if f.Resolved {
		what = "over"
	}
	fmt.Fprintf(&text, "%s  %s  %s  %s\n", f.LastTime.Local().Format(time.DateTime), inkOf(f.Severity, s.app.colour), f.Rule, what)
	fmt.Fprintf(&text, "    %s\n", printable(f.Summary))
	if evidence := evidenceText(f.Evidence); evidence != "" && !f.Resolved {
		fmt.Fprintf(&text, "    %s\n", evidence)
	}
	if !f.Resolved {
		fmt.Fprintf(&text, "    %s\n", printable(f.Advice))
	}
	_, err := fmt.Fprintln(s.app.stdout, text.String())
	return err
}

// Close implements sink.Sink.
func (*pastShown) Close() error { return nil }

// pastSummary is the last line of --output json.
type pastSummary struct {
	From        time.Time      `json:"from,omitzero"`
	To          time.Time      `json:"to,omitzero"`
	Connections int            `json:"connections"`
	Requests    map[string]int `json:"requests"`
	// NotFollowed is what was there and could not be followed, by why: whole
	// connections, and what rules could not look into.
	NotFollowed map[string]int `json:"not_followed"`
	Findings    int            `json:"findings"`
	// Live and NotFoundAgain concern findings that a recording tells of.
	Live          int             `json:"live_findings,omitempty"`
	NotFoundAgain []rules.Finding `json:"not_found_again,omitempty"`
	Capture       *captured       `json:"capture,omitempty"` // of an audit
}

func (r *pastResult) summary() pastSummary {
	s := pastSummary{
		From: r.From, To: r.To, Connections: r.Played.Connections, Requests: r.Requests, NotFollowed: maps.Clone(r.Skipped),
		Findings: len(r.Findings), Live: len(r.Live), NotFoundAgain: r.notFoundAgain(), Capture: newCaptured(r.Captured),
	}
	for why, n := range r.Played.Ended {
		s.NotFollowed["connection_"+string(why)] += n
	}
	return s
}

// showPast tells what all came to: people beside the findings, programs in a last line.
func (a *app) showPast(r *pastResult, asJSON bool) error {
	s := r.summary()
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(map[string]pastSummary{"summary": s})
	}
	if s.Capture != nil {
		if err := a.showCaptured(s.Capture); err != nil {
			return err
		}
	}
	if s.From.IsZero() {
		a.say("warder: there is nothing in it")
		return nil
	}
	total := 0
	for _, n := range s.Requests {
		total += n
	}
	a.say("%s to %s: %s, %s", s.From.Local().Format(time.DateTime), s.To.Local().Format(time.DateTime), counted(s.Connections, "connection"), counted(total, "request"))
	if len(s.NotFollowed) > 0 {
		a.say("not followed, or not looked into: %s", tallies(s.NotFollowed))
	}
	if err := a.showByRule(r.Findings); err != nil {
		return err
	}
	if s.Live > 0 {
		a.say("live, %d were found; not found again: %d", s.Live, len(s.NotFoundAgain))
		for i := range s.NotFoundAgain {
			f := &s.NotFoundAgain[i]
			a.say("  %s  %s  %s: %s", f.LastTime.Local().Format(time.DateTime), f.Severity, f.Rule, printable(f.Summary))
		}
	}
	return nil
}

// showByRule is a table of how often each rule would have done what.
func (a *app) showByRule(found []rules.Finding) error {
	if len(found) == 0 {
		a.say("nothing found")
		return nil
	}
	type row struct{ findings, times int }
	all := map[[3]string]row{}
	for i := range found {
		f := &found[i]
		key := [3]string{f.Rule, f.Severity.String(), actionOf(*f)}
		r := all[key]
		all[key] = row{r.findings + 1, r.times + f.Count}
	}
	rows := [][]string{{"RULE", "SEVERITY", "ACTION", "FINDINGS", "TIMES"}}
	for _, key := range slices.SortedFunc(maps.Keys(all), func(x, y [3]string) int { return slices.Compare(x[:], y[:]) }) {
		rows = append(rows, append(key[:], strconv.Itoa(all[key].findings), strconv.Itoa(all[key].times)))
	}
	return table(a.stderr, rows)
}

// tallies lists counts by name.
func tallies(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}
