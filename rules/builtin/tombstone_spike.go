package builtin

import (
	"time"

	"warder/rules"
)

// tombstoneSpike finds many deletes at once on a compacted topic, measured by what
// is usual there. Where the rule tombstone asks whether one delete is meant, this
// one asks whether so many are, and tells the damage: how many different keys.
//
// Records are counted on the connection. Batches with tombstones go to the
// Watcher, which is told whether they were refused, and counts those of a
// transaction when it is committed; all that is said is said there and by Sweep.
type tombstoneSpike struct{ spikeKnobs }

// spikeKnobs are the keys below `rules.tombstone-spike` that only it knows.
type spikeKnobs struct {
	// The time in which tombstones are counted.
	Window time.Duration `yaml:"window" min:"6s" max:"1h"`
	// A window with fewer tombstones is never a spike.
	AtLeast int `yaml:"at_least" min:"1"`
	// Share of the records of a window that must be tombstones, on a topic where
	// usual_fraction of them are at most, from 0 to 1.
	Fraction float64 `yaml:"fraction" min:"0" max:"1"`
	// What fraction speaks of.
	UsualFraction float64 `yaml:"usual_fraction" min:"0" max:"1"`
	// Or: how many times the usual number of tombstones a window must have.
	TimesUsual float64 `yaml:"times_usual" min:"1"`
	// How far back "usual" reaches: what is older counts for less and less.
	Baseline time.Duration `yaml:"baseline" min:"1m"`
	// How long a topic is watched before it is known what is usual.
	Learn time.Duration `yaml:"learn"`
	// Share of a window that must be tombstones while that is not known.
	YoungFraction float64 `yaml:"young_fraction" min:"0" max:"1"`
	// A spike is over when there was none for so long.
	ResolveAfter time.Duration `yaml:"resolve_after" min:"1s"`
	// What has gone on for so long counts as usual from then on.
	AdoptAfter time.Duration `yaml:"adopt_after" min:"1m"`
	// A record that carries this record header is a delete on purpose.
	// Empty: there is no such header.
	AllowHeader string `yaml:"allow_header"`
	// Leave out what is known to delete on purpose: Kafka Streams, Connect,
	// schema registries, MirrorMaker 2, ksqlDB, Debezium.
	KnownDeleters bool `yaml:"known_deleters"`
}

func tombstoneSpikeSpec() rules.Spec {
	return rules.Spec{
		ID:       "tombstone-spike",
		Summary:  "far more null values than usual written to a compacted topic, and how many keys they delete",
		Severity: rules.Critical,
		Needs:    rules.NeedRecords | rules.NeedTopicConfig,
		Default:  rules.Alert,
		Doc:      "docs/rules/tombstone-spike.md",
		Example:  "tombstone-spike:\n  topics: [\"users.*\"]\n  at_least: 100\n  allow: [{client_id: nightly-cleanup}]\n",
		FoldBy:   rules.FieldTopic,
		Tells:    rules.TellsTombstones,
		Watches: []rules.Interest{
			{Kind: rules.KindObservation, By: rules.ByTopic},
			{Kind: rules.KindObservation, By: rules.ByTransactionalID},
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
		},
		New: newTombstoneSpike,
	}
}

func newTombstoneSpike(decode func(any) error) (rules.Rule, error) {
	t := &tombstoneSpike{spikeKnobs{
		Window: time.Minute, AtLeast: 20, Fraction: 0.1, UsualFraction: 0.01, TimesUsual: 5,
		Baseline: time.Hour, Learn: 10 * time.Minute, YoungFraction: 0.8,
		ResolveAfter: 3 * time.Minute, AdoptAfter: 6 * time.Hour, KnownDeleters: true,
	}}
	if err := decode(&t.spikeKnobs); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tombstoneSpike) purpose() purpose { return purpose{t.AllowHeader, t.KnownDeleters} }

// Wants leaves out topics where nobody deletes by mistake.
func (t *tombstoneSpike) Wants(id *rules.Identity, topic *rules.Topic) bool {
	return t.purpose().wants(id, topic)
}

// NewShared remembers what every topic is like.
func (*tombstoneSpike) NewShared() rules.Store { return newSpikeMemory() }

// spikeScratch is what a session has seen of the batch at hand; nil: no tombstone.
type spikeScratch struct{ seen *damage }

// NewScratch makes room for one batch.
func (*tombstoneSpike) NewScratch() any { return &spikeScratch{} }

// Record notes tombstones that are not meant.
func (t *tombstoneSpike) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if r.Index == 0 {
		c.Scratch.(*spikeScratch).seen = nil // of a batch that could not be read to its end
	}
	if !r.ValueNull {
		if endsBatch(b, r) {
			t.purpose().note(c.Shared.(*spikeMemory).deletes, b, r)
		}
		return
	}
	if r.KeyNull || t.purpose().meant(c.Shared.(*spikeMemory).deletes, b, r) {
		return
	}
	s := c.Scratch.(*spikeScratch)
	if s.seen == nil {
		s.seen = newDamage(b)
	}
	s.seen.add(b.KeyHash(r), r.Key)
}

// Batch counts the records, or hands over those of a batch with tombstones: they
// count once the log has them.
func (t *tombstoneSpike) Batch(c *rules.Case, b *rules.Batch) {
	s := c.Scratch.(*spikeScratch)
	seen := s.seen
	s.seen = nil
	if seen == nil {
		c.Shared.(*spikeMemory).note(&t.spikeKnobs, b.Topic.Name, b.Time, b.Records)
		return
	}
	seen.records, seen.crc, seen.size = b.Records, b.Header.CRC, b.Header.Size
	if inTransaction(b) {
		seen.by = epochOf(b)
		c.Observe(rules.ByTransactionalID, string(b.TransactionalID), seen)
	} else {
		c.Observe(rules.ByTopic, b.Topic.Name, seen)
	}
}

// Watch counts the tombstones that the log has, once: a producer sends a batch again
// that was not answered, or whose partition has no leader at the moment.
func (t *tombstoneSpike) Watch(w *rules.Watch, ev rules.Event) {
	if o, ok := ev.(rules.Observation); ok && !o.Refused && w.Shared.(*spikeMemory).again(o.Data.(*damage), o.At) {
		return
	}
	if w.By == rules.ByTransactionalID {
		watchTransactions(w, ev, t.outcome)
		return
	}
	if o, ok := ev.(rules.Observation); ok && !o.Refused {
		t.count(w, o.Data.(*damage))
	}
}

// Tick gives up on transactions that nobody has seen end.
func (t *tombstoneSpike) Tick(w *rules.Watch) {
	if w.By == rules.ByTransactionalID {
		tickTransactions(w, t.outcome)
	}
}

// outcome counts the tombstones of a transaction when it is committed: that is
// when they take effect. Those whose outcome nobody has seen would be counted at
// a time when nothing happens.
func (t *tombstoneSpike) outcome(w *rules.Watch, h *heldBatch[*damage], outcome string) {
	if outcome == committed {
		t.count(w, h.seen)
	}
}

// count adds the tombstones of a batch and tells of a spike.
func (t *tombstoneSpike) count(w *rules.Watch, d *damage) {
	if story, ok := w.Shared.(*spikeMemory).count(&t.spikeKnobs, w.Now, d); ok {
		w.Report(story.report())
	}
}

// Sweep tells which spikes are over.
func (t *tombstoneSpike) Sweep(w *rules.Watch) {
	for _, story := range w.Shared.(*spikeMemory).ended(&t.spikeKnobs, w.Now) {
		w.Report(story.report())
	}
}
