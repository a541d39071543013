package state

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"warder/rules"
)

// DefaultKeysBytes is the usual limit of Keys, in bytes.
const DefaultKeysBytes = 64 << 20

// Keys follows how clients choose partitions by key: which partitioner each
// client uses for each topic, where each key was last, and how many partitions
// each client takes a topic to have. It is fed once for all rules, with every
// record that has a key.
//
// It never takes more than its limit: for each topic a table of 4 KiB to 1 MiB
// (256 to 65,536 keys of 16 bytes), for each client that writes to it about 600
// bytes, at most 512 of them; 3 MiB in all for numbers of partitions. Beyond
// the limit a new topic takes the place of the one that was written to least
// recently, to within one turn of the clock algorithm; a table grows only into
// room that is free or that topics have which rested for ten minutes.
//
// Sessions take the lock of a topic once for each batch, or for each 128 records
// of a large one.
type Keys struct {
	topics  *Topics
	limit   int
	counts  partitionCounts // of topics, as anybody saw them
	seen    partitionCounts // of topics, as each client did
	evicted atomic.Uint64
	batches sync.Pool

	mu     sync.Mutex // guards the following; before keyTopic.mu
	byName map[string]*keyTopic
	ring   []*keyTopic // for the clock
	hand   int
	bytes  int
}

// keyTopic is what is known of one topic.
type keyTopic struct {
	// set at construction
	name string

	gone atomic.Bool // it was evicted or forgotten
	used atomic.Bool // since the hand of the clock passed last

	// guarded by Keys.mu
	slot  int // in ring
	bytes int

	mu      sync.Mutex // guards the following
	table   keyTable
	ref     Partitioner // that hashes in table are of; Java until one is found
	found   bool        // ref is what writers use
	writers []*KeyWriter
	last    time.Time // write
	muted   time.Time // keys are not placed until then: partitions were added
	full    time.Time // there was no room to grow; not tried again before
}

// Sizes that count towards the limit, names and identities aside.
const (
	topicBytes  = 384
	writerBytes = 608
	maxWriters  = 512
	// restedFor is how long a topic has not been written to when it makes room
	// for the keys of another, and how long a table that found no room waits.
	restedFor = 10 * time.Minute
)

// NewKeys makes a store of at most limit bytes; 0 means DefaultKeysBytes.
// topics tells how many partitions a topic had before it was first seen here.
func NewKeys(topics *Topics, limit int) *Keys {
	if limit <= 0 {
		limit = DefaultKeysBytes
	}
	k := &Keys{topics: topics, limit: limit, bytes: 2 * countSlots * countBytes, byName: map[string]*keyTopic{}}
	k.batches.New = func() any { return &KeyBatch{keys: k} }
	return k
}

// SawPartitions takes over what an answer to Metadata told a client of a topic.
// It must hear of it before Topics does. When there are more partitions than
// before it says so, once.
func (k *Keys) SawPartitions(id *rules.Identity, topic string, topicID [16]byte, n int32, now time.Time) (rules.PartitionsAdded, bool) {
	if topic == "" || n <= 0 {
		return rules.PartitionsAdded{}, false
	}
	known := k.topics.Peek(topic)
	if known != nil && known.ID != ([16]byte{}) && topicID != ([16]byte{}) && known.ID != topicID {
		k.Forget(topic) // another topic of the same name
		known = nil
	}
	added, ok := k.sawTopic(topic, known, n, now)
	added.Client = id
	k.sawAs(instanceOf(id), topic, n, now)
	if id.Software() != "" {
		k.sawAs(namelessOf(id), topic, n, now)
	}
	return added, ok
}

// sawAs takes over how many partitions an instance saw.
func (k *Keys) sawAs(instance uint64, topic string, n int32, now time.Time) {
	count := k.seen.note(instance^xxhash.Sum64String(topic), n, now)
	if t := k.topic(topic); t != nil {
		t.sawPartitions(instance, count)
	}
}

// AddedPartitions takes over that CreatePartitions, by this client, gave a topic
// so many partitions in all.
func (k *Keys) AddedPartitions(id *rules.Identity, topic string, n int32, now time.Time) (rules.PartitionsAdded, bool) {
	if topic == "" || n <= 0 {
		return rules.PartitionsAdded{}, false
	}
	added, ok := k.sawTopic(topic, k.topics.Peek(topic), n, now)
	added.Client, added.Asked = id, true
	return added, ok
}

// sawTopic compares a number of partitions with what was known.
func (k *Keys) sawTopic(topic string, known *Topic, n int32, now time.Time) (rules.PartitionsAdded, bool) {
	had := int32(0)
	if known != nil {
		had = known.Partitions
	}
	before, what := k.counts.noteTopic(xxhash.Sum64String(topic), n, had, now)
	switch what {
	case shrank:
		k.drop(topic)
	case grew:
		added := rules.PartitionsAdded{At: now, Topic: topic, Before: before, After: n}
		if t := k.topic(topic); t != nil {
			t.grew(&added)
		}
		return added, true
	case unchanged:
	}
	return rules.PartitionsAdded{}, false
}

// Forget drops what is known of a topic, because it was deleted.
func (k *Keys) Forget(topic string) {
	k.counts.forget(xxhash.Sum64String(topic))
	k.drop(topic)
}

func (k *Keys) drop(topic string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.byName[topic]; t != nil {
		k.remove(t)
	}
}

// topic gives a topic that is followed, nil if it is not.
func (k *Keys) topic(name string) *keyTopic {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byName[name]
}

// Writer gives what follows a client's keys in a topic. It is nil when there is
// nothing to choose: the number of partitions is not known or is 1. The caller
// keeps it and asks again when it is Gone.
func (k *Keys) Writer(id *rules.Identity, topic string, now time.Time) *KeyWriter {
	instance, of := instanceOf(id), xxhash.Sum64String(topic)
	view := k.view(instance, of, topic, now)
	if view.count.now < 2 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.byName[topic]
	if t == nil {
		if t = k.add(topic, now); t == nil {
			return nil
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := k.counts.find(of); ok && c.before != 0 {
		t.muted = time.Unix(c.changed, 0).Add(partitionsTTL)
	}
	if w := t.writer(instance); w != nil {
		w.joined(id, now)
		return w
	}
	w := newKeyWriter(t, id, instance)
	w.view.Store(&view)
	if !k.room(w.bytes, now, false, t) {
		return nil
	}
	k.bytes += w.bytes
	t.bytes += w.bytes
	if gone := t.join(w); gone != nil {
		k.bytes -= gone.bytes
		t.bytes -= gone.bytes
	}
	return w
}

// view is how many partitions a client takes a topic to have: what it saw, else
// what anybody did.
func (k *Keys) view(instance, of uint64, topic string, now time.Time) partitionView {
	if c, ok := k.seen.find(instance ^ of); ok {
		return partitionView{count: c, seen: true}
	}
	if c, ok := k.counts.find(of); ok {
		return partitionView{count: c}
	}
	if known := k.topics.Peek(topic); known != nil {
		return partitionView{count: partitionCount{of: of, now: known.Partitions}}
	}
	return partitionView{}
}

// News counts the numbers of partitions that were new to the store: while it
// stands still, a Writer that was nil still is.
func (k *Keys) News() uint64 { return k.counts.news.Load() + k.seen.news.Load() }

// partitions is how many partitions a topic has by the latest that anybody saw.
func (k *Keys) partitions(topic string) int32 {
	c, _ := k.counts.find(xxhash.Sum64String(topic))
	return c.now
}

// Bytes is what the store takes, by its own account, without what Go adds.
func (k *Keys) Bytes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bytes
}

// Len is the number of topics that are followed.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.byName)
}

// Evicted counts the topics that were dropped to stay within the limit.
func (k *Keys) Evicted() uint64 { return k.evicted.Load() }
