package builtin

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

// fielding shows values to the rule as a session does.
type fielding struct {
	rule  *nullFieldDrift
	c     rules.Case
	batch *rules.Batch
}

func newFielding(t testing.TB, store rules.Store) *fielding {
	t.Helper()
	rule, err := newNullFieldDrift(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	f := &fielding{rule: rule.(*nullFieldDrift), batch: ruletest.Batch("orders", &rules.Identity{ClientID: "shop"}, epoch)}
	if store == nil {
		store = f.rule.NewShared()
	}
	f.c.Shared, f.c.Scratch = store, f.rule.NewScratch()
	return f
}

func (f *fielding) sees(times int, format string, args ...any) {
	r := rules.Record{Value: fmt.Appendf(nil, format, args...)}
	for range times {
		f.rule.Sample(&f.c, f.batch, &r)
	}
}

func (f *fielding) said() (said []string) {
	for _, r := range f.c.Reports {
		text := r.Summary
		if r.Resolved {
			text = "resolved: " + text
		}
		said = append(said, text)
	}
	f.c.Reports = nil
	return said
}

func (f *fielding) says(t *testing.T, want ...string) {
	t.Helper()
	said := f.said()
	if len(said) != len(want) {
		t.Fatalf("said %q, want %q", said, want)
	}
	for i := range want {
		if !strings.Contains(said[i], want[i]) {
			t.Errorf("said %q, want %q", said[i], want[i])
		}
	}
}

func TestFieldsThatFallAreToldTogetherAndOnce(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(100, `{"id":1,"name":"Ada","email":"x","address":{"city":"Köln","zip":null}}`)
	f.sees(50, `{"id":1,"name":"Ada"}`)
	f.says(t)
	f.sees(1, `{"id":1,"name":"Ada"}`)
	f.says(t, "shop writes values without fields email, address to topic orders: 0 of the last 51 have it, 100 of 100 did before")
	f.sees(49+9*100-1, `{"id":1,"name":"Ada"}`)
	f.says(t)
	f.sees(1, `{"id":1,"name":"Ada"}`)
	f.says(t, "resolved: fields email, address of topic orders: not back in ten windows, and optional from now on")
	f.sees(2000, `{"id":1,"name":"Ada"}`)
	f.says(t)
}

func TestFieldThatComesBackIsOver(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(100, `{"id":1,"name":"Ada"}`)
	f.sees(60, `{"id":1}`)
	f.said()
	f.sees(40, `{"id":1,"name":"Ada"}`)
	f.sees(99, `{"id":1,"name":"Ada"}`)
	f.says(t)
	f.sees(1, `{"id":1,"name":"Ada"}`)
	f.says(t, "resolved: field name of topic orders: there again in nearly all values")
	f.sees(51, `{"id":1}`)
	f.says(t, "without field name")
}

func TestNullsWhereThereWereNone(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(1000, `{"id":1,"name":"Ada","items":[{"sku":"a"}]}`)
	f.sees(2, `{"id":1,"name":null,"items":[{"sku":"a"},{"sku":null}]}`)
	f.sees(10, `{"id":1,"name":"Ada","items":[{"sku":"a"}]}`)
	f.says(t)
	f.batch.Topic.Cleanup = rules.CleanupCompact
	f.sees(1, `{"id":1,"name":null,"items":[{"sku":null}]}`)
	f.says(t, "shop writes null for fields name, items[].sku of topic orders, never null in 1,000 values before: 3 of the last 13 are; the topic is compacted")
}

// TestOneNullIsNotOver: a field is there again when a whole window has it, without a null.
func TestOneNullIsNotOver(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(1000, `{"id":1,"name":"Ada"}`)
	f.sees(3, `{"id":1,"name":null}`)
	f.said()
	f.sees(97, `{"id":1,"name":"Ada"}`)
	f.sees(99, `{"id":1,"name":"Ada"}`)
	f.sees(1, `{"id":1,"name":null}`)
	f.says(t)
	f.sees(100, `{"id":1,"name":"Ada"}`)
	f.says(t, "resolved: field name of topic orders: there again in nearly all values")
}

func TestFewSamplesOverALongTimeAreEnough(t *testing.T) {
	for _, c := range []struct {
		pace time.Duration
		told int
	}{{time.Second, 0}, {20 * time.Second, 1}} {
		f := newFielding(t, nil)
		for range 200 {
			f.sees(1, `{"id":1,"name":"Ada"}`)
			f.batch.Time = f.batch.Time.Add(c.pace)
		}
		f.sees(3, `{"id":1,"name":null}`)
		if said := f.said(); len(said) != c.told {
			t.Errorf("at one in %v: %q", c.pace, said)
		}
	}
}

func TestTopicsOfSeveralKindsAreLeftAlone(t *testing.T) {
	f := newFielding(t, nil)
	order, click := `{"id":1,"a":1,"b":2,"c":3,"d":4}`, `{"id":1,"page":"/","user":"u","at":1,"ua":"x"}`
	f.sees(300, "%s", order)
	for range 100 { // another kind of thing, one in three, then two in three
		f.sees(2, "%s", order)
		f.sees(1, "%s", click)
	}
	for range 300 {
		f.sees(1, "%s", order)
		f.sees(2, "%s", click)
	}
	f.says(t)
}

// TestFewFieldsAreNoKind: values of three fields are not said to be of another kind, they lack two.
func TestFewFieldsAreNoKind(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(100, `{"id":1,"name":"Ada","email":"x"}`)
	f.sees(51, `{"id":1,"page":"/"}`)
	f.says(t, "shop writes values without fields name, email")
}

func TestDebeziumIsLeftAlone(t *testing.T) {
	f := newFielding(t, nil)
	f.sees(1100, `{"before":{"id":1,"name":"Ada"},"after":{"id":1,"name":"Ada"},"source":{"table":"users"},"op":"u"}`)
	f.sees(200, `{"before":null,"after":{"id":1,"name":"Ada"},"source":{"table":"users"},"op":"c"}`)
	f.sees(200, `{"before":{"id":1,"name":"Ada"},"after":null,"source":{"table":"users"},"op":"d"}`)
	f.says(t)
	f.sees(3, `{"before":{"id":1,"name":"Ada"},"after":{"id":1,"name":null},"source":{"table":"users"},"op":"u"}`)
	f.says(t, "shop writes null for field after.name of topic orders")
}

func TestOptionalFieldsAreLeftAlone(t *testing.T) {
	f := newFielding(t, nil)
	for i := range 3000 {
		if i%20 == 0 {
			f.sees(1, `{"id":1,"name":null}`)
		} else if i%50 == 1 {
			f.sees(1, `{"id":1}`)
		} else {
			f.sees(1, `{"id":1,"name":"Ada"}`)
		}
	}
	f.sees(200, `{"id":1,"name":null}`)
	f.says(t)
}

func TestValuesThatAreNoObjectsAreLeftAlone(t *testing.T) {
	f := newFielding(t, nil)
	for _, value := range []string{"", "text", "[1]", `"s"`, `{"cut":`, "\x00\x00\x00\x00\x07\x02", `{"x":"` + strings.Repeat("x", maxFieldsValue) + `"}`} {
		f.sees(1, "%s", value)
	}
	if n := f.c.Shared.Len(); n != 0 {
		t.Errorf("%d topics", n)
	}
	f.sees(1, "%s", "\x00\x00\x00\x00\x07{\"id\":1}")
	if topic := f.c.Shared.(*fieldStore).of(f.batch.Topic); len(topic.fields) != 1 || topic.fields[0].text != "id" {
		t.Errorf("%+v", topic.fields)
	}
}

func TestFieldsOfATopicAreBounded(t *testing.T) {
	f := newFielding(t, nil)
	for i := range 1000 {
		f.sees(1, `{"id":1,"by_user":{"user-%d":1,"user-%d":{"x":null}}}`, i, i*7)
	}
	topic := f.c.Shared.(*fieldStore).of(f.batch.Topic)
	if len(topic.fields) != fieldLimit || topic.churn != fieldChurn || topic.fields[0].text != "id" || topic.fields[1].text != "by_user" {
		t.Errorf("%d fields, %d replaced: %+v", len(topic.fields), topic.churn, topic.fields[:2])
	}
	f.says(t)
	f.sees(60, `{"by_user":{"user-1":1}}`)
	f.says(t, "without field id to")
}

func TestIncidentsOfATopicAreBounded(t *testing.T) {
	f := newFielding(t, nil)
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf(`"f%d":1`, i))
	}
	f.sees(200, "{%s}", strings.Join(all, ","))
	for i := range 10 {
		f.sees(6, "{%s}", strings.Join(all[i+1:], ","))
	}
	f.sees(60, "{%s}", strings.Join(all[10:], ","))
	if n := len(f.said()); n != fieldIncidents {
		t.Errorf("%d told", n)
	}
}

// TestFieldStoreAtItsBound fills every topic with everything it can hold, and
// compares the memory with what the comment at the type promises.
func TestFieldStoreAtItsBound(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the store")
	}
	f := newFielding(t, nil)
	store, before := f.c.Shared.(*fieldStore), heap()
	var fields []string
	for i := range fieldLimit {
		fields = append(fields, fmt.Sprintf(`"a_field_of_some_length_%d":1`, i))
	}
	value := "{" + strings.Join(fields, ",") + "}"
	for i := range fieldTopicLimit + 10 {
		f.batch.Topic = &rules.Topic{Name: fmt.Sprint("topic-", i)}
		f.sees(1, "%s", value)
	}
	used := heap() - before
	if store.Len() != fieldTopicLimit || store.Evicted() != 10 {
		t.Errorf("%d topics, %d evicted", store.Len(), store.Evicted())
	}
	t.Logf("%d bytes for each topic", used/fieldTopicLimit)
	if used > 30<<20 {
		t.Errorf("%d MiB", used>>20)
	}
}

func TestNullFieldDriftAllocatesNothingWhileAllIsWell(t *testing.T) {
	f := newFielding(t, nil)
	r := rules.Record{Value: jsonValue}
	if n := testing.AllocsPerRun(3000, func() {
		f.batch.Time = f.batch.Time.Add(time.Second)
		f.rule.Sample(&f.c, f.batch, &r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Sessions and metrics use the store at once; the race detector watches.
func TestFieldStoreIsForMany(t *testing.T) {
	store := (&nullFieldDrift{}).NewShared()
	var all sync.WaitGroup
	for i := range 4 {
		f := newFielding(t, store)
		all.Go(func() {
			for j := range 500 {
				f.batch.Topic, f.batch.Time = &rules.Topic{Name: fmt.Sprint("topic-", j%3)}, f.batch.Time.Add(time.Second)
				f.sees(1, `{"id":1,"field-%d":null}`, i*j%7)
			}
			store.Len()
		})
	}
	all.Wait()
	if store.Len() != 3 {
		t.Errorf("%d topics", store.Len())
	}
}

func TestKnobsOfNullFieldDriftAreChecked(t *testing.T) {
	_, err := newNullFieldDrift(func(v any) error { v.(*nullFieldKnobs).After = 0.99; return nil })
	if err == nil || !strings.Contains(err.Error(), "`after` must be less than `before`") {
		t.Error(err)
	}
}

func BenchmarkNullFieldDrift(b *testing.B) {
	f := newFielding(b, nil)
	r := rules.Record{Value: jsonValue}
	b.ReportAllocs()
	for b.Loop() {
		f.rule.Sample(&f.c, f.batch, &r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rules.SampleEvery, "ns/record")
}
