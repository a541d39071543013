package builtin_test

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
	"warder/rules/state"
)

func TestHeartbeatGapCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/heartbeat_gap")
}

// groupWatched is a rule about groups that watches one group.
type groupWatched struct {
	rule  rules.Rule
	group *state.Group
	watch rules.Watch
}

// watchGroup makes a rule with its defaults watch a group of one member, c1, which
// has joined at start.
func watchGroup(t *testing.T, id string, start time.Time) *groupWatched {
	t.Helper()
	for _, spec := range builtin.Specs() {
		if spec.ID != id {
			continue
		}
		rule, err := spec.New(func(any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		group, _ := state.NewGroups(state.NewLogs(0)).New("g", start).(*state.Group)
		return &groupWatched{rule, group, rules.Watch{Key: "g", By: rules.ByGroup, Model: group}}
	}
	t.Fatalf("no rule %s", id)
	return nil
}

// tell gives an event to the model and to the rule.
func (g *groupWatched) tell(ev rules.Event) {
	g.group.Apply(ev)
	g.watch.Now = ev.When()
	g.rule.(rules.Watcher).Watch(&g.watch, ev)
}

// tick lets time pass and gives what was reported.
func (g *groupWatched) tick(now time.Time) []rules.Report {
	g.group.Tick(now)
	g.watch.Now = now
	g.rule.(rules.Ticker).Tick(&g.watch)
	reports, _ := g.watch.Left()
	return reports
}

// A heartbeat may be among the events that were lost.
func TestHeartbeatGapIsSilentAfterLostEvents(t *testing.T) {
	start := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	g := watchGroup(t, "heartbeat-gap", start)
	client := &rules.Identity{ClientID: "billing", SoftwareName: "apache-kafka-java"}
	member := rules.Membership{Group: "g", MemberID: "c1", Generation: 1}
	g.tell(rules.JoinRequested{At: start, Client: client, Membership: rules.Membership{Group: "g"}, SessionTimeout: 45 * time.Second})
	g.tell(rules.Joined{At: start, Client: client, Membership: member, Requested: start, Leader: "c1"})
	g.tell(rules.Gap{At: start.Add(10 * time.Second), Lost: 1})
	var first time.Duration
	for d := time.Second; d < time.Minute && first == 0; d += time.Second {
		if len(g.tick(start.Add(d))) > 0 {
			first = d
		}
	}
	if first != 55*time.Second {
		t.Errorf("told after %v, want a session timeout after the events were lost", first)
	}
}
