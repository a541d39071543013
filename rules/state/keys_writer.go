package state

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"warder/rules"
)

// KeyWriter follows the keys that one client writes to one topic. A client is an
// address, a client id and a library with its version, on however many
// connections.
type KeyWriter struct {
	// set at construction
	topic       *keyTopic
	instance    uint64
	fingerprint uint16 // of instance, for a keySlot
	bytes       int

	gone atomic.Bool // another client took its place
	view atomic.Pointer[partitionView]

	// guarded by topic.mu
	client  *rules.Identity // the latest
	last    time.Time
	uses    Partitioner // what it was found to use, if known
	known   bool
	keys    int // that it was found with
	matches int // of them
	trial   trial
	next    time.Time // when a new trial may begin
	customs int       // trials in a row that found no partitioner
	left    int       // records until one is compared with what is known
	told    time.Time // of uses
	moved   int       // keys since moved ones were told last
	second  int64     // that telling counts in
	telling int       // how often they were told in it
	format  keyFormat // most of its keys have
	formats formatCounts
}

// partitionView is how many partitions a client takes the topic to have. It
// never changes.
type partitionView struct {
	count partitionCount
	seen  bool // by this client, in Metadata
}

// namelessOf is instanceOf for a connection of the same client that does not name
// its library. franz-go before 1.21 sends ApiVersions only on the first
// connection to each broker, and the one that it produces over is often the
// second: what such a client saw in Metadata must count there as well.
func namelessOf(id *rules.Identity) uint64 {
	return instanceOf(&rules.Identity{Remote: id.Remote, ClientID: id.ClientID})
}

// instanceOf is a hash of what makes a client the same one.
func instanceOf(id *rules.Identity) uint64 {
	var d xxhash.Digest
	d.Reset()
	ip := id.Remote.Addr().As16()
	d.Write(ip[:]) //nolint:errcheck // a hash takes everything
	for _, part := range [...]string{id.ClientID, id.SoftwareName, id.SoftwareVersion} {
		d.WriteString(part)   //nolint:errcheck // a hash takes everything
		d.Write([]byte{0xff}) //nolint:errcheck // a hash takes everything
	}
	return d.Sum64()
}

func newKeyWriter(t *keyTopic, id *rules.Identity, instance uint64) *KeyWriter {
	return &KeyWriter{
		topic: t, instance: instance, fingerprint: uint16(instance >> 32 & writerMask), client: id,
		bytes: writerBytes + int(unsafe.Sizeof(*id)) + len(id.ClientID) + len(id.Principal) + len(id.SoftwareName) + len(id.SoftwareVersion) + len(id.TLSSubject),
		trial: trial{open: true},
	}
}

// Gone says that the store has dropped it.
func (w *KeyWriter) Gone() bool { return w.gone.Load() || w.topic.gone.Load() }

// Seen is how many partitions the client saw the topic to have. It is empty when
// the client asked before anybody listened.
func (w *KeyWriter) Seen(now time.Time) rules.PartitionsSeen {
	v := w.view.Load()
	if !v.seen {
		return rules.PartitionsSeen{}
	}
	n, before := v.count.at(now)
	return rules.PartitionsSeen{Now: n, Before: before}
}

// Chooses says whether the client has more than one partition to choose from.
func (w *KeyWriter) Chooses() bool { return w.view.Load().count.now > 1 }

// joined is called when another session of the client begins to write: it may be
// the same client with another library or serializer. topic.mu is held.
func (w *KeyWriter) joined(id *rules.Identity, now time.Time) {
	w.client = id
	w.formats = formatCounts{}
	w.reopen(now)
}

// mayTell says whether moved keys may be told of once more in this second.
func (w *KeyWriter) mayTell(now time.Time) bool {
	if second := now.Unix(); second != w.second {
		w.second, w.telling = second, 0
	}
	w.telling++
	return w.telling <= rules.MovedPerSecond
}

// writer finds a client among those that write to the topic.
func (t *keyTopic) writer(instance uint64) *KeyWriter {
	for _, w := range t.writers {
		if w.instance == instance {
			return w
		}
	}
	return nil
}

// join adds a client, in the place of the one that wrote least recently if there
// are too many; that one is returned.
func (t *keyTopic) join(w *KeyWriter) (gone *KeyWriter) {
	if len(t.writers) >= maxWriters {
		oldest := 0
		for i := range t.writers {
			if t.writers[i].last.Before(t.writers[oldest].last) {
				oldest = i
			}
		}
		gone = t.writers[oldest]
		gone.gone.Store(true)
		t.writers = slices.Delete(t.writers, oldest, oldest+1)
	}
	t.writers = append(t.writers, w)
	return gone
}

// wrote finds who has a fingerprint; nil when nobody has that is remembered.
func (t *keyTopic) wrote(fingerprint uint16) *KeyWriter {
	for _, w := range t.writers {
		if w.fingerprint == fingerprint {
			return w
		}
	}
	return nil
}

// inUse lists the partitioners of all who wrote to the topic within an hour.
func (t *keyTopic) inUse(now time.Time) (names []string) {
	var seen [numPartitioners]bool
	for _, w := range t.writers {
		if w.known && now.Sub(w.last) < time.Hour && !seen[w.uses] {
			seen[w.uses] = true
			names = append(names, w.uses.String())
		}
	}
	slices.Sort(names)
	return names
}

// sawPartitions takes over how many partitions a client saw.
func (t *keyTopic) sawPartitions(instance uint64, count partitionCount) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.writer(instance)
	if w == nil {
		return
	}
	if v := w.view.Load(); !v.seen || v.count != count {
		w.see(partitionView{count: count, seen: true})
	}
}

// grew works out which keys move when partitions are added, and leaves the place
// of every key open until all clients go by the new number.
func (t *keyTopic) grew(added *rules.PartitionsAdded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	added.Known, added.Moving = t.table.moving(t.ref, added.Before, added.After)
	if t.found {
		added.Partitioner = t.ref.String()
	} else {
		added.Moving = 0
	}
	t.muted = added.At.Add(partitionsTTL)
	for _, w := range t.writers {
		if v := w.view.Load(); !v.seen {
			w.see(partitionView{count: partitionCount{
				of: v.count.of, now: added.After, before: v.count.now, changed: added.At.Unix(),
			}})
		}
	}
}

// see makes another view the client's. What was found out with the numbers of
// before may not tell two partitioners apart that differ now.
func (w *KeyWriter) see(v partitionView) {
	before := w.view.Load().count.now
	w.view.Store(&v)
	if before == v.count.now {
		return
	}
	w.trial = trial{open: true}
	if w.known && (FNVRef.Plainest(before) != FNVRef || FNVU.Plainest(before) != FNVU) && fnv1aFamily(w.uses) {
		w.known = false
	}
}

func fnv1aFamily(p Partitioner) bool { return p == FNV || p == FNVRef || p == FNVU }
