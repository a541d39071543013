package builtin_test

import (
	"slices"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/state"
)

// offsetRules judge all partitions of a group in one tick.
var offsetRules = []string{"stuck-partition", "lag-skew", "poison-message", "retention-loss", "offset-reset", "offset-rewind", "group-expiry"}

// laggingGroup is a group of as many partitions as there is room for, all of which
// lag, with a log's beginning that moves.
func laggingGroup(tb testing.TB, partitions int32) (*state.Group, func()) {
	tb.Helper()
	logs := state.NewLogs(0)
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	g, ok := state.NewGroups(logs).New("g", now).(*state.Group)
	if !ok {
		tb.Fatal("no group")
	}
	client := &rules.Identity{ClientID: "billing", SoftwareName: "apache-kafka-java"}
	member := rules.Membership{Group: "g", MemberID: "c1", Generation: 1}
	all := make([]rules.TopicPartition, partitions)
	for p := range partitions {
		all[p] = rules.TopicPartition{Topic: []string{"orders", "payments", "carts"}[p%3], Partition: p / 3}
	}
	round := int64(0)
	step := func() {
		round++
		now = now.Add(5 * time.Second)
		ev := rules.Committed{At: now, Requested: now, Client: client, Membership: member}
		for _, tp := range all {
			logs.Learn(tp, state.LogEnds{HighWatermark: 1000 * round, At: now, LastStableOffset: -1, LogStartOffset: round, StartAt: now})
			ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: tp, Offset: 100 * round})
		}
		g.Apply(ev)
		g.Tick(now)
	}
	g.Apply(rules.JoinRequested{At: now, Client: client, Membership: rules.Membership{Group: "g", Generation: -1}, SessionTimeout: time.Hour, ProtocolType: "consumer"})
	g.Apply(rules.Joined{At: now, Requested: now, Client: client, Membership: member, Leader: "c1", Members: []rules.GroupMember{{MemberID: "c1"}}})
	g.Apply(rules.Synced{At: now, Client: client, Membership: member, Assigned: all, Readable: true})
	for range 15 {
		step()
	}
	return g, step
}

// offsetRule makes one of them, with its state for a group.
func offsetRule(tb testing.TB, id string, g *state.Group) (rules.Ticker, *rules.Watch) {
	tb.Helper()
	specs := builtin.Specs()
	spec := specs[slices.IndexFunc(specs, func(s rules.Spec) bool { return s.ID == id })]
	rule, err := spec.New(func(any) error { return nil })
	if err != nil {
		tb.Fatal(err)
	}
	topic := &rules.Topic{Cleanup: rules.CleanupDelete, Settings: rules.TopicSettings{Known: true, RetentionMs: 7 * 24 * 3600 * 1000}}
	w := &rules.Watch{Key: "g", By: rules.ByGroup, Now: g.Refreshed, Model: g, Topic: func(string) *rules.Topic { return topic }}
	rule.(rules.Watcher).Watch(w, rules.Committed{})
	return rule.(rules.Ticker), w
}

// BenchmarkOffsetRules is what one look of each rule at a hundred thousand partitions
// costs. They look every five seconds.
func BenchmarkOffsetRules(b *testing.B) {
	g, step := laggingGroup(b, state.DefaultGroupPartitions)
	for _, id := range offsetRules {
		b.Run(id, func(b *testing.B) {
			rule, w := offsetRule(b, id, g)
			rule.Tick(w)
			step()
			w.Now = g.Refreshed
			b.ReportAllocs()
			for b.Loop() {
				rule.Tick(w)
				w.Left()
			}
		})
	}
}

// TestOffsetRulesLookOnlyWhenThereIsNews: between two refreshes of a large group they
// cost nothing.
func TestOffsetRulesLookOnlyWhenThereIsNews(t *testing.T) {
	g, step := laggingGroup(t, 2000)
	for _, id := range offsetRules {
		rule, w := offsetRule(t, id, g)
		for range 3 {
			step()
			w.Now = g.Refreshed
			rule.Tick(w)
			w.Left()
		}
		w.Now = w.Now.Add(time.Second)
		if n := testing.AllocsPerRun(10, func() { rule.Tick(w) }); n != 0 {
			t.Errorf("%s: %v allocations", id, n)
		}
	}
}
