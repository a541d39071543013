package state

import (
	"slices"
	"time"

	"warder/rules"
)

// KeyBatch collects the keys of one batch on their way to one partition, while
// its records are walked, and has them settled 128 at a time. Keys are views of
// the batch: they must stay as they are until Settle or Drop. It takes 4 KiB, is
// lent by Keys.Lend and given back with Return.
type KeyBatch struct {
	keys *Keys

	// of the batch
	writer    *KeyWriter
	partition int32
	now       time.Time
	refused   bool
	any       bool

	items  [128]keyItem
	n      int
	events []rules.Event
}

type keyItem struct {
	hash uint64
	key  []byte
}

// Lend gives an empty batch.
func (k *Keys) Lend() *KeyBatch { return k.batches.Get().(*KeyBatch) }

// Return takes it back.
func (b *KeyBatch) Return() {
	b.Drop()
	b.writer = nil
	clear(b.items[:])
	b.keys.batches.Put(b)
}

// Begin turns to another batch.
func (b *KeyBatch) Begin(w *KeyWriter, partition int32, now time.Time) {
	b.Drop()
	b.writer, b.partition, b.now, b.refused, b.any = w, partition, now, false, false
}

// Add takes in a key that is neither null nor empty, and its xxHash64.
func (b *KeyBatch) Add(hash uint64, key []byte) {
	if b.n == len(b.items) {
		b.settle()
	}
	b.items[b.n] = keyItem{hash, key}
	b.n++
}

// Refuse says that the batch will not be written: its keys show what the client
// does, and are nowhere.
func (b *KeyBatch) Refuse() { b.refused = true }

// Settle works in what is collected. It says whether there were keys at all, and
// what came to light; the events belong to the batch until Begin.
func (b *KeyBatch) Settle() (events []rules.Event, any bool) {
	if b.n > 0 {
		b.settle()
	}
	return b.events, b.any
}

// Drop forgets what is collected, since the batch cannot be read.
func (b *KeyBatch) Drop() {
	clear(b.events)
	b.n, b.events = 0, b.events[:0]
}

func (b *KeyBatch) settle() {
	b.any = true
	grow := b.work()
	b.n = 0
	if grow {
		b.keys.grow(b.writer.topic, b.now)
	}
}

// work does what needs the topic's lock, and says whether its table should grow.
func (b *KeyBatch) work() (grow bool) {
	w := b.writer
	t := w.topic
	n, before := w.view.Load().count.at(b.now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.used.Load() {
		t.used.Store(true)
	}
	t.last, w.last = b.now, b.now
	if w.known && b.now.Sub(w.told) >= rules.PartitionerEvery {
		b.events = append(b.events, w.foundEvent(b.example(b.items[0].key, n), b.now, n, ""))
	}
	b.try(w, n, before)
	if !b.refused && b.partition < noPartition {
		b.place(w, n)
	}
	return t.table.crowded() && !b.now.Before(t.full)
}

// try compares keys with what partitioners do: all that are new while a trial is
// open, else one now and then. topic.mu is held.
func (b *KeyBatch) try(w *KeyWriter, n, before int32) {
	if !w.trial.open && w.left > b.n {
		w.left -= b.n
		return
	}
	for i := range b.items[:b.n] {
		item := &b.items[i]
		if w.trial.open {
			if w.trial.first(item.hash) {
				b.tryOne(w, item.key, n, before)
			}
			continue
		}
		if w.left--; w.left <= 0 {
			w.left = compareEvery
			b.compare(w, item.key, n, before)
		}
	}
}

// tryOne is one more key of an open trial.
func (b *KeyBatch) tryOne(w *KeyWriter, key []byte, n, before int32) {
	w.try(key, b.partition, n, before)
	if news, was := w.conclude(b.now, n, before); news {
		b.events = append(b.events, w.foundEvent(b.example(key, n), b.now, n, was))
	}
	b.sampleFormat(w, key)
}

// compare looks whether a client still does what is known of it.
func (b *KeyBatch) compare(w *KeyWriter, key []byte, n, before int32) {
	b.sampleFormat(w, key)
	if !w.known || w.uses == NoPartitioner {
		w.reopen(b.now)
		return
	}
	hash := w.uses.Hash(key)
	if w.uses.Place(hash, n) != b.partition && (before == 0 || w.uses.Place(hash, before) != b.partition) {
		w.reopen(b.now)
	}
}

// example chooses the key of the batch that most partitioners would send
// elsewhere than this client does.
func (b *KeyBatch) example(key []byte, n int32) []byte {
	best, most := key, -1
	for i := range b.items[:b.n] {
		elsewhere := 0
		for p, place := range places(b.items[i].key, n) {
			if Partitioner(p) != NoPartitioner && place != b.partition {
				elsewhere++
			}
		}
		if elsewhere > most {
			best, most = b.items[i].key, elsewhere
		}
	}
	return best
}

func (b *KeyBatch) sampleFormat(w *KeyWriter, key []byte) {
	if ev, changed := w.sampleFormat(key, b.now); changed {
		b.events = append(b.events, ev)
	}
}

// place notes where the keys are now, and which of them were elsewhere. topic.mu
// is held.
func (b *KeyBatch) place(w *KeyWriter, n int32) {
	t, minute := w.topic, minuteOf(b.now)
	partition := uint16(b.partition)
	if b.now.Before(t.muted) {
		partition = noPartition
	}
	growing := t.table.slots() < maxSlots && !b.now.Before(t.full)
	var m movedKeys
	for i := range b.items[:b.n] {
		item := &b.items[i]
		s, what := t.table.touch(item.hash)
		if what == knownKey && s.partition != partition && s.partition != noPartition && partition != noPartition {
			if s.is(item) {
				m.add(item, s)
			} else {
				what = newKey
			}
		}
		if what == newKey || what == pushingKey && growing || what == knownKey && s.ref() != t.ref {
			s.place(t.ref, t.ref.Hash(item.key))
		}
		s.setWriter(w.fingerprint)
		s.partition, s.minute = partition, minute
	}
	if w.moved += m.all; m.all > 0 && w.mayTell(b.now) {
		b.events = append(b.events, b.movedEvent(w, n, &m))
		w.moved = 0
	}
}

// movedKeys is what a batch shows of keys that were elsewhere.
type movedKeys struct {
	all    int
	key    []byte  // of the first
	from   keySlot // where it was
	hashes [rules.MovedHashes]uint64
}

func (m *movedKeys) add(item *keyItem, s *keySlot) {
	if m.all == 0 {
		m.key, m.from = item.key, *s
	}
	if m.all < len(m.hashes) {
		m.hashes[m.all] = item.hash
	}
	m.all++
}

// movedEvent tells of moved keys, first of all of one.
func (b *KeyBatch) movedEvent(w *KeyWriter, n int32, m *movedKeys) rules.KeysMoved {
	t := w.topic
	ev := rules.KeysMoved{
		At: b.now, Client: w.client, Topic: t.name, Partitions: n, TopicPartitions: b.keys.partitions(t.name),
		KeyText: rules.KeyText(m.key), Shown: rules.Excerpt(m.key, shownBytes),
		From: int32(m.from.partition), To: b.partition, Ago: m.from.ago(minuteOf(b.now)),
		Moved: w.moved, Hashes: slices.Clone(m.hashes[:min(m.all, len(m.hashes))]), InUse: t.inUse(b.now),
	}
	if w.known {
		ev.Partitioner = w.uses.String()
	}
	if by := t.wrote(m.from.writer()); by != nil {
		ev.Writer = by.client
		if by.known {
			ev.WriterPartitioner = by.uses.String()
		}
	}
	return ev
}
