package state_test

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// behind has a group commit 0 and then lag for so long behind a log that grows by
// ten records a second.
func behind(t *testing.T, d time.Duration) *groupStory {
	t.Helper()
	s := consuming(t)
	s.commit("m1", 0, 0)
	for i := range int64(d / (10 * time.Second)) {
		s.end(0, 100*i)
		s.wait(10 * time.Second)
	}
	return s
}

func (s *groupStory) lagsFor(t *testing.T, from, to time.Duration) {
	t.Helper()
	if got, ok := s.partition().TimeLag(s.now); !ok || got < from || got > to {
		t.Errorf("%v %v, want %v to %v", got, ok, from, to)
	}
}

func TestTimeLagReachesBackAsFarAsTheGroupLags(t *testing.T) {
	s := behind(t, 2*time.Hour)
	s.lagsFor(t, 2*time.Hour-20*time.Second, 2*time.Hour)
	if w := s.partition().Waiting(s.now); w < 119*time.Minute || w > 2*time.Hour {
		t.Errorf("waiting for %v", w)
	}
	s.commit("m1", 0, 36_000) // written an hour ago; the points are some minutes apart
	s.lagsFor(t, 58*time.Minute, 62*time.Minute)
	s.commit("m1", 0, 71_890)
	s.lagsFor(t, 0, 20*time.Second)
}

func TestTimeLagKnowsWhenNothingWasWritten(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 100)
	s.end(0, 100)
	s.wait(10 * time.Minute)
	s.end(0, 1100)
	s.wait(30 * time.Second)
	s.lagsFor(t, 29*time.Second, 31*time.Second) // and not five minutes
	s.end(0, 5000)
	s.commit("m1", 0, 1100)
	s.wait(time.Second)
	s.lagsFor(t, 0, 2*time.Second)
}

func TestTimeLagFromBeforeWarderCame(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 0)
	for i := range int64(60) {
		s.end(0, 6000+100*i) // ten a second
		s.wait(10 * time.Second)
		if _, known := s.partition().TimeLag(s.now); i == 1 && known {
			t.Error("two points in ten seconds say nothing of ten minutes ago")
		}
	}
	s.lagsFor(t, 19*time.Minute, 21*time.Minute) // ten minutes ago there were six thousand
	if w := s.partition().Waiting(s.now); w > 10*time.Minute {
		t.Errorf("at least %v is more than was seen", w)
	}
}

func TestLogThatWasMadeAnewHasNoPast(t *testing.T) {
	s := behind(t, 10*time.Minute)
	s.end(0, 5) // out of order: it is not believed
	s.wait(time.Second)
	s.commit("m1", 0, 0)
	s.end(0, 4000)
	s.wait(time.Second)
	if _, ok := s.partition().TimeLag(s.now); !ok {
		t.Error("one end that goes back must not forget the others")
	}
}

func TestPartitionsOfAllGroupsAreBounded(t *testing.T) {
	logs := state.NewLogs(0)
	groups := state.NewGroups(logs)
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	fill := func(name string, n int32) *state.Group {
		g := groups.New(name, now).(*state.Group)
		ev := rules.Committed{At: now, Client: javaClient, Membership: rules.Membership{Group: name, Generation: -1}}
		for p := range n {
			ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: orders(p), Offset: 1})
		}
		g.Apply(ev)
		return g
	}
	a := fill("a", 60_000)
	b := fill("b", 60_000)
	if a.Partitions() != 60_000 || b.Partitions() != 40_000 || groups.Len() != state.DefaultGroupPartitions || groups.Evicted() != 20_000 {
		t.Errorf("%d and %d, %d in all, %d refused", a.Partitions(), b.Partitions(), groups.Len(), groups.Evicted())
	}
	a.Dropped()
	if groups.Len() != 40_000 {
		t.Errorf("%d after a group was dropped", groups.Len())
	}
}
