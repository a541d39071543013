package main

import (
	"testing"

	"warder/rules"
)

// asked counts the answers that the cluster gave to who reads a topic.
func (s *served) asked(t *testing.T) float64 {
	t.Helper()
	families, err := s.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "warder_lookups_total" && labels["question"] == "WhoReads" && labels["outcome"] == "answered" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestQuestionsOfRulesReachTheCluster(t *testing.T) {
	s := serve(t, "")
	if !s.instance.ask(rules.WhoReads{Topic: "users"}) {
		t.Fatal("the question was not taken")
	}
	waitFor(t, "the cluster to be asked", func() bool { return s.asked(t) > 0 })
	if s.instance.ask(rules.SubjectsOfSchema{ID: 7, Topic: "users"}) {
		t.Error("there is no registry to ask")
	}
}
