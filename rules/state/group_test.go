package state_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// groupStory tells a group what happens to it, second by second.
type groupStory struct {
	t     *testing.T
	logs  *state.Logs
	group *state.Group
	now   time.Time
	gen   int32
}

func newGroupStory(t *testing.T) *groupStory {
	t.Helper()
	s := &groupStory{t: t, logs: state.NewLogs(0), now: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)}
	s.group, _ = state.NewGroups(s.logs).New("g", s.now).(*state.Group)
	return s
}

var javaClient = &rules.Identity{ClientID: "billing", SoftwareName: "apache-kafka-java", Remote: netip.MustParseAddrPort("10.0.0.1:5000")}

func (s *groupStory) wait(d time.Duration) {
	for range int(d / time.Second) {
		s.now = s.now.Add(time.Second)
		s.group.Tick(s.now)
	}
}

func client(member string) *rules.Identity {
	id := *javaClient
	id.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, member[len(member)-1]}), 5000)
	return &id
}

// join has members ask to join, and the coordinator answer all of them. Those not
// known yet come without an id.
func (s *groupStory) join(assignor string, members ...string) {
	asked := map[string]string{}
	for _, m := range members {
		if s.group.Member(m) != nil {
			asked[m] = m
		}
		s.group.Apply(rules.JoinRequested{
			At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: asked[m], Generation: -1},
			SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute, ProtocolType: "consumer",
			Protocols: []string{assignor}, Topics: []string{"orders"}, Metadata: 7,
		})
	}
	s.wait(time.Second)
	s.gen++
	var all []rules.GroupMember
	for _, m := range members {
		all = append(all, rules.GroupMember{MemberID: m})
	}
	for i, m := range members {
		ev := rules.Joined{
			At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: m, Generation: s.gen},
			Requested: s.now.Add(-time.Second), RequestedID: asked[m], Protocol: assignor, Leader: members[0],
		}
		if i == 0 {
			ev.Members = all
		}
		s.group.Apply(ev)
	}
}

func (s *groupStory) membership(m string) rules.Membership {
	return rules.Membership{Group: "g", MemberID: m, Generation: s.gen}
}

func (s *groupStory) sync(partitions map[string][]int32) {
	for m, list := range partitions {
		ev := rules.Synced{At: s.now, Client: client(m), Membership: s.membership(m), Readable: true}
		for _, p := range list {
			ev.Assigned = append(ev.Assigned, orders(p))
		}
		s.group.Apply(ev)
	}
}

func orders(p int32) rules.TopicPartition { return rules.TopicPartition{Topic: "orders", Partition: p} }

func (s *groupStory) beat(code int16, members ...string) {
	for _, m := range members {
		s.group.Apply(rules.Heartbeat{At: s.now, Requested: s.now, Client: client(m), Membership: s.membership(m), ErrorCode: code})
	}
}

func (s *groupStory) commit(m string, p int32, offset int64) {
	s.group.Apply(rules.Committed{
		At: s.now, Requested: s.now, Client: client("m1"), Membership: s.membership(m),
		Offsets: []rules.PartitionOffset{{TopicPartition: orders(p), Offset: offset}},
	})
}

func (s *groupStory) fetch(m string, p int32, offset, bytes int64, code int16) {
	s.group.Apply(s.fetched(m, p, offset, bytes, code))
}

func (s *groupStory) fetched(m string, p int32, offset, bytes int64, code int16) rules.MemberFetched {
	ev := rules.MemberFetched{
		At: s.now, Client: client(m), Membership: s.membership(m), TopicPartition: orders(p), FetchOffset: offset, Bytes: bytes, ErrorCode: code,
		HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, ReadOffset: -1,
	}
	if bytes > 0 {
		ev.ReadOffset = offset
	}
	return ev
}

func (s *groupStory) end(p int32, offset int64) {
	s.logs.Learn(orders(p), state.LogEnds{HighWatermark: offset, At: s.now, LastStableOffset: -1, LogStartOffset: -1})
}

// rebalances in short.
func (s *groupStory) rebalances() string {
	var text string
	for _, r := range s.group.Rebalances() {
		text += fmt.Sprintf("%d %s", r.Generation, r.Cause)
		switch {
		case r.Open():
			text += " open"
		case r.Incomplete:
			text += " incomplete"
		default:
			text += fmt.Sprintf(" %v", r.End.Sub(r.Start))
		}
		if r.StoppedMembers > 0 {
			text += fmt.Sprintf(" stopped %v", r.Stopped)
		}
		if r.Followup {
			text += " followup"
		}
		text += "\n"
	}
	return text
}

func (s *groupStory) want(rebalances string) {
	s.t.Helper()
	if got := s.rebalances(); got != rebalances {
		s.t.Errorf("rebalances\n%swant\n%s", got, rebalances)
	}
}

func TestGroupForms(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	s.want("1 member-joined 1s\n")
	g := s.group
	if g.Members() != 2 || g.Partial() || g.Generation != 1 || g.Leader != "m1" || g.Assignor != "range" || g.Protocol != state.ClassicProtocol {
		t.Errorf("%+v", g)
	}
	if m := g.Owner(g.Partition(orders(2))); m == nil || m.ID != "m2" || m.SessionTimeout != 10*time.Second || m.RebalanceTimeout != time.Minute {
		t.Errorf("%+v", m)
	}
}

func TestRebalancesHaveCauses(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*groupStory)
		want    string
	}{
		"poll timeout, in its own words": {func(s *groupStory) {
			s.leave("m2", "consumer poll timeout has expired.")
			s.beat(27, "m1")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
		}, "2 poll-timeout 1s stopped 1s\n"},
		"poll timeout, inferred": {func(s *groupStory) {
			s.stuckFor(58 * time.Second)
			s.leave("m2", "")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
			s.wait(time.Second)
		}, "2 poll-timeout 1s stopped 1s\n"},
		"no poll timeout: it was closed": {func(s *groupStory) {
			s.stuckFor(58 * time.Second)
			s.leave("m2", "")
			s.group.Apply(rules.MemberGone{At: s.now, Client: client("m2"), Membership: s.membership("m2"), ByClient: true, Left: true})
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
			s.wait(time.Minute)
		}, "2 member-left 1s stopped 1s\n"},
		"no poll timeout: there was nothing to read": {func(s *groupStory) {
			s.stuckFor(58 * time.Second)
			s.commit("m2", 2, 100)
			s.group.Member("m2").Progress = s.now.Add(-time.Minute)
			s.leave("m2", "")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
			s.wait(time.Minute)
		}, "2 member-left 1s stopped 1s\n"},
		"left in good order": {func(s *groupStory) {
			s.leave("m2", "the consumer is being closed")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
		}, "2 member-left 1s stopped 1s\n"},
		"session expired, told by the coordinator": {func(s *groupStory) {
			s.wait(9 * time.Second)
			s.beat(0, "m1")
			s.wait(3 * time.Second)
			s.beat(27, "m1")
			s.beat(25, "m2")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
		}, "2 session-expired 1s stopped 1s\n"},
		"session expired, seen by the census": {func(s *groupStory) {
			s.wait(9 * time.Second)
			s.beat(0, "m1")
			s.wait(3 * time.Second)
			s.beat(27, "m1")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
		}, "2 session-expired 1s stopped 1s\n"},
		"a new member": {func(s *groupStory) {
			s.join("range", "m1", "m2", "m3")
			s.sync(map[string][]int32{"m1": {0}, "m2": {1}, "m3": {2}})
		}, "2 member-joined 1s stopped 2s\n"},
		"another subscription": {func(s *groupStory) {
			s.group.Apply(rules.JoinRequested{At: s.now, Client: client("m2"), Membership: s.membership("m2"), ProtocolType: "consumer", Metadata: 8})
			s.join("range", "m1", "m2")
			s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
		}, "2 subscription-changed 1s stopped 2s\n"},
		"the leader by itself": {func(s *groupStory) {
			s.join("range", "m1", "m2")
			s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
		}, "2 metadata-changed 1s stopped 2s\n"},
		"the coordinator moved": {func(s *groupStory) {
			s.beat(16, "m1")
			s.join("range", "m1", "m2")
			s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
		}, "2 coordinator-moved 1s stopped 2s\n"},
		"a group.instance.id is used twice": {func(s *groupStory) {
			s.beat(82, "m2")
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0, 1, 2}})
		}, "2 instance-fenced 1s stopped 1s\n"},
		"nobody says how it ended": {func(s *groupStory) {
			s.join("range", "m1", "m2")
			for range 80 {
				s.wait(time.Second)
				s.beat(0, "m1", "m2")
			}
		}, "2 metadata-changed incomplete\n"},
		"it comes to nothing": {func(s *groupStory) {
			s.beat(27, "m1")
			for range 80 {
				s.wait(time.Second)
				s.beat(0, "m1", "m2")
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newGroupStory(t)
			s.join("range", "m1", "m2")
			s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
			s.wait(time.Second)
			s.beat(0, "m1", "m2")
			c.happens(s)
			s.t = t
			s.want("1 member-joined 1s\n" + c.want)
		})
	}
}

func (s *groupStory) leave(m, reason string) {
	s.group.Apply(rules.Left{At: s.now, Client: client(m), Group: "g", Members: []rules.LeavingMember{{MemberID: m, Reason: reason}}})
}

// stuckFor has both members beat for so long while m2 does nothing about the 90
// records that it has left to read.
func (s *groupStory) stuckFor(d time.Duration) {
	s.end(2, 100)
	s.commit("m2", 2, 10)
	for range int(d / time.Second) {
		s.wait(time.Second)
		s.beat(0, "m1", "m2")
	}
}

func TestCooperativeChangeIsTwoRebalances(t *testing.T) {
	s := newGroupStory(t)
	s.join("cooperative-sticky", "m1")
	s.sync(map[string][]int32{"m1": {0, 1}})
	for range 20 {
		s.wait(3 * time.Second)
		s.beat(0, "m1")
	}
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": nil})
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	s.want("1 member-joined 1s\n2 member-joined 1s\n3 unknown 1s followup\n")
	if r := s.group.Rebalances()[2]; r.Moved != 1 || r.MovedFor != time.Second || r.Partitions != 2 || r.Standstill() != time.Second/2 {
		t.Errorf("%+v stood still for %v", r, r.Standstill())
	}
}

func TestConsumerProtocolGroup(t *testing.T) {
	s := newGroupStory(t)
	beat := func(m string, epoch, answered int32, code int16, assigned ...int32) {
		ev := rules.ConsumerHeartbeat{
			At: s.now, Requested: s.now, Client: client(m), ErrorCode: code, Epoch: answered, HeartbeatInterval: 5 * time.Second,
			Membership: rules.Membership{Group: "g", MemberID: m, Generation: epoch},
		}
		for _, p := range assigned {
			ev.Assigned, ev.AssignedSaid = append(ev.Assigned, orders(p)), true
		}
		s.group.Apply(ev)
	}
	beat("m1", 0, 1, 0, 0, 1)
	s.wait(5 * time.Second)
	beat("m2", 0, 2, 0)
	s.wait(2 * time.Second)
	beat("m1", 1, 2, 0, 0)
	beat("m2", 2, 2, 0, 1)
	s.want("1 member-joined 0s\n2 member-joined 2s\n")
	if g := s.group; g.Protocol != state.ConsumerProtocol || g.Members() != 2 || g.Member("m1").HeartbeatInterval() != 5*time.Second || g.Owner(g.Partition(orders(1))).ID != "m2" {
		t.Errorf("%+v", g)
	}
	beat("m2", -1, -1, 0)
	if s.group.Members() != 1 {
		t.Error("m2 has left")
	}
	beat("m1", 2, 0, 110)
	if s.group.Members() != 0 || s.group.Emptied.IsZero() {
		t.Error("m1 was fenced")
	}
}

func TestWarderThatComesLateLearnsFromHeartbeats(t *testing.T) {
	s := newGroupStory(t)
	s.gen = 41
	s.beat(0, "m1")
	if m := s.group.Member("m1"); m == nil || s.group.Generation != 41 || m.Readable {
		t.Errorf("%+v", m)
	}
	s.beat(25, "m9")
	if s.group.Member("m9") != nil {
		t.Error("an unknown member is none")
	}
}

func TestMemberExpiresUnlessItWaitsInTheCoordinator(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	s.group.Apply(rules.JoinRequested{At: s.now, Client: client("m1"), Membership: s.membership("m1"), SessionTimeout: 10 * time.Second})
	s.group.Apply(rules.MemberGone{At: s.now, Client: client("m2"), Membership: s.membership("m2"), ByClient: true})
	if m := s.group.Member("m2"); m.Gone.IsZero() || !m.Expires().Equal(s.now.Add(10*time.Second)) {
		t.Errorf("%+v expires %v", m, m.Expires())
	}
	s.wait(21 * time.Second)
	if s.group.Member("m1") == nil || s.group.Member("m2") != nil {
		t.Error("m1 waits in the coordinator, m2's session ran out")
	}
}

func TestHeartbeatIntervalIsTheMedian(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0}})
	m := s.group.Member("m1")
	if m.HeartbeatInterval() != 3*time.Second {
		t.Errorf("at first %v", m.HeartbeatInterval())
	}
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, 9 * time.Second} {
		s.wait(d)
		s.beat(0, "m1")
	}
	if m.HeartbeatInterval() != 2*time.Second {
		t.Errorf("then %v", m.HeartbeatInterval())
	}
}
