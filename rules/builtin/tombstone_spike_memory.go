package builtin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// spikeTopics bounds how many topics are known.
const spikeTopics = 10_000

// spikeMemory is what all sessions know of topics: at most spikeTopics of them;
// beyond that the one that was written to least recently is forgotten and must be
// learnt anew. A topic takes about 500 bytes, and 3.5 KiB once keys are deleted
// from it, so at most 35 MB in all.
type spikeMemory struct {
	// deletes are those of Debezium. The rule tombstone remembers them too, but
	// may be off.
	deletes *state.Recent
	// sent are batches with tombstones, by what stays the same when a client sends
	// one again: 4,096 of about 150 bytes. delivery.timeout.ms is two minutes as a
	// rule.
	sent *state.Recent

	mu     sync.Mutex // guards the following
	topics *state.LRU[string, *topicDeletes]
	spikes map[string]*topicDeletes // of which there is a spike now
}

func newSpikeMemory() *spikeMemory {
	return &spikeMemory{
		deletes: newDeletes(), sent: state.NewRecent(4096, 5*time.Minute),
		topics: state.NewLRU[string, *topicDeletes](spikeTopics), spikes: map[string]*topicDeletes{},
	}
}

// topicDeletes is what is known of one topic.
type topicDeletes struct {
	name  string
	rate  deleteRate
	spike *spike
	// What was deleted in the last window and before, while there is no spike: of
	// two tallies the older makes room when a window has passed.
	older, newer *tally
	turned       int64 // bucket in which newer began
}

// spike is a spike that is going on. It begins with what the tallies before it
// hold, the oldest of it at most two windows old.
type spike struct {
	tally
	topic rules.Topic
	sign  sign
	since time.Time
	last  time.Time // when something was deleted in such a window
	seen  time.Time // when a window was one last; behind last, until that has left it
	told  int64     // bucket in which it was told last
}

// note counts records that are no tombstones.
func (m *spikeMemory) note(k *spikeKnobs, topic string, at time.Time, records int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(k, topic, at).rate.add(k, at, writes{records: records})
}

// again says whether a batch was there before, and remembers it.
func (m *spikeMemory) again(d *damage, at time.Time) bool {
	batch := m.sent.Thing()
	batch.Part([]byte(d.topic.Name))
	batch.Number(int64(d.partition))
	batch.Number(int64(d.crc))
	batch.Number(int64(d.size))
	known := m.sent.Has(&batch, at)
	m.sent.Add(&batch, at)
	return known
}

// of gives what is known of a topic. What was counted in windows of another length
// is of no use.
func (m *spikeMemory) of(k *spikeKnobs, topic string, at time.Time) *topicDeletes {
	t, ok := m.topics.Get(topic)
	if !ok || t.rate.bucket != k.Window/rateBuckets {
		t = &topicDeletes{name: topic, rate: newDeleteRate(k, at)}
		delete(m.spikes, topic)
		if gone, evicted := m.topics.Put(topic, t); evicted {
			delete(m.spikes, gone.name)
		}
	}
	return t
}

// count adds what a batch deletes, and gives the spike when it should be told: when
// it begins, and then once in each bucket in which it grows.
func (m *spikeMemory) count(k *spikeKnobs, at time.Time, d *damage) (spikeStory, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.of(k, d.topic.Name, at)
	t.rate.add(k, at, writes{d.records, d.tombstones})
	t.record(at, d)
	s := t.rate.sign(k)
	switch {
	case t.spike == nil && s == noSpike:
		return spikeStory{}, false
	case t.spike == nil:
		t.begin(k, s, at)
		m.spikes[t.name] = t
	case s != noSpike && at.After(t.spike.last):
		t.spike.last, t.spike.seen = at, later(t.spike.seen, at)
	}
	t.spike.topic = d.topic
	if s == noSpike || t.spike.told == t.rate.head {
		return spikeStory{}, false
	}
	t.spike.told = t.rate.head
	return t.story(k), true
}

// record adds what was deleted to the spike or, without one, to the tallies.
func (t *topicDeletes) record(at time.Time, d *damage) {
	if t.spike != nil {
		t.spike.merge(&d.tally)
		return
	}
	if passed := t.rate.number(at) - t.turned; t.newer == nil || passed >= rateBuckets {
		t.older = t.newer
		if passed >= 2*rateBuckets {
			t.older = nil
		}
		t.newer, t.turned = &tally{}, t.rate.number(at)
	}
	t.newer.merge(&d.tally)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// begin makes a spike of what the tallies hold. What it does is not learnt.
func (t *topicDeletes) begin(k *spikeKnobs, s sign, at time.Time) {
	t.spike = &spike{sign: s, since: at.Add(-k.Window), last: at, seen: at, told: -1}
	if t.older != nil {
		t.spike.merge(t.older)
	}
	t.spike.merge(t.newer)
	t.older, t.newer = nil, nil
	t.rate.freeze()
}

// ended gives the spikes that are over at a time, and forgets them.
func (m *spikeMemory) ended(k *spikeKnobs, now time.Time) (all []spikeStory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.spikes)) {
		t := m.spikes[name]
		t.rate.advance(k, now)
		if t.rate.sign(k) != noSpike {
			t.spike.seen = now
		}
		adopted := now.Sub(t.spike.since) >= k.AdoptAfter
		if now.Sub(t.spike.seen) < k.ResolveAfter && !adopted {
			continue
		}
		story := t.story(k)
		story.over, story.adopted = !adopted, adopted
		all = append(all, story)
		t.rate.thaw(adopted)
		t.spike = nil
		delete(m.spikes, name)
	}
	return all
}

// Len is the number of topics, and of remembered Debezium deletes and batches.
func (m *spikeMemory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.Len() + m.deletes.Len() + m.sent.Len()
}

// Evicted counts those that had to go.
func (m *spikeMemory) Evicted() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.Evicted() + m.deletes.Evicted() + m.sent.Evicted()
}
