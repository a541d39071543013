package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/rules"
	"warder/rules/sink"
)

// demoPatience bounds every single step of the demo.
const demoPatience = 20 * time.Second

// demoAct is one thing that is done to the shop, and what warder must make of it. A rule that can be shown adds one
// entry to demoActs.
type demoAct struct {
	client  string // client id of whoever does it; unique among the acts, since it is how findings are told apart
	topic   string // where the rule speaks of a topic and not of a client: the topic, used by no other act
	does    string // what is done, for the table
	because string // how such a thing comes about, in a sentence

	rule    string // the rule that is shown
	found   bool   // whether it must report a finding about client, or topic
	refused bool   // whether the write must be refused; else it must be stored

	play  func(ctx context.Context, st *demoStage) (refused bool, err error)
	after func(ctx context.Context, st *demoStage) error // shown once, after the first play; may be nil
}

// query selects the findings that belong to the act.
func (a *demoAct) query() sink.Query {
	if a.topic != "" {
		return sink.Query{Rule: a.rule, Topic: a.topic}
	}
	return sink.Query{Rule: a.rule, ClientID: a.client}
}

// demoActs are played in this order.
func demoActs() []demoAct {
	return []demoAct{
		{
			client: "profile-svc", does: "null value for key u-7 of compacted topic users",
			because: "A serializer fails on a profile and returns null. On a compacted topic a null value is a tombstone: it deletes the key, silently and later.",
			rule:    "tombstone", found: true, refused: true,
			play: playNull("profile-svc", "users", "u-7"), after: afterTombstone,
		},
		{
			client: "gdpr-eraser", does: "null value for key u-9, allowed by configuration",
			because: "The same write, but on purpose: a user asked to be forgotten, and gdpr-eraser is on the allow list of the rule.",
			rule:    "tombstone", found: false, refused: false,
			play: playNull("gdpr-eraser", "users", "u-9"),
		},
		{
			client: "order-import", does: "null value on topic orders, which is not compacted",
			because: "Where no compaction runs, a null value is odd but deletes nothing: the rule looks at the topic before it judges.",
			rule:    "tombstone", found: false, refused: false,
			play: playNull("order-import", "orders", "customer-1"),
		},
	}
}

// playNull writes key to topic with a null value, as an ordinary franz-go program would.
func playNull(client, topic, key string) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) {
		cl, err := st.shop.client(client)
		if err != nil {
			return false, err
		}
		defer cl.Close()
		err = cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key)}).FirstErr()
		var code *kerr.Error
		switch {
		case err == nil:
			st.print.field("developer", "The write succeeded.")
			return false, nil
		case !errors.As(err, &code):
			return false, fmt.Errorf("write a null value: %w", err) // the broker or warder is not there: no verdict
		}
		st.print.field("developer", err.Error())
		message, err := st.errorMessage(ctx, client, topic, key)
		if err != nil {
			return true, err
		}
		st.print.field("", "and, where the library shows the text (Java does, franz-go does not):")
		st.print.field("", message)
		return true, nil
	}
}

// afterTombstone proves what was saved: the key outlives compaction, and without warder it does not.
func afterTombstone(ctx context.Context, st *demoStage) error {
	kept, err := st.compacted(ctx, "u-7")
	if err != nil {
		return err
	}
	if kept == "" {
		return errors.New("key u-7 is gone although its deletion was refused")
	}
	st.print.field("afterwards", "Key u-7 is still there after compaction: "+kept)
	if err := st.writeNullDirectly(ctx, "u-8"); err != nil {
		return err
	}
	lost, err := st.compacted(ctx, "u-8")
	if err != nil {
		return err
	}
	if lost != "" {
		return errors.New("key u-8 is still there, so the comparison without warder shows nothing")
	}
	st.print.field("", "The same mistake straight to the broker, past warder: key u-8 is gone, and nobody was told.")
	return nil
}

// demoOutcome is what became of one act.
type demoOutcome struct {
	act     *demoAct
	times   int            // how often it was played
	refused int            // of them refused
	finding *rules.Finding // what was found of it at last; nil for nothing
	err     error          // what kept the act from being played as meant
}

// missing says what was expected and did not come; nil when all did.
func (o *demoOutcome) missing() error {
	switch {
	case o.err != nil:
		return o.err
	case o.times == 0:
		return errors.New("not played")
	case o.act.refused && o.refused < o.times:
		return fmt.Errorf("refused %d of %d times", o.refused, o.times)
	case !o.act.refused && o.refused > 0:
		return fmt.Errorf("refused %d times, although it must be stored", o.refused)
	case o.act.found && o.finding == nil:
		return errors.New("no finding by rule " + o.act.rule)
	case !o.act.found && o.finding != nil:
		return errors.New("a finding by rule " + o.finding.Rule + ", although there must be none")
	}
	return nil
}
