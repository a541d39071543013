package state_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// manyPartitions is a group that commits all partitions that there is room for.
type manyPartitions struct {
	logs  *state.Logs
	group *state.Group
	now   time.Time
}

func newManyPartitions() *manyPartitions {
	s := &manyPartitions{logs: state.NewLogs(0), now: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)}
	s.group = state.NewGroups(s.logs).New("g", s.now).(*state.Group)
	return s
}

// round moves the ends of all logs on, commits, and ticks.
func (s *manyPartitions) round(end, committed int64) {
	ev := rules.Committed{At: s.now, Client: javaClient, Membership: rules.Membership{Group: "g", Generation: -1}}
	for p := range int32(state.DefaultGroupPartitions) {
		s.logs.Learn(orders(p), state.LogEnds{HighWatermark: end, At: s.now, LastStableOffset: -1, LogStartOffset: -1})
		if committed >= 0 {
			ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: orders(p), Offset: committed})
		}
	}
	s.group.Apply(ev)
	s.now = s.now.Add(5 * time.Second)
	s.group.Tick(s.now)
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestManyPartitionsStayWithinTheirBytes: what is said of a partition's size holds
// with as many as there is room for.
func TestManyPartitionsStayWithinTheirBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("there is one goroutine, and it would take a minute")
	}
	s := newManyPartitions()
	for p := range int32(state.DefaultGroupPartitions) {
		s.logs.Learn(orders(p), state.LogEnds{HighWatermark: 0, At: s.now})
	}
	before := heapInUse()
	for i := range int64(12) {
		s.round(100*i, 100*i)
	}
	keepsUp := (heapInUse() - before) / state.DefaultGroupPartitions
	for i := range int64(36) { // from 33 points on there is room for all that are kept
		s.round(1200+100*i, -1)
	}
	lags := (heapInUse() - before) / state.DefaultGroupPartitions
	if s.group.Partitions() != state.DefaultGroupPartitions {
		t.Fatalf("%d partitions", s.group.Partitions())
	}
	t.Logf("%d bytes for a partition that is kept up with, %d for one that lags", keepsUp, lags)
	if keepsUp > 1000 || lags > 2000 {
		t.Errorf("%d bytes for a partition that is kept up with, %d for one that lags", keepsUp, lags)
	}
	runtime.KeepAlive(s)
}

func TestLargeGroupsAreRefreshedLessOften(t *testing.T) {
	s := newManyPartitions()
	s.round(10, 5)
	first := s.group.Refreshed
	for range 4 {
		s.now = s.now.Add(time.Second)
		s.group.Tick(s.now)
		if !s.group.Refreshed.Equal(first) {
			t.Fatalf("again after %v", s.now.Sub(first))
		}
	}
	s.now = s.now.Add(time.Second)
	s.group.Tick(s.now)
	if !s.group.Refreshed.Equal(s.now) {
		t.Error("not after five seconds")
	}
}

// BenchmarkTickOfManyPartitions is a second of a group with a hundred thousand
// partitions that all lag and whose logs all grow.
func BenchmarkTickOfManyPartitions(b *testing.B) {
	s := newManyPartitions()
	for i := range int64(40) {
		s.round(100*i, min(100*i, 1000))
	}
	b.ResetTimer()
	for b.Loop() {
		s.now = s.now.Add(time.Second)
		s.group.Tick(s.now)
	}
}

// BenchmarkStatusOfManyPartitions is Burrow's evaluation of all of them.
func BenchmarkStatusOfManyPartitions(b *testing.B) {
	s := newManyPartitions()
	for i := range int64(40) {
		s.round(100*i, min(10*i, 1000))
	}
	b.ReportAllocs()
	for b.Loop() {
		bad := 0
		s.group.EachPartition(func(p *state.GroupPartition) {
			if p.Status(s.now, 0) != state.StatusOK {
				bad++
			}
		})
		if bad == 0 {
			b.Fatal("all are well")
		}
	}
}

// BenchmarkSaveOfManyPartitions is for how long a shard is held up when what it knows of
// groups is written down.
func BenchmarkSaveOfManyPartitions(b *testing.B) {
	s := newManyPartitions()
	s.round(1000, 10)
	b.ReportAllocs()
	for b.Loop() {
		if len(s.group.Save().Topics) != 1 {
			b.Fatal("nothing is saved")
		}
	}
}

// mostOfSmallGroups is what 2,500 groups may take of which each does much, and has one
// partition.
const mostOfSmallGroups = 112 << 20

// TestManyGroupsStayWithinTheirBytes: groups share what is remembered of their rebalances and moves.
func TestManyGroupsStayWithinTheirBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("there is one goroutine, and it would take a minute")
	}
	groups := state.NewGroups(state.NewLogs(0))
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	before := heapInUse()
	var list []*groupStory
	for i := range 2500 {
		s := &groupStory{t: t, now: now}
		s.group, _ = groups.New(fmt.Sprint("g", i), now).(*state.Group)
		list = append(list, s)
	}
	for _, s := range list {
		for i := range int64(70) {
			s.join("range", "m1")
			s.sync(map[string][]int32{"m1": {0}})
			s.commit("m1", 0, 1000-5*i)
			s.leave("m1", "closed")
		}
	}
	one := list[0].group
	grown := heapInUse() - before
	t.Logf("%d bytes for a group, with %d rebalances and %d departures", grown/uint64(len(list)), len(one.Rebalances()), len(one.Departures()))
	if grown > mostOfSmallGroups || len(one.Rebalances()) != 40 || len(one.Departures()) != 40 {
		t.Errorf("the heap has grown by %d bytes; %d rebalances, %d departures of each", grown, len(one.Rebalances()), len(one.Departures()))
	}
	runtime.KeepAlive(list)
}
