package state_test

import (
	"slices"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// ask has one member ask to join, under the id that is given.
func (s *groupStory) ask(m, id, instance, reason string) {
	s.group.Apply(rules.JoinRequested{
		At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: id, InstanceID: instance, Generation: -1},
		SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute, ProtocolType: "consumer", Protocols: []string{"range"},
		Topics: []string{"orders"}, Metadata: 7, Reason: reason,
	})
}

// answer is the coordinator's, to what one member asked under the id asked.
func (s *groupStory) answer(m, asked, instance string, code int16, leader string) {
	s.group.Apply(rules.Joined{
		At: s.now, Client: client(m), Membership: rules.Membership{Group: "g", MemberID: m, InstanceID: instance, Generation: s.gen},
		Requested: s.now, RequestedID: asked, Protocol: "range", Leader: leader, ErrorCode: code,
	})
}

// steady is a group of two that has settled.
func steady(t *testing.T, assignor string) *groupStory {
	t.Helper()
	s := newGroupStory(t)
	s.join(assignor, "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	s.wait(20 * time.Second)
	s.beat(0, "m1", "m2")
	return s
}

func (s *groupStory) wantLast(what string) {
	s.t.Helper()
	if got := s.rebalances(); got != "1 member-joined 1s\n"+what {
		s.t.Errorf("rebalances\n%swant after the first\n%s", got, what)
	}
}

func TestMemberIDRequiredIsOneJoin(t *testing.T) {
	s := steady(t, "range")
	s.ask("m3", "", "", "")
	s.answer("m3", "", "", 79, "")
	s.ask("m3", "m3", "", "need to re-join with the given member-id")
	s.ask("m1", "m1", "", "group is already rebalancing")
	s.ask("m2", "m2", "", "group is already rebalancing")
	s.gen++
	for _, m := range []string{"m1", "m2", "m3"} {
		s.answer(m, m, "", 0, "m1")
	}
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}, "m3": {2}})
	s.wantLast("2 member-joined 0s stopped 0s\n")
	if r := s.group.Rebalances()[1]; r.Joined != 1 || s.group.Member("m3").SessionTimeout != 10*time.Second {
		t.Errorf("%+v", r)
	}
}

// The coordinator gives a static member that was restarted the present generation
// at once (KIP-345): nobody rebalances.
func TestStaticMemberThatComesBackIsNoRebalance(t *testing.T) {
	s := newGroupStory(t)
	for _, m := range []string{"m1", "m2"} {
		s.ask(m, "", "pod-"+m, "")
	}
	s.gen++
	for _, m := range []string{"m1", "m2"} {
		s.answer(m, "", "pod-"+m, 0, "m1")
	}
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	s.wait(8 * time.Second)
	s.beat(0, "m1")
	s.ask("m3", "", "pod-m2", "")
	s.answer("m3", "", "pod-m2", 0, "m1")
	s.sync(map[string][]int32{"m3": {1}})
	for range 10 {
		s.wait(9 * time.Second)
		s.beat(0, "m1", "m3")
	}
	s.want("1 member-joined 0s\n")
	if m := s.group.Member("m3"); m == nil || m.InstanceID != "pod-m2" || !m.SessionKnown || s.group.Member("m2") != nil {
		t.Errorf("%+v", m)
	}
}

func TestRoundThatBeginsBeforeAllAreServed(t *testing.T) {
	s := steady(t, "range")
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}})
	s.wait(time.Second)
	s.group.Apply(rules.Synced{At: s.now, Client: client("m2"), Membership: s.membership("m2"), ErrorCode: 27})
	s.join("range", "m1", "m2", "m3")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}, "m3": {2}})
	s.wantLast("2 metadata-changed incomplete stopped 1s\n3 member-joined 1s stopped 2s\n")
}

func TestGenerationsThatWereNotSeen(t *testing.T) {
	s := steady(t, "range")
	s.gen = 4
	s.beat(0, "m1")
	s.beat(0, "m2")
	s.wantLast("4 unknown incomplete\n")
	if r := s.group.Rebalances()[1]; r.Unseen != 2 {
		t.Errorf("%+v", r)
	}
	s.gen = 6
	s.join("range", "m1", "m2")
	if r := s.group.Rebalances()[2]; r.Generation != 7 || r.Unseen != 2 {
		t.Errorf("%+v", r)
	}
}

// A warder that comes later knows nothing of what was before.
func TestFirstGenerationIsNotAJump(t *testing.T) {
	s := newGroupStory(t)
	s.gen = 41
	s.beat(0, "m1")
	s.want("")
	s.beat(27, "m1")
	s.ask("m1", "m1", "", "")
	s.gen = 42
	s.answer("m1", "m1", "", 0, "m9")
	s.sync(map[string][]int32{"m1": {0}})
	s.want("42 unknown 0s\n")
	if r := s.group.Rebalances()[0]; r.From != 41 || r.Unseen != 0 || !s.group.Partial() {
		t.Errorf("%+v", r)
	}
}

// A process that was stopped learns that it was removed when it goes on.
func TestCauseThatIsLearntLater(t *testing.T) {
	s := steady(t, "range")
	s.wait(11 * time.Second)
	s.group.Member("m1").Alive = s.now // it beats all the time
	s.group.Member("m2").SessionKnown = false
	s.beat(27, "m1")
	s.ask("m1", "m1", "", "group is already rebalancing")
	s.gen++
	s.answer("m1", "m1", "", 0, "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.wantLast("2 unknown 0s stopped 0s\n")
	s.beat(25, "m2")
	s.wantLast("2 session-expired 0s stopped 0s\n")
}

func TestMemberThatComesBackAfterItFailed(t *testing.T) {
	s := steady(t, "range")
	s.leave("m2", "consumer poll timeout has expired.")
	s.beat(27, "m1")
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.wait(4 * time.Second)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	s.wantLast("2 poll-timeout 1s stopped 1s\n3 poll-timeout 1s stopped 1s\n")
	d := s.group.Departures()[0]
	if r := s.group.Rebalances()[2]; !r.Returning || d.Returned.Sub(d.At) != 5*time.Second || d.ReturnedID != "m2" || d.Inferred {
		t.Errorf("%+v after %+v", r, d)
	}
}

func TestLastMemberLeavesNobodyToRebalance(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0}})
	s.leave("m1", "consumer poll timeout has expired.")
	s.want("1 member-joined 1s\n")
	s.gen++ // the coordinator counts the empty group as a generation
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0}})
	s.want("1 member-joined 1s\n3 poll-timeout 1s\n")
	if r := s.group.Rebalances()[1]; r.Unseen != 0 || !r.Returning {
		t.Errorf("%+v", r)
	}
}

// Over max.poll.interval.ms a static member of Java stops its heartbeats and does
// not leave.
func TestStaticMemberThatDoesNotPoll(t *testing.T) {
	s := newGroupStory(t)
	for _, m := range []string{"m1", "m2"} {
		s.ask(m, "", "pod-"+m, "")
	}
	s.gen++
	for _, m := range []string{"m1", "m2"} {
		s.answer(m, "", "pod-"+m, 0, "m1")
	}
	s.sync(map[string][]int32{"m1": {0}, "m2": {2}})
	s.stuckFor(time.Minute)
	for range 11 {
		s.wait(time.Second)
		s.beat(0, "m1")
	}
	s.beat(27, "m1")
	s.ask("m1", "m1", "pod-m1", "")
	s.gen++
	s.answer("m1", "m1", "pod-m1", 0, "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.want("1 member-joined 0s\n2 poll-timeout 0s stopped 0s\n")
	if d := s.group.Departures()[0]; !d.Inferred || d.Behind != 90 || d.Partition != orders(2) {
		t.Errorf("%+v", d)
	}
}

func TestMemberThatMissesTheRebalanceTimeout(t *testing.T) {
	s := steady(t, "range")
	for range 20 {
		s.beat(27, "m1", "m2")
		s.wait(3 * time.Second)
	}
	s.beat(27, "m2")
	s.ask("m1", "m1", "", "")
	s.gen++
	s.answer("m1", "m1", "", 0, "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.gen--
	s.beat(25, "m2")
	s.wantLast("2 slow-join 1m0s stopped 0s\n")
}

func TestMembersThatTheNewCoordinatorDoesNotKnow(t *testing.T) {
	s := steady(t, "range")
	s.beat(16, "m1")
	s.beat(25, "m1", "m2")
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	s.wantLast("2 coordinator-moved 1s\n")
}

func TestTwoProcessesWithOneInstanceID(t *testing.T) {
	s := newGroupStory(t)
	s.ask("m1", "", "pod-1", "")
	s.gen++
	s.answer("m1", "", "pod-1", 0, "m1")
	s.sync(map[string][]int32{"m1": {0}})
	s.wait(time.Second)
	s.ask("m2", "", "pod-1", "")
	s.answer("m2", "", "pod-1", 0, "m2")
	s.group.Apply(rules.Heartbeat{At: s.now, Requested: s.now, Client: client("m1"), ErrorCode: 82, Membership: rules.Membership{Group: "g", MemberID: "m1", InstanceID: "pod-1", Generation: 1}})
	s.want("1 member-joined 0s\n")
	if d := s.group.Departures(); len(d) != 1 || d[0].How != state.Fenced || d[0].InstanceID != "pod-1" || d[0].Cause != state.CauseInstanceFenced {
		t.Errorf("%+v", d)
	}
}

func TestRebalancesAreCounted(t *testing.T) {
	s := newGroupStory(t)
	s.join("cooperative-sticky", "m1")
	s.sync(map[string][]int32{"m1": {0, 1}})
	s.wait(9 * time.Second)
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": nil})
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	if n := s.group.Rebalanced(); n != [state.NumCauses]uint64{} {
		t.Errorf("a cause may still come: %v", n)
	}
	for range 14 {
		s.wait(9 * time.Second)
		s.beat(0, "m1", "m2")
	}
	if n := s.group.Rebalanced(); n != [state.NumCauses]uint64{state.CauseMemberJoined: 2} {
		t.Errorf("counted %v", n)
	}
}

func TestMembersAreNotSilentWhileWarderStandsStill(t *testing.T) {
	s := steady(t, "range")
	m := s.group.Member("m1")
	before := m.Alive
	s.now = s.now.Add(30 * time.Second)
	s.group.Tick(s.now)
	if !s.group.Stalled.Equal(s.now) || m.Alive.Sub(before) != 30*time.Second || !m.Fetched.IsZero() {
		t.Errorf("%+v", m)
	}
}

// beats848 is a heartbeat of KIP-848.
func (s *groupStory) beats848(m, instance string, epoch, answered int32, code int16, assigned ...int32) {
	ev := rules.ConsumerHeartbeat{
		At: s.now, Requested: s.now, Client: client(m), ErrorCode: code, Epoch: answered, HeartbeatInterval: 5 * time.Second,
		Membership: rules.Membership{Group: "g", MemberID: m, InstanceID: instance, Generation: epoch},
	}
	if epoch == 0 {
		ev.RebalanceTimeout = time.Minute
	}
	for _, p := range assigned {
		ev.Assigned, ev.AssignedSaid = append(ev.Assigned, orders(p)), true
	}
	s.group.Apply(ev)
}

func TestConsumerProtocolDeparture(t *testing.T) {
	s := newGroupStory(t)
	s.beats848("m1", "", 0, 1, 0, 0, 1)
	s.beats848("m2", "", 0, 2, 0)
	s.beats848("m1", "", 1, 2, 0, 0)
	s.beats848("m2", "", 2, 2, 0, 1)
	s.wait(5 * time.Second)
	s.beats848("m2", "", -1, -1, 0)
	s.wait(2 * time.Second)
	s.beats848("m1", "", 2, 2, 0) // it has not heard of it yet
	s.wait(5 * time.Second)
	s.beats848("m1", "", 2, 3, 0, 0, 1)
	s.want("1 member-joined 0s\n2 member-joined 0s\n3 member-left 7s\n")
	if r := s.group.Rebalances()[2]; r.Moved != 1 || r.MovedFor != 7*time.Second {
		t.Errorf("%+v", r)
	}
}

func TestConsumerProtocolStaticMember(t *testing.T) {
	s := newGroupStory(t)
	s.beats848("m1", "pod-1", 0, 1, 0, 0, 1)
	s.beats848("m1", "pod-1", -2, -2, 0)
	s.wait(9 * time.Second)
	s.beats848("m2", "pod-1", 0, 1, 0, 0, 1)
	s.want("1 member-joined 0s\n")
	s.beats848("m2", "pod-1", 1, 1, 0)
	s.beats848("m3", "pod-1", 0, 0, 111)
	if d := s.group.Departures(); len(d) != 2 || d[0].How != state.LeftForAWhile || d[0].ReturnedID != "m2" || d[1].How != state.Fenced {
		t.Errorf("%+v", d)
	}
}

func TestConsumerProtocolPollTimeout(t *testing.T) {
	s := newGroupStory(t)
	s.beats848("m1", "", 0, 1, 0, 0)
	s.beats848("m2", "", 0, 2, 0, 1)
	s.beats848("m1", "", 1, 2, 0)
	s.end(1, 100)
	s.commit("m2", 1, 10)
	for range 12 {
		s.wait(5 * time.Second)
		s.beats848("m1", "", 2, 2, 0)
		s.beats848("m2", "", 2, 2, 0)
	}
	s.beats848("m2", "", -1, -1, 0)
	s.wait(5 * time.Second)
	s.beats848("m1", "", 2, 3, 0, 0, 1)
	s.beats848("m2", "", 0, 4, 0)
	s.beats848("m1", "", 3, 4, 0)
	s.want("1 member-joined 0s\n2 member-joined 0s\n3 poll-timeout 5s\n4 poll-timeout 0s\n")
}

// A warder that comes later takes nobody for new.
func TestConsumerProtocolHeardLate(t *testing.T) {
	s := newGroupStory(t)
	s.beats848("m1", "", 7, 7, 0)
	s.beats848("m2", "", 7, 7, 0)
	s.want("")
	if s.group.Generation != 7 || !s.group.Member("m2").Joined.IsZero() {
		t.Errorf("%+v", s.group)
	}
}

// TestMembersAreLostInOrder has all but one fall silent at once: the order of what
// is told must not depend on a map's.
func TestMembersAreLostInOrder(t *testing.T) {
	for range 20 {
		s := newGroupStory(t)
		s.join("range", "m1", "m2", "m3", "m4", "m5", "m6")
		s.sync(map[string][]int32{"m1": {0}, "m2": {1}, "m3": {2}, "m4": {3}, "m5": {4}, "m6": {5}})
		for range 30 {
			s.wait(time.Second)
			s.beat(0, "m6")
		}
		var order []string
		for _, d := range s.group.Departures() {
			order = append(order, d.MemberID)
		}
		if want := []string{"m1", "m2", "m3", "m4", "m5"}; !slices.Equal(order, want) {
			t.Fatalf("lost in the order %v", order)
		}
	}
}
