package builtin_test

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestTimeoutMisfitCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/timeout_misfit")
}

// TestFittingGroupAllocatesNothing, nor does one in which everybody has partitions.
func TestFittingGroupAllocatesNothing(t *testing.T) {
	start := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	client := &rules.Identity{ClientID: "billing", SoftwareName: "apache-kafka-java"}
	for _, id := range []string{"timeout-misfit", "idle-member"} {
		g := watchGroup(t, id, start)
		member := rules.Membership{Group: "g", MemberID: "c1", Generation: 1}
		g.tell(rules.JoinRequested{At: start, Client: client, Membership: rules.Membership{Group: "g"}, SessionTimeout: 45 * time.Second, RebalanceTimeout: 5 * time.Minute})
		g.tell(rules.Joined{At: start, Client: client, Membership: member, Requested: start, Leader: "c1"})
		g.tell(rules.Synced{At: start, Client: client, Membership: member, Assigned: []rules.TopicPartition{{Topic: "orders"}}, Readable: true})
		for d := time.Duration(0); d < 2*time.Minute; d += 3 * time.Second {
			g.tell(rules.Heartbeat{At: start.Add(d), Client: client, Membership: member, Requested: start.Add(d)})
			if got := g.tick(start.Add(d)); len(got) != 0 {
				t.Errorf("%s: %+v", id, got)
			}
		}
		if n := testing.AllocsPerRun(20, func() { g.rule.(rules.Ticker).Tick(&g.watch) }); n > 3 { // closures
			t.Errorf("%s: %v allocations", id, n)
		}
	}
}
