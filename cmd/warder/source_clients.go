package main

import (
	"cmp"
	"slices"
	"time"

	"warder/proxy"
	"warder/rules"
	"warder/rules/sink"
)

const (
	// concernsFor is for how long a finding that nobody has called over concerns a
	// client after it was told last.
	concernsFor = time.Hour
	// mostConcerns is how many findings a connection shows.
	mostConcerns = 10
)

// clientLine is one connection with what is found about its client. Its JSON names
// are stable, as those of ClientInfo are.
type clientLine struct {
	proxy.ClientInfo
	// Findings about this client id, and this principal if they name one, that were
	// told within the last hour and are not over: the worst first, then the newest,
	// at most ten.
	Findings []clientFinding `json:"findings,omitempty"`
}

// clientFinding is a finding in short; /api/v1/findings has all of it.
type clientFinding struct {
	ID       string         `json:"id"`
	Rule     string         `json:"rule"`
	Severity rules.Severity `json:"severity"`
	Summary  string         `json:"summary"`
	Advice   string         `json:"advice"`
	Last     time.Time      `json:"last_time"`
}

// clients lists the open connections, oldest first.
func (w *instance) clients(now time.Time) []clientLine {
	about := findingsByClient(w.engine.Findings().Query(sink.Query{Since: now.Add(-concernsFor)}))
	connections := w.proxy.Clients()
	list := make([]clientLine, len(connections))
	for i := range connections {
		list[i] = clientLine{ClientInfo: connections[i]}
		for _, f := range about[connections[i].ClientID] {
			if len(list[i].Findings) == mostConcerns {
				break
			}
			if f.Subject.Principal == "" || f.Subject.Principal == connections[i].Principal {
				list[i].Findings = append(list[i].Findings, clientFinding{f.ID, f.Rule, f.Severity, f.Summary, f.Advice, f.LastTime})
			}
		}
	}
	return list
}

// findingsByClient gives the findings about each client id that are not over, the worst first.
// They come newest first.
func findingsByClient(newest []rules.Finding) map[string][]rules.Finding {
	about := map[string][]rules.Finding{}
	for i := range newest {
		if f := &newest[i]; f.Subject.ClientID != "" && !f.Resolved {
			about[f.Subject.ClientID] = append(about[f.Subject.ClientID], *f)
		}
	}
	for _, list := range about {
		slices.SortStableFunc(list, func(a, b rules.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	}
	return about
}
