package builtin

import (
	"cmp"
	"slices"

	"warder/rules"
	"warder/rules/state"
)

// Bounds of what is kept of deletes.
const (
	sampleKeys   = 16 // of a tally
	batchSamples = 4  // of one batch
	namedWriters = 8  // beyond that the smallest makes room
)

// damage is what the tombstones of one batch, or of several of one transaction,
// delete. It takes about 1.3 KiB.
type damage struct {
	topic     rules.Topic
	partition int32
	by        producerEpoch // of a transaction
	crc       uint32        // and size: the same when the batch is sent again
	size      int
	records   int
	tally
}

func newDamage(b *rules.Batch) *damage {
	d := &damage{topic: *b.Topic, partition: b.Partition}
	d.writers = append(d.writers, writer{client: clientNamed(b.Identity.ClientID)})
	return d
}

// add counts a tombstone.
func (d *damage) add(hash uint64, key []byte) {
	d.tombstones++
	d.writers[0].tombstones++
	d.keys.Add(hash)
	if len(d.samples) < batchSamples {
		d.samples = append(d.samples, rules.KeyText(key))
	}
}

func (d *damage) written() heldFacts { return heldFacts{d.by, d.topic.Name, d.partition, d.tombstones} }

// takes adds another batch to the same topic.
func (d *damage) takes(other *damage) bool {
	if d.topic.Name != other.topic.Name {
		return false
	}
	d.records += other.records
	d.merge(&other.tally)
	return true
}

// tally counts deletes.
type tally struct {
	tombstones int
	keys       state.Distinct
	samples    []string // hashes of keys, at most sampleKeys
	writers    []writer // at most namedWriters
	more       bool     // there were further writers
}

// writer is a client with the tombstones it wrote. Of one that took the place of
// another they may be fewer (space-saving, Metwally et al., 2005).
type writer struct {
	client     string
	tombstones int
}

// merge adds what another tally has counted.
func (t *tally) merge(other *tally) {
	t.tombstones += other.tombstones
	t.keys.Merge(&other.keys)
	t.more = t.more || other.more
	for _, w := range other.writers {
		t.wrote(w)
	}
	for _, key := range other.samples {
		if len(t.samples) < sampleKeys && !slices.Contains(t.samples, key) {
			t.samples = append(t.samples, key)
		}
	}
}

func (t *tally) wrote(w writer) {
	i := slices.IndexFunc(t.writers, func(known writer) bool { return known.client == w.client })
	switch {
	case i >= 0:
		t.writers[i].tombstones += w.tombstones
	case len(t.writers) < namedWriters:
		t.writers = append(t.writers, w)
	default:
		least := 0
		for i := range t.writers {
			if t.writers[i].tombstones < t.writers[least].tombstones {
				least = i
			}
		}
		t.writers[least] = writer{w.client, t.writers[least].tombstones + w.tombstones}
		t.more = true
	}
}

// busiest sorts the writers, those with most tombstones first.
func (t *tally) busiest() []writer {
	sorted := slices.Clone(t.writers)
	slices.SortFunc(sorted, func(a, b writer) int {
		return cmp.Or(cmp.Compare(b.tombstones, a.tombstones), cmp.Compare(a.client, b.client))
	})
	return sorted
}

// distinct is how many different keys there were, of which no more can be than
// tombstones.
func (t *tally) distinct() int { return min(t.keys.Count(), t.tombstones) }

// clone copies it, so that the original can go on counting.
func (t *tally) clone() tally {
	c := *t
	c.samples, c.writers = slices.Clone(t.samples), slices.Clone(t.writers)
	return c
}
