package engine_test

import (
	"fmt"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/engine"
)

// counter is a model that counts what it is told of a group.
type counter struct {
	key          string
	events, gaps int
	last         time.Time
	drops        *[]string
}

func (c *counter) Dropped() {
	if c.drops != nil {
		*c.drops = append(*c.drops, c.key)
	}
}

func (c *counter) Apply(ev rules.Event) {
	switch ev := ev.(type) {
	case rules.Gap:
		c.gaps++
	case rules.Heartbeat:
		if ev.ErrorCode == 99 {
			panic("x")
		}
		c.events++
		c.last = ev.At
	}
}

func (c *counter) Tick(now time.Time) bool { return now.Sub(c.last) < time.Minute }

type counting struct{ drops *[]string }

func (counting) By() rules.KeyKind   { return rules.ByGroup }
func (counting) Kinds() []rules.Kind { return []rules.Kind{rules.KindHeartbeat} }
func (c counting) New(key string, now time.Time) rules.ModelState {
	return &counter{key: key, last: now, drops: c.drops}
}

func beat(group string, code int16, at time.Time) rules.Heartbeat {
	return rules.Heartbeat{At: at, Membership: rules.Membership{Group: group}, ErrorCode: code}
}

// groupWatcher notes what it sees of the model.
func groupWatcher(seen *[]string) rules.Spec {
	f := &fake{
		watch: func(w *rules.Watch, ev rules.Event) {
			w.State = true
			m, _ := w.Model.(*counter)
			*seen = append(*seen, fmt.Sprintf("%s %d", w.Key, m.events))
		},
		tick: func(w *rules.Watch) { *seen = append(*seen, "tick "+w.Key) },
	}
	spec := f.spec("watching")
	spec.Needs, spec.Watches = 0, []rules.Interest{{Kind: rules.KindHeartbeat, By: rules.ByGroup}}
	return spec
}

func TestModelIsToldFirstAndSharedByKey(t *testing.T) {
	var seen []string
	b := newBench(t, []rules.Spec{groupWatcher(&seen)}, func(o *engine.Options) { o.Models = []rules.Model{counting{}} })
	b.Emit(beat("a", 0, epoch))
	b.Emit(beat("b", 0, epoch))
	b.Emit(beat("a", 0, epoch.Add(time.Second)))
	if fmt.Sprint(seen) != "[a 1 b 1 a 2]" {
		t.Errorf("%v", seen)
	}
	events := 0
	if found, _ := b.View(rules.ByGroup, "a", func(m rules.ModelState) { events = m.(*counter).events }); !found || events != 2 {
		t.Errorf("%d events", events)
	}
	if found, asked := b.View(rules.ByGroup, "c", func(rules.ModelState) {}); found || !asked {
		t.Errorf("there is no group c: %v, asked %v", found, asked)
	}
	groups := 0
	if !b.ViewAll(rules.ByGroup, func(string, rules.ModelState) { groups++ }) || groups != 2 {
		t.Errorf("%d groups", groups)
	}
}

// What a model is done with goes, and the states of rules with it.
func TestModelThatIsDoneTakesTheStatesAlong(t *testing.T) {
	var seen []string
	b := newBench(t, []rules.Spec{groupWatcher(&seen)}, func(o *engine.Options) { o.Models = []rules.Model{counting{}} })
	b.Emit(beat("a", 0, epoch))
	b.Emit(beat("b", 0, epoch.Add(time.Minute)))
	seen = nil
	b.Tick(epoch.Add(time.Minute))
	if found, _ := b.View(rules.ByGroup, "a", func(rules.ModelState) {}); found || fmt.Sprint(seen) != "[tick b]" {
		t.Errorf("%v", seen)
	}
}

func TestModelThatPanicsIsForgotten(t *testing.T) {
	b := newBench(t, []rules.Spec{(&fake{}).spec("rule")}, func(o *engine.Options) { o.Models = []rules.Model{counting{}} })
	if !b.Wants(rules.KindHeartbeat) || b.Wants(rules.KindJoined) {
		t.Error("what a model follows is wanted, and nothing else")
	}
	b.Emit(beat("a", 0, epoch))
	b.Emit(beat("a", 99, epoch))
	if found, _ := b.View(rules.ByGroup, "a", func(rules.ModelState) {}); found || b.counts["panic model"] != 1 {
		t.Errorf("counted %v", b.counts)
	}
}

// A model that gives something back is told whenever it is no longer kept: for want
// of room, when it is done, and when it panicked.
func TestModelIsToldThatItIsDropped(t *testing.T) {
	var drops []string
	b := newBench(t, []rules.Spec{(&fake{}).spec("rule")}, func(o *engine.Options) {
		o.Models = []rules.Model{counting{&drops}}
		o.Limits.States, o.Limits.Shards = 2, 1
	})
	for _, group := range []string{"a", "b", "c"} {
		b.Emit(beat(group, 0, epoch))
	}
	b.Emit(beat("b", 99, epoch))
	b.Tick(epoch.Add(time.Minute))
	if fmt.Sprint(drops) != "[a b c]" {
		t.Errorf("%v", drops)
	}
}

// A view is served by the goroutine of the shard, between events.
func TestViewOfARunningEngine(t *testing.T) {
	b := newBench(t, []rules.Spec{(&fake{}).spec("rule")}, func(o *engine.Options) {
		o.Models, o.Inline = []rules.Model{counting{}}, false
	})
	for i := range 100 {
		b.Emit(beat(fmt.Sprint("g", i%10), 0, epoch))
	}
	groups, events := 0, 0
	if !b.ViewAll(rules.ByGroup, func(_ string, m rules.ModelState) { groups, events = groups+1, events+m.(*counter).events }) {
		t.Error("a shard could not be asked")
	}
	if groups != 10 || events != 100 {
		t.Errorf("%d groups, %d events", groups, events)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A model from before a restart is there before the first event, and rules begin their
// state by it; where there is one already it is dropped.
func TestRestoredModelBeginsTheStatesOfRules(t *testing.T) {
	var seen, drops []string
	b := newBench(t, []rules.Spec{groupWatcher(&seen), (&fake{}).spec("other")}, func(o *engine.Options) {
		o.Models = []rules.Model{counting{&drops}}
		o.Limits.States, o.Limits.Shards = 2, 1
	})
	restore := func(group string, events int) bool {
		return b.Restore(rules.ByGroup, group, &counter{key: group, events: events, last: epoch, drops: &drops}, epoch)
	}
	if !restore("a", 7) || fmt.Sprint(seen) != "[a 7]" {
		t.Errorf("%v", seen)
	}
	b.Emit(beat("a", 0, epoch))
	b.Tick(epoch.Add(time.Second))
	if fmt.Sprint(seen) != "[a 7 a 8 tick a]" {
		t.Errorf("%v", seen)
	}
	if restore("a", 1) || fmt.Sprint(drops) != "[a]" {
		t.Errorf("what is there stays: %v", drops)
	}
	if restore("b", 0); !restore("c", 0) || fmt.Sprint(drops) != "[a a]" {
		t.Errorf("the bound holds: %v", drops)
	}
	if none := (&counter{key: "t", drops: &drops}); b.Restore(rules.ByTopic, "t", none, epoch) || drops[len(drops)-1] != "t" {
		t.Errorf("there is no model of topics: %v", drops)
	}
}
