package builtin

import (
	"fmt"
	"strconv"

	"warder/rules"
	"warder/rules/state"
)

// tombstone finds null values on their way to compacted topics: after the next
// compaction the key is gone, without a trace and perhaps hours later.
//
// It leaves out what deletes on purpose (see knownDeleters and debeziumDelete),
// and the null keys that the broker itself refuses on compacted topics
// (LogValidator.validateKey). Tombstones of a transaction that is not blocked
// count when it is committed, see heldBack.
type tombstone struct{ tombstoneKnobs }

// tombstoneKnobs are the keys below `rules.tombstone` that only it knows.
type tombstoneKnobs struct {
	// A record that carries this record header is a delete on purpose.
	// Empty: there is no such header.
	AllowHeader string `yaml:"allow_header"`
	// Leave out what is known to delete on purpose: Kafka Streams, Connect,
	// schema registries, MirrorMaker 2, ksqlDB, Debezium.
	KnownDeleters bool `yaml:"known_deleters"`
	// What a refusal means for clients that wait for no answer (acks=0):
	// close the connection, or drop the batch, which loses data silently.
	AcksZero string `yaml:"acks_0" enum:"close,drop"`
	// What is shown instead of its hash.
	Reveal []string `yaml:"reveal" enum:"keys"`
}

func tombstoneSpec() rules.Spec {
	return rules.Spec{
		ID:       "tombstone",
		Summary:  "a null value written to a compacted topic, which deletes the key at the next compaction",
		Severity: rules.Critical,
		Needs:    rules.NeedRecords | rules.NeedTopicConfig,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/tombstone.md",
		Example:  "tombstone:\n  action: block\n  topics: [\"users.*\"]\n  allow: [{client_id: gdpr-eraser}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal,
		Watches: []rules.Interest{
			{Kind: rules.KindObservation, By: rules.ByTransactionalID},
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
		},
		New: newTombstone,
	}
}

func newTombstone(decode func(any) error) (rules.Rule, error) {
	t := &tombstone{tombstoneKnobs{KnownDeleters: true, AcksZero: "close"}}
	if err := decode(&t.tombstoneKnobs); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tombstone) purpose() purpose { return purpose{t.AllowHeader, t.KnownDeleters} }

// Wants leaves out topics where nobody deletes by mistake.
func (t *tombstone) Wants(id *rules.Identity, topic *rules.Topic) bool {
	return t.purpose().wants(id, topic)
}

// NewShared remembers the Debezium deletes that ended a batch.
func (*tombstone) NewShared() rules.Store { return newDeletes() }

// namedKeys is how many keys a finding names.
const namedKeys = 5

// Record denies tombstones.
func (t *tombstone) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if !r.ValueNull {
		if endsBatch(b, r) {
			t.purpose().note(c.Shared.(*state.Recent), b, r)
		}
		return
	}
	if r.KeyNull || t.purpose().meant(c.Shared.(*state.Recent), b, r) {
		return
	}
	d := rules.Denial{Record: r.Index}
	if c.Denied < namedKeys || c.Blocks && c.Denied < rules.MaxDenials {
		d.Key = shownKey(r.Key, t.Reveal)
		d.Reason = fmt.Sprintf("null value would delete key %s from %s", d.Key, topicText(b.Topic))
	}
	if t.AcksZero == "drop" {
		d.AcksZero = rules.DropSilently
	}
	c.Deny(d)
}

// shownKey is the hash of a key, or the key where the operator wants to see it.
func shownKey(key []byte, reveal []string) string {
	if len(reveal) > 0 {
		return strconv.Quote(rules.Excerpt(key, 64))
	}
	return rules.KeyText(key)
}

// Batch reports the tombstones of a batch.
func (t *tombstone) Batch(c *rules.Case, b *rules.Batch) {
	if c.Denied == 0 {
		return
	}
	seen := tombstones{
		client: b.Identity.ClientID, topic: *b.Topic, partition: b.Partition,
		first: c.Denials[0].Record, records: b.Records, count: c.Denied,
	}
	for _, d := range c.Denials[:min(len(c.Denials), namedKeys)] {
		seen.keys = append(seen.keys, d.Key)
	}
	if inTransaction(b) && !c.Blocks {
		seen.epoch = epochOf(b)
		c.Observe(rules.ByTransactionalID, string(b.TransactionalID), seen)
		return
	}
	c.Report(seen.report(c.Blocks))
}

// tombstones is what was found in one batch.
type tombstones struct {
	client    string
	topic     rules.Topic
	partition int32
	first     int // index of the first tombstone
	records   int
	count     int
	keys      []string
	epoch     producerEpoch
}

// report puts it into words.
func (s *tombstones) report(blocked bool) rules.Report {
	r := rules.Report{
		Summary: fmt.Sprintf("%s wrote %s to %s: %s", clientNamed(s.client), s.what(), topicText(&s.topic), s.consequence()),
		Evidence: rules.Evidence{
			{Name: "offset_in_batch", Value: s.first},
			{Name: "records", Value: s.records},
			{Name: "tombstones", Value: s.count},
			{Name: "keys", Value: s.keys},
			{Name: "cleanup_policy", Value: s.topic.Cleanup.String()},
		},
		Advice: s.advice(blocked),
	}
	if !s.topic.Cleanup.Known() {
		r.Severity = rules.Warning
	}
	return r
}

func (s *tombstones) what() string {
	if s.count == 1 {
		return "a null value for key " + s.keys[0]
	}
	return fmt.Sprintf("null values for %d records, the first for key %s,", s.count, s.keys[0])
}

func topicText(t *rules.Topic) string {
	name := rules.Excerpt(t.Name, 249)
	if t.Cleanup.Compacts() {
		return "compacted topic " + name
	}
	if name == "" {
		return "a topic whose name is not known"
	}
	return "topic " + name + " (cleanup.policy not known)"
}

func (s *tombstones) consequence() string {
	if !s.topic.Cleanup.Known() {
		return "if the topic is compacted, that deletes " + s.keysText()
	}
	return "compaction will delete " + s.keysText()
}

func (s *tombstones) keysText() string {
	if s.count == 1 {
		return "the key"
	}
	return "the keys"
}

func (s *tombstones) advice(blocked bool) string {
	look := "Look for a serializer that returns null, or a missing field written as null; to clear a value and keep its key, write a value that says that it is cleared, not null."
	allow := fmt.Sprintf(" If the deletes are meant, add {client_id: %q, topic: %q} to rules.tombstone.allow.", rules.Excerpt(s.client, 80), rules.Excerpt(s.topic.Name, 249))
	if blocked {
		return look + allow
	}
	return look + " `action: block` under rules.tombstone refuses such writes." + allow
}
