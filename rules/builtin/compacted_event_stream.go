package builtin

import (
	"fmt"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// compactedEventStream finds topics whose cleanup.policy does not fit what is
// written to them: compacted ones with a new key in every record, or with records
// that have no key; and changes of the policy that take data away from a topic in
// use, which it can refuse.
type compactedEventStream struct{ compactedEventStreamKnobs }

// compactedEventStreamKnobs are the keys below `rules.compacted-event-stream` that
// only it knows.
type compactedEventStreamKnobs struct {
	// How long the keys of a topic are counted before they are judged.
	Window time.Duration `yaml:"window" min:"1s" max:"168h"`
	// Records with a key that a window needs to be judged.
	MinRecords int `yaml:"min_records" min:"100" max:"1000000000"`
	// Percentage of the records of a window whose keys must be different. The
	// count of keys is an estimate with a standard error of 3.3 %: above 95 even
	// a new key in every record would not always do.
	Distinct int `yaml:"distinct" min:"50" max:"95"`
	// How many windows in a row must look like that, and hardly share a key,
	// before it is reported.
	Windows int `yaml:"windows" min:"2" max:"1000"`
	// Leave out what Kafka Streams, Connect, schema registries, MirrorMaker 2 and
	// ksqlDB keep for themselves.
	KnownWriters bool `yaml:"known_writers"`
	// How long a topic that was just created may be given its policy.
	SetUp time.Duration `yaml:"set_up" min:"0s" max:"24h"`
}

func compactedEventStreamSpec() rules.Spec {
	return rules.Spec{
		ID:       "compacted-event-stream",
		Summary:  "events on a compacted topic, and a cleanup.policy that is switched on a topic in use",
		Severity: rules.Warning,
		Needs:    rules.NeedRecords | rules.NeedTopicConfig,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/compacted-event-stream.md",
		Example:  "compacted-event-stream:\n  action: block\n  allow: [{client_id: platform-migration}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal,
		Watches:  []rules.Interest{{Kind: rules.KindTopicAppeared, By: rules.ByTopic}},
		New:      newCompactedEventStream,
	}
}

func newCompactedEventStream(decode func(any) error) (rules.Rule, error) {
	e := &compactedEventStream{compactedEventStreamKnobs{
		Window: time.Hour, MinRecords: 1000, Distinct: 90, Windows: 6, KnownWriters: true, SetUp: 10 * time.Minute,
	}}
	if err := decode(&e.compactedEventStreamKnobs); err != nil {
		return nil, err
	}
	return e, nil
}

// Wants leaves out topics that are not known to be compacted, and those that their
// owners compact with reason: the changelog of a windowed store has a new key for
// every window.
func (e *compactedEventStream) Wants(id *rules.Identity, topic *rules.Topic) bool {
	return topic.Cleanup.Compacts() && !brokerTopics.Match(topic.Name) &&
		!(e.KnownWriters && deletesOnPurpose(id.ClientID, topic.Name))
}

// NewScratch holds the keys of the batch at hand.
func (*compactedEventStream) NewScratch() any { return &batchKeys{} }

// NewShared follows the keys of each topic.
func (*compactedEventStream) NewShared() rules.Store { return newTopicKeys(maxKeyedTopics) }

// Record takes in a key.
func (e *compactedEventStream) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	seen := c.Scratch.(*batchKeys)
	if r.Index == 0 {
		seen.reset() // a batch that could not be read to its end has left something
	}
	if r.KeyNull {
		seen.nulls++
		return
	}
	seen.add(b.KeyHash(r))
}

// Batch counts the keys of the batch.
func (e *compactedEventStream) Batch(c *rules.Case, b *rules.Batch) {
	seen := c.Scratch.(*batchKeys)
	if seen.nulls > 0 {
		c.Report(nullKeys(b, seen.nulls))
	}
	if seen.records > 0 {
		if found, ok := c.Shared.(*topicKeys).count(b, seen, &e.compactedEventStreamKnobs); ok {
			c.Report(found.report(b.Topic))
		}
	}
	seen.reset()
}

// Watch notes which topics are new.
func (e *compactedEventStream) Watch(w *rules.Watch, ev rules.Event) {
	if appeared, ok := ev.(rules.TopicAppeared); ok && appeared.Created {
		w.Shared.(*topicKeys).note(appeared.Topic, appeared.At)
	}
}

// nullKeys reports records that a broker refuses, with their batch, whatever warder
// does (LogValidator.validateKey).
func nullKeys(b *rules.Batch, n int) rules.Report {
	who, topic := clientText(b.Identity), rules.Excerpt(b.Topic.Name, 249)
	return rules.Report{
		Summary: fmt.Sprintf("%s wrote %s without a key to compacted topic %s: the broker refuses the batch (INVALID_RECORD), since compaction goes by key",
			who, recordsText(n), topic),
		Evidence: rules.Evidence{
			{Name: "null_keys", Value: n},
			{Name: "records", Value: b.Records},
			{Name: "cleanup_policy", Value: b.Topic.Cleanup.String()},
		},
		Advice: fmt.Sprintf("If %s is a table, give every record the key of its row. If it holds events, set cleanup.policy=delete and a retention.ms; a producer without keys is right then.", topic),
	}
}

// eventStream is a topic whose keys do not come back, as its last window showed.
type eventStream struct {
	keys, records int // in that window
	windows       int // in a row
	fresh         int // percentage of the keys of all these windows that only one of them has
	window        time.Duration
}

func (s *eventStream) report(t *rules.Topic) rules.Report {
	topic := rules.Excerpt(t.Name, 249)
	share := 100 * s.keys / s.records
	r := rules.Report{
		OwnSubject: true,
		Subject:    rules.Subject{Topic: t.Name},
		Summary: fmt.Sprintf("compacted topic %s gets a key of its own with about %d %% of its records (%d in %s), and for %d windows hardly a key came back: it looks like an event stream, from which compaction removes next to nothing",
			topic, share, s.records, durationText(s.window), s.windows),
		Evidence: rules.Evidence{
			{Name: "records", Value: s.records},
			{Name: "distinct_keys", Value: s.keys},
			{Name: "distinct_percent", Value: share},
			{Name: "window", Value: durationText(s.window)},
			{Name: "windows", Value: s.windows},
			{Name: "new_keys_percent", Value: s.fresh},
			{Name: "cleanup_policy", Value: t.Cleanup.String()},
		},
		Advice: fmt.Sprintf("If it holds events, set cleanup.policy=delete and the retention.ms that its readers need; as it is the log grows without end. If it is a table that is being loaded or whose rows seldom change, add {topic: %q} to rules.compacted-event-stream.allow.", topic),
	}
	if t.Cleanup.Deletes() {
		r.Severity = rules.Info
		r.Summary = strings.TrimSuffix(r.Summary, ": it looks like an event stream, from which compaction removes next to nothing") + ": compaction does next to nothing beside retention"
		r.Advice = fmt.Sprintf("If %s holds events, cleanup.policy=delete alone does the same with less work for the brokers.", topic)
	}
	return r
}

// clientText names a client.
func recordsText(n int) string {
	if n == 1 {
		return "a record"
	}
	return fmt.Sprintf("%d records", n)
}

// durationText is a duration without zeros at its end: 1h, not 1h0m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// batchKeys are the keys of the batch at hand, as hashes. Beyond directHashes of
// them they go into an estimate, so that it takes at most 2 KiB, in a session that
// writes to compacted topics.
type batchKeys struct {
	records, nulls int
	hashes         []uint64
	more           *state.Distinct // of a large batch
	large          bool            // more is in use
}

const directHashes = 128

func (k *batchKeys) reset() {
	if k.large {
		k.more.Reset()
	}
	k.records, k.nulls, k.hashes, k.large = 0, 0, k.hashes[:0], false
}

func (k *batchKeys) add(hash uint64) {
	k.records++
	if len(k.hashes) < directHashes {
		if k.hashes == nil {
			k.hashes = make([]uint64, 0, directHashes)
		}
		k.hashes = append(k.hashes, hash)
		return
	}
	if k.more == nil {
		k.more = &state.Distinct{}
	}
	k.large = true
	k.more.Add(hash)
}

// into shows d the keys.
func (k *batchKeys) into(d *state.Distinct) {
	for _, hash := range k.hashes {
		d.Add(hash)
	}
	if k.large {
		d.Merge(k.more)
	}
}
