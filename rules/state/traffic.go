package state

import (
	"sync"
	"time"
)

const (
	// DefaultTraffic is the usual limit of Traffic, in topics; one takes about 400
	// bytes.
	DefaultTraffic = 10_000

	// paceSlot and paceSlots: what was written is counted in parts of the last
	// minute.
	paceSlot  = 10 * time.Second
	paceSlots = 6
	// youngest is the least time that a pace is of: the first batch of a topic
	// makes no pace by itself.
	youngest = 10 * time.Second
)

// Traffic is what clients write to topics, as it comes: what a rule refuses and
// what a broker does not store is in it too. Beyond its limit it forgets the topic
// that nobody began to write to for the longest time, which then begins anew. It is
// safe for concurrent use.
type Traffic struct {
	mu     sync.Mutex // guards topics; comes before TopicTraffic.mu
	topics *LRU[string, *TopicTraffic]
}

// NewTraffic makes a store of at most limit topics; 0 means DefaultTraffic.
func NewTraffic(limit int) *Traffic {
	if limit <= 0 {
		limit = DefaultTraffic
	}
	return &Traffic{topics: NewLRU[string, *TopicTraffic](limit)}
}

// Of gives the traffic of a topic, to be kept by who writes to it.
func (s *Traffic) Of(topic string) *TopicTraffic {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.topics.Get(topic)
	if !ok {
		t = &TopicTraffic{}
		if gone, evicted := s.topics.Put(topic, t); evicted {
			gone.leave()
		}
	}
	return t
}

// Pace gives what is written to a topic; nil when nothing was since it is known.
func (s *Traffic) Pace(topic string, now time.Time) *Pace {
	s.mu.Lock()
	t, ok := s.topics.Peek(topic)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	return t.pace(now)
}

// Len is the number of topics.
func (s *Traffic) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Len()
}

// Evicted counts the topics that were forgotten for want of room.
func (s *Traffic) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Evicted()
}

// TopicTraffic is what was written to one topic in the last minute.
type TopicTraffic struct {
	mu    sync.Mutex // guards the following
	gone  bool       // forgotten: nothing counts any more
	head  int64      // number of the newest slot since 1970
	slots [paceSlots]amount
	first time.Time
	last  time.Time
}

type amount struct{ batches, records, bytes int64 }

// Add counts a batch. False says that the topic was forgotten meanwhile, and that
// Of gives it anew.
func (t *TopicTraffic) Add(at time.Time, records, bytes int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	if t.first.IsZero() {
		t.first, t.head = at, slotOf(at)
	}
	for n := max(slotOf(at), t.head); t.head < n; {
		t.head = max(t.head+1, n-paceSlots+1)
		t.slots[t.head%paceSlots] = amount{}
	}
	if n := slotOf(at); n >= 0 && t.head-n < paceSlots {
		s := &t.slots[n%paceSlots]
		s.batches++
		s.records += int64(records)
		s.bytes += int64(bytes)
	}
	if at.After(t.last) {
		t.last = at
	}
	return true
}

func slotOf(at time.Time) int64 { return at.UnixNano() / int64(paceSlot) }

// leave ends a topic that the store has let go of; a session may still hold it.
func (t *TopicTraffic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
}

// Pace is how much clients write to a topic through this warder, on average over
// the last minute, or since the first write if that is not so long ago. What a rule
// refused is in it too.
type Pace struct {
	RecordsPerSecond float64 `json:"records_per_second"`
	BatchesPerSecond float64 `json:"batches_per_second"`
	// BytesPerSecond is of batches as they travel, compressed.
	BytesPerSecond float64 `json:"bytes_per_second"`
	// Since is the first write that is remembered, Last the last.
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
}

func (t *TopicTraffic) pace(now time.Time) *Pace {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() {
		return nil
	}
	var sum amount
	oldest := slotOf(now) - paceSlots + 1
	for n := max(oldest, t.head-paceSlots+1, 0); n <= t.head; n++ {
		s := t.slots[n%paceSlots]
		sum.batches += s.batches
		sum.records += s.records
		sum.bytes += s.bytes
	}
	from := time.Unix(0, oldest*int64(paceSlot))
	if t.first.After(from) {
		from = t.first
	}
	seconds := max(now.Sub(from), youngest).Seconds()
	return &Pace{
		RecordsPerSecond: float64(sum.records) / seconds, BatchesPerSecond: float64(sum.batches) / seconds,
		BytesPerSecond: float64(sum.bytes) / seconds, Since: t.first, Last: t.last,
	}
}
