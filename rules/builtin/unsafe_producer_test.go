package builtin

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

func unsafeBatch(topic string, acks int16, producer int64) *rules.Batch {
	b := ruletest.Batch(topic, &rules.Identity{ClientID: "billing"}, epoch)
	b.Acks, b.Header.ProducerID = acks, producer
	return b
}

// newUnsafe watches payments*.
func newUnsafe(t testing.TB) (*unsafeProducer, *rules.Case) {
	t.Helper()
	rule, err := newUnsafeProducer(func(params any) error {
		params.(*unsafeProducerKnobs).Critical = []string{"payments*"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	u := rule.(*unsafeProducer)
	return u, &rules.Case{Scratch: u.NewScratch()}
}

func TestUnsafeProducerLooksAtNothingUnlessTold(t *testing.T) {
	rule, err := newUnsafeProducer(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if rule.(rules.Selector).Wants(&rules.Identity{}, &rules.Topic{Name: "payments"}) {
		t.Error("it wants a topic that nobody named")
	}
	u, _ := newUnsafe(t)
	for topic, want := range map[string]bool{"payments": true, "payments.eu": true, "clicks": false, "": false} {
		if got := u.Wants(&rules.Identity{}, &rules.Topic{Name: topic}); got != want {
			t.Errorf("%q wanted: %v", topic, got)
		}
	}
}

func TestUnsafeFaults(t *testing.T) {
	for _, tt := range []struct {
		acks     int16
		producer int64
		wanted   string
	}{
		{-1, 7, ""},
		{-1, -1, "enable.idempotence=true"},
		{1, 7, "acks=all"},
		{1, -1, "acks=all and enable.idempotence=true"},
		{0, -1, "acks=all and enable.idempotence=true"},
	} {
		u, c := newUnsafe(t)
		u.Batch(c, unsafeBatch("payments", tt.acks, tt.producer))
		if tt.wanted == "" {
			if !c.Empty() {
				t.Errorf("acks=%d pid=%d left %+v", tt.acks, tt.producer, c)
			}
			continue
		}
		if len(c.Reports) != 1 || c.Denied != 1 || c.Denials[0].Record != rules.WholeBatch {
			t.Errorf("acks=%d pid=%d left %+v", tt.acks, tt.producer, c)
		} else if got := c.Denials[0].Reason; got != "critical topic payments needs "+tt.wanted {
			t.Errorf("acks=%d pid=%d: %s", tt.acks, tt.producer, got)
		}
	}
}

// A producer writes all its batches alike: it is told once a minute, and a batch
// in between costs nothing. What is to be blocked is denied each time.
func TestUnsafeProducerIsToldOnceAMinute(t *testing.T) {
	u, c := newUnsafe(t)
	b := unsafeBatch("payments", 1, -1)
	u.Batch(c, b)
	c.Reset()
	if n := testing.AllocsPerRun(98, func() { u.Batch(c, b) }); n != 0 || !c.Empty() {
		t.Errorf("%v allocations, left %+v", n, c)
	}
	b.Time = epoch.Add(time.Minute)
	u.Batch(c, b)
	if len(c.Reports) != 1 || c.Reports[0].Evidence[3] != (rules.Fact{Name: "batches", Value: 100}) {
		t.Errorf("a minute later: %+v", c.Reports)
	}
	c.Reset()
	c.Blocks = true
	for range 3 {
		u.Batch(c, b)
	}
	if c.Denied != 3 {
		t.Errorf("%d of 3 batches were denied", c.Denied)
	}
}

func TestSafeBatchAllocatesNothing(t *testing.T) {
	u, c := newUnsafe(t)
	b := unsafeBatch("payments", -1, 7)
	if n := testing.AllocsPerRun(100, func() { u.Batch(c, b) }); n != 0 || !c.Empty() {
		t.Errorf("%v allocations, left %+v", n, c)
	}
}

// Topics beyond the bound are told all the same.
func TestUnsafeSessionIsBounded(t *testing.T) {
	u, c := newUnsafe(t)
	for i := range 3 * unsafeTopics {
		u.Batch(c, unsafeBatch("payments."+string(rune('A'+i)), 1, 7))
	}
	if len(c.Reports) != 3*unsafeTopics {
		t.Errorf("%d reports", len(c.Reports))
	}
}

func BenchmarkUnsafeProducer(b *testing.B) {
	u, c := newUnsafe(b)
	batch := unsafeBatch("payments", -1, 7)
	b.ReportAllocs()
	for b.Loop() {
		u.Batch(c, batch)
	}
}

func TestUnsafeProducerCases(t *testing.T) {
	ruletest.Run(t, Specs(), "testdata/unsafe_producer")
}
