package ruletest

import (
	"encoding/json"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// warder is what happens to warder itself.
func (s *stage) warder(words []string) {
	s.t.Helper()
	if len(words) != 2 || words[0] != "stalls" && words[0] != "restarts" {
		s.t.Fatalf("want warder stalls DURATION, or restarts DURATION, have %q", words)
	}
	d := s.duration(words[1])
	if words[0] == "stalls" {
		s.now = s.now.Add(d)
		s.engine.Tick(s.now)
		return
	}
	s.restart(d)
}

// restart ends warder and starts another one after a while, which knows of groups
// what was written down. Clients connect anew; what they do meanwhile nobody sees.
func (s *stage) restart(away time.Duration) {
	s.t.Helper()
	var groups []*state.SavedGroup
	s.engine.ViewAll(rules.ByGroup, func(_ string, m rules.ModelState) {
		if g := m.(*state.Group).Save(); g != nil {
			groups = append(groups, g)
		}
	})
	file, err := json.Marshal(groups)
	s.must(err)
	s.must(json.Unmarshal(file, &groups))
	s.must(s.engine.Close(s.t.Context()))
	s.now = s.now.Add(away)
	s.start()
	s.configure(s.configured)
	for _, g := range groups {
		if restored := s.groups.Restore(g, s.now); restored != nil {
			s.engine.Restore(rules.ByGroup, restored.ID, restored, s.now)
		}
	}
	for _, c := range s.clients {
		s.reconnect(c, nil)
	}
	for _, h := range s.habits {
		if h.next.Before(s.now) {
			h.next = s.now
		}
	}
}
