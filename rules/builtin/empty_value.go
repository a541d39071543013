package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// emptyValue finds values that are not null and yet say nothing, on their way to
// compacted topics: the log keeps the key, and the last thing it says of it is
// nothing.
//
// On some topics that is how things are: the keys are a set, or an empty value
// marks something. So each topic's and client's share of empty values is learnt,
// and only those are reported that hardly ever came before, see emptyMemory.
type emptyValue struct{ emptyKnobs }

// emptyKnobs are the keys below `rules.empty-value` that only it knows.
type emptyKnobs struct {
	// Share of empty values, from 0 to 1, beyond which they are usual.
	UsualFraction float64 `yaml:"usual_fraction" min:"0" max:"1"`
	// How many values of a topic must be known before an empty one is reported;
	// ten times as many before one is refused, and before reported ones are no
	// longer taken for what may be usual.
	Learn int `yaml:"learn" min:"1"`
	// What is reported and goes on for so long counts as usual from then on.
	AdoptAfter time.Duration `yaml:"adopt_after" min:"1m"`
	// A record that carries this record header may be empty.
	// Empty: there is no such header.
	AllowHeader string `yaml:"allow_header"`
	// Leave out topics that Kafka Streams, Connect, schema registries,
	// MirrorMaker 2 and ksqlDB keep for themselves.
	KnownDeleters bool `yaml:"known_deleters"`
	// What a refusal means for clients that wait for no answer (acks=0):
	// close the connection, or drop the batch, which loses data silently.
	AcksZero string `yaml:"acks_0" enum:"close,drop"`
	// What is shown instead of its hash.
	Reveal []string `yaml:"reveal" enum:"keys"`
}

func emptyValueSpec() rules.Spec {
	return rules.Spec{
		ID:       "empty-value",
		Summary:  "a value that is not null and says nothing, written to a compacted topic where values say something",
		Severity: rules.Warning,
		Needs:    rules.NeedRecords | rules.NeedTopicConfig,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/empty-value.md",
		Example:  "empty-value:\n  action: block\n  topics: [\"users.*\"]\n  allow: [{topic: users.blocked, reason: a set of keys}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal,
		Watches: []rules.Interest{
			{Kind: rules.KindObservation, By: rules.ByTransactionalID},
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
		},
		New: newEmptyValue,
	}
}

func newEmptyValue(decode func(any) error) (rules.Rule, error) {
	e := &emptyValue{emptyKnobs{UsualFraction: 0.01, Learn: 20, AdoptAfter: 24 * time.Hour, KnownDeleters: true, AcksZero: "close"}}
	if err := decode(&e.emptyKnobs); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *emptyValue) purpose() purpose { return purpose{e.AllowHeader, e.KnownDeleters} }

// Wants leaves out topics where no value is needed.
func (e *emptyValue) Wants(id *rules.Identity, topic *rules.Topic) bool {
	return e.purpose().wants(id, topic)
}

// NewShared remembers what is usual.
func (*emptyValue) NewShared() rules.Store { return newEmptyMemory() }

// emptyScratch is what a session has seen of the batch at hand.
type emptyScratch struct {
	seenEmpty
	known  bool // before is set
	before emptyBefore
	found  [emptyClasses]firstEmpty
}

// firstEmpty is the first empty value to be reported, and the first keys.
type firstEmpty struct {
	at   int
	kind emptyKind
	keys []string
}

// NewScratch makes room for one batch.
func (*emptyValue) NewScratch() any { return &emptyScratch{} }

// Record counts values and looks for empty ones.
func (e *emptyValue) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	s := c.Scratch.(*emptyScratch)
	if r.Index == 0 {
		*s = emptyScratch{} // the batch before may have broken off
	}
	if r.ValueNull || r.KeyNull {
		return
	}
	s.values++
	if kind := emptyKindOf(r.Value); kind != notEmpty {
		e.found(c, b, r, kind)
	}
}

// found denies an empty value where it is not usual.
func (e *emptyValue) found(c *rules.Case, b *rules.Batch, r *rules.Record, kind emptyKind) {
	s, class := c.Scratch.(*emptyScratch), kind.class()
	if e.purpose().marked(r) {
		s.values-- // it says nothing of the others
		return
	}
	if !s.known {
		s.before, s.known = c.Shared.(*emptyMemory).before(b.Topic.Name, b.Identity.ClientID), true
	}
	s.empties[class]++
	if s.before.values < e.Learn || s.before.share[class] > e.UsualFraction {
		return
	}
	first := &s.found[class]
	if s.reported[class]++; s.reported[class] == 1 {
		first.at, first.kind = r.Index, kind
	}
	key := ""
	if len(first.keys) < namedKeys || c.Blocks && c.Denied < rules.MaxDenials {
		key = shownKey(r.Key, e.Reveal)
	}
	if len(first.keys) < namedKeys {
		first.keys = append(first.keys, key)
	}
	if class == surelyEmpty && e.firm(s.before.values) {
		c.Deny(e.denial(b, r, kind, key))
	}
}

func (e *emptyValue) denial(b *rules.Batch, r *rules.Record, kind emptyKind, key string) rules.Denial {
	d := rules.Denial{Record: r.Index, Key: key}
	if key != "" {
		d.Reason = fmt.Sprintf("its value is empty (%s) and would replace what %s holds for key %s", emptyWords[kind].text, topicText(b.Topic), key)
	}
	if e.AcksZero == "drop" {
		d.AcksZero = rules.DropSilently
	}
	return d
}

// Batch reports the empty values of a batch and learns from it.
func (e *emptyValue) Batch(c *rules.Case, b *rules.Batch) {
	s := c.Scratch.(*emptyScratch)
	s.refused = c.Blocks && c.Denied > 0
	if s.values > 0 && b.Topic.Name != "" {
		c.Shared.(*emptyMemory).learn(&e.emptyKnobs, topicClient{b.Topic.Name, b.Identity.ClientID}, b.Time, &s.seenEmpty)
	}
	if s.reported[surelyEmpty]+s.reported[maybeEmpty] > 0 {
		e.tell(c, b, s)
	}
}

// tell reports what was found; in a transaction it waits until that is committed.
func (e *emptyValue) tell(c *rules.Case, b *rules.Batch, s *emptyScratch) {
	class := surelyEmpty
	if s.reported[class] == 0 {
		class = maybeEmpty
	}
	seen := empties{
		client: b.Identity.ClientID, topic: *b.Topic, partition: b.Partition, firstEmpty: s.found[class],
		records: b.Records, count: s.reported[class], before: s.before.share[class], known: s.before.values, denied: c.Denied > 0,
	}
	if inTransaction(b) && !s.refused {
		seen.by = epochOf(b)
		c.Observe(rules.ByTransactionalID, string(b.TransactionalID), seen)
		return
	}
	c.Report(seen.report(s.refused))
}

// Watch holds the empty values of a transaction until it is committed.
func (e *emptyValue) Watch(w *rules.Watch, ev rules.Event) { watchTransactions(w, ev, emptyOutcome) }

// Tick gives up on transactions that nobody has seen end.
func (e *emptyValue) Tick(w *rules.Watch) { tickTransactions(w, emptyOutcome) }
