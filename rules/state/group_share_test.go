package state_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// sharing is a share group of two members that have both partitions.
func sharing(t *testing.T) *groupStory {
	t.Helper()
	s := newGroupStory(t)
	for i, m := range []string{"m1", "m2"} {
		s.epochBeat(rules.ConsumerHeartbeat{
			Membership: rules.Membership{Group: "g", MemberID: m}, Protocol: rules.ShareEpochs, Epoch: int32(i + 1), Topics: []string{"orders"}, Said: true,
			Assigned: []rules.TopicPartition{orders(0), orders(1)}, AssignedSaid: true,
		})
	}
	s.epochBeat(rules.ConsumerHeartbeat{Membership: rules.Membership{Group: "g", MemberID: "m1", Generation: 1}, Protocol: rules.ShareEpochs, Epoch: 2})
	return s
}

// epochBeat is a heartbeat of one of the protocols with epochs.
func (s *groupStory) epochBeat(ev rules.ConsumerHeartbeat) {
	ev.At, ev.Requested, ev.Client, ev.HeartbeatInterval = s.now, s.now, client(ev.MemberID), 5*time.Second
	s.group.Apply(ev)
}

func (s *groupStory) acquire(m string, first, last int64, times int16) {
	s.group.Apply(rules.Acquired{
		At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: m, Generation: -1},
		Records: []rules.AcquiredRecords{{TopicPartition: orders(0), First: first, Last: last, DeliveryCount: times}},
	})
}

func (s *groupStory) acknowledge(m string, ack rules.Acknowledgement, first, last int64) {
	s.group.Apply(rules.Acknowledged{
		At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: m, Generation: -1},
		Records: []rules.AcknowledgedRecords{{TopicPartition: orders(0), First: first, Last: last, Type: ack}},
	})
}

// again writes down what was given back or delivered again: offsets, deliveries, the
// times that they were given back, and what became of them.
func (s *groupStory) again() string {
	var list []string
	for _, k := range s.group.Partition(orders(0)).Share().Again() {
		text := fmt.Sprintf("%d-%d:%d/%d", k.First, k.Last, k.Deliveries, k.Releases)
		if k.Waits {
			text += " waits"
		}
		if !k.Open() {
			text += fmt.Sprint(" ended ", k.Outcome)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func (s *groupStory) wantAgain(want string) {
	s.t.Helper()
	if got := s.again(); got != want {
		s.t.Errorf("again: %s\n want: %s", got, want)
	}
}

// Members of a share group have the same partitions, nobody owns one, and nothing that
// rests on committed offsets is said of them.
func TestShareGroupHasNoOwners(t *testing.T) {
	s := sharing(t)
	s.end(0, 100)
	s.wait(2 * time.Second)
	g := s.group
	if g.Protocol != state.ShareProtocol || g.Type != "share" || g.Protocol.Exclusive() || g.Members() != 2 || g.Partitions() != 2 {
		t.Fatalf("%v %q, %d members, %d partitions", g.Protocol, g.Type, g.Members(), g.Partitions())
	}
	p := g.Partition(orders(0))
	if _, ok := p.Lag(); p.OwnerID != "" || g.Owner(p) != nil || ok {
		t.Errorf("%+v", p)
	}
	s.epochBeat(rules.ConsumerHeartbeat{Membership: rules.Membership{Group: "g", MemberID: "m2", Generation: -1}, Protocol: rules.ShareEpochs})
	s.epochBeat(rules.ConsumerHeartbeat{Membership: rules.Membership{Group: "g", MemberID: "m1", Generation: 2}, Protocol: rules.ShareEpochs, Epoch: 3})
	if r := g.Rebalances(); len(r) != 3 || r[2].Cause != state.CauseMemberLeft || r[2].Moved != 0 || r[2].Standstill() != 0 {
		t.Errorf("%d rebalances, last %+v", len(r), r[len(r)-1])
	}
}

func TestRecordsThatAreDeliveredAgain(t *testing.T) {
	s := sharing(t)
	s.acquire("m1", 0, 99, 1)
	s.acknowledge("m1", rules.AckAccept, 0, 49)
	s.wantAgain("")
	s.acknowledge("m1", rules.AckRelease, 50, 59)
	s.wantAgain("50-59:1/1 waits")
	s.acquire("m2", 50, 79, 2) // the lock on the others ran out
	s.wantAgain("50-59:2/1, 60-79:2/0")
	s.acknowledge("m2", rules.AckAccept, 50, 54)
	s.acknowledge("m2", rules.AckRelease, 55, 55)
	s.acknowledge("m2", rules.AckGap, 56, 56)
	s.acknowledge("m2", rules.AckReject, 57, 60)
	s.acknowledge("m2", rules.AckRenew, 61, 61)
	s.wantAgain("50-54:2/1 ended 1, 55-55:2/2 waits, 57-59:2/1 ended 3, 60-60:2/0 ended 3, 61-61:2/0, 62-79:2/0")
	s.acquire("m1", 55, 55, 3)
	if k := s.group.Partition(orders(0)).Share().Find(55); k == nil || k.MemberID != "m1" || k.Records() != 1 || k.Deliveries != 3 {
		t.Errorf("%+v", k)
	}
	share := s.group.Partition(orders(0)).Share()
	if share.Accepted != 55 || share.Released != 11 || share.Rejected != 4 || share.Delivered != 99 {
		t.Errorf("%+v", share)
	}
	s.wait(2 * time.Minute)
	s.wantAgain("55-55:3/2, 61-61:2/0, 62-79:2/0")
	s.acquire("m1", 0, 70, 1) // the group was set back
	s.wantAgain("71-79:2/0")
	s.wait(2 * time.Hour)
	s.wantAgain("")
}

// Those that were delivered most often are remembered.
func TestRedeliveredRecordsAreBounded(t *testing.T) {
	s := sharing(t)
	s.acquire("m1", 5, 5, 4)
	for i := range int64(1000) {
		s.acquire("m1", 10+2*i, 10+2*i, 2)
		s.wait(time.Second)
	}
	again := s.group.Partition(orders(0)).Share().Again()
	if len(again) != 64 || again[0].First != 5 || again[63].First != 2008 {
		t.Errorf("%d ranges: %+v", len(again), again[0])
	}
}

// All groups share the room for ranges. What has none is forgotten, and a group that is
// dropped gives back its part.
func TestRoomForRedeliveredRecordsIsShared(t *testing.T) {
	model := state.NewGroups(state.NewLogs(0))
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	fill := func(group string) *state.Group {
		g, _ := model.New(group, now).(*state.Group)
		for p := range int32(4000) {
			ev := rules.Acquired{At: now, Client: client("m1"), Membership: rules.Membership{Group: group, MemberID: "m1"}}
			for i := range int64(40) {
				ev.Records = append(ev.Records, rules.AcquiredRecords{TopicPartition: orders(p), First: 2 * i, Last: 2 * i, DeliveryCount: 2})
			}
			g.Apply(ev)
		}
		return g
	}
	kept := func(g *state.Group) (n int) {
		g.EachPartition(func(p *state.GroupPartition) { n += len(p.Share().Again()) })
		return n
	}
	first, second := fill("a"), fill("b")
	if kept(first) != 160_000 || kept(second) != 40_000 {
		t.Errorf("%d and %d ranges", kept(first), kept(second))
	}
	first.Dropped()
	if third := fill("c"); kept(third) != 160_000 {
		t.Errorf("%d ranges", kept(third))
	}
}

// Nobody tells a share-partition start offset unasked; who sets one is remembered.
func TestShareOffsetsThatAreTold(t *testing.T) {
	s := sharing(t)
	tell := func(offset int64, code int16, set bool, topics ...string) {
		ev := rules.ShareOffsets{At: s.now, Client: client("admin1"), Group: "g", Set: set, Topics: topics}
		if topics == nil {
			ev.Offsets = []rules.PartitionOffset{{TopicPartition: orders(0), Offset: offset, ErrorCode: code}}
		}
		s.group.Apply(ev)
	}
	tell(70, 0, false)
	tell(-1, 3, false)
	p := s.group.Partition(orders(0))
	if p.Share().Start != 70 || !p.Share().StartAt.Equal(s.now) || len(p.Moves()) != 0 {
		t.Errorf("%+v", p.Share())
	}
	s.acquire("m1", 70, 70, 3)
	tell(10, 0, true)
	tell(0, 0, true, "orders")
	s.wantAgain("")
	moves := p.Moves()
	if len(moves) != 2 || moves[0].Kind != state.SetByAdmin || moves[0].From != 70 || moves[0].To != 10 || moves[1].Kind != state.Deleted || p.Share().Start != -1 {
		t.Errorf("%+v", moves)
	}
}

func TestShareGroupView(t *testing.T) {
	s := sharing(t)
	s.acquire("m1", 0, 9, 1)
	s.acknowledge("m1", rules.AckAccept, 0, 8)
	s.acknowledge("m1", rules.AckRelease, 9, 9)
	s.acquire("m2", 9, 9, 2)
	v := s.group.View(s.now)
	share := v.Partitions[0].Share
	if v.Protocol != "share" || share == nil || share.Start != nil || *share.Delivered != 9 || share.Accepted != 9 || share.Released != 1 || v.Partitions[0].Owner != "" {
		t.Fatalf("%+v", v)
	}
	if len(share.Again) != 1 || share.Again[0] != (state.RedeliveredView{First: 9, Last: 9, Deliveries: 2, Releases: 1, Since: s.now, Member: "m2"}) {
		t.Errorf("%+v", share.Again)
	}
	if len(v.Members) != 2 || len(v.Members[1].Assigned) != 1 || v.Partitions[1].Share != nil {
		t.Errorf("%+v", v.Members)
	}
}

// A member of a Streams group is given tasks. What its active ones read has one owner,
// and goes over to others step by step.
func TestStreamsGroup(t *testing.T) {
	s := newGroupStory(t)
	beat := func(m string, epoch, answered int32, tasks *rules.StreamsHeartbeat, partitions ...int32) {
		ev := rules.ConsumerHeartbeat{
			Membership: rules.Membership{Group: "g", MemberID: m, Generation: epoch}, Protocol: rules.StreamsEpochs, Epoch: answered,
			RebalanceTimeout: time.Minute, Streams: &rules.StreamsHeartbeat{TopologyEpoch: -1},
		}
		if tasks != nil {
			ev.Streams, ev.AssignedSaid = tasks, true
		}
		for _, p := range partitions {
			ev.Assigned = append(ev.Assigned, orders(p))
		}
		s.epochBeat(ev)
		s.wait(time.Second)
	}
	beat("m1", 0, 1, &rules.StreamsHeartbeat{TopologyEpoch: 0, Active: []string{"0_0", "0_1"}, Status: []string{"assignment delayed"}}, 0, 1)
	beat("m2", 0, 2, &rules.StreamsHeartbeat{TopologyEpoch: 0})
	beat("m1", 1, 2, &rules.StreamsHeartbeat{TopologyEpoch: -1, Active: []string{"0_0"}}, 0)
	beat("m2", 2, 2, &rules.StreamsHeartbeat{TopologyEpoch: -1, Active: []string{"0_1"}, Standby: []string{"0_0"}}, 1)
	beat("m1", 2, 2, nil)
	g := s.group
	if g.Protocol != state.StreamsProtocol || !g.Cooperative() || g.Partition(orders(0)).OwnerID != "m1" || g.Partition(orders(1)).OwnerID != "m2" {
		t.Fatalf("%v: %+v", g.Protocol, g.Partition(orders(1)))
	}
	if r := g.Rebalances(); len(r) != 2 || r[1].Moved != 1 || r[1].Open() || r[1].Cause != state.CauseMemberJoined {
		t.Errorf("%+v", r[len(r)-1])
	}
	v := g.View(s.now)
	if v.Protocol != "streams" || v.TopologyEpoch == nil || *v.TopologyEpoch != 0 {
		t.Errorf("%+v", v)
	}
	if got := fmt.Sprint(*v.Members[0].Tasks, *v.Members[1].Tasks, v.Members[0].Status); got != "{[0_0] [] []} {[0_1] [0_0] []} []" {
		t.Error(got)
	}
}

// A coordinator may give a new member the epoch that there is, and raise it a moment
// later: that is still for the new member.
func TestEpochThatFollowsANewMemberLater(t *testing.T) {
	s := sharing(t)
	s.wait(time.Minute)
	beat := func(m string, epoch, answered int32) {
		s.epochBeat(rules.ConsumerHeartbeat{Membership: rules.Membership{Group: "g", MemberID: m, Generation: epoch}, Protocol: rules.ShareEpochs, Epoch: answered})
		s.wait(time.Second)
	}
	beat("m3", 0, 2)
	beat("m1", 2, 2)
	for _, m := range []string{"m1", "m2", "m3"} {
		beat(m, 2, 3)
	}
	if r := s.group.Rebalances(); len(r) != 3 || r[2].Cause != state.CauseMemberJoined || r[2].Generation != 3 || r[2].Open() || r[2].Joined != 1 {
		t.Errorf("%d rebalances, last %+v", len(r), r[len(r)-1])
	}
}
