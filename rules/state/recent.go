package state

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"
)

// Recent is a set of things that happened lately: each is remembered as a hash,
// for a fixed time. Beyond its limit it forgets the oldest. One entry takes
// about 150 bytes.
type Recent struct {
	ttl  time.Duration
	seed maphash.Seed

	mu   sync.Mutex // guards the following
	seen *LRU[uint64, time.Time]
}

// NewRecent makes a set of at most limit things that are remembered for ttl.
func NewRecent(limit int, ttl time.Duration) *Recent {
	return &Recent{ttl: ttl, seed: maphash.MakeSeed(), seen: NewLRU[uint64, time.Time](limit)}
}

// Thing begins the name of one thing; parts are added to it with Part.
func (s *Recent) Thing() Thing {
	var t Thing
	t.h.SetSeed(s.seed)
	return t
}

// Thing is the name of something in a Recent, made of parts.
type Thing struct{ h maphash.Hash }

// Part adds a part. Parts are kept apart: "ab", "c" is not "a", "bc".
func (t *Thing) Part(p []byte) {
	n := len(p)
	t.h.Write(p)
	t.h.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

// Number adds a part that is a number.
func (t *Thing) Number(n int64) {
	t.Part(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Add notes that the thing happened now.
func (s *Recent) Add(t *Thing, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		_, at, ok := s.seen.Oldest()
		if !ok || now.Sub(at) <= s.ttl {
			break
		}
		s.seen.removeOldest()
	}
	s.seen.Put(t.h.Sum64(), now)
}

// Has says whether the thing happened lately.
func (s *Recent) Has(t *Thing, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.seen.Peek(t.h.Sum64())
	return ok && now.Sub(at) <= s.ttl
}

// Len is the number of things remembered, including some that are past.
func (s *Recent) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.Len()
}

// Evicted counts the things that were forgotten too early for want of room.
func (s *Recent) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.Evicted()
}
