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
}

func newSummary() *summary { return &summary{count: map[string]int{}} }

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
