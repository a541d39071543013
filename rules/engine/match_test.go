package engine_test

import (
	"testing"
	"time"

	"warder/rules"
)

// witness reports every write to a topic, about the client, and who reads it, about
// the topic alone.
type witness struct{}

func (witness) Watch(w *rules.Watch, ev rules.Event) {
	switch ev := ev.(type) {
	case rules.TopicWritten:
		s := rules.SubjectOf(ev.Client)
		s.Topic = ev.Topic
		w.Report(rules.Report{Subject: s})
	case rules.TopicReaders:
		w.Report(rules.Report{Subject: rules.Subject{Topic: ev.Topic}})
	}
}

// What a Watcher reports obeys the lists of the rule, although events come from
// every client and topic.
func TestListsHoldForWatchers(t *testing.T) {
	spec := rules.Spec{
		ID: "witness", Severity: rules.Info, Default: rules.Alert, FoldBy: rules.FieldTopic | rules.FieldClientID,
		Watches: []rules.Interest{{Kind: rules.KindTopicWritten, By: rules.ByCluster}, {Kind: rules.KindTopicReaders, By: rules.ByCluster}},
		New:     func(decode func(any) error) (rules.Rule, error) { return witness{}, decode(&struct{}{}) },
	}
	shop := &rules.Identity{ClientID: "shop", Principal: "User:shop"}
	for lists, want := range map[string]int{
		"{}":                                                  2,
		"{topics: [\"users*\"]}":                              2,
		"{topics: [\"!users\"]}":                              0,
		"{clients: [shop]}":                                   2,
		"{clients: [\"!shop\"]}":                              1, // the other is about no client
		"{principals: [\"User:x\"]}":                          1,
		"{allow: [{topic: users}]}":                           0,
		"{allow: [{topic: orders}]}":                          2,
		"{allow: [{client_id: shop}]}":                        1,
		"{allow: [{topic: users, client_id: shop}]}":          1,
		"{allow: [{topic: users, principal: \"User:else\"}]}": 2,
	} {
		b := newBench(t, []rules.Spec{spec}, nil)
		if err := b.configure(t, "rules: {witness: "+lists+"}"); err != nil {
			t.Fatal(err)
		}
		b.Emit(rules.TopicWritten{At: epoch, Client: shop, Topic: "users"})
		b.Emit(rules.TopicReaders{At: epoch.Add(time.Second), Topic: "users"})
		if got := len(b.found.found); got != want {
			t.Errorf("%s: %d findings, want %d: %+v", lists, got, want, b.found.found)
		}
	}
}
