package engine_test

import (
	"testing"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/ruletest"
)

// What a rule has observed comes with the news whether the log gets it, also when
// a rule behind it in the table refuses, or another partition of the request.
func TestObservationsKnowWhatBecameOfTheBatch(t *testing.T) {
	watching := &fake{batch: func(c *rules.Case, b *rules.Batch) { c.Observe(rules.ByTransactionalID, "all", b.Partition) }}
	refused := map[int32]bool{}
	watching.watch = func(_ *rules.Watch, ev rules.Event) {
		o := ev.(rules.Observation)
		refused[o.Data.(int32)] = o.Refused
	}
	refusing := &fake{record: func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		if r.ValueNull {
			denyAll("no")(c, b, r)
		}
	}}
	for name, c := range map[string]struct {
		acks         int16
		rules        string
		first, other string
		want         [2]bool
	}{
		"nothing refused":        {-1, "{}", "-", "-", [2]bool{false, false}},
		"one of two":             {-1, "{refusing: {action: block}}", "-", "a", [2]bool{true, false}},
		"the whole request":      {-1, "{refusing: {action: block, scope: request}}", "-", "a", [2]bool{true, true}},
		"the connection, acks=0": {0, "{refusing: {action: block}}", "-", "a", [2]bool{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			clear(refused)
			bench := newBench(t, []rules.Spec{watching.spec("watching"), refusing.spec("refusing")}, nil)
			if err := bench.configure(t, "rules: "+c.rules); err != nil {
				t.Fatal(err)
			}
			parts := []ruletest.Part{part("users", batchOf(t, records.None, c.first)), part("users", batchOf(t, records.None, c.other))}
			parts[1].Partition = 1
			bench.Gate().Produce(java, request(t, c.acks, parts...), epoch)
			if got := [2]bool{refused[0], refused[1]}; len(refused) != 2 || got != c.want {
				t.Errorf("refused %v, want %v", refused, c.want)
			}
		})
	}
}

// A request that is refused as a whole has no partition at fault.
func TestObservationOfARefusedRequest(t *testing.T) {
	var seen []rules.Observation
	watching := &fake{
		request: func(c *rules.Case, _ *rules.Request) { c.Observe(rules.ByTransactionalID, "all", nil) },
		watch:   func(_ *rules.Watch, ev rules.Event) { seen = append(seen, ev.(rules.Observation)) },
	}
	refusing := &fake{request: func(c *rules.Case, _ *rules.Request) {
		c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "no"})
	}}
	bench := newBench(t, []rules.Spec{watching.spec("watching"), refusing.spec("refusing")}, nil)
	produce(t, bench.Gate(), "users", batchOf(t, records.None, "a"))
	bench.block(t)
	produce(t, bench.Gate(), "users", batchOf(t, records.None, "a"))
	if len(seen) != 2 || seen[0].Refused || !seen[1].Refused {
		t.Errorf("%+v", seen)
	}
}
