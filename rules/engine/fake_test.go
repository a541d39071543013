package engine_test

import (
	"bytes"
	"strings"
	"testing"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/ruletest"
)

// fake is a rule of functions. Those left nil do nothing.
type fake struct {
	request func(*rules.Case, *rules.Request)
	record  func(*rules.Case, *rules.Batch, *rules.Record)
	batch   func(*rules.Case, *rules.Batch)
	change  func(*rules.Case, *rules.Change)
	watch   func(*rules.Watch, rules.Event)
	tick    func(*rules.Watch)
	wants   func(*rules.Identity, *rules.Topic) bool
	scratch func() any
}

func (f *fake) Request(c *rules.Case, q *rules.Request) {
	if f.request != nil {
		f.request(c, q)
	}
}

func (f *fake) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if f.record != nil {
		f.record(c, b, r)
	}
}

func (f *fake) Batch(c *rules.Case, b *rules.Batch) {
	if f.batch != nil {
		f.batch(c, b)
	}
}

func (f *fake) Change(c *rules.Case, ch *rules.Change) {
	if f.change != nil {
		f.change(c, ch)
	}
}

func (f *fake) Watch(w *rules.Watch, ev rules.Event) {
	if f.watch != nil {
		f.watch(w, ev)
	}
}

func (f *fake) Tick(w *rules.Watch) {
	if f.tick != nil {
		f.tick(w)
	}
}

func (f *fake) Wants(id *rules.Identity, t *rules.Topic) bool {
	return f.wants == nil || f.wants(id, t)
}

func (f *fake) NewScratch() any {
	if f.scratch == nil {
		return nil
	}
	return f.scratch()
}

// spec is the Spec of a fake that can do everything.
func (f *fake) spec(id string) rules.Spec {
	return rules.Spec{
		ID: id, Severity: rules.Info, Needs: rules.NeedRecords, CanBlock: true, Default: rules.Alert, Doc: "docs/rules/" + id + ".md",
		FoldBy: rules.FieldTopic,
		Watches: []rules.Interest{
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
			{Kind: rules.KindObservation, By: rules.ByTransactionalID},
		},
		New: func(decode func(any) error) (rules.Rule, error) { return f, decode(&struct{}{}) },
	}
}

func denyAll(reason string) func(*rules.Case, *rules.Batch, *rules.Record) {
	return func(c *rules.Case, _ *rules.Batch, r *rules.Record) {
		c.Deny(rules.Denial{Record: r.Index, Reason: reason})
	}
}

func TestPanicIsCaughtAndNamed(t *testing.T) {
	for name, bad := range map[string]*fake{
		"request": {request: func(*rules.Case, *rules.Request) { panic("x") }},
		"record":  {record: func(*rules.Case, *rules.Batch, *rules.Record) { panic("x") }},
		"batch":   {batch: func(*rules.Case, *rules.Batch) { panic("x") }},
		"wants":   {wants: func(*rules.Identity, *rules.Topic) bool { panic("x") }},
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			good := &fake{request: func(*rules.Case, *rules.Request) { seen++ }}
			b := newBench(t, []rules.Spec{bad.spec("bad"), good.spec("good")}, nil)
			b.block(t)
			g := b.Gate()
			blob := batchOf(t, records.LZ4, "a", "b")
			v := produce(t, g, "users", blob)
			if len(v.Denied) != 0 || b.counts["panic bad"] != 1 || b.counts["panic good"] != 0 {
				t.Errorf("verdict %+v, counted %v", v, b.counts)
			}
			if name == "record" || name == "batch" {
				if b.counts["uninspected rule_panic"] != 1 {
					t.Errorf("counted %v", b.counts)
				}
			}
			produce(t, g, "users", blob)
			if seen != 2 {
				t.Errorf("the other rule was called %d times", seen)
			}
		})
	}
}

func TestPanicRefusesOnlyWhenTheUndecodableIsRefused(t *testing.T) {
	bad := &fake{record: func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		denyAll("half a verdict")(c, b, r)
		panic("x")
	}}
	for mode, denied := range map[string]int{"forward": 0, "refuse": 1} {
		b := newBench(t, []rules.Spec{bad.spec("bad")}, func(o *engine.Options) { o.Inspect.OnUndecodable = mode })
		b.block(t)
		if v := produce(t, b.Gate(), "users", batchOf(t, records.None, "a")); len(v.Denied) != denied {
			t.Errorf("%s: %+v", mode, v)
		}
	}
}

func TestRequestRuleRefusesEveryPartition(t *testing.T) {
	f := &fake{request: func(c *rules.Case, q *rules.Request) {
		if q.Acks != -1 {
			c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "acks must be all"})
		}
	}}
	b := newBench(t, []rules.Spec{f.spec("unsafe-producer")}, nil)
	b.block(t)
	g, blob := b.Gate(), batchOf(t, records.None, "a")
	parts := []ruletest.Part{{Topic: "users", Records: blob}, {Topic: "events", Partition: 3, Records: blob}}
	v := g.Produce(java, request(t, 1, parts...), epoch)
	if len(v.Denied) != 2 || v.Denied[1].Partition != 3 || v.Denied[0].Message != v.Denied[1].Message ||
		!strings.HasPrefix(v.Denied[0].Message, "warder: rule unsafe-producer refused this batch: acks must be all. Allowed on purpose?") {
		t.Errorf("%+v", v.Denied)
	}
	if len(b.found.found) != 1 || b.found.found[0].Subject.Topic != "" {
		t.Errorf("findings %+v", b.found.found)
	}
	if v = g.Produce(java, request(t, -1, parts...), epoch); len(v.Denied) != 0 {
		t.Errorf("a good request is refused: %+v", v.Denied)
	}
}

func TestFirstRuleDecidesTheError(t *testing.T) {
	first, second := &fake{record: denyAll("first")}, &fake{record: denyAll("second")}
	b := newBench(t, []rules.Spec{first.spec("first"), second.spec("second")}, nil)
	if err := b.configure(t, "rules: {first: {action: block, error_code: invalid_record}, second: {action: block}}"); err != nil {
		t.Fatal(err)
	}
	v := produce(t, b.Gate(), "users", batchOf(t, records.None, "a", "b"))
	if len(v.Denied) != 1 || v.Denied[0].Code != 87 || !strings.Contains(v.Denied[0].Message, "rule first refused") {
		t.Fatalf("%+v", v.Denied)
	}
	if e := v.Denied[0].RecordErrors; len(e) != 4 || !strings.Contains(e[3].Message, "second") || e[3].BatchIndex != 1 {
		t.Errorf("%+v", e)
	}
	if len(b.found.found) != 2 {
		t.Errorf("%d findings", len(b.found.found))
	}
}

func TestTwoRulesAreOnePartition(t *testing.T) {
	first, second := &fake{record: denyAll("first")}, &fake{record: denyAll("second")}
	b := newBench(t, []rules.Spec{first.spec("first"), second.spec("second")}, nil)
	g, many := b.Gate(), batchOf(t, records.None, make([]string, 80)...)
	g.Produce(java, request(t, -1, part("users", many), part("events", many)), epoch)
	if b.counts["verdict would_block"] != 2 || b.counts["verdict allowed"] != 0 {
		t.Errorf("counted %v", b.counts)
	}
	b.block(t)
	v := produce(t, g, "users", many)
	if len(v.Denied) != 1 || len(v.Denied[0].RecordErrors) != rules.MaxDenials {
		t.Errorf("%d denied, %d records named", len(v.Denied), len(v.Denied[0].RecordErrors))
	}
}

func TestOneRuleThatWouldCloseIsEnough(t *testing.T) {
	deny := func(a rules.AcksZero) *fake {
		return &fake{record: func(c *rules.Case, _ *rules.Batch, r *rules.Record) {
			c.Deny(rules.Denial{Record: r.Index, Reason: "no", AcksZero: a})
		}}
	}
	for _, c := range []struct{ first, second, want rules.AcksZero }{
		{rules.DropSilently, rules.DropSilently, rules.DropSilently},
		{rules.DropSilently, rules.CloseConnection, rules.CloseConnection},
		{rules.CloseConnection, rules.DropSilently, rules.CloseConnection},
	} {
		b := newBench(t, []rules.Spec{deny(c.first).spec("first"), deny(c.second).spec("second")}, nil)
		b.block(t)
		v := b.Gate().Produce(java, request(t, 0, part("users", batchOf(t, records.None, "a"))), epoch)
		if len(v.Denied) != 1 || v.AcksZero != c.want {
			t.Errorf("%v and %v: %v", c.first, c.second, v.AcksZero)
		}
	}
}

func TestActionRecordAsksForTheExchange(t *testing.T) {
	f := &fake{record: func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		if r.ValueNull {
			denyAll("no")(c, b, r)
		}
	}}
	b := newBench(t, []rules.Spec{f.spec("rule")}, nil)
	if err := b.configure(t, "rules: {rule: {action: record}}"); err != nil {
		t.Fatal(err)
	}
	g := b.Gate()
	for value, keep := range map[string]bool{"-": true, "a": false} {
		if v := produce(t, g, "users", batchOf(t, records.None, value)); v.Keep != keep || len(v.Denied) != 0 {
			t.Errorf("%q: %+v", value, v)
		}
	}
}

func TestRuleThatCannotBlockNeverBlocks(t *testing.T) {
	f := &fake{record: denyAll("no")}
	spec := f.spec("advice")
	spec.CanBlock = false
	b := newBench(t, []rules.Spec{spec}, nil)
	b.block(t) // as a default: where a rule can
	if v := produce(t, b.Gate(), "users", batchOf(t, records.None, "a")); len(v.Denied) != 0 {
		t.Errorf("%+v", v)
	}
	if f := b.found.found[0]; f.Action != rules.Alert || f.WouldBlock {
		t.Errorf("%+v", f)
	}
	err := b.configure(t, "rules:\n  advice:\n    action: block\n")
	if err == nil || !strings.Contains(err.Error(), "warder.yaml:4:13: rule advice cannot block") {
		t.Errorf("error %v", err)
	}
}

func TestScratchBelongsToASession(t *testing.T) {
	type memory struct{ seen int }
	f := &fake{
		scratch: func() any { return &memory{} },
		record:  func(c *rules.Case, _ *rules.Batch, _ *rules.Record) { c.Scratch.(*memory).seen++ },
		batch: func(c *rules.Case, _ *rules.Batch) {
			c.Report(rules.Report{Evidence: rules.Evidence{{Name: "seen", Value: c.Scratch.(*memory).seen}}})
		},
	}
	b := newBench(t, []rules.Spec{f.spec("counting")}, nil)
	blob := batchOf(t, records.None, "a", "b")
	one, two := b.Gate(), b.Gate()
	seen := func(g *engine.Gate, topic string) any {
		produce(t, g, topic, blob)
		return b.found.found[len(b.found.found)-1].Evidence.Get("seen")
	}
	if a, c, d := seen(one, "t1"), seen(one, "t2"), seen(two, "t3"); a != 2 || c != 4 || d != 2 {
		t.Errorf("seen %v, %v, then %v in another session", a, c, d)
	}
	b.block(t)
	if a := seen(one, "t4"); a != 2 {
		t.Errorf("after a reload: %v", a)
	}
}

func TestRulesSeeWhatWasSent(t *testing.T) {
	var got bytes.Buffer
	f := &fake{record: func(_ *rules.Case, b *rules.Batch, r *rules.Record) {
		before, ok := b.Before(r)
		got.WriteString(b.Topic.Name + " " + string(r.Key) + "=" + string(r.Value))
		if ok {
			got.WriteString(" after " + string(before.Key))
		}
		got.WriteByte('\n')
	}}
	b := newBench(t, []rules.Spec{f.spec("look")}, nil)
	for codec := records.None; codec <= records.Zstd; codec++ {
		got.Reset()
		produce(t, b.Gate(), "users", batchOf(t, codec, "a", "b"))
		if want := "users key-0=a\nusers key-1=b after key-0\n"; got.String() != want {
			t.Errorf("%s: %q", codec, got.String())
		}
	}
}

func TestConfigurationErrorsHavePlaces(t *testing.T) {
	f := &fake{}
	b := newBench(t, []rules.Spec{f.spec("known")}, nil)
	for yaml, want := range map[string]string{
		"rules:\n  unknown: {}\n":                      "warder.yaml:3:3: no rule has the id \"unknown\"",
		"rules:\n  known:\n    knob: 1\n":              "warder.yaml:4:5: unknown key `knob`",
		"rules:\n  known:\n    allow: [{reason: x}]\n": "warder.yaml:4:12: an entry without topic",
	} {
		if err := b.configure(t, yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", yaml, err, want)
		}
	}
	if err := b.configure(t, "suppressions: [{rule: nope, until: 2030-01-01, reason: x}]"); err == nil {
		t.Error("a suppression of no rule is accepted")
	}
}
