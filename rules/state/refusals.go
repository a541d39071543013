package state

import (
	"sync"
	"time"
)

// DefaultRefusals is the usual limit of Refusals; one entry takes about 300
// bytes.
const DefaultRefusals = 20_000

// RefusalTTL is how long a refusal explains what follows. A producer that has
// not met the hole in its sequence by then has begun a new one.
const RefusalTTL = 5 * time.Minute

// Refusal is a batch of an idempotent producer that warder refused. It leaves a
// hole in the producer's sequence: batches already under way behind it come
// back with OUT_OF_ORDER_SEQUENCE_NUMBER, which is warder's doing and nobody's
// fault.
type Refusal struct {
	ProducerID    int64
	ProducerEpoch int16
	Topic         string
	Partition     int32
	// FirstSequence and LastSequence of the batch, both included.
	FirstSequence, LastSequence int32
	At                          time.Time
	// Again says that the batch had been refused before: the client retried.
	Again bool
}

type refusalKey struct {
	producerID int64
	topic      string
	partition  int32
}

// Refusals remembers the last refusal of each producer and partition for
// RefusalTTL. Beyond its limit it forgets the oldest.
type Refusals struct {
	mu   sync.Mutex // guards the following
	last *LRU[refusalKey, Refusal]
}

// NewRefusals makes a store of at most limit refusals; 0 means
// DefaultRefusals.
func NewRefusals(limit int) *Refusals {
	if limit <= 0 {
		limit = DefaultRefusals
	}
	return &Refusals{last: NewLRU[refusalKey, Refusal](limit)}
}

// Add notes a refusal and gives it back with Again set when the same batch was
// refused before. Producers without an id leave no hole and are not kept.
func (s *Refusals) Add(r Refusal) Refusal {
	if r.ProducerID < 0 {
		return r
	}
	key := refusalKey{r.ProducerID, r.Topic, r.Partition}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(r.At)
	before, known := s.last.Peek(key)
	r.Again = known && before.ProducerEpoch == r.ProducerEpoch && before.FirstSequence == r.FirstSequence
	s.last.Put(key, r)
	return r
}

// Explains says whether a sequence error of this producer on this partition is
// the consequence of a refusal.
func (s *Refusals) Explains(producerID int64, topic string, partition int32, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.last.Peek(refusalKey{producerID, topic, partition})
	return ok && now.Sub(r.At) <= RefusalTTL
}

// Len is the number of refusals remembered, including some that are past.
func (s *Refusals) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Len()
}

// Evicted counts the refusals that were forgotten too early for want of room.
func (s *Refusals) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Evicted()
}

// expire drops what is past.
func (s *Refusals) expire(now time.Time) {
	for {
		_, r, ok := s.last.Oldest()
		if !ok || now.Sub(r.At) <= RefusalTTL {
			return
		}
		s.last.removeOldest()
	}
}
