package engine

import (
	"fmt"
	"testing"
	"time"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

var epoch = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

// tally counts events of a key and reports the count at every second one. It
// forgets a key when its transaction aborts, and panics for "bad".
type tally struct{}

type tallied struct{ events, gaps, ticks int }

func (tally) Watch(w *rules.Watch, ev rules.Event) {
	s, _ := w.State.(*tallied)
	if s == nil {
		s = &tallied{}
		w.State = s
	}
	switch ev := ev.(type) {
	case rules.Gap:
		s.gaps += ev.Lost
	case rules.TransactionEnded:
		if w.Key == "bad" {
			panic("bad key")
		}
		if s.events++; !ev.Committed {
			w.State = nil
		}
		if s.events == 2 {
			w.Report(rules.Report{Summary: fmt.Sprint(w.Key, " twice, ", s.gaps, " lost, ", s.ticks, " ticks")})
		}
	}
}

func (tally) Tick(w *rules.Watch) { w.State.(*tallied).ticks++ }

func tallySpec(id string) rules.Spec {
	return rules.Spec{
		ID: id, Severity: rules.Info, Default: rules.Alert,
		Watches: []rules.Interest{{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID}},
		New:     func(decode func(any) error) (rules.Rule, error) { return tally{}, decode(&struct{}{}) },
	}
}

func tallyEngine(t *testing.T, limits Limits, change func(*Options)) *Engine {
	t.Helper()
	o := Options{Specs: []rules.Spec{tallySpec("tally")}, Topics: state.NewTopics(0), Inline: true, Limits: limits, Now: func() time.Time { return epoch }}
	if change != nil {
		change(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ended(key string, committed bool) rules.TransactionEnded {
	return rules.TransactionEnded{At: epoch, TransactionalID: key, Committed: committed}
}

func summaries(e *Engine) (out []string) {
	for _, f := range e.Findings().Query(queryAll) {
		out = append(out, f.Summary)
	}
	return out
}

func TestKeysMeetTheirOwnState(t *testing.T) {
	e := tallyEngine(t, Limits{}, nil)
	for _, key := range []string{"a", "b", "c", "a"} {
		e.Emit(ended(key, true))
	}
	e.Emit(ended("", true)) // no key: nobody is told
	if got := fmt.Sprint(summaries(e)); got != "[a twice, 0 lost, 0 ticks]" {
		t.Error(got)
	}
	if s := e.Stores()[2]; s.Name != "watch" || s.Len != 3 {
		t.Errorf("%+v", s)
	}
	if !e.Wants(rules.KindTransactionEnded) || e.Wants(rules.KindGap) {
		t.Error("wants the wrong events")
	}
}

func TestStateIsDroppedByItsRule(t *testing.T) {
	e := tallyEngine(t, Limits{}, nil)
	e.Emit(ended("a", true))
	e.Emit(ended("a", false))
	if s := e.Stores()[2]; s.Len != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStatesAreBounded(t *testing.T) {
	e := tallyEngine(t, Limits{Shards: 1, States: 10}, nil)
	for i := range 100 {
		e.Emit(ended(fmt.Sprint(i), true))
	}
	if s := e.Stores()[2]; s.Len != 10 || s.Evicted != 90 {
		t.Errorf("%+v", s)
	}
}

func TestTicksReachEveryState(t *testing.T) {
	e := tallyEngine(t, Limits{}, nil)
	e.Emit(ended("a", true))
	e.Emit(ended("b", true))
	e.Tick(epoch.Add(time.Second))
	e.Tick(epoch.Add(2 * time.Second))
	e.Emit(ended("b", true))
	if got := fmt.Sprint(summaries(e)); got != "[b twice, 0 lost, 2 ticks]" {
		t.Error(got)
	}
}

func TestFullQueueDropsCountsAndTellsOfTheGap(t *testing.T) {
	dropped := 0
	e := tallyEngine(t, Limits{Shards: 1, Queue: 2}, func(o *Options) {
		o.Meter.Dropped = func(queue string, n int) { dropped += n }
	})
	s := e.shards[0]
	e.inline = false // put queues, and nobody reads: the shard is a plain object here
	e.Emit(ended("a", true))
	e.Emit(ended("b", true))
	for range 5 {
		e.Emit(ended("a", true))
	}
	e.inline = true
	if dropped != 5 || len(s.queue) != 2 {
		t.Fatalf("dropped %d, queued %d", dropped, len(s.queue))
	}
	s.take(<-s.queue) // the gap comes first, and nobody had state yet
	s.take(<-s.queue)
	s.lost.Store(3)
	s.take(envelope{event: ended("a", true), by: rules.ByTransactionalID, key: "a"})
	if got := fmt.Sprint(summaries(e)); got != "[a twice, 3 lost, 0 ticks]" {
		t.Error(got)
	}
}

func TestPanickingWatcherLosesOnlyThatKey(t *testing.T) {
	panics := 0
	e := tallyEngine(t, Limits{}, func(o *Options) { o.Meter.Panic = func(string) { panics++ } })
	e.Emit(ended("good", true))
	e.Emit(ended("bad", true))
	e.Emit(ended("good", true))
	if s := e.Stores()[2]; panics != 1 || s.Len != 1 || len(summaries(e)) != 1 {
		t.Errorf("%d panics, %+v, %v", panics, s, summaries(e))
	}
}

func TestReloadKeepsStatesOfRulesThatStay(t *testing.T) {
	e := tallyEngine(t, Limits{}, nil)
	configure := func(action string) {
		t.Helper()
		rs := configs.Rules{ByID: map[string]configs.RuleConfig{"tally": {Action: action}}}
		if err := e.Configure(rs, nil); err != nil {
			t.Fatal(err)
		}
	}
	e.Emit(ended("a", true))
	configure("record")
	e.Emit(ended("a", true))
	if len(summaries(e)) != 1 {
		t.Error("the state was lost")
	}
	configure("off")
	e.Tick(epoch)
	if s := e.Stores()[2]; s.Len != 0 {
		t.Errorf("state of a rule that is off: %+v", s)
	}
	if e.Wants(rules.KindTransactionEnded) {
		t.Error("wants events for a rule that is off")
	}
}
