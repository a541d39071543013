package state_test

import (
	"testing"
	"time"

	"warder/rules"
)

// asks is what the cluster answers to warder's own questions, about the first
// partitions of orders; -1 is none.
func (s *groupStory) asks(groupState string, members int, offsets ...int64) {
	s.group.Apply(rules.GroupDescribed{At: s.now, Group: "g", State: groupState, Members: members, ProtocolType: "consumer", Every: 30 * time.Second})
	ev := rules.OffsetsFetched{At: s.now, Group: "g", Looked: true, All: true}
	for i, o := range offsets {
		if o >= 0 {
			ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: orders(int32(i)), Offset: o})
		}
	}
	s.group.Apply(ev)
}

// TestOffsetsOfMembersElsewhere: what changes between two questions was committed; what does not was not.
func TestOffsetsOfMembersElsewhere(t *testing.T) {
	s := newGroupStory(t)
	s.end(0, 1000)
	s.asks("Stable", 2, 300)
	s.wait(time.Second)
	p := s.partition()
	if lag, ok := p.Lag(); !ok || lag != 700 || !p.CommittedAt.IsZero() || len(p.Commits()) != 0 {
		t.Errorf("lag %d %v, committed at %v", lag, ok, p.CommittedAt)
	}
	if !s.group.Partial() || s.group.Elsewhere != 2 || !s.group.Watched(s.now) {
		t.Errorf("%+v", s.group)
	}
	s.wait(29 * time.Second)
	s.asks("Stable", 2, 300)
	if len(p.Commits()) != 0 || !p.KnownAt.Equal(s.now) {
		t.Error("the same offset again is no commit")
	}
	s.wait(30 * time.Second)
	s.asks("Stable", 2, 400)
	if !p.CommittedAt.Equal(s.now) || !p.RoseAt.Equal(s.now) || len(p.Commits()) != 1 {
		t.Errorf("%+v", p)
	}
	s.wait(30 * time.Second)
	s.asks("Stable", 2, 350) // a member may have
	s.wait(30 * time.Second)
	s.asks("Empty", 0, 100) // only an administrator can have
	if got := s.moves(); got != "rewound 400→350 (-50) set-by-admin 350→100 (-250) " {
		t.Error(got)
	}
	s.wait(100 * time.Second)
	if s.group.Watched(s.now) {
		t.Error("what was told long ago is still believed")
	}
}

// TestOffsetsThatAreGone: a coordinator leaves out what has expired, and what warder may not see.
func TestOffsetsThatAreGone(t *testing.T) {
	s := newGroupStory(t)
	s.commit("m1", 1, 70) // seen, and not told to warder
	s.wait(10 * time.Second)
	s.asks("Empty", 0, 300)
	s.wait(30 * time.Second)
	s.asks("Empty", 0)
	s.wait(30 * time.Second)
	s.asks("Empty", 0)
	if got := s.moves(); got != "expired 300→300 (0) " || s.partition().Forgotten.IsZero() {
		t.Error(got)
	}
	if p := s.group.Partition(orders(1)); !p.Forgotten.IsZero() || p.Committed != 70 {
		t.Errorf("%+v", p)
	}
	s.asks("Stable", 1, 20)
	if p := s.partition(); p.Committed != 20 || !p.Forgotten.IsZero() {
		t.Errorf("%+v", p)
	}
	s.commit("m1", 0, 25)
	s.asks("Stable", 1, 21)
	if p := s.partition(); p.Committed != 25 {
		t.Error("an answer may be older than what was seen a moment ago")
	}
	// A look that is not complete says nothing of what it leaves out.
	s.wait(30 * time.Second)
	s.group.Apply(rules.OffsetsFetched{At: s.now, Group: "g", Looked: true})
	if !s.partition().Forgotten.IsZero() {
		t.Error("gone by an incomplete answer")
	}
}

// TestTrafficKnowsMoreOfMembers: the coordinator's answer is older than what members do here.
func TestTrafficKnowsMoreOfMembers(t *testing.T) {
	s := consuming(t)
	s.asks("Empty", 0)
	if !s.group.Emptied.IsZero() || s.group.Partial() {
		t.Error("a group with members here is not empty")
	}
	s.asks("Stable", 3)
	if !s.group.Partial() || s.group.Elsewhere != 2 {
		t.Errorf("%d elsewhere", s.group.Elsewhere)
	}
	s.asks("PreparingRebalance", -1)
	if s.group.Elsewhere != 2 {
		t.Error("not known is no news")
	}
	s.asks("Stable", 1)
	if s.group.Partial() {
		t.Error("all members come through here")
	}
}

func TestEmptySinceWhen(t *testing.T) {
	s := newGroupStory(t)
	s.asks("Empty", 0)
	first := s.now
	s.wait(30 * time.Second)
	s.asks("Empty", 0)
	if !s.group.Emptied.Equal(first) || !s.group.EmptyBefore {
		t.Errorf("empty since %v, before %v", s.group.Emptied, s.group.EmptyBefore)
	}
	s.asks("Stable", -1)
	if !s.group.Emptied.IsZero() || s.group.Elsewhere != 1 {
		t.Errorf("empty since %v, %d elsewhere", s.group.Emptied, s.group.Elsewhere)
	}
	if s.group.LongestPause != 30*time.Second {
		t.Errorf("the longest pause was %v", s.group.LongestPause)
	}
	s.wait(30 * time.Second)
	s.asks("Empty", 0)
	if !s.group.Emptied.Equal(s.now) || s.group.EmptyBefore || s.group.Partial() {
		t.Errorf("empty since %v, before %v", s.group.Emptied, s.group.EmptyBefore)
	}
	// Consumers that choose their partitions themselves never are members.
	simple := newGroupStory(t)
	simple.group.Apply(rules.GroupDescribed{At: simple.now, Group: "g", State: "Empty", Every: 30 * time.Second})
	if !simple.group.Emptied.IsZero() {
		t.Error("a group that never has members is empty")
	}
	v := s.group.View(s.now)
	if v.State != "Empty" || v.AskedEvery != 30_000 || v.Asked.IsZero() {
		t.Errorf("%+v", v)
	}
	if l := simple.group.Line(s.now); l.Elsewhere != 0 {
		t.Errorf("%+v", l)
	}
}
