package builtin

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warder/rules"
)

// knobsOf makes the rule as its Spec does, without configuration.
func knobsOf(tb testing.TB) *spikeKnobs {
	tb.Helper()
	rule, err := newTombstoneSpike(func(any) error { return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return &rule.(*tombstoneSpike).spikeKnobs
}

// Whatever is done all the time is usual, in every number and share, from the
// first minute on, unless hardly anything but deletes is done.
func TestWhatIsDoneAllTheTimeIsNoSpike(t *testing.T) {
	k := knobsOf(t)
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.IntRange(1, 20).Draw(t, "every")) * time.Second
		w := writes{records: rapid.IntRange(1, 2000).Draw(t, "records")}
		w.tombstones = int(float64(w.records) * rapid.Float64Range(0, 0.79).Draw(t, "share"))
		r := newDeleteRate(k, epoch)
		for passed := time.Duration(0); passed < 40*time.Minute; passed += every {
			r.add(k, epoch.Add(passed), w)
			if s := r.sign(k); s != noSpike {
				t.Fatalf("sign %d after %v, usual %+v, window %+v", s, passed, r.usual, r.window())
			}
		}
		perWindow := float64(w.tombstones) * k.Window.Seconds() / every.Seconds()
		if got := r.usualIn(k.Window); math.Abs(got-perWindow) > 0.02*perWindow {
			t.Errorf("usual are %g in a window, want %g", got, perWindow)
		}
	})
}

func TestWindowAndRuleNeverOverlap(t *testing.T) {
	k := knobsOf(t)
	rapid.Check(t, func(t *rapid.T) {
		r := newDeleteRate(k, epoch)
		at, total := epoch, 0
		for range rapid.IntRange(1, 100).Draw(t, "batches") {
			at = at.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "seconds later")) * time.Second)
			n := rapid.IntRange(0, 50).Draw(t, "records")
			r.add(k, at, writes{records: n})
			total += n
		}
		if got := r.window().records + r.usual.seen; got != total {
			t.Errorf("%d records are counted of %d", got, total)
		}
		if got, want := r.usual.learned, r.bucket*time.Duration(max(r.head-r.number(epoch)-rateBuckets+1, 0)); got != want {
			t.Errorf("learnt for %v, want %v", got, want)
		}
	})
}

func TestLateBatchesCountWhereTheyBelong(t *testing.T) {
	k := knobsOf(t)
	r := newDeleteRate(k, epoch)
	r.add(k, epoch.Add(50*time.Second), writes{records: 1})
	r.add(k, epoch.Add(5*time.Second), writes{records: 2}) // still in the window
	r.add(k, epoch.Add(-5*time.Second), writes{records: 4})
	if got := r.window().records; got != 3 {
		t.Errorf("%d records in the window", got)
	}
	r.advance(k, epoch.Add(65*time.Second))
	if got := r.window().records; got != 1 {
		t.Errorf("%d records after the first bucket has left", got)
	}
}

// A pause of any length is as good as so many steps.
func TestSilenceIsLearntInOneStep(t *testing.T) {
	k := knobsOf(t)
	one, many := newDeleteRate(k, epoch), newDeleteRate(k, epoch)
	w := writes{records: 1000, tombstones: 500}
	one.add(k, epoch, w)
	many.add(k, epoch, w)
	for i := range 3000 {
		many.advance(k, epoch.Add(time.Duration(i)*time.Second))
	}
	one.advance(k, epoch.Add(2999*time.Second))
	if math.Abs(one.usual.span-many.usual.span) > 1e-6 || math.Abs(one.usual.tombstones-many.usual.tombstones) > 1e-9 || one.usual.learned != many.usual.learned {
		t.Errorf("in one step %+v, in many %+v", one.usual, many.usual)
	}
}

func TestSigns(t *testing.T) {
	k := knobsOf(t)
	for name, c := range map[string]struct {
		before  writes // in each 10 s of the time before
		minutes int
		now     writes
		want    sign
	}{
		"too few":                              {writes{10, 0}, 20, writes{19, 19}, noSpike},
		"much where nothing is usual":          {writes{10, 0}, 20, writes{200, 20}, unusual},
		"as many among fewer others":           {writes{3000, 20}, 60, writes{200, 120}, noSpike},
		"twice as many among fewer others":     {writes{3000, 20}, 60, writes{300, 240}, unusual},
		"little, but nothing is usual":         {writes{10, 0}, 20, writes{100_000, 20}, manifold},
		"five times as much":                   {writes{1000, 20}, 60, writes{6000, 600}, manifold},
		"not quite":                            {writes{1000, 20}, 60, writes{6000, 590}, noSpike},
		"five times as much of everything":     {writes{1000, 20}, 60, writes{60_000, 1200}, noSpike},
		"many more where most are deletes":     {writes{100, 60}, 60, writes{3000, 2900}, manifold},
		"as usual where most are deletes":      {writes{100, 60}, 60, writes{600, 360}, noSpike},
		"nothing known, half are deletes":      {writes{1, 0}, 3, writes{100, 50}, noSpike},
		"nothing known, nearly all":            {writes{1, 0}, 3, writes{100, 80}, nearlyAll},
		"nothing known, less than that":        {writes{1, 0}, 3, writes{100, 79}, noSpike},
		"a thousand records known, a third":    {writes{100, 0}, 3, writes{100, 33}, unusual},
		"a thousand known, mixed, nearly all":  {writes{100, 30}, 3, writes{1000, 990}, noSpike},
		"ten minutes of silence are known too": {writes{0, 0}, 10, writes{20, 20}, unusual},
	} {
		r := newDeleteRate(k, epoch)
		at := epoch
		for range c.minutes * 6 {
			r.add(k, at, c.before)
			at = at.Add(10 * time.Second)
		}
		at = at.Add(time.Minute) // what was before has left the window
		r.add(k, at, c.now)
		if got := r.sign(k); got != c.want {
			t.Errorf("%s: sign %d, want %d; usual %+v", name, got, c.want, r.usual)
		}
	}
}

func TestWritersAreCountedInBoundedSpace(t *testing.T) {
	var sum tally
	for i := range 1000 {
		var one tally
		one.wrote(writer{client: string(rune('A' + i%50)), tombstones: 1})
		one.wrote(writer{client: "heavy", tombstones: 10})
		sum.merge(&one)
	}
	top := sum.busiest()
	if len(top) != namedWriters || top[0].client != "heavy" || top[0].tombstones < 10_000 || !sum.more {
		t.Errorf("%d writers, the first %+v", len(top), top[0])
	}
}

func damageOf(topic string, n int) *damage {
	d := newDamage(&rules.Batch{Request: rules.Request{Identity: &rules.Identity{ClientID: "shop"}}, Topic: &rules.Topic{Name: topic, Cleanup: rules.CleanupCompact}})
	for i := range n {
		d.add(uint64(i)*0x9e3779b97f4a7c15, []byte{byte(i)})
	}
	d.records = n
	return d
}
