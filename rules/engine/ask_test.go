package engine_test

import (
	"testing"
	"time"

	"warder/protocol/records"
	"warder/rules"
)

// curious asks who reads every topic that is written to.
type curious struct {
	answers []rules.TopicReaders
	ticks   int
}

func (c *curious) Watch(w *rules.Watch, ev rules.Event) {
	w.State = c
	switch ev := ev.(type) {
	case rules.TopicWritten:
		w.Ask(rules.WhoReads{Topic: ev.Topic})
	case rules.TopicReaders:
		c.answers = append(c.answers, ev)
	}
}

func (c *curious) Tick(w *rules.Watch) {
	c.ticks++
	w.Ask(rules.WhoReads{Topic: "tick"})
}

func (c *curious) spec() rules.Spec {
	return rules.Spec{
		ID: "curious", Severity: rules.Info, Default: rules.Alert,
		Watches: []rules.Interest{{Kind: rules.KindTopicWritten, By: rules.ByCluster}, {Kind: rules.KindTopicReaders, By: rules.ByCluster}},
		New:     func(decode func(any) error) (rules.Rule, error) { return c, decode(&struct{}{}) },
	}
}

func TestQuestionsAreAnsweredOnce(t *testing.T) {
	c := &curious{}
	b := newBench(t, []rules.Spec{c.spec()}, nil)
	blob := batchOf(t, records.None, "a")
	produce(t, b.Gate(), "users", blob)
	if len(c.answers) != 1 || c.answers[0].Known || c.answers[0].Topic != "users" {
		t.Fatalf("nobody could say: %+v", c.answers)
	}
	b.AnswerWith(func(rules.Question) bool { return false })
	produce(t, b.Gate(), "users", blob)
	var asked []rules.Question
	b.AnswerWith(func(q rules.Question) bool {
		asked = append(asked, q)
		return true
	})
	produce(t, b.Gate(), "users", blob)
	if len(c.answers) != 2 || len(asked) != 1 || asked[0] != (rules.WhoReads{Topic: "users"}) {
		t.Fatalf("answers %+v, asked %+v", c.answers, asked)
	}
	b.AnswerWith(func(rules.Question) bool { return false })
	b.Tick(epoch.Add(time.Second)) // an answer within a tick must not make another tick
	if c.ticks != 1 || len(c.answers) != 3 {
		t.Errorf("%d ticks, answers %+v", c.ticks, c.answers)
	}
}

// sweeping is a rule with shared memory that acts on time alone.
type sweeping struct{ memory memory }

type memory struct{ batches, sweeps int }

func (*memory) Len() int        { return 1 }
func (*memory) Evicted() uint64 { return 0 }

func (s *sweeping) NewShared() rules.Store { return &s.memory }

func (s *sweeping) Batch(c *rules.Case, _ *rules.Batch) { c.Shared.(*memory).batches++ }

func (s *sweeping) Sweep(w *rules.Watch) {
	m := w.Shared.(*memory)
	if m.sweeps++; m.batches > 0 {
		w.Report(rules.Report{Subject: rules.Subject{Topic: "users"}, Summary: "quiet", OwnSubject: true})
	}
}

func TestSweepSeesWhatSessionsLeft(t *testing.T) {
	s := &sweeping{}
	spec := rules.Spec{
		ID: "sweeping", Severity: rules.Info, Needs: rules.NeedHeaders, Default: rules.Alert, FoldBy: rules.FieldTopic,
		New: func(decode func(any) error) (rules.Rule, error) { return s, decode(&struct{}{}) },
	}
	b := newBench(t, []rules.Spec{spec}, nil)
	b.Tick(epoch)
	produce(t, b.Gate(), "users", batchOf(t, records.None, "a"))
	b.Tick(epoch.Add(time.Second))
	if s.memory != (memory{1, 2}) || len(b.found.found) != 1 || b.found.found[0].Subject != (rules.Subject{Topic: "users"}) || !b.found.found[0].Time.Equal(epoch.Add(time.Second)) {
		t.Errorf("%+v, found %+v", s.memory, b.found.found)
	}
	if err := b.configure(t, "rules: {sweeping: {action: off}}"); err != nil {
		t.Fatal(err)
	}
	b.Tick(epoch.Add(2 * time.Second))
	if s.memory.sweeps != 2 {
		t.Error("a rule that is off is swept")
	}
}

func TestAspectsAreIncidentsOfTheirOwn(t *testing.T) {
	f := &fake{batch: func(c *rules.Case, _ *rules.Batch) {
		for _, aspect := range []string{"", "key", "value", "key"} {
			c.Report(rules.Report{Aspect: aspect})
		}
	}}
	spec := f.spec("rule")
	b := newBench(t, []rules.Spec{spec}, nil)
	produce(t, b.Gate(), "events", batchOf(t, records.None, "a"))
	if len(b.found.found) != 3 || b.found.found[0].Fingerprint != rules.Fingerprint("rule", "prod", &b.found.found[0].Subject, spec.FoldBy) {
		t.Errorf("%+v", b.found.found)
	}
}

func TestOwnSubjectIsLeftAlone(t *testing.T) {
	f := &fake{batch: func(c *rules.Case, _ *rules.Batch) {
		c.Report(rules.Report{Subject: rules.Subject{Topic: "users"}, OwnSubject: true})
		c.Report(rules.Report{})
	}}
	b := newBench(t, []rules.Spec{f.spec("rule")}, nil)
	produce(t, b.Gate(), "events", batchOf(t, records.None, "a"))
	if len(b.found.found) != 2 || b.found.found[0].Subject != (rules.Subject{Topic: "users"}) || b.found.found[1].Subject.ClientID == "" {
		t.Errorf("%+v", b.found.found)
	}
}
