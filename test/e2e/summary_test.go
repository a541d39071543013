package e2e

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// summary collects one line for each scenario and client.
type summary struct {
	mu    sync.Mutex
	lines []string
	count map[string]int
	runs  []*scenarioRun
}

// scenarioRun is a scenario of a client through a warder.
type scenarioRun struct {
	scenario, client, warder string
	begin, end               time.Time
	skipped                  bool
}

// ended is when the scenario was over: at the end of the run, where nobody said.
func (r *scenarioRun) ended() time.Time {
	if r.end.IsZero() {
		return time.Now()
	}
	return r.end
}

func newSummary() *summary { return &summary{count: map[string]int{}} }

// through notes that a scenario of a client begins to go through a warder.
func (s *summary) through(scenario, client, warder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, &scenarioRun{scenario: scenario, client: client, warder: warder, begin: time.Now()})
}

// under gives those that went through a warder at a time.
func (s *summary) under(warder string, at time.Time) (names []string) {
	for _, r := range s.runs {
		if r.warder == warder && !at.Before(r.begin) && !at.After(r.ended()) {
			names = append(names, r.scenario+"/"+r.client)
		}
	}
	return names
}

func (s *summary) add(scenario, client, skip string, err error, notes []string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word, text := "ok", ""
	switch {
	case err != nil:
		word, text = "FAIL", strings.SplitN(err.Error(), "\n", 2)[0]
		text = text[:min(len(text), 160)]
	case skip != "":
		word, text = "SKIP", skip
	}
	s.count[word]++
	for _, r := range s.runs {
		if r.scenario == scenario && r.client == client && r.end.IsZero() {
			r.end, r.skipped = time.Now(), skip != ""
		}
	}
	line := fmt.Sprintf("e2e: %-4s %-29s %-13s %5.1fs %s", word, scenario, client, took.Seconds(), text)
	fmt.Println(line)
	s.lines = append(s.lines, line)
	for _, n := range notes {
		note := fmt.Sprintf("e2e: note %-29s %-13s        %s", scenario, client, n)
		fmt.Println(note)
		s.lines = append(s.lines, note)
	}
}

func (s *summary) print(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(out, "e2e: %d scenario runs passed, %d skipped with a reason, %d failed\n", s.count["ok"], s.count["SKIP"], s.count["FAIL"])
	for _, l := range s.lines {
		if !strings.HasPrefix(l, "e2e: ok") {
			fmt.Fprintln(out, l)
		}
	}
}
