package builtin

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"warder/rules"
	"warder/rules/format"
	"warder/rules/state"
)

// Bounds of what is remembered of formats.
const (
	formatTopicLimit = 10_000
	// producerLimit is of one topic; beyond it the one that has been silent
	// longest is forgotten.
	producerLimit = 8
	// driftLimit is how many incidents one side of a topic can have at once;
	// further ones are not told.
	driftLimit = 4
	// acceptedFor is how long a format that was accepted stays so while nobody
	// writes it.
	acceptedFor = 24 * time.Hour
	// producedLately is how long after a produced sample fetched ones are left
	// out, since they are of the same records.
	producedLately = 10 * time.Minute
)

// formatStore is what is known of the formats of all topics. A topic takes 1.3 KB, and
// 500 bytes more for each producer, of which it remembers eight: 54 MB for 10,000
// topics at worst. Beyond them the topic that was written least recently is
// forgotten and begins anew.
type formatStore struct {
	owners schemaOwners
	open   atomic.Int64 // incidents that are not over

	mu     sync.Mutex // guards topics; never taken while a topic is locked
	topics *state.LRU[string, *topicFormats]
}

// NewShared makes the memory of all sessions.
func (d *formatDrift) NewShared() rules.Store {
	return &formatStore{
		owners: schemaOwners{byID: state.NewLRU[int32, *schemaOwner](schemaOwnerLimit)},
		topics: state.NewLRU[string, *topicFormats](formatTopicLimit),
	}
}

// Len is the number of topics.
func (f *formatStore) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.topics.Len()
}

// Evicted counts topics that were forgotten.
func (f *formatStore) Evicted() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.topics.Evicted()
}

// of gives what is known of a topic, and touches it. A topic that was deleted and
// made anew begins anew.
func (f *formatStore) of(t *rules.Topic) *topicFormats {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.topics.Get(t.Name)
	if ok && (known.id == t.ID || known.id == rules.TopicID{} || t.ID == rules.TopicID{}) {
		return known
	}
	fresh := &topicFormats{store: f, id: t.ID, name: strings.Clone(t.Name)}
	if oldest, evicted := f.topics.Put(fresh.name, fresh); evicted {
		oldest.leave()
	}
	if ok {
		known.leave()
	}
	return fresh
}

// leave ends a topic that the store has let go of; a session may still hold it.
func (t *topicFormats) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	t.store.open.Add(-int64(len(t.sides[keySide].drifts) + len(t.sides[valueSide].drifts)))
}

// topicFormats is what is known of one topic.
type topicFormats struct {
	store *formatStore
	id    rules.TopicID
	name  string

	mu        sync.Mutex // guards the following
	sides     [sides]topicSide
	producers []*formatWriter // at most producerLimit, in the order of their first sample
	begun     time.Time       // when the first sample was seen
	produced  time.Time       // when the last sample was produced
	gone      bool            // forgotten: nothing counts any more
}

// picture is how the last samples look: of a side of a topic, or of what one
// producer writes there.
type picture struct {
	formatTally
	norm  format.Set // what is usual; empty while too little is known, and where formats are mixed
	held  format.Set // what norm was when it was last not empty
	rest  format.Set // what else was not rare when something first was
	since int        // samples since norm was looked at
	all   uint64     // samples so far
}

// count adds a sample. early says that it is too soon to call anything usual, rare
// which share is not worth a mention. changed says that something is usual now that was not before; before is what was
// usual last, empty if nothing was yet.
func (p *picture) count(k format.Kind, d *formatDrift, early bool, rare float64) (before format.Set, changed bool) {
	before = p.held
	early = early && before == 0
	if p.norm == 0 && p.since >= d.Baseline && !early {
		p.look(rare) // before this sample, which may be the first odd one
	}
	p.all++
	p.since++
	if p.add(k, d.Window) && !early {
		p.look(rare)
	}
	return before, p.held != before
}

// look finds out what is usual.
func (p *picture) look(rare float64) {
	p.since = 0
	p.norm = p.usual()
	if p.norm != 0 && p.held == 0 {
		p.rest = p.above(p.norm, rare)
	}
	if p.norm != 0 {
		p.held = p.norm
	}
}

// topicSide is the keys or the values of a topic.
type topicSide struct {
	picture
	// accepted is when a format outside norm that counts as usual was last seen,
	// in Unix seconds; 0 for others.
	accepted [format.NumClasses]int64
	seen     [8]uint64 // where odd records were fetched, the latest ones
	drifts   []*drift
	schemas  schemaIDs
}

// isAccepted says whether a format outside norm counts as usual, and if so keeps
// it so.
func (s *topicSide) isAccepted(c format.Class, now time.Time) bool {
	if s.accepted[c] == 0 || now.Unix()-s.accepted[c] > int64(acceptedFor/time.Second) {
		return false
	}
	s.accepted[c] = now.Unix()
	return true
}

func (s *topicSide) accept(classes format.Set, now time.Time) {
	for c := range format.NumClasses {
		if classes.Has(c) {
			s.accepted[c] = now.Unix()
		}
	}
}

// again says whether an odd record was fetched before, by the same or another
// consumer, and notes it.
func (s *topicSide) again(partition int32, offset int64) bool {
	place := uint64(partition)<<48 ^ uint64(offset) | 1<<63
	for _, p := range s.seen {
		if p == place {
			return true
		}
	}
	copy(s.seen[1:], s.seen[:])
	s.seen[0] = place
	return false
}

// formatWriter is one producer: all clients with the same client id and
// software, however many instances.
type formatWriter struct {
	writer    uint64
	client    string // at most 80 characters
	software  string
	last      time.Time
	partition int32 // it wrote to last
	sides     [sides]writerSide
}

// writerSide is the keys or the values that one producer writes to one topic.
type writerSide struct {
	picture
	accepted format.Set // what counts as usual besides norm
}

// writerOf tells producers apart by client id and software, 64-bit FNV-1a.
func writerOf(id *rules.Identity) uint64 {
	h := fnvText(fnvOffset, id.ClientID)
	return fnvText(fnvByte(h, 0), id.SoftwareName)
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func fnvByte(h uint64, c byte) uint64 { return (h ^ uint64(c)) * fnvPrime }

func fnvText[T ~string | ~[]byte](h uint64, text T) uint64 {
	for i := range len(text) {
		h = fnvByte(h, text[i])
	}
	return h
}

// writer gives the producer of a batch, and makes room for one that is new.
func (t *topicFormats) writer(hash uint64, b *rules.Batch) *formatWriter {
	oldest := 0
	for i, p := range t.producers {
		if p.writer == hash {
			p.last, p.partition = b.Time, b.Partition
			return p
		}
		if p.last.Before(t.producers[oldest].last) {
			oldest = i
		}
	}
	p := &formatWriter{
		writer: hash, client: clientText(b.Identity), software: rules.Excerpt(b.Identity.Software(), 80), last: b.Time, partition: b.Partition,
	}
	if len(t.producers) == producerLimit {
		t.producers = append(t.producers[:oldest], t.producers[oldest+1:]...)
	}
	t.producers = append(t.producers, p)
	return p
}
