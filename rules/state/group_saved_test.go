package state_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

// eventful is a group in which everything happens that is saved; in the end it is empty.
func eventful(t *testing.T) *groupStory {
	t.Helper()
	s := newGroupStory(t)
	for p := range int32(3) {
		s.logs.Learn(orders(p), state.LogEnds{HighWatermark: 500, At: s.now, LastStableOffset: -1, LogStartOffset: 20, StartAt: s.now})
	}
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.join("range", "m1", "m2") // all stop
	s.sync(map[string][]int32{"m1": {0, 1, 2}, "m2": nil})
	s.leave("m2", "consumer poll timeout has expired.")
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.leave("m1", "closed")
	s.wait(time.Minute)
	s.join("cooperative-sticky", "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	s.join("cooperative-sticky", "m1", "m2") // partition 2 changes hands
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": nil})
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	for p := range int32(3) {
		s.commit("m1", p, 100+int64(p))
	}
	s.wait(time.Second)
	s.commit("m1", 1, 50) // back
	s.group.Apply(rules.OffsetsDeleted{
		At: s.now, Client: &rules.Identity{ClientID: "admin", Principal: "User:ops", SoftwareName: "x", SoftwareVersion: "1"},
		Group: "g", Partitions: []rules.TopicPartition{orders(2)},
	})
	s.group.Apply(rules.OffsetsListed{At: s.now, Client: client("m2"), Membership: s.membership("m2"), TopicPartition: orders(2), Timestamp: rules.EarliestTimestamp, Offset: 20})
	s.fetch("m2", 2, 20, 0, 0)
	s.gen += 3 // which nobody saw
	s.beat(0, "m1", "m2")
	s.wait(time.Second)
	s.leave("m1", "closed")
	s.leave("m2", "closed")
	s.wait(2 * time.Minute)
	return s
}

// saved is a group as it comes out of a file.
func saved(t *testing.T, g *state.Group) *state.SavedGroup {
	t.Helper()
	data, err := json.Marshal(g.Save())
	if err != nil {
		t.Fatal(err)
	}
	var s state.SavedGroup
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// restart puts the group into the model of a warder that is started after a while.
func (s *groupStory) restart(away time.Duration) {
	s.t.Helper()
	kept := saved(s.t, s.group)
	s.now, s.logs = s.now.Add(away), state.NewLogs(0)
	if s.group = state.NewGroups(s.logs).Restore(kept, s.now); s.group == nil {
		s.t.Fatal("it is not restored")
	}
}

// unset names the fields that hold nothing in all of list.
func unset[T any](list []T) (names []string) {
	for i := range reflect.TypeFor[T]().NumField() {
		empty := true
		for _, v := range list {
			empty = empty && reflect.ValueOf(v).Field(i).IsZero()
		}
		if empty {
			names = append(names, reflect.TypeFor[T]().Field(i).Name)
		}
	}
	return names
}

// What is saved is restored to the last field, and all that the view shows of it.
func TestGroupSurvivesARestart(t *testing.T) {
	s := eventful(t)
	before, view := saved(t, s.group), s.group.View(s.now)
	for what, fields := range map[string][]string{
		"group": unset([]state.SavedGroup{*before}), "topic": unset(before.Topics), "move": unset(before.Moves),
		"rebalance": unset(before.Rebalances), "client": unset(before.Clients),
	} {
		for _, field := range fields {
			if field != "Members" && field != "Returning" { // it has none now; nobody came back that had failed
				t.Errorf("the case has no %s of a %s", field, what)
			}
		}
	}
	s.restart(time.Minute)
	if diff := cmp.Diff(before, saved(t, s.group)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	after := s.group.View(s.now)
	if !after.Restarted.Equal(s.now) || !after.Learning {
		t.Errorf("restarted %v, learning %v", after.Restarted, after.Learning)
	}
	after.Restarted, after.Learning, after.Generation = view.Restarted, view.Learning, view.Generation
	for i := range view.Partitions { // who reads where is not kept, nor for how long it lags
		p := &view.Partitions[i]
		p.Owner, p.Position, p.PositionAt, p.TimeLag, p.Refetched, p.RefetchedSince = "", nil, time.Time{}, nil, 0, time.Time{}
		if p.Stuck > 0 {
			p.Stuck += time.Minute.Milliseconds() // in which warder was away
		}
	}
	if diff := cmp.Diff(view, after); diff != "" {
		t.Errorf("view (-before +after)\n%s", diff)
	}
	if list, all := s.group.MovesSince(0); len(list) != 0 || all != 0 {
		t.Errorf("told again: %v", list)
	}
	s.wait(2 * time.Minute)
	if n := s.group.Rebalanced(); n != [state.NumCauses]uint64{} {
		t.Errorf("counted again: %v", n)
	}
}

// A group whose members are heard again goes on; one whose are not is empty since the restart.
func TestMembersAreAwaitedAfterARestart(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 10)
	s.restart(time.Second)
	if g := s.group; !g.Emptied.IsZero() || g.Type != "" || !g.Stalled.Equal(s.now) || len(g.Rebalances()) != 1 {
		t.Errorf("%+v", g)
	}
	s.beat(0, "m1")
	s.wait(5 * time.Second)
	s.restart(time.Second) // and once more
	s.beat(0, "m1")
	for range 40 {
		s.beat(0, "m1")
		s.wait(3 * time.Second)
	}
	if g := s.group; !g.Emptied.IsZero() || g.Members() != 1 || len(g.Rebalances()) != 1 {
		t.Errorf("it goes on: %+v", g)
	}
	s.restart(time.Second)
	again := s.now
	s.wait(89 * time.Second)
	if !s.group.Emptied.IsZero() {
		t.Error("they may still come")
	}
	s.restart(0) // nor does it matter that there is another restart
	s.wait(89 * time.Second)
	if !s.group.Emptied.IsZero() {
		t.Error("they may still come")
	}
	s.wait(10 * time.Second)
	if g := s.group; !g.Emptied.Equal(again.Add(89*time.Second)) || g.Type != "consumer" {
		t.Errorf("%+v", g)
	}
	s.join("range", "m1")
	if g := s.group; !g.Emptied.IsZero() || g.LongestPause < 9*time.Second {
		t.Errorf("%+v", g)
	}
}

func TestOldGroupsAreNotRestored(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 10)
	kept := saved(t, s.group)
	groups := state.NewGroups(state.NewLogs(0))
	if g := groups.Restore(kept, s.now.Add(30*24*time.Hour)); g != nil || groups.Len() != 0 {
		t.Errorf("%v, %d partitions taken", g, groups.Len())
	}
	if g := groups.Restore(kept, s.now.Add(30*24*time.Hour-time.Minute)); g == nil || groups.Len() != 1 {
		t.Error("a day less is in time")
	}
	if g := groups.Restore(kept, s.now.Add(-time.Hour)); g.LastEvent.After(s.now.Add(-time.Hour)) || g.Partition(orders(0)).CommittedAt.After(s.now.Add(-time.Hour)) {
		t.Error("a clock that was set back makes nothing happen in the future")
	}
}

func TestDamagedGroupsAreNotSound(t *testing.T) {
	s := eventful(t)
	for what, damage := range map[string]func(*state.SavedGroup){
		"no name":       func(g *state.SavedGroup) { g.Group = "" },
		"no time":       func(g *state.SavedGroup) { g.LastEvent = 0 },
		"no topic":      func(g *state.SavedGroup) { g.Topics[0].Topic = "" },
		"short column":  func(g *state.SavedGroup) { g.Topics[0].Committed = g.Topics[0].Committed[1:] },
		"long column":   func(g *state.SavedGroup) { g.Topics[0].LogEnd = append(g.Topics[0].LogEnd, 1) },
		"no partitions": func(g *state.SavedGroup) { g.Topics[0].Partitions = nil },
	} {
		g := saved(t, s.group)
		if !g.Sound() {
			t.Fatal("it is sound")
		}
		if damage(g); g.Sound() {
			t.Errorf("%s: passes", what)
		}
	}
	g := saved(t, s.group)
	g.Moves[0].Client, g.Moves[0].Kind, g.Moves[1].Cause, g.Moves[1].Client, g.Rebalances[0].Cause = 99, "of the future", "?", -7, "?"
	g.Clients[0].Remote = "nowhere"
	if restored := state.NewGroups(state.NewLogs(0)).Restore(g, s.now); len(restored.Rebalances()) != len(g.Rebalances) {
		t.Error("what is not understood is left out, and no more")
	}
}

// The stories of very many groups take no more than those of few.
func TestSavedStoriesAreShared(t *testing.T) {
	groups := state.NewGroups(state.NewLogs(0))
	at := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	var first *state.Group
	make1000 := func() {
		for i := range 1000 {
			g, _ := groups.New(fmt.Sprint("g", i), at).(*state.Group)
			if first == nil {
				first = g
			}
		}
	}
	make1000()
	for i := range int64(100) {
		first.Apply(rules.Committed{At: at, Client: javaClient, Membership: rules.Membership{Generation: 1}, Offsets: []rules.PartitionOffset{{TopicPartition: orders(int32(i % 10)), Offset: 1000 - 10*i}}})
	}
	if n := len(first.Save().Moves); n != 20 {
		t.Errorf("%d moves in one of 1,000 groups", n)
	}
	for range 30 {
		make1000()
	}
	if n := len(first.Save().Moves); n != 0 {
		t.Errorf("%d moves in one of 31,000 groups", n)
	}
}
