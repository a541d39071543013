package builtin_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warder/rules"
)

var groupRules = []string{"heartbeat-gap", "poll-gap", "rebalance-storm"}

// memberEvent is anything that may happen to a member, in any order: events of
// several connections race each other, and some are lost.
func memberEvent(t *rapid.T, now time.Time) rules.Event {
	n := rapid.IntRange(1, 4).Draw(t, "member")
	client := &rules.Identity{
		ClientID: "billing", Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 5000),
		SoftwareName: rapid.SampledFrom([]string{"apache-kafka-java", "librdkafka", "kafkajs", "sarama", ""}).Draw(t, "software"),
	}
	who := rules.Membership{
		Group: "g", MemberID: "c" + string(rune('0'+n)), InstanceID: rapid.SampledFrom([]string{"", "", "pod-1"}).Draw(t, "instance"),
		Generation: rapid.Int32Range(-2, 6).Draw(t, "generation"),
	}
	code := rapid.SampledFrom([]int16{0, 0, 0, 0, 16, 22, 25, 27, 79, 82, 110, 111}).Draw(t, "code")
	partitions := []rules.TopicPartition{{Topic: "orders", Partition: int32(n)}}
	switch rapid.IntRange(0, 10).Draw(t, "event") {
	case 0:
		if rapid.Bool().Draw(t, "new") {
			who.MemberID = ""
		}
		return rules.JoinRequested{At: now, Client: client, Membership: who, SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute, ProtocolType: "consumer", Metadata: uint64(n)}
	case 1, 2:
		return rules.Joined{At: now, Client: client, Membership: who, Requested: now, RequestedID: who.MemberID, Protocol: "cooperative-sticky", Leader: "c1", ErrorCode: code, Members: []rules.GroupMember{{MemberID: "c1"}, {MemberID: "c2"}}}
	case 3, 4:
		return rules.Synced{At: now, Client: client, Membership: who, Requested: now, Assigned: partitions, Readable: true, ErrorCode: code}
	case 5:
		return rules.Heartbeat{At: now, Client: client, Membership: who, Requested: now, ErrorCode: code}
	case 6:
		return rules.Left{At: now, Client: client, Group: "g", Requested: now, Members: []rules.LeavingMember{{MemberID: who.MemberID, Reason: rapid.SampledFrom([]string{"", "consumer poll timeout has expired."}).Draw(t, "reason")}}}
	case 7:
		return rules.ConsumerHeartbeat{At: now, Client: client, Membership: who, Requested: now, Epoch: who.Generation + 1, HeartbeatInterval: 5 * time.Second, Assigned: partitions, AssignedSaid: true, ErrorCode: code}
	case 8:
		return rules.MemberGone{At: now, Client: client, Membership: who, Left: rapid.Bool().Draw(t, "left")}
	case 9:
		return rules.Gap{At: now, Lost: 1}
	}
	return rules.Committed{At: now, Client: client, Membership: who, Requested: now, Offsets: []rules.PartitionOffset{{TopicPartition: partitions[0], Offset: int64(who.Generation) + 10, ErrorCode: code}}}
}

// Whatever comes in whatever order: nothing panics, what is kept stays bounded, and
// what is reported has words and numbers.
func TestGroupRulesStandAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
		var all []*groupWatched
		for _, id := range groupRules {
			all = append(all, watchGroup(t, id, now))
		}
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
			ev := memberEvent(rt, now)
			for _, g := range all {
				g.tell(ev)
				for _, r := range g.tick(now) {
					if r.Summary == "" || r.Subject.Group != "g" || !r.OwnSubject || !r.Resolved && r.Advice == "" {
						rt.Fatalf("reported %+v", r)
					}
				}
				if n := len(g.group.Rebalances()); n > 64 || len(g.group.Departures()) > 64 {
					rt.Fatalf("%d rebalances, %d departures", n, len(g.group.Departures()))
				}
				for i, r := range g.group.Rebalances() {
					if r.Generation < r.From || !r.Open() && r.End.Before(r.Start) || r.Open() && i < len(g.group.Rebalances())-1 || r.Standstill() < 0 {
						rt.Fatalf("rebalance %d: %+v", i, r)
					}
				}
			}
		}
	})
}
