package builtin

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

func anyName(lookAlike) bool { return true }

func TestLookAlikesAreFound(t *testing.T) {
	names := newTopicNames(100)
	for _, name := range []string{"orders", "orders-v2", "payments", "ordres"} {
		names.learn(name)
	}
	for name, want := range map[string]string{
		"orders": "orders-v2", // a variant is closer than a slip
		"oders":  "orders",
		"order":  "orders", // of two variants the first by name
		"pay":    "",
		"":       "",
	} {
		if got := names.find(name, anyName); got.name != want {
			t.Errorf("%q looks like %q, want %q", name, got.name, want)
		}
	}
	if got := names.find("orders", func(l lookAlike) bool { return l.name != "orders-v2" }); got.name != "ordres" {
		t.Errorf("of what is accepted %q was found", got.name)
	}
	names.forget("orders-v2")
	names.forget("nobody")
	names.forget("ordres")
	if got := names.find("orders", anyName); got.name != "" {
		t.Errorf("%q was forgotten", got.name)
	}
	long := string(make([]byte, maxTopicName+1))
	if names.learn(long); names.byName.Len() != 2 || names.find(long, anyName).name != "" {
		t.Error("a name that Kafka does not allow")
	}
}

// What the index finds is what comparing with every name finds.
func TestIndexFindsWhatIsThere(t *testing.T) {
	name := rapid.StringMatching(`(ord|od|pay)(er|re|ment)s?([-._](v[12]|dev|eu|us|1|2))?`)
	rapid.Check(t, func(t *rapid.T) {
		names := newTopicNames(8)
		known := map[string]bool{}
		for _, n := range rapid.SliceOfN(name, 0, 30).Draw(t, "learnt") {
			names.learn(n)
		}
		for _, n := range rapid.SliceOfN(name, 0, 5).Draw(t, "forgotten") {
			names.forget(n)
		}
		names.byName.Each(func(n string, _ *listedName) { known[n] = true })
		asked := rapid.OneOf(name, rapid.Just("orders")).Draw(t, "asked")
		var want lookAlike
		form := newTopicForm(asked)
		for n := range known {
			other := newTopicForm(n)
			if how, slips := form.compare(&other); how != unlike {
				if l := (lookAlike{n, how, slips}); want.name == "" || l.closer(&want) {
					want = l
				}
			}
		}
		if got := names.find(asked, anyName); got != want {
			t.Fatalf("%q: %+v, want %+v", asked, got, want)
		}
	})
}

func TestNamesAreBounded(t *testing.T) {
	names := newTopicNames(100)
	for i := range 1000 {
		names.learn(fmt.Sprint("topic-", i))
		names.learn("orders") // in use
	}
	listed := 0
	for _, list := range names.byLength {
		if listed += len(list.names); len(list.names) != len(list.masks) {
			t.Fatal("a list has lost its masks")
		}
		for at, n := range list.names {
			if n.at != at {
				t.Fatalf("%s stands at %d and says %d", n.name, at, n.at)
			}
		}
	}
	if listed != 100 || names.byName.Len() != 100 || names.byName.Evicted() != 901 {
		t.Errorf("%d listed, %d known, %d evicted", listed, names.byName.Len(), names.byName.Evicted())
	}
	if names.find("ordres", anyName).name != "orders" {
		t.Error("a name in use was forgotten")
	}
}

// companyNames are like those of a large company: few words, many combinations.
func companyNames(n int) []string {
	words := []string{
		"billing", "orders", "payments", "customer", "inventory", "shipping", "events", "commands", "snapshots", "reservations",
		"invoices", "emea", "apac", "created", "updated", "deleted", "internal", "public", "analytics", "pricing",
	}
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string { return words[random.IntN(len(words))] }
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("acme.%s.%s.%s-%s.%d", word(), word(), word(), word(), i%50)
	}
	return names
}

// BenchmarkFindLookAlike searches 100,000 names, once in ten for one that is there.
func BenchmarkFindLookAlike(b *testing.B) {
	names := newTopicNames(maxTopicNames)
	all := companyNames(maxTopicNames)
	for _, n := range all {
		names.learn(n)
	}
	asked := 0
	for b.Loop() {
		name := all[asked*7919%len(all)]
		if asked++; asked%10 != 0 {
			name = "acme.reservation" + name[4:]
		}
		names.find(name, func(lookAlike) bool { return false })
	}
}

// TestMemoryOfNames measures what the comment at maxTopicNames claims.
func TestMemoryOfNames(t *testing.T) {
	all := companyNames(maxTopicNames)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	names := newTopicNames(maxTopicNames)
	for i, n := range all {
		names.learn(fmt.Sprint(n, "-", i)) // all different
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / float64(names.byName.Len())
	t.Logf("%.0f bytes for each of %d names", per, names.byName.Len())
	if names.byName.Len() != maxTopicNames || per > 450 {
		t.Errorf("%.0f bytes for each of %d names", per, names.byName.Len())
	}
}
