package builtin

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// emptyKnobsOf makes the rule as its Spec does, without configuration.
func emptyKnobsOf(tb testing.TB) *emptyKnobs {
	tb.Helper()
	rule, err := newEmptyValue(func(any) error { return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return &rule.(*emptyValue).emptyKnobs
}

// judge does to the memory what the rule does with a batch, and says whether its
// empty values are reported.
func judge(k *emptyKnobs, m *emptyMemory, client string, at time.Time, seen seenEmpty) bool {
	before := m.before("users", client)
	odd := seen.empties[surelyEmpty] > 0 && before.values >= k.Learn && before.share[surelyEmpty] <= k.UsualFraction
	if odd {
		seen.reported = seen.empties
	}
	m.learn(k, topicClient{"users", client}, at, &seen)
	return odd
}

// Whatever share of values is empty as a rule, in whichever client's hands: from
// the time that this is firm it is never reported, and before hardly.
func TestUsualEmptyValuesAreSilent(t *testing.T) {
	k := emptyKnobsOf(t)
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.IntRange(10, 100).Draw(t, "percent")
		clients := rapid.IntRange(1, 5).Draw(t, "clients")
		size := rapid.IntRange(1, 40).Draw(t, "batch")
		random := rapid.Uint64().Draw(t, "random") // drawn once: a draw for each value would take long
		m, early := newEmptyMemory(), 0
		for values := 0; values < 5000; values += size {
			seen := seenEmpty{values: size}
			for range size {
				random = random*6364136223846793005 + 1442695040888963407
				if int(random>>33%100) < share {
					seen.empties[surelyEmpty]++
				}
			}
			client := fmt.Sprint("client-", int(random>>40)%clients)
			if judge(k, m, client, epoch, seen) {
				if k.firm(values) {
					t.Fatalf("reported after %d values of %s", values, client)
				}
				early++
			}
		}
		if early > clients { // of each client once: its own values say what is usual of it
			t.Errorf("reported %d times while it was not known what is usual", early)
		}
	})
}

// Where values say something, every empty one is found, of old clients and new.
func TestUnusualEmptyValuesAreFound(t *testing.T) {
	k := emptyKnobsOf(t)
	rapid.Check(t, func(t *rapid.T) {
		m := newEmptyMemory()
		judge(k, m, "old", epoch, seenEmpty{values: rapid.IntRange(200, 3000).Draw(t, "values before")})
		for i := range rapid.IntRange(1, 200).Draw(t, "batches") {
			seen := seenEmpty{values: rapid.IntRange(1, 50).Draw(t, "values")}
			seen.empties[surelyEmpty] = rapid.IntRange(1, seen.values).Draw(t, "empties")
			client := rapid.SampledFrom([]string{"old", "new", "newer"}).Draw(t, "client")
			if !judge(k, m, client, epoch.Add(time.Duration(i)*time.Minute), seen) {
				t.Fatalf("batch %d of %s passes for usual: %+v", i, client, m.before("users", client))
			}
		}
	})
}

func TestWhatGoesOnForADayIsAdopted(t *testing.T) {
	k := emptyKnobsOf(t)
	run := func(refused bool, pause time.Duration) (reported int) {
		m := newEmptyMemory()
		judge(k, m, "a", epoch, seenEmpty{values: 500})
		for at := time.Duration(0); at < 48*time.Hour; at += 30 * time.Minute {
			if at == 12*time.Hour {
				at += pause
			}
			if judge(k, m, "a", epoch.Add(at), seenEmpty{values: 10, empties: [emptyClasses]int{surelyEmpty: 5}, refused: refused}) {
				reported++
			}
			judge(k, m, "a", epoch.Add(at), seenEmpty{values: 10})
		}
		return reported
	}
	if n := run(false, 0); n != 49 { // at 0:00 and each half hour up to 24:00
		t.Errorf("reported %d times", n)
	}
	if n := run(false, 2*time.Hour); n != 73 { // 24 + 49: the pause begins it anew
		t.Errorf("with a pause: %d times", n)
	}
	if n := run(true, 0); n != 96 {
		t.Errorf("what is refused: %d times", n)
	}
}

// The two classes have nothing to do with one another.
func TestMaybeEmptyIsLearntApart(t *testing.T) {
	k, m := emptyKnobsOf(t), newEmptyMemory()
	m.learn(k, topicClient{"users", "a"}, epoch, &seenEmpty{values: 1000, empties: [emptyClasses]int{maybeEmpty: 400}})
	if b := m.before("users", "b"); b.values != 1000 || b.share[surelyEmpty] != 0 || b.share[maybeEmpty] != 0.4 {
		t.Errorf("%+v", b)
	}
	if b := m.before("other", "a"); b != (emptyBefore{}) {
		t.Errorf("of a topic that nobody has seen: %+v", b)
	}
}

// Old values fade: after some thousand others an empty one is news again.
func TestOldSharesFade(t *testing.T) {
	k, m := emptyKnobsOf(t), newEmptyMemory()
	judge(k, m, "a", epoch, seenEmpty{values: 1000, empties: [emptyClasses]int{surelyEmpty: 1000}})
	for range 60 {
		if judge(k, m, "a", epoch, seenEmpty{values: 50, empties: [emptyClasses]int{surelyEmpty: 0}}) {
			t.Fatal("nothing was empty")
		}
	}
	if judge(k, m, "b", epoch, seenEmpty{values: 1, empties: [emptyClasses]int{surelyEmpty: 1}}) {
		t.Error("after 3,000 values a topic that was a set is one no more")
	}
	for range 60 {
		judge(k, m, "a", epoch, seenEmpty{values: 50})
	}
	if !judge(k, m, "c", epoch, seenEmpty{values: 1, empties: [emptyClasses]int{surelyEmpty: 1}}) {
		t.Error("after 6,000 values it still is")
	}
}

func TestEmptyMemoryIsBoundedAndSafe(t *testing.T) {
	k, m := emptyKnobsOf(t), newEmptyMemory()
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 10_000 {
				m.learn(k, topicClient{fmt.Sprint("topic-", i), fmt.Sprint("client-", g)}, epoch, &seenEmpty{values: 1})
				m.before("topic-1", "client-1")
			}
		})
	}
	all.Wait()
	if m.Len() != shareTopics+sharePairs || m.Evicted() < 20_000 {
		t.Errorf("%d entries, %d evicted", m.Len(), m.Evicted())
	}
}
