package builtin_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestCompactedEventStreamCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/compacted_event_stream")
}

// writer is one session that writes to a topic, without a gate.
type writer struct {
	rule  rules.Rule
	c     rules.Case
	b     rules.Batch
	found []rules.Report
}

func newWriter(t testing.TB, store rules.Store) *writer {
	t.Helper()
	for _, spec := range builtin.Specs() {
		if spec.ID != "compacted-event-stream" {
			continue
		}
		rule, err := spec.New(func(any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if store == nil {
			store = rule.(rules.Sharer).NewShared()
		}
		w := &writer{rule: rule, c: rules.Case{Scratch: rule.(rules.Scratcher).NewScratch(), Shared: store}}
		w.b.Time, w.b.Identity = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC), &rules.Identity{ClientID: "web"}
		w.b.Topic = &rules.Topic{Name: "clicks", Cleanup: rules.CleanupCompact}
		return w
	}
	t.Fatal("no such rule")
	return nil
}

// write writes a batch with these keys.
func (w *writer) write(keys []string) {
	w.b.Begin(nil)
	for i, key := range keys {
		r := rules.Record{Index: i, Key: []byte(key)}
		w.rule.(rules.RecordRule).Record(&w.c, &w.b, &r)
		w.b.Records = i + 1
	}
	w.rule.(rules.BatchRule).Batch(&w.c, &w.b)
	w.found = append(w.found, w.c.Reports...)
	w.c.Reset()
}

// keysOf are n keys of which n*share/100 are different from all others of other
// windows and from each other; the rest repeats them.
func keysOf(topic, window, n, share int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(topic, "/", window, "/", i%max(n*share/100, 1))
	}
	return keys
}

// TestEstimateIsGoodEnough: with the default knobs a topic with a new key in every
// record is found after six or few more windows, and one where a fifth of the
// records repeat a key never is, whatever the error of the estimate.
func TestEstimateIsGoodEnough(t *testing.T) {
	const topics, windows = 40, 9
	for _, n := range []int{1000, 5000} {
		found := map[int]int{}
		for _, share := range []int{100, 80} {
			for topic := range topics {
				w := newWriter(t, nil)
				for window := range windows {
					w.write(keysOf(topic, window, n, share))
					w.b.Time = w.b.Time.Add(time.Hour)
				}
				found[share] += len(w.found)
			}
		}
		if found[100] < topics*9/10 || found[100] > topics || found[80] != 0 {
			t.Errorf("%d records a window: found %v of %d", n, found, topics)
		}
	}
}

func TestEventStreamIsToldOnceADay(t *testing.T) {
	w := newWriter(t, nil)
	var told []int
	write := func(hours int, keys func(hour int) []string) {
		for hour := range hours {
			before := len(w.found)
			w.write(keys(hour))
			if len(w.found) > before {
				told = append(told, hour)
			}
			w.b.Time = w.b.Time.Add(time.Hour)
		}
	}
	fresh := func(topic int) func(int) []string {
		return func(hour int) []string { return keysOf(topic, hour, 1000, 100) }
	}
	write(60, fresh(1))
	write(2, func(int) []string { return keysOf(1, 0, 1000, 50) }) // it is over
	write(8, fresh(2))
	if want := []int{6, 30, 54, 6}; !slices.Equal(told, want) {
		t.Errorf("told in hours %v, want %v", told, want)
	}
	if r := w.found[1]; !r.OwnSubject || r.Subject != (rules.Subject{Topic: "clicks"}) || r.Evidence.Get("windows") != 30 {
		t.Errorf("%+v", r)
	}
}

// TestBrokenBatchLeavesNothing: Batch is not called for one that cannot be read to
// its end.
func TestBrokenBatchLeavesNothing(t *testing.T) {
	w := newWriter(t, nil)
	for range 10 {
		w.b.Begin(nil)
		for i, key := range keysOf(0, 0, 500, 100) {
			r := rules.Record{Index: i, Key: []byte(key), KeyNull: i%2 == 0}
			w.rule.(rules.RecordRule).Record(&w.c, &w.b, &r)
		}
		w.write(keysOf(1, 0, 300, 100)) // 300 records a window are too few
		w.b.Time = w.b.Time.Add(time.Hour)
	}
	if len(w.found) != 0 {
		t.Errorf("%+v", w.found)
	}
}

func TestKeyedTopicsAreBounded(t *testing.T) {
	w := newWriter(t, nil)
	const more = 500
	for i := range 10_000 + more {
		w.b.Topic = &rules.Topic{Name: fmt.Sprint("topic-", i), Cleanup: rules.CleanupCompact}
		w.write([]string{"a"})
		watch := rules.Watch{Shared: w.c.Shared}
		w.rule.(rules.Watcher).Watch(&watch, rules.TopicAppeared{At: w.b.Time, Topic: w.b.Topic.Name, Created: true})
		if watch.State != nil {
			t.Fatal("the engine is left a state for each topic")
		}
	}
	if n, gone := w.c.Shared.Len(), w.c.Shared.Evicted(); n != 11_000 || gone != more+9500 {
		t.Errorf("%d entries, %d evicted", n, gone)
	}
}

// TestManySessionsOneTopic is for the race detector.
func TestManySessionsOneTopic(t *testing.T) {
	store := newWriter(t, nil).c.Shared
	var all sync.WaitGroup
	for s := range 4 {
		w := newWriter(t, store)
		all.Go(func() {
			for window := range 20 {
				w.write(keysOf(s, window, 300, 100))
				w.b.Time = w.b.Time.Add(10 * time.Minute)
			}
		})
	}
	all.Wait()
	if store.Len() != 1 {
		t.Errorf("%d entries", store.Len())
	}
}

func TestCleanKeysAllocateNothing(t *testing.T) {
	for _, n := range []int{1, 100, 1000} {
		w, keys := newWriter(t, nil), make([]rules.Record, n)
		for i := range keys {
			keys[i] = rules.Record{Index: i, Key: []byte(strconv.Itoa(i))}
		}
		record, batch := w.rule.(rules.RecordRule), w.rule.(rules.BatchRule)
		allocs := testing.AllocsPerRun(50, func() {
			w.b.Begin(nil)
			for i := range keys {
				record.Record(&w.c, &w.b, &keys[i])
			}
			batch.Batch(&w.c, &w.b)
			w.b.Time = w.b.Time.Add(time.Minute)
		})
		if allocs != 0 {
			t.Errorf("%v allocations for a batch of %d", allocs, n)
		}
	}
}

// BenchmarkCompactedEventStream is what the rule adds to a batch of a compacted topic.
func BenchmarkCompactedEventStream(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			w, keys := newWriter(b, nil), make([]rules.Record, n)
			for i := range keys {
				keys[i] = rules.Record{Index: i, Key: fmt.Appendf(nil, "user-%08d", i)}
			}
			record, batch := w.rule.(rules.RecordRule), w.rule.(rules.BatchRule)
			b.ReportAllocs()
			for b.Loop() {
				w.b.Begin(nil)
				for i := range keys {
					record.Record(&w.c, &w.b, &keys[i])
				}
				batch.Batch(&w.c, &w.b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
		})
	}
}

func TestBadKnobsAreRefused(t *testing.T) {
	for _, spec := range builtin.Specs() {
		if spec.ID == "compacted-event-stream" {
			if _, err := spec.New(func(any) error { return errors.New("unknown key") }); err == nil {
				t.Error("accepted")
			}
		}
	}
}
