package builtin

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

var readsStart = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

// readingOrders is a group with as many partitions of orders, with all but five records of
// each read.
func readingOrders(name string, partitions int32, at time.Time) *state.Group {
	logs := state.NewLogs(0)
	g := state.NewGroups(logs).New(name, at).(*state.Group)
	ev := rules.Committed{At: at, Client: &rules.Identity{}, Membership: rules.Membership{Group: name, Generation: -1}}
	for p := range partitions {
		tp := rules.TopicPartition{Topic: "orders", Partition: partitions - 1 - p}
		logs.Learn(tp, state.LogEnds{HighWatermark: 100, At: at, LastStableOffset: -1, LogStartOffset: 10, StartAt: at})
		ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: tp, Offset: 95})
	}
	g.Apply(ev)
	g.Tick(at)
	return g
}

func TestReadsHoldForAMinute(t *testing.T) {
	s := newGroupReads()
	for _, name := range []string{"b", "a", "scratch-1"} {
		s.publish(readingOrders(name, 3, readsStart), nil, readsStart)
	}
	groups := rules.MustGlobs("!scratch-*")
	list := s.of("orders", groups, readsStart.Add(time.Minute))
	if len(list) != 2 || list[0].group != "a" || list[1].group != "b" || len(list[0].partitions) != 3 || list[0].partitions[0].number != 0 || list[0].partitions[2].unread() != 5 {
		t.Errorf("%+v", list)
	}
	if other := s.of("carts", groups, readsStart); len(other) != 0 {
		t.Errorf("%+v", other)
	}
	late := readsStart.Add(time.Minute + time.Second)
	asked := false
	s.group("a", late, func(*readingGroup) { asked = true })
	if old := s.of("orders", groups, late); len(old) != 0 || asked {
		t.Errorf("what was a minute ago is no knowledge: %+v", old)
	}
	s.publish(readingOrders("c", 1, readsStart), nil, late)
	if s.forget(late); s.Len() != 1 || s.Evicted() != 0 {
		t.Errorf("%d groups are kept, %d evicted", s.Len(), s.Evicted())
	}
}

func TestReadsAreBounded(t *testing.T) {
	s := newGroupReads()
	g := readingOrders("g", 1, readsStart)
	for i := range maxReadingGroups + 5 {
		g.ID = fmt.Sprint("g", i)
		s.publish(g, nil, readsStart)
	}
	if s.Len() != maxReadingGroups || s.Evicted() != 5 {
		t.Errorf("%d groups, %d evicted", s.Len(), s.Evicted())
	}
}

// TestReadsAreSharedSafely is for the race detector: shards write what sessions read.
func TestReadsAreSharedSafely(t *testing.T) {
	s := newGroupReads()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			g := readingOrders(fmt.Sprint("g", i), 10, readsStart)
			for range 100 {
				s.publish(g, newRecordSizes(), readsStart)
				for _, r := range s.of("orders", rules.Globs{}, readsStart) {
					if len(r.partitions) != 10 || r.partitions[9].number != 9 {
						t.Error("half a group was read")
					}
				}
				s.forget(readsStart)
			}
		})
	}
	all.Wait()
}

// TestPublishingAllocatesNothing once a group has been written down.
func TestPublishingAllocatesNothing(t *testing.T) {
	s, sizes, g := newGroupReads(), newRecordSizes(), readingOrders("g", 1000, readsStart)
	s.publish(g, sizes, readsStart)
	if n := testing.AllocsPerRun(20, func() { s.publish(g, sizes, readsStart) }); n > 2 { // the closures over members and partitions
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	s, g := newGroupReads(), readingOrders("g", state.DefaultGroupPartitions, readsStart)
	b.ReportAllocs()
	for b.Loop() {
		s.publish(g, nil, readsStart)
	}
}

func TestRecordSizes(t *testing.T) {
	s := newRecordSizes()
	at := func(offset, bytes int64, code int16) {
		s.note(&rules.MemberFetched{TopicPartition: rules.TopicPartition{Topic: "orders"}, FetchOffset: offset, Bytes: bytes, ErrorCode: code})
	}
	if s.average("orders") != 0 || (*recordSizes)(nil).average("orders") != 0 {
		t.Error("a size from nothing")
	}
	at(100, 5000, 0) // of what it was given before, nobody knows how many
	at(200, 5000, 0)
	at(300, 7000, 1)  // an error
	at(250, 7000, 0)  // it went back
	at(250, 7000, 0)  // no record
	at(350, 15000, 0) // 150 each
	if got := s.average("orders"); got != 100 {
		t.Errorf("%v bytes", got)
	}
	for i := range int64(1000) {
		at(1000*(i+1), 10_000, 0)
	}
	if got := s.average("orders"); got > 10.2 {
		t.Errorf("the past weighs too much: %v bytes", got)
	}
}
