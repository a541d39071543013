package builtin

import (
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Bounds of openTransactions.
const (
	// openIDs is how many transactional ids are followed: 16,384 of some 200
	// bytes, 3 MiB. Beyond that the one written to least recently begins anew
	// with its next batch.
	openIDs = 16_384
	// stalledPartitions is how many partitions with a stalled transaction have
	// their readers looked at: 256 of some 150 bytes.
	stalledPartitions = 256
)

// openTransactions is what sessions and the watcher know together: whether the
// first batch of a transaction has been told already, so that those behind it cost
// no more than a look, and how far readers come in partitions where one stalls.
type openTransactions struct {
	mu      sync.Mutex
	ids     *state.LRU[string, *openTransaction]
	stalled map[stalledPartition]*readerProgress
}

type stalledPartition struct {
	topic     string
	partition int32
}

// readerProgress is what answers to Fetch say of a partition with a stalled
// transaction. Offsets are -1 until one is seen.
type readerProgress struct {
	stable, end int64     // last stable offset and high watermark
	moved       time.Time // when the last stable offset was seen to be another, or for the first time
	seen        time.Time
	passed      bool // it has moved on since it was looked at
	reader      *rules.Identity
	stalls      int // transactions that stall there
}

func newOpenTransactions() *openTransactions {
	return &openTransactions{
		ids:     state.NewLRU[string, *openTransaction](openIDs),
		stalled: map[stalledPartition]*readerProgress{},
	}
}

// Len is the number of ids and partitions.
func (o *openTransactions) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ids.Len() + len(o.stalled)
}

// Evicted counts the ids that were forgotten for want of room.
func (o *openTransactions) Evicted() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ids.Evicted()
}

// of gives what is known of a transactional id.
func (o *openTransactions) of(id string) *openTransaction {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.ids.Get(id)
	if !ok {
		t = &openTransaction{}
		if gone, evicted := o.ids.Put(id, t); evicted {
			gone.mu.Lock()
			gone.gone = true
			gone.mu.Unlock()
		}
	}
	return t
}

// openTransaction is whether a transaction is open under one id.
type openTransaction struct {
	mu    sync.Mutex
	since time.Time // zero: none is
	last  time.Time // the last batch
	by    int64     // its producer id
	gone  bool      // the id was forgotten: look it up again
}

// write takes in a batch, and says whether it is the first of its transaction.
func (t *openTransaction) write(at time.Time, by int64) (first, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.by = at, by
	if first = t.since.IsZero(); first {
		t.since = at
	}
	return first, t.gone
}

// end closes the transaction. When the next one has been written to meanwhile it
// says since when.
func (t *openTransaction) end(at time.Time) (next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = time.Time{}
	if t.last.After(at) {
		t.since = t.last
	}
	return t.since
}

// reset makes the next batch the first one.
func (t *openTransaction) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = time.Time{}
}

// writes says whether a producer was seen to write in transactions.
func (o *openTransactions) writes(producerID int64) bool {
	return o.any(func(t *openTransaction) bool { return t.by == producerID })
}

// anySince says whether any transaction that was seen, and is open, may have been so
// at a time.
func (o *openTransactions) anySince(at time.Time) bool {
	return o.any(func(t *openTransaction) bool { return !t.since.IsZero() && !t.since.After(at) })
}

func (o *openTransactions) any(is func(*openTransaction) bool) (found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids.Each(func(_ string, t *openTransaction) {
		t.mu.Lock()
		defer t.mu.Unlock()
		found = found || !t.last.IsZero() && is(t)
	})
	return found
}

// stalls says whether the readers of a partition are looked at for a transaction that
// was seen.
func (o *openTransactions) stalls(p stalledPartition) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stalled[p] != nil
}

// follow begins to look at the readers of a partition. It says whether there is
// room.
func (o *openTransactions) follow(p stalledPartition) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.stalled[p]
	if r == nil {
		if len(o.stalled) >= stalledPartitions {
			return false
		}
		r = &readerProgress{stable: -1, end: -1}
		o.stalled[p] = r
	}
	r.stalls++
	return true
}

// leave ends that.
func (o *openTransactions) leave(p stalledPartition) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.stalled[p]; r != nil {
		if r.stalls--; r.stalls == 0 {
			delete(o.stalled, p)
		}
	}
}

// read takes in how far a reader has come.
func (o *openTransactions) read(ev rules.Fetched) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.stalled) == 0 {
		return
	}
	for i := range ev.Partitions {
		p := &ev.Partitions[i]
		r := o.stalled[stalledPartition{ev.Topic, p.Partition}]
		if r == nil || p.LastStableOffset < 0 || ev.At.Before(r.seen) {
			continue
		}
		if p.LastStableOffset != r.stable {
			r.passed = r.passed || r.stable >= 0 && p.LastStableOffset > r.stable
			r.stable, r.moved = p.LastStableOffset, ev.At
		}
		r.end, r.seen, r.reader = max(r.end, p.HighWatermark), ev.At, ev.Client
	}
}

// progress is what is known of a partition's readers.
func (o *openTransactions) progress(p stalledPartition) (readerProgress, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.stalled[p]
	if r == nil || r.stable < 0 {
		return readerProgress{}, false
	}
	return *r, true
}
