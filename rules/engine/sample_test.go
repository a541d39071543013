package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"warder/protocol/records"
	"warder/rules"
)

// sampling is a rule that is content with some records.
type sampling struct {
	seen    []string
	weights int
	batches int
}

func (s *sampling) Sample(_ *rules.Case, b *rules.Batch, r *rules.Record) {
	s.seen = append(s.seen, string(r.Value))
	s.weights += b.Weight
}

func (s *sampling) Batch(*rules.Case, *rules.Batch) { s.batches++ }

func (s *sampling) spec() rules.Spec {
	return rules.Spec{
		ID: "sampling", Severity: rules.Info, Needs: rules.NeedSamples, Default: rules.Alert, FoldBy: rules.FieldTopic,
		New: func(decode func(any) error) (rules.Rule, error) { return s, decode(&struct{}{}) },
	}
}

func valuesTo(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	return values
}

func TestFewRecordsAreAllSampledManyNot(t *testing.T) {
	s := &sampling{}
	b := newBench(t, []rules.Spec{s.spec()}, nil)
	g, blob := b.Gate(), batchOf(t, records.LZ4, valuesTo(1000)...)
	at := epoch
	g.Produce(java, request(t, -1, part("users", blob)), at)
	free := rules.SamplesPerSecond
	if want := free + (1000-free)/rules.SampleEvery; len(s.seen) != want || s.seen[free] != fmt.Sprint(free+rules.SampleEvery-1) {
		t.Errorf("%d samples, want %d: %v", len(s.seen), want, s.seen)
	}
	if s.weights < 1000-rules.SampleEvery || s.weights > 1000 {
		t.Errorf("samples stand for %d records of 1000", s.weights)
	}
	s.seen = nil
	at = at.Add(2 * time.Second)
	g.Produce(java, request(t, -1, part("users", batchOf(t, records.None, "a", "b"))), at)
	if len(s.seen) != 2 {
		t.Errorf("after a pause: %v", s.seen)
	}
}

// A client that writes sixty-four records a second, always in the same order, has
// those at the end of the second looked at too.
func TestSamplesAreSpreadOverTheSecond(t *testing.T) {
	s := &sampling{}
	b := newBench(t, []rules.Spec{s.spec()}, nil)
	g, blob := b.Gate(), batchOf(t, records.None, valuesTo(2*rules.SamplesPerSecond)...)
	for i := range 10 {
		s.seen, s.weights = nil, 0
		g.Produce(java, request(t, -1, part("users", blob)), epoch.Add(time.Duration(i)*time.Second))
	}
	if len(s.seen) != rules.SamplesPerSecond || s.seen[len(s.seen)-1] != "63" || s.weights != 2*rules.SamplesPerSecond {
		t.Errorf("%d samples that stand for %d: %v", len(s.seen), s.weights, s.seen)
	}
}

// picky samples everything and looks at every record of one topic.
type picky struct {
	sampling
	records int
}

func (p *picky) Record(*rules.Case, *rules.Batch, *rules.Record) { p.records++ }

func (p *picky) WantsRecords(_ *rules.Identity, t *rules.Topic) bool { return t.Name == "users" }

func TestRuleMayWantEveryRecordOfSomeTopics(t *testing.T) {
	p := &picky{}
	spec := p.spec()
	spec.Needs |= rules.NeedRecords
	spec.New = func(decode func(any) error) (rules.Rule, error) { return p, decode(&struct{}{}) }
	b := newBench(t, []rules.Spec{spec}, nil)
	g, blob := b.Gate(), batchOf(t, records.LZ4, valuesTo(100)...)
	produce(t, g, "events", blob)
	if p.records != 0 || len(p.seen) != rules.SamplesPerSecond+1 {
		t.Errorf("events: %d records, %d samples", p.records, len(p.seen))
	}
	for range rules.SampleEvery {
		produce(t, g, "users", blob)
	}
	if p.records != 100*rules.SampleEvery {
		t.Errorf("users: %d records", p.records)
	}
	samples, walked := len(p.seen), b.counts["records"]
	for range 3 { // without a sample it is not opened
		produce(t, g, "events", batchOf(t, records.None, "a"))
	}
	if len(p.seen) != samples || b.counts["records"] != walked {
		t.Errorf("%d samples, %d records walked", len(p.seen)-samples, b.counts["records"]-walked)
	}
}

// A batch without a sample is counted and not opened: this one could not be.
func TestBatchWithoutSamplesIsNotOpened(t *testing.T) {
	s := &sampling{}
	b := newBench(t, []rules.Spec{s.spec()}, nil)
	g := b.Gate()
	produce(t, g, "users", batchOf(t, records.None, valuesTo(rules.SamplesPerSecond)...))
	blob := batchOf(t, records.Gzip, "a", "b", "c")
	for i := range blob[61:] {
		blob[61+i] = 0xff
	}
	produce(t, g, "users", blob)
	if len(s.seen) != rules.SamplesPerSecond || s.batches != 2 || b.counts["uninspected codec"] != 0 {
		t.Errorf("%d samples, %d batches, %v", len(s.seen), s.batches, b.counts)
	}
	for range rules.SampleEvery / 3 {
		produce(t, g, "users", blob)
	}
	if b.counts["uninspected codec"] != 1 {
		t.Errorf("the one with the sample: %v", b.counts)
	}
}

func TestKeyHashIsOfTheRecordAtHand(t *testing.T) {
	var hashes []uint64
	f := &fake{record: func(_ *rules.Case, b *rules.Batch, r *rules.Record) {
		hashes = append(hashes, b.KeyHash(r), b.KeyHash(r))
	}}
	b := newBench(t, []rules.Spec{f.spec("rule")}, nil)
	g := b.Gate()
	produce(t, g, "users", batchOf(t, records.None, "a", "b"))
	produce(t, g, "users", batchOf(t, records.None, "c"))
	if want := xxhash.Sum64String("key-0"); hashes[0] != want || hashes[1] != want || hashes[4] != want || hashes[2] != xxhash.Sum64String("key-1") {
		t.Errorf("%x", hashes)
	}
}

func TestWritingToATopicIsToldNowAndThen(t *testing.T) {
	var told []rules.TopicWritten
	f := &fake{watch: func(_ *rules.Watch, ev rules.Event) { told = append(told, ev.(rules.TopicWritten)) }}
	spec := f.spec("watching")
	spec.Needs, spec.Watches = 0, []rules.Interest{{Kind: rules.KindTopicWritten, By: rules.ByCluster}}
	b := newBench(t, []rules.Spec{spec}, nil)
	g, blob := b.Gate(), batchOf(t, records.None, "a")
	for i := range 12 {
		g.Produce(java, request(t, -1, part("users", blob)), epoch.Add(time.Duration(i)*time.Second))
		b.topics.LearnConfig("users", []string{"compact", "delete"}[i%2], epoch.Add(time.Duration(i)*time.Second)) // changes nothing
	}
	if len(told) != 2 || told[0].Batches != 1 || told[1].Batches != 10 || told[1].Bytes != int64(10*len(blob)) || told[1].Topic != "users" {
		t.Errorf("%+v", told)
	}
}
