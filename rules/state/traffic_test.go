package state_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

// minute is a time at which a slot of ten seconds begins.
var minute = epoch.Truncate(time.Minute)

func TestPaceIsThatOfTheLastMinute(t *testing.T) {
	s := state.NewTraffic(0)
	orders := s.Of("orders")
	if s.Pace("orders", minute) != nil || s.Pace("users", minute) != nil {
		t.Error("nothing was written yet")
	}
	orders.Add(minute, 100, 5000)
	want := &state.Pace{RecordsPerSecond: 10, BatchesPerSecond: 0.1, BytesPerSecond: 500, Since: minute, Last: minute}
	if diff := cmp.Diff(want, s.Pace("orders", minute.Add(time.Second))); diff != "" {
		t.Errorf("the first batch: %s", diff)
	}
	for i := 1; i < 600; i++ { // two a second, for five minutes
		orders.Add(minute.Add(time.Duration(i)*time.Second/2), 100, 5000)
	}
	last := minute.Add(599 * time.Second / 2)
	want = &state.Pace{RecordsPerSecond: 200, BatchesPerSecond: 2, BytesPerSecond: 10_000, Since: minute, Last: last}
	if diff := cmp.Diff(want, s.Pace("orders", minute.Add(5*time.Minute-time.Nanosecond)), approximately); diff != "" {
		t.Errorf("after five minutes: %s", diff)
	}
	half := s.Pace("orders", minute.Add(5*time.Minute+30*time.Second-time.Nanosecond))
	if diff := cmp.Diff(100.0, half.RecordsPerSecond, approximately); diff != "" {
		t.Errorf("half a minute of silence: %s", diff)
	}
	if p := s.Pace("orders", minute.Add(time.Hour)); p.RecordsPerSecond != 0 || !p.Last.Equal(last) {
		t.Errorf("after an hour: %+v", p)
	}
	orders.Add(minute.Add(time.Hour), 60, 0)
	orders.Add(minute, 1e6, 0)                 // too late to count
	orders.Add(minute.Add(time.Hour-1), 60, 0) // not too late
	if p := s.Pace("orders", minute.Add(time.Hour+10*time.Second-1)); p.RecordsPerSecond < 2 || p.RecordsPerSecond > 2.01 {
		t.Errorf("after the hour: %+v", p)
	}
}

var approximately = cmp.Comparer(func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 })

func TestForgottenTrafficBeginsAnew(t *testing.T) {
	s := state.NewTraffic(10)
	first := s.Of("t0")
	first.Add(epoch, 1, 1)
	for i := 1; i <= 10; i++ {
		s.Of(fmt.Sprint("t", i))
	}
	if s.Len() != 10 || s.Evicted() != 1 || s.Pace("t0", epoch) != nil || first.Add(epoch, 1, 1) {
		t.Errorf("%d topics, %d evicted", s.Len(), s.Evicted())
	}
	if again := s.Of("t0"); !again.Add(epoch, 10, 1) || s.Pace("t0", epoch).RecordsPerSecond != 1 {
		t.Errorf("%+v", s.Pace("t0", epoch))
	}
}

func TestTrafficIsSharedBySessions(t *testing.T) {
	s := state.NewTraffic(1)
	var sessions sync.WaitGroup
	for range 4 {
		sessions.Go(func() {
			orders := s.Of("orders")
			for range 250 {
				orders.Add(epoch, 10, 1)
				s.Pace("orders", epoch)
			}
		})
	}
	sessions.Wait()
	if p := s.Pace("orders", epoch); p.RecordsPerSecond != 1000 {
		t.Errorf("%+v", p)
	}
}

func TestGrowthIsThatOfTheLastMinutes(t *testing.T) {
	l, p := state.NewLogs(0), rules.TopicPartition{Topic: "orders"}
	growth := func(after time.Duration) float64 {
		t.Helper()
		_, pace, ok := l.Growth(p, epoch.Add(after))
		if !ok {
			t.Fatalf("after %v nothing is known", after)
		}
		return pace
	}
	if _, _, ok := l.Growth(p, epoch); ok {
		t.Error("nothing is known of it")
	}
	l.Learn(p, state.LogEnds{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: 0, StartAt: epoch})
	if _, _, ok := l.Growth(p, epoch); ok {
		t.Error("where it ends is not known")
	}
	end := func(offset int64, after time.Duration) {
		l.Learn(p, state.LogEnds{HighWatermark: offset, LastStableOffset: -1, LogStartOffset: -1, At: epoch.Add(after)})
	}
	end(1000, 0)
	if g := growth(time.Second); g != 0 {
		t.Errorf("what was there before: %v", g)
	}
	fresh := rules.TopicPartition{Topic: "orders", Partition: 1}
	l.Written(fresh, state.Stored{First: 5000, Last: 5999, LogStart: -1}, epoch)
	if _, pace, _ := l.Growth(fresh, epoch.Add(20*time.Second)); pace != 50 {
		t.Errorf("1,000 in the first batch, %v a second", pace)
	}
	for i := range 300 { // ten a second, by producers that do not come through here
		end(1000+int64(i)*10, time.Duration(i)*time.Second)
	}
	if g := growth(299 * time.Second); g != 10 {
		t.Errorf("%v a second, want 10", g)
	}
	l.Written(p, state.Stored{First: 3990, Last: 4990, LogStart: -1}, epoch.Add(300*time.Second)) // 1,001 at once
	end(4960, 300*time.Second)                                                                    // consumers may not read all of it yet
	l.Written(p, state.Stored{First: 4991, Last: 4999, LogStart: -1}, epoch.Add(300*time.Second))
	if g := growth(300 * time.Second); g < 25 || g > 45 {
		t.Errorf("after a burst: %v", g)
	}
	if g := growth(time.Hour); g != 0 {
		t.Errorf("after an hour in which nothing was heard: %v", g)
	}
	end(5, time.Hour)
	end(105, time.Hour+10*time.Second)
	if g := growth(time.Hour + 10*time.Second); g != 10 {
		t.Errorf("deleted and made anew: %v", g)
	}
}

func TestViewOfATopicPutsTogetherWhatIsKnown(t *testing.T) {
	logs, traffic := state.NewLogs(0), state.NewTraffic(0)
	orders := rules.Topic{Name: "orders", Partitions: 4, Cleanup: rules.CleanupDelete}
	now := epoch.Add(10 * time.Second)
	told := rules.TopicTold{Tombstones: &rules.TombstonesTold{PerMinute: 3}}
	if v := state.NewTopicView(orders, logs, traffic, rules.TopicTold{}, now); v.Log != nil || v.Written != nil || len(v.Logs) != 0 {
		t.Errorf("nothing is known: %+v", v)
	}
	for partition, records := range map[int32]int64{0: 100, 2: 300} {
		p := rules.TopicPartition{Topic: "orders", Partition: partition}
		logs.Learn(p, state.LogEnds{HighWatermark: 50, LastStableOffset: -1, LogStartOffset: 7, At: epoch, StartAt: epoch})
		logs.Written(p, state.Stored{First: 50, Last: 50 + records - 1, LogStart: -1}, now)
	}
	traffic.Of("orders").Add(epoch, 400, 8000)
	v := state.NewTopicView(orders, logs, traffic, told, now)
	want := state.TopicView{
		TopicLine: state.TopicLine{
			Topic: orders, TopicTold: told,
			Written: &state.Pace{RecordsPerSecond: 40, BatchesPerSecond: 0.1, BytesPerSecond: 800, Since: epoch, Last: epoch},
			Log:     &state.LogPace{RecordsPerSecond: 40, Known: 2, Largest: &state.LargestPartition{Partition: 2, Share: 0.75, TimesFair: 3}},
		},
		Logs: []state.PartitionPace{
			{Partition: 0, Start: new(int64(7)), End: 150, RecordsPerSecond: 10, Share: 0.25},
			{Partition: 2, Start: new(int64(7)), End: 350, RecordsPerSecond: 30, Share: 0.75},
		},
	}
	if diff := cmp.Diff(want, v, approximately); diff != "" {
		t.Error(diff)
	}
	later := state.NewTopicView(orders, logs, traffic, told, now.Add(time.Hour))
	if later.Log.Largest != nil || later.Log.RecordsPerSecond != 0 || later.Logs[1].Share != 0 {
		t.Errorf("nothing grows: %+v", later.Log)
	}
}
