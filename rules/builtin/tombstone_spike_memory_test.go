package builtin

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"warder/rules"
)

func TestTopicsAreForgottenWithTheirSpikes(t *testing.T) {
	k, m := knobsOf(t), newSpikeMemory()
	if _, ok := m.count(k, epoch, damageOf("users", 100)); !ok || len(m.spikes) != 1 {
		t.Fatal("no spike")
	}
	for i := range spikeTopics {
		m.note(k, fmt.Sprint("topic-", i), epoch, 1)
	}
	if m.Len() != spikeTopics || m.Evicted() != 1 || len(m.spikes) != 0 {
		t.Errorf("%d topics, %d evicted, %d spikes", m.Len(), m.Evicted(), len(m.spikes))
	}
	if over := m.ended(k, epoch.Add(time.Hour)); len(over) != 0 {
		t.Errorf("%d spikes of topics that are forgotten", len(over))
	}
}

// A reload may change the length of windows: buckets of the old length say nothing.
func TestOtherWindowsBeginAnew(t *testing.T) {
	k, m := knobsOf(t), newSpikeMemory()
	m.count(k, epoch, damageOf("users", 100))
	other := *k
	other.Window = 10 * time.Minute
	if over := m.ended(&other, epoch.Add(time.Second)); len(over) != 0 {
		t.Errorf("over: %+v", over)
	}
	m.note(&other, "users", epoch.Add(time.Second), 1)
	if len(m.spikes) != 0 || m.Len() != 1 {
		t.Errorf("%d spikes, %d topics", len(m.spikes), m.Len())
	}
}

func TestTransactionsHoldOneDamageForATopic(t *testing.T) {
	var told []rules.Report
	rule := &tombstoneSpike{*knobsOf(t)}
	m := newSpikeMemory()
	var state any
	see := func(ev rules.Event) {
		w := &rules.Watch{Key: "t-1", By: rules.ByTransactionalID, Now: ev.When(), State: state, Shared: m}
		rule.Watch(w, ev)
		state = w.State
		reports, _ := w.Left()
		told = append(told, reports...)
	}
	for i := range 300 {
		d := damageOf([]string{"users", "carts"}[i%2], 10)
		d.by, d.crc = producerEpoch{7, 0}, uint32(i)
		see(rules.Observation{At: epoch.Add(time.Duration(i) * time.Second), Client: &rules.Identity{}, By: rules.ByTransactionalID, Of: "t-1", Data: d})
	}
	if held := state.(*heldBack[*damage]).held; len(held) != 2 || held[0].count != 1500 || held[1].seen.tombstones != 1500 {
		t.Fatalf("%d held", len(held))
	}
	see(end(298*time.Second, 7, 0, true)) // of an earlier transaction: one batch of carts is younger
	if len(told) != 1 || told[0].Evidence.Get("tombstones") != 1500 {
		t.Fatalf("told %+v", told)
	}
	see(end(301*time.Second, 7, 0, false))
	if len(told) != 1 || len(state.(*heldBack[*damage]).held) != 0 {
		t.Errorf("told %d, state %+v", len(told), state)
	}
}

// A commit that nobody has seen must not be counted a quarter of an hour later.
func TestOutcomeNotSeenIsNotCounted(t *testing.T) {
	rule, m := &tombstoneSpike{*knobsOf(t)}, newSpikeMemory()
	d := damageOf("users", 100)
	d.by = producerEpoch{7, 0}
	w := &rules.Watch{By: rules.ByTransactionalID, Now: epoch, Shared: m}
	rule.Watch(w, rules.Observation{At: epoch, Client: &rules.Identity{}, By: rules.ByTransactionalID, Data: d})
	rule.Watch(w, rules.Gap{At: epoch, Lost: 1})
	w.Now = epoch.Add(heldFor)
	rule.Tick(w)
	if reports, _ := w.Left(); len(reports) != 0 || w.State != nil || m.topics.Len() != 0 {
		t.Errorf("%d reports, state %v, %d topics", len(reports), w.State, m.topics.Len())
	}
}

func TestSpikeMemoryIsSafeForConcurrentUse(t *testing.T) {
	k, m := knobsOf(t), newSpikeMemory()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 500 {
				at := epoch.Add(time.Duration(n) * time.Second)
				m.note(k, "users", at, 1)
				if story, ok := m.count(k, at, damageOf("users", 30)); ok && story.report().Summary == "" {
					t.Error("a spike without words")
				}
				if i == 0 {
					m.ended(k, at)
					m.Len()
				}
			}
		})
	}
	all.Wait()
	if over := m.ended(k, epoch.Add(time.Hour)); len(over) != 1 || over[0].tombstones != 4*500*30 {
		t.Errorf("%d spikes over", len(over))
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 99: "99", 104: "100", 877: "880", 4321: "4,300", 99_999: "100,000", 1_234_567: "1,200,000"} {
		if got := roundText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		6 * time.Second: "6 s", time.Minute: "60 s", 119 * time.Second: "119 s", 4 * time.Minute: "4 min", 7 * time.Hour: "7 h",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
