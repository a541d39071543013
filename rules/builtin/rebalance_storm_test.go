package builtin_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestRebalanceStormCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/rebalance_storm")
}

// stormClients are c1, c2 and c3, each at an address of its own.
func stormClient(member string) *rules.Identity {
	return &rules.Identity{ClientID: member, SoftwareName: "apache-kafka-java", Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, member[1]}), 5000)}
}

// rebalance has all of members join a generation, those in fresh as new ones.
func (g *groupWatched) rebalance(at time.Time, generation int32, metadata uint64, fresh string, members ...string) {
	for _, m := range members {
		asked := m
		if strings.Contains(fresh, m) {
			asked = ""
		}
		g.tell(rules.JoinRequested{
			At: at, Client: stormClient(m), Membership: rules.Membership{Group: "g", MemberID: asked, Generation: -1}, Metadata: metadata,
			SessionTimeout: 45 * time.Second, RebalanceTimeout: 5 * time.Minute,
		})
	}
	for _, m := range members {
		asked := m
		if strings.Contains(fresh, m) {
			asked = ""
		}
		who := rules.Membership{Group: "g", MemberID: m, Generation: generation}
		g.tell(rules.Joined{At: at, Client: stormClient(m), Membership: who, RequestedID: asked, Requested: at, Leader: members[0], Protocol: "range"})
		g.tell(rules.Synced{At: at, Client: stormClient(m), Membership: who, Requested: at, Readable: true})
	}
}

// The advice is that of the main cause, with what was measured.
func TestRebalanceStormAdvice(t *testing.T) {
	const softer = " Its assignor stops all members at each rebalance: partition.assignment.strategy=cooperative-sticky (beside the present one for one rolling restart, then alone) or group.protocol=consumer stops only what moves."
	start := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(g *groupWatched, at time.Time, generation int32) int32
		want   string
	}{
		"poll timeout": {func(g *groupWatched, at time.Time, generation int32) int32 {
			g.group.Member("c2").Progress = at.Add(-5 * time.Minute)
			g.tell(rules.Left{At: at, Client: stormClient("c2"), Group: "g", Members: []rules.LeavingMember{{MemberID: "c2", Reason: "consumer poll timeout has expired."}}})
			g.rebalance(at, generation+1, 7, "", "c1")
			g.rebalance(at.Add(72*time.Second), generation+2, 7, "c2", "c2", "c1")
			return generation + 2
		}, "The longest batch took 6 min 12 s. Raise max.poll.interval.ms above 373000, or lower max.poll.records to less than 81 % of what it is (403, if it is the default of 500)." + softer},
		"subscription": {func(g *groupWatched, at time.Time, generation int32) int32 {
			g.rebalance(at, generation+1, uint64(generation)+10, "", "c1", "c2")
			return generation + 1
		}, "Let all members subscribe to the same topics, or to one pattern, and do not change it while they run." + softer},
		"comes and goes": {func(g *groupWatched, at time.Time, generation int32) int32 {
			g.rebalance(at, generation+1, 7, "c3", "c3", "c1", "c2")
			g.tell(rules.Left{At: at.Add(time.Second), Client: stormClient("c3"), Group: "g", Members: []rules.LeavingMember{{MemberID: "c3", Reason: "the consumer is being closed"}}})
			g.rebalance(at.Add(time.Second), generation+2, 7, "", "c1", "c2")
			return generation + 2
		}, "Look why members come and go. With group.instance.id, the same for a process after its restart, and a session.timeout.ms longer than a restart, the group does not rebalance for it." + softer},
	} {
		t.Run(name, func(t *testing.T) {
			g := watchGroup(t, "rebalance-storm", start)
			g.rebalance(start, 1, 7, "c1 c2", "c1", "c2")
			generation, told := int32(1), []rules.Report(nil)
			for minute := range 12 {
				at := start.Add(time.Duration(minute+2) * time.Minute)
				for _, m := range []string{"c1", "c2"} {
					g.group.Member(m).Alive = at
				}
				if minute%2 == 0 {
					generation = c.change(g, at, generation)
				}
				told = append(told, g.tick(at.Add(4*time.Second))...)
			}
			if len(told) == 0 || told[len(told)-1].Advice != c.want || told[0].Severity != rules.Critical {
				t.Errorf("told %+v", told)
			}
		})
	}
}
