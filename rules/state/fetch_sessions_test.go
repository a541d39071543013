package state_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

var (
	billing = &rules.Identity{ClientID: "billing"}
	both    = state.FetchNews{Reads: true, Progress: true}
)

// asked is a partition that a request names.
type asked struct {
	topic     string
	partition int32
	offset    int64
}

func named(topic string) state.FetchTopic { return state.FetchTopic{Name: []byte(topic)} }

// ask plays a request of a connection.
func ask(f *state.FetchSession, full bool, reader uint64, parts ...asked) {
	f.Begin(full, reader)
	for _, p := range parts {
		f.Ask(named(p.topic), p.partition, p.offset)
	}
	f.End(full)
}

// told writes down what a session has to tell.
func told(f *state.FetchSession, at time.Time) string {
	events, _ := f.News(at, billing, both)
	var list []string
	for _, ev := range events {
		switch ev := ev.(type) {
		case rules.TopicRead:
			list = append(list, fmt.Sprintf("%s read %d", ev.Topic, ev.Bytes))
		case rules.Fetched:
			for _, p := range ev.Partitions {
				list = append(list, fmt.Sprintf("%s/%d %d of %d", ev.Topic, p.Partition, p.FetchOffset, p.HighWatermark))
			}
		}
	}
	return strings.Join(list, ", ")
}

func at(d time.Duration) time.Time {
	return time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC).Add(d)
}

func TestReadersAreToldNowAndThen(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	check := func(d time.Duration, want string) {
		t.Helper()
		if got := told(f, at(d)); got != want {
			t.Errorf("after %v: %q, want %q", d, got, want)
		}
	}
	ask(f, true, 1, asked{"orders", 3, 100}, asked{"orders", 1, 0}, asked{"users", 0, 7})
	check(0, "orders read 0, users read 0")
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 1, HighWatermark: 500, Bytes: 1000})
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 3, HighWatermark: 100})
	f.Answer(named("nobody"), rules.FetchedPartition{Partition: 3, HighWatermark: 100})
	f.Answer(named("users"), rules.FetchedPartition{Partition: 9, HighWatermark: 100}) // not asked for
	ask(f, false, 1, asked{"orders", 1, 40})
	check(time.Second, "orders/1 40 of 500, orders/3 100 of 100")
	check(9*time.Second, "")
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 1, HighWatermark: 501, Bytes: 24})
	check(9500*time.Millisecond, "orders/1 40 of 501")
	check(10*time.Second, "orders read 1024, users read 0")
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 1, HighWatermark: 501}) // nothing new
	ask(f, false, 1)
	check(19*time.Second, "")
	ask(f, false, 1, asked{"carts", 0, 0})
	check(19*time.Second, "carts read 0")
	check(20*time.Second, "orders read 0, users read 0")
	check(29*time.Second, "carts read 0")
}

// What was given in answer to a request for earlier records stays to be told when the
// client asks for later ones.
func TestLowestOffsetThatWasReadIsTold(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	next := func(d time.Duration) rules.FetchedPartition {
		t.Helper()
		events, _ := f.News(at(d), nil, state.FetchNews{Progress: true})
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		return events[0].(rules.Fetched).Partitions[0]
	}
	f.News(at(0), nil, state.FetchNews{Progress: true})
	for i, offset := range []int64{90, 30, 60, 90} { // it goes back to 30
		ask(f, true, 1, asked{"orders", 0, offset})
		if i < 3 {
			f.Answer(named("orders"), rules.FetchedPartition{HighWatermark: 90, Bytes: int64(i) * 10})
		}
	}
	if p := next(time.Second); p.FetchOffset != 90 || p.ReadOffset != 30 || p.Bytes != 30 {
		t.Errorf("%+v", p)
	}
	f.Answer(named("orders"), rules.FetchedPartition{HighWatermark: 91})
	if p := next(2 * time.Second); p.ReadOffset != -1 {
		t.Errorf("%+v", p)
	}
}

// Partitions without news are silent; that the client asks for them is not.
func TestPollsAreToldOnceASecond(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	if _, ok := f.Polled(at(0)); ok {
		t.Error("nothing is read")
	}
	ask(f, true, 1, asked{"orders", 3, 10})
	want := rules.TopicPartition{Topic: "orders", Partition: 3}
	var when []time.Duration
	for d := time.Second; d < 4*time.Second; d += 400 * time.Millisecond {
		if p, ok := f.Polled(at(d)); ok {
			when = append(when, d)
			if p != want {
				t.Errorf("by %v", p)
			}
		}
	}
	if !slices.Equal(when, []time.Duration{time.Second, 2200 * time.Millisecond, 3400 * time.Millisecond}) {
		t.Errorf("told at %v", when)
	}
}

func TestAnswersWithErrorsLeaveOffsetsKnown(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	ask(f, true, 1, asked{"orders", 0, 100})
	f.Answer(named("orders"), rules.FetchedPartition{HighWatermark: 500, LastStableOffset: 400, LogStartOffset: 50})
	f.Answer(named("orders"), rules.FetchedPartition{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, ErrorCode: 6})
	events, _ := f.News(at(0), billing, state.FetchNews{Progress: true})
	want := rules.Fetched{At: at(0), Client: billing, Topic: "orders", Partitions: []rules.FetchedPartition{
		{FetchOffset: 100, HighWatermark: 500, LastStableOffset: 400, LogStartOffset: 50, ErrorCode: 6, ReadOffset: -1},
	}}
	if len(events) != 1 || !reflect.DeepEqual(events[0], want) {
		t.Errorf("%+v, want %+v", events, want)
	}
}

func TestWhatIsNoLongerReadIsNotTold(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	ask(f, true, 1, asked{"orders", 1, 0}, asked{"orders", 2, 0}, asked{"users", 0, 0}, asked{"carts", 0, 0})
	told(f, at(0))
	f.Begin(false, 1)
	f.Forget(named("orders"), 1)
	f.Forget(named("users"), 0)
	f.Forget(named("nobody"), 0)
	f.End(false)
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 1, HighWatermark: 9})
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 2, HighWatermark: 9})
	if got, want := told(f, at(10*time.Second)), "orders read 0, orders/2 0 of 9, carts read 0"; got != want {
		t.Errorf("after the client forgot some: %q, want %q", got, want)
	}
	ask(f, true, 1, asked{"carts", 5, 0}, asked{"carts", 5, 1}) // twice
	f.Answer(named("carts"), rules.FetchedPartition{Partition: 5, HighWatermark: 9})
	if got, want := told(f, at(20*time.Second)), "carts read 0, carts/5 1 of 9"; got != want {
		t.Errorf("after a full request: %q, want %q", got, want)
	}
	f.Begin(false, 1)
	f.Forget(named("carts"), 5)
	f.Ask(named("carts"), 5, 1) // taken out and put back
	f.End(false)
	if got, want := told(f, at(30*time.Second)), "carts read 0"; got != want {
		t.Errorf("after it changed its mind: %q, want %q", got, want)
	}
}

// A session that goes on over another connection is told of anew: that may be another process.
func TestResumedSessionIsToldAnew(t *testing.T) {
	s := state.NewFetchSessions(state.NewTopics(0), 0, 0)
	f := s.Open()
	ask(f, true, 1, asked{"orders", 1, 40})
	s.Keep(f, "broker:9092", 77)
	f.Answer(named("orders"), rules.FetchedPartition{Partition: 1, HighWatermark: 500})
	told(f, at(0))
	if s.Find("other:9092", 77) != nil || s.Find("broker:9092", 78) != nil || s.Find("broker:9092", 77) != f {
		t.Fatal("the session is not found where it is")
	}
	ask(f, false, 2)
	if got, want := told(f, at(time.Second)), "orders read 0, orders/1 40 of 500"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Forget("broker:9092", 77)
	if s.Find("broker:9092", 77) != nil || s.Len() != 0 || s.Evicted() != 0 {
		t.Errorf("it is still there: %d, %d evicted", s.Len(), s.Evicted())
	}
}

func TestTopicsByIDAreToldOnceTheyHaveNames(t *testing.T) {
	topics := state.NewTopics(0)
	f := state.NewFetchSessions(topics, 0, 0).Open()
	byID := state.FetchTopic{ID: rules.TopicID{7}}
	f.Begin(true, 1)
	f.Ask(byID, 0, 0)
	f.End(true)
	f.Answer(byID, rules.FetchedPartition{HighWatermark: 9, Bytes: 5})
	unnamed := func(d time.Duration) int {
		events, ids := f.News(at(d), billing, both)
		if len(events) > 0 {
			t.Errorf("told of a topic without a name: %v", events)
		}
		return len(ids)
	}
	if a, b, c := unnamed(0), unnamed(500*time.Millisecond), unnamed(time.Second); a != 1 || b != 0 || c != 1 {
		t.Errorf("asked for its name %d, %d, %d times", a, b, c)
	}
	topics.Learn("orders", rules.TopicID{7}, 1)
	if got, want := told(f, at(2*time.Second)), "orders read 5, orders/0 0 of 9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	f.Begin(false, 1)
	f.Forget(byID, 0)
	f.End(false)
	if got := told(f, at(time.Minute)); got != "" {
		t.Errorf("after it was forgotten: %q", got)
	}
}

func TestFetchSessionsAreBounded(t *testing.T) {
	s := state.NewFetchSessions(state.NewTopics(0), 3, 0)
	for id := range int32(5) {
		s.Keep(s.Open(), "b", id+1)
		s.Find("b", 1)
	}
	if s.Len() != 3 || s.Evicted() != 2 || s.Find("b", 1) == nil || s.Find("b", 2) != nil || s.Find("b", 5) == nil {
		t.Errorf("%d sessions, %d evicted", s.Len(), s.Evicted())
	}
	again := s.Open()
	s.Keep(again, "b", 5) // the broker gave the name to another
	s.Keep(again, "b", 6) // and then another name to that
	if s.Len() != 3 || s.Find("b", 5) != nil || s.Find("b", 6) != again {
		t.Errorf("%d sessions", s.Len())
	}
	own := s.Open()
	s.Drop(own)
	s.Drop(own)
	s.Drop(again)
	if s.Find("b", 6) != again || s.Len() != 3 {
		t.Errorf("%d sessions after one without a name was dropped", s.Len())
	}
}

// partitions asks for n partitions of a topic.
func partitions(n int32) (list []asked) {
	for p := range n {
		list = append(list, asked{"orders", p, 0})
	}
	return list
}

// held counts the partitions that a session has.
func held(f *state.FetchSession) int {
	for p := range int32(1000) {
		f.Answer(named("orders"), rules.FetchedPartition{Partition: p, Bytes: 1})
	}
	f.Begin(false, 0) // another connection, to which all is news
	events, _ := f.News(at(0), billing, state.FetchNews{Progress: true})
	if len(events) == 0 {
		return 0
	}
	return len(events[0].(rules.Fetched).Partitions)
}

func TestPartitionsOfFetchSessionsAreBounded(t *testing.T) {
	s := state.NewFetchSessions(state.NewTopics(0), 0, 160)
	old, connection := s.Open(), s.Open()
	s.Keep(old, "b", 1)
	ask(old, true, 1, partitions(63)...)
	ask(connection, true, 2, partitions(63)...)
	if held(old) != 63 || held(connection) != 63 {
		t.Fatalf("%d and %d partitions", held(old), held(connection))
	}
	another := s.Open()
	ask(another, true, 3, partitions(60)...) // 64 with the topic and what a step leaves
	if s.Find("b", 1) != nil || s.Evicted() != 1 || held(another) != 60 {
		t.Errorf("the oldest made no room: %d evicted", s.Evicted())
	}
	full := s.Open()
	ask(full, true, 4, partitions(100)...) // all that is left, since connections last
	if n := held(full); n != 31 {
		t.Errorf("%d partitions where there is room for 31", n)
	}
	ask(connection, true, 2, partitions(1)...)
	s.Drop(another)
	for range 2 {
		ask(full, true, 4, partitions(100)...)
	}
	if n := held(full); n != 100 {
		t.Errorf("%d partitions after others went", n)
	}
}

func TestSteadySessionAllocatesNothing(t *testing.T) {
	topics := state.NewTopics(0)
	topics.Learn("users", rules.TopicID{7}, 1)
	s := state.NewFetchSessions(topics, 0, 0)
	f := s.Open()
	s.Keep(f, "b", 1)
	orders, users := []byte("orders"), state.FetchTopic{ID: rules.TopicID{7}}
	n := int64(0)
	for _, full := range []bool{true, false} {
		if allocs := testing.AllocsPerRun(100, func() {
			n++
			f := s.Find("b", 1)
			f.Begin(full, 1)
			for p := range int32(20) {
				f.Ask(state.FetchTopic{Name: orders}, p, n)
				f.Ask(users, p, n)
			}
			f.End(full)
			for p := range int32(20) {
				f.Answer(users, rules.FetchedPartition{Partition: p, HighWatermark: n + 1, Bytes: 10})
			}
			f.News(at(0), billing, both)
		}); allocs != 0 {
			t.Errorf("full %v: %v allocations", full, allocs)
		}
	}
}

// Both loops of many connections at once; for the race detector.
func TestFetchSessionsUnderLoad(t *testing.T) {
	s := state.NewFetchSessions(state.NewTopics(0), 5, 300)
	var all sync.WaitGroup
	for reader := range uint64(4) {
		all.Go(func() {
			own := s.Open()
			defer s.Drop(own)
			for i := range 300 {
				id := int32(i%7 + 1)
				f := s.Find("b", id)
				if f == nil {
					f = s.Open()
					s.Keep(f, "b", id)
				}
				ask(f, i%3 == 0, reader, partitions(int32(i%40))...)
				ask(own, true, reader, partitions(int32(i%50))...)
				f.Answer(named("orders"), rules.FetchedPartition{Partition: int32(i % 40), HighWatermark: int64(i)})
				f.News(at(time.Duration(i)*time.Second), billing, both)
				if i%50 == 0 {
					s.Forget("b", id)
				}
			}
		})
	}
	all.Wait()
	if n := s.Len(); n > 5 {
		t.Errorf("%d sessions", n)
	}
	fresh := s.Open()
	ask(fresh, true, 9, partitions(200)...)
	if n := held(fresh); n != 200 { // what everybody had was given back
		t.Errorf("room for %d partitions", n)
	}
}

func TestPartitionsComeInOrder(t *testing.T) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	var mixed []asked
	for i := range int32(50) {
		mixed = append(mixed, asked{"orders", i * 17 % 50, 0})
	}
	ask(f, true, 1, mixed[:20]...)
	ask(f, false, 1, mixed[20:]...)
	for p := range int32(50) {
		f.Answer(named("orders"), rules.FetchedPartition{Partition: p, HighWatermark: int64(p)})
	}
	events, _ := f.News(at(0), billing, state.FetchNews{Progress: true})
	list := events[0].(rules.Fetched).Partitions
	if len(list) != 50 || !slices.IsSortedFunc(list, func(a, b rules.FetchedPartition) int { return int(a.Partition - b.Partition) }) || list[49].HighWatermark != 49 {
		t.Errorf("%+v", list)
	}
}

// Whatever requests say, a session reads what a plain map would.
func TestFetchSessionAgreesWithAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	want := map[string]int64{} // topic/partition to offset
	for round := range 2000 {
		full := random.IntN(4) == 0
		if full {
			clear(want)
		}
		f.Begin(full, uint64(round)) // each from another connection, so that all of it is told
		for range random.IntN(12) {
			topic, p := fmt.Sprint("t", random.IntN(3)), int32(random.IntN(8))
			name := fmt.Sprint(topic, "/", p)
			if full || random.IntN(3) > 0 {
				f.Ask(named(topic), p, int64(round))
				want[name] = int64(round)
			} else if _, ok := want[name]; ok && want[name] != int64(round) { // clients do not do both in one request
				f.Forget(named(topic), p)
				delete(want, name)
			}
		}
		f.End(full)
		for p := range int32(8) {
			for topic := range 3 {
				f.Answer(named(fmt.Sprint("t", topic)), rules.FetchedPartition{Partition: p, HighWatermark: 1})
			}
		}
		got := map[string]int64{}
		events, _ := f.News(at(time.Duration(round)*time.Minute), billing, state.FetchNews{Progress: true})
		for _, ev := range events {
			ev := ev.(rules.Fetched)
			for _, p := range ev.Partitions {
				got[fmt.Sprint(ev.Topic, "/", p.Partition)] = p.FetchOffset
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("round %d: %v, want %v", round, got, want)
		}
	}
}

// BenchmarkFetchSession is a full request for 100 partitions and its answer, as
// clients without fetch sessions send them; the figure that counts is ns/partition.
func BenchmarkFetchSession(b *testing.B) {
	f := state.NewFetchSessions(state.NewTopics(0), 0, 0).Open()
	orders := named("orders")
	n := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		n++
		f.Begin(true, 1)
		for p := range int32(100) {
			f.Ask(orders, p, n)
		}
		f.End(true)
		f.News(at(0), billing, state.FetchNews{Reads: true})
		for p := range int32(100) {
			f.Answer(orders, rules.FetchedPartition{Partition: p, HighWatermark: n})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/partition")
}
