package state_test

import (
	"fmt"
	"testing"

	"warder/rules"
	"warder/rules/state"
)

func TestMembersAreFoundByWhatTheyRead(t *testing.T) {
	s := state.NewMembers(0)
	a, b := rules.Membership{Group: "g", MemberID: "a"}, rules.Membership{Group: "g", MemberID: "b"}
	s.Assigned(javaClient, a, []rules.TopicPartition{orders(2), orders(0)}, true)
	s.Assigned(javaClient, b, []rules.TopicPartition{orders(1)}, true)
	if r, ok := s.Find(javaClient, orders(0)); !ok || r.Membership != a || r.Ambiguous {
		t.Errorf("%+v %v", r, ok)
	}
	if r, ok := s.Find(javaClient, orders(1)); !ok || r.Membership != b {
		t.Errorf("%+v %v", r, ok)
	}
	if _, ok := s.Find(javaClient, orders(3)); ok {
		t.Error("nobody's")
	}
	if _, ok := s.Find(client("other"), orders(1)); ok {
		t.Error("another address")
	}
	other := rules.Membership{Group: "audit", MemberID: "c"}
	s.Assigned(javaClient, other, []rules.TopicPartition{orders(1)}, true)
	if r, ok := s.Find(javaClient, orders(1)); !ok || !r.Ambiguous {
		t.Errorf("two groups read it: %+v %v", r, ok)
	}
	s.Left("audit", "c")
	s.Assigned(javaClient, b, nil, true)
	if r, ok := s.Find(javaClient, orders(1)); ok {
		t.Errorf("taken away: %+v", r)
	}
}

func TestMemberWhoseAssignmentCannotBeRead(t *testing.T) {
	s := state.NewMembers(0)
	s.Assigned(javaClient, rules.Membership{Group: "g", MemberID: "a"}, nil, false)
	if r, ok := s.Find(javaClient, orders(1)); !ok || !r.Ambiguous || r.MemberID != "a" {
		t.Errorf("%+v %v", r, ok)
	}
}

func TestMembersAreBounded(t *testing.T) {
	s := state.NewMembers(10)
	for i := range 1000 {
		id := *javaClient
		id.ClientID = fmt.Sprint("client-", i%50)
		s.Assigned(&id, rules.Membership{Group: "g", MemberID: fmt.Sprint(i)}, []rules.TopicPartition{orders(int32(i))}, true)
	}
	if s.Len() != 10 || s.Evicted() == 0 {
		t.Errorf("%d clients, %d evicted", s.Len(), s.Evicted())
	}
	for i := range 1000 {
		s.Left("g", fmt.Sprint(i))
	}
	if s.Len() != 0 {
		t.Errorf("%d left", s.Len())
	}
}

func TestLogsKnowTheEnds(t *testing.T) {
	l := state.NewLogs(0)
	at := newGroupStory(t).now
	if _, ok := l.Find(orders(0)); ok {
		t.Error("nothing is known")
	}
	l.Written(orders(0), state.Stored{First: 41, Last: 41, LogStart: -1}, at)
	l.Learn(orders(0), state.LogEnds{HighWatermark: 50, At: at, LastStableOffset: 45, LogStartOffset: 7, StartAt: at})
	l.Written(orders(0), state.Stored{First: 20, Last: 20, LogStart: 3}, at.Add(-1)) // an answer that came late
	l.Learn(orders(0), state.LogEnds{HighWatermark: 10, At: at.Add(-1), LastStableOffset: -1, LogStartOffset: -1})
	e, _ := l.Find(orders(0))
	if e.HighWatermark != 50 || e.LastStableOffset != 45 || e.LogStartOffset != 7 {
		t.Errorf("%+v", e)
	}
	small := state.NewLogs(16)
	for i := range int32(1000) {
		small.Written(orders(i), state.Stored{First: 1, Last: 1, LogStart: -1}, at)
	}
	if small.Len() > 16 || small.Evicted() == 0 {
		t.Errorf("%d, %d evicted", small.Len(), small.Evicted())
	}
}

func TestGroupOfAClient(t *testing.T) {
	s := state.NewMembers(0)
	if group, ok := s.Group(javaClient); ok {
		t.Errorf("nobody is in %q", group)
	}
	s.Assigned(javaClient, rules.Membership{Group: "billing", MemberID: "a"}, nil, true)
	s.Assigned(javaClient, rules.Membership{Group: "billing", MemberID: "b"}, nil, true)
	if group, ok := s.Group(javaClient); !ok || group != "billing" {
		t.Errorf("two members of one group: %q, %v", group, ok)
	}
	s.Assigned(javaClient, rules.Membership{Group: "audit", MemberID: "c"}, nil, true)
	if group, ok := s.Group(javaClient); ok {
		t.Errorf("members of two groups: %q", group)
	}
}
