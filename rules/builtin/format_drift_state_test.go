package builtin

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/format"
	"warder/rules/ruletest"
)

// drifting shows samples to the rule as a session does.
type drifting struct {
	rule  *formatDrift
	c     rules.Case
	batch *rules.Batch
}

func newDrifting(t testing.TB, store rules.Store, knobs func(*formatKnobs)) *drifting {
	t.Helper()
	rule, err := newFormatDrift(func(v any) error {
		if knobs != nil {
			knobs(v.(*formatKnobs))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &drifting{rule: rule.(*formatDrift)}
	if store == nil {
		store = d.rule.NewShared()
	}
	d.c.Shared, d.c.Scratch = store, d.rule.NewScratch()
	d.batch = ruletest.Batch("orders", &rules.Identity{ClientID: "billing", SoftwareName: "test"}, epoch)
	return d
}

// sees shows one sample, offset being its offset.
func (d *drifting) sees(offset int64, key, value []byte) {
	d.batch.Header.BaseOffset = offset
	r := rules.Record{Key: key, Value: value, KeyNull: key == nil, ValueNull: value == nil}
	d.rule.Sample(&d.c, d.batch, &r)
}

func (d *drifting) said() (said []string) {
	for _, r := range d.c.Reports {
		said = append(said, fmt.Sprint(r.Severity, " ", r.Subject.ClientID, ": ", r.Summary))
	}
	d.c.Reports = nil
	return said
}

var (
	jsonValue = []byte(`{"id":1,"customer":{"name":"Ada"},"items":[{"sku":"a"},{"sku":"b"}]}`)
	avroValue = []byte("\x00\x00\x00\x00\x07\x02\x0eAda")
)

func TestFetchedSamplesAreOfTheTopicAlone(t *testing.T) {
	d := newDrifting(t, nil, nil)
	d.batch.Fetched = true
	for i := range 60 {
		d.batch.Time = epoch.Add(time.Duration(i) * 2 * time.Second)
		d.sees(int64(i), nil, avroValue)
	}
	for range 5 { // one bad record, fetched again and again
		d.sees(60, nil, jsonValue)
	}
	d.sees(61, nil, jsonValue)
	if said := d.said(); len(said) != 0 {
		t.Fatalf("two records said %q", said)
	}
	d.sees(62, nil, jsonValue)
	said := d.said()
	if len(said) != 1 || !strings.Contains(said[0], "somebody writes JSON to topic orders, where values have been Confluent frames (60 of 63); billing fetched it from partition 0, offset 62") {
		t.Fatalf("said %q", said)
	}
	if n := len(d.c.Shared.(*formatStore).of(d.batch.Topic).producers); n != 0 {
		t.Errorf("%d producers", n)
	}
}

// TestFetchedSchemasAreNobodys: who wrote them is not known, so they are learnt and not told.
func TestFetchedSchemasAreNobodys(t *testing.T) {
	for fetched, want := range map[bool]int{false: 1, true: 0} {
		d := newDrifting(t, nil, nil)
		d.batch.Fetched = fetched
		for i := range 60 {
			d.batch.Time = epoch.Add(time.Duration(i) * 2 * time.Second)
			d.sees(int64(i), nil, avroValue)
		}
		for i := range schemaHits {
			if n := len(d.c.Observations); n != 0 {
				t.Errorf("fetched %v: told after %d", fetched, i)
			}
			d.sees(int64(60+i), nil, []byte("\x00\x00\x00\x00\x08\x02\x0eAda"))
		}
		if n := len(d.c.Observations); n != want {
			t.Errorf("fetched %v: %d ids told, want %d", fetched, n, want)
		}
	}
}

// TestAcceptedFormatsGoAfterADay in which nobody writes them; each record keeps them.
func TestAcceptedFormatsGoAfterADay(t *testing.T) {
	var s topicSide
	s.accept(format.Of(format.Text), epoch)
	day := 24 * time.Hour
	if !s.isAccepted(format.Text, epoch.Add(day)) || !s.isAccepted(format.Text, epoch.Add(2*day)) {
		t.Error("forgotten within a day")
	}
	if s.isAccepted(format.Text, epoch.Add(3*day+time.Second)) || s.isAccepted(format.JSON, epoch) {
		t.Error("accepted for ever, or without a reason")
	}
}

// TestSchemaIsToldThoughTheAnswerIsLost: the registry's answer is an event, and may be among those that had no room.
func TestSchemaIsToldThoughTheAnswerIsLost(t *testing.T) {
	d := newDrifting(t, nil, nil)
	w := rules.Watch{By: rules.ByTopic, Key: "orders", Now: epoch}
	seen := rules.Observation{At: epoch, Client: d.batch.Identity, Data: newSchema{id: 8, side: valueSide, before: []int32{7}}}
	d.rule.Watch(&w, seen)
	if reports, questions := w.Left(); len(reports) != 0 || len(questions) != 1 {
		t.Fatalf("%v reported, %v asked", reports, questions)
	}
	d.rule.Watch(&w, rules.Gap{At: epoch, Lost: 1})
	if reports, _ := w.Left(); len(reports) != 1 || !strings.Contains(reports[0].Summary, "schema 8 to topic orders, for the first time") || w.State != nil {
		t.Errorf("%+v, %v left", reports, w.State)
	}
}

func TestFetchedSamplesDoNotCountWhereProducersAreSeen(t *testing.T) {
	d := newDrifting(t, nil, nil)
	topic := d.c.Shared.(*formatStore).of(d.batch.Topic)
	d.sees(0, nil, avroValue)
	d.batch.Fetched = true
	d.sees(0, nil, avroValue)
	if n := topic.sides[valueSide].n(); n != 1 {
		t.Errorf("%d samples, want the produced one", n)
	}
	d.batch.Time = d.batch.Time.Add(producedLately + time.Second)
	d.sees(0, nil, avroValue)
	if n := topic.sides[valueSide].n(); n != 2 {
		t.Errorf("%d samples, want the fetched one too", n)
	}
}

func TestProducersOfATopicAreBounded(t *testing.T) {
	d := newDrifting(t, nil, nil)
	topic := d.c.Shared.(*formatStore).of(d.batch.Topic)
	for i := range 3 * producerLimit {
		d.batch.Time = d.batch.Time.Add(time.Second)
		d.batch.Identity = &rules.Identity{ClientID: "first"}
		d.sees(0, nil, avroValue)
		d.batch.Identity = &rules.Identity{ClientID: fmt.Sprint("pod-", i)}
		d.sees(0, nil, avroValue)
	}
	if len(topic.producers) != producerLimit || topic.producers[0].client != "first" {
		t.Errorf("%d producers, the first is %s", len(topic.producers), topic.producers[0].client)
	}
}

func TestIncidentsOfASideAreBounded(t *testing.T) {
	d := newDrifting(t, nil, func(k *formatKnobs) { k.FirstLook = 0 })
	for range 51 {
		d.sees(0, nil, avroValue)
	}
	for i := range 2 * driftLimit {
		d.batch.Identity = &rules.Identity{ClientID: fmt.Sprint("pod-", i)}
		for range 3 {
			d.sees(0, nil, jsonValue)
		}
	}
	store := d.c.Shared.(*formatStore)
	if n := len(d.said()); n != driftLimit || store.open.Load() != driftLimit {
		t.Errorf("%d told, %d open", n, store.open.Load())
	}
	w := &rules.Watch{Now: epoch.Add(11 * time.Minute), Shared: store}
	d.rule.Sweep(w)
	if reports, _ := w.Left(); len(reports) != driftLimit || !reports[0].Resolved || store.open.Load() != 0 {
		t.Errorf("%+v, %d open", reports, store.open.Load())
	}
}

// TestFormatStoreAtItsBound fills every topic with everything it can hold, and
// compares the memory with what the comment at the type promises.
func TestFormatStoreAtItsBound(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the store")
	}
	d := newDrifting(t, nil, nil)
	store := d.c.Shared.(*formatStore)
	writers := make([]*rules.Identity, producerLimit)
	for i := range writers {
		writers[i] = &rules.Identity{ClientID: fmt.Sprint("client-of-the-topic-", i), SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0"}
	}
	before := heap()
	for i := range formatTopicLimit + 100 {
		d.batch.Topic = &rules.Topic{Name: fmt.Sprintf("a-topic-with-a-usual-name-%d", i)}
		for _, d.batch.Identity = range writers {
			d.sees(0, nil, jsonValue)
		}
	}
	used := heap() - before
	if store.Len() != formatTopicLimit || store.Evicted() != 100 {
		t.Errorf("%d topics, %d evicted", store.Len(), store.Evicted())
	}
	t.Logf("%d bytes for each topic", used/formatTopicLimit)
	if used > 60<<20 {
		t.Errorf("%d MiB", used>>20)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFormatDriftAllocatesNothingWhileAllIsWell(t *testing.T) {
	d, key := newDrifting(t, nil, nil), []byte("order-1")
	for i := range 2000 {
		d.batch.Time = d.batch.Time.Add(time.Second)
		d.sees(int64(i), key, avroValue)
	}
	if n := testing.AllocsPerRun(3000, func() {
		d.batch.Time = d.batch.Time.Add(time.Second)
		d.sees(0, key, avroValue)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	d.c.Reset()
}

// Sessions, sweeps and metrics use the store at once; the race detector watches.
func TestFormatStoreIsForMany(t *testing.T) {
	store := (&formatDrift{}).NewShared()
	var all sync.WaitGroup
	for i := range 4 {
		d := newDrifting(t, store, func(k *formatKnobs) { k.FirstLook = 0 })
		d.batch.Identity = &rules.Identity{ClientID: fmt.Sprint("client-", i)}
		all.Go(func() {
			for j := range 2000 {
				d.batch.Time = d.batch.Time.Add(time.Second)
				d.batch.Topic = &rules.Topic{Name: fmt.Sprint("topic-", j%3)}
				d.sees(int64(j), []byte("k"), [][]byte{jsonValue, avroValue}[i%2])
				d.c.Reset()
			}
		})
	}
	rule := newDrifting(t, store, nil).rule
	all.Go(func() {
		for j := range 200 {
			rule.Sweep(&rules.Watch{Now: epoch.Add(time.Duration(j) * time.Minute), Shared: store})
			store.Len()
		}
	})
	all.Wait()
	if store.Len() != 3 {
		t.Errorf("%d topics", store.Len())
	}
}

func TestKnobsOfFormatDriftAreChecked(t *testing.T) {
	for want, change := range map[string]func(*formatKnobs){
		"at most half the window": func(k *formatKnobs) { k.Window = 80 },
		"needs `topic`":           func(k *formatKnobs) { k.Pins = []formatPin{{Value: "json"}} },
		"needs `value` or `key`":  func(k *formatKnobs) { k.Pins = []formatPin{{Topic: "a"}} },
		"`{` without `}`":         func(k *formatKnobs) { k.Mixed = []mixedPattern{"{"} },
	} {
		_, err := newFormatDrift(func(v any) error { change(v.(*formatKnobs)); return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var f pinnedFormat
	if err := f.UnmarshalText([]byte("xml")); err == nil || !strings.Contains(err.Error(), "one of json, text, int, int32") {
		t.Error(err)
	}
	if err := f.UnmarshalText([]byte("avro")); err != nil || !f.find().set.Has(format.Glue) {
		t.Errorf("%v, %+v", err, f.find())
	}
}

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0", 998: "998", 1000: "1,000", 1234567: "1,234,567"} {
		if got := counted(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func BenchmarkFormatDrift(b *testing.B) {
	for name, value := range map[string][]byte{"avro": avroValue, "json": jsonValue} {
		b.Run(name, func(b *testing.B) {
			d := newDrifting(b, nil, nil)
			key := []byte("order-4711")
			b.ReportAllocs()
			for b.Loop() {
				d.sees(0, key, value)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rules.SampleEvery, "ns/record")
		})
	}
}
