package main

import (
	"cmp"
	"slices"
	"time"

	"warder/proxy/admin"
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

// clients lists the open connections, oldest first.
func (w *instance) clients(now time.Time) []admin.Client {
	about := findingsByClient(w.engine.Findings().Query(sink.Query{Since: now.Add(-concernsFor)}))
	connections := w.proxy.Clients()
	list := make([]admin.Client, len(connections))
	for i := range connections {
		list[i] = admin.Client{ClientInfo: connections[i]}
		for _, f := range about[connections[i].ClientID] {
			if len(list[i].Findings) == mostConcerns {
				break
			}
			if f.Subject.Principal == "" || f.Subject.Principal == connections[i].Principal {
				list[i].Findings = append(list[i].Findings, admin.ClientFinding{ID: f.ID, Rule: f.Rule, Severity: f.Severity, Summary: f.Summary, Advice: f.Advice, Last: f.LastTime})
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
