package state

import (
	"sync"
	"sync/atomic"
	"time"
)

// partitionsTTL is how long a number of partitions that has changed may still be
// gone by: clients ask again after metadata.max.age.ms, five minutes by default,
// and brokers learn of a change one after the other.
const partitionsTTL = 10 * time.Minute

// partitionCount is how many partitions somebody takes a topic to have, in 24
// bytes.
type partitionCount struct {
	of          uint64 // hash of who and which topic; 0 for an empty slot
	now, before int32
	changed     int64 // in seconds; 0 when it never changed
}

// at gives the numbers that may be gone by at a time.
func (c *partitionCount) at(now time.Time) (n, before int32) {
	if c.before != 0 && now.Unix()-c.changed < int64(partitionsTTL/time.Second) {
		return c.now, c.before
	}
	return c.now, 0
}

// partitionCounts remembers how many partitions topics have, as somebody saw
// them: 65,536 entries of 24 bytes, 1.5 MiB, 4-way set-associative,
// where the least recently used of a set goes first.
type partitionCounts struct {
	news atomic.Uint64 // numbers that were new

	mu   sync.Mutex // guards the following
	sets [][4]partitionCount
}

const (
	countSlots = 1 << 16
	countBytes = 24
)

// find gives a copy of an entry, and whether there is one.
func (c *partitionCounts) find(of uint64) (partitionCount, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		return partitionCount{}, false
	}
	e, known := c.touch(of)
	if !known {
		return partitionCount{}, false
	}
	return *e, true
}

// note takes over what a client saw and returns the entry as it is now.
func (c *partitionCounts) note(of uint64, n int32, now time.Time) partitionCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(of, n)
	if e.now != n {
		c.news.Add(1)
		e.before, e.now, e.changed = e.now, n, now.Unix()
	}
	return *e
}

// change is what became of the number of a topic's partitions.
type change uint8

const (
	unchanged change = iota
	grew
	shrank // the topic was deleted and made anew
)

// noteTopic takes over a number that some client saw and compares it with what
// was known; known is that when there is no entry, 0 when nobody knows. A broker
// that has not heard of the latest change yet is no news.
func (c *partitionCounts) noteTopic(of uint64, n, known int32, now time.Time) (before int32, what change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known == 0 {
		known = n
	}
	e := c.entry(of, known)
	latest, previous := e.at(now)
	switch {
	case n == latest || n == previous:
		return latest, unchanged
	case n > latest:
		e.before, e.now, e.changed = latest, n, now.Unix()
		return latest, grew
	}
	*e = partitionCount{of: of, now: n, before: latest, changed: now.Unix()}
	return latest, shrank
}

// forget drops an entry.
func (c *partitionCounts) forget(of uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		return
	}
	if e, ok := c.touch(of); ok {
		*e = partitionCount{}
	}
}

// entry gives an entry, in the place of the oldest of its set if there was none.
func (c *partitionCounts) entry(of uint64, n int32) *partitionCount {
	if c.sets == nil {
		c.sets = make([][4]partitionCount, countSlots/4)
	}
	if e, ok := c.touch(of); ok {
		return e
	}
	c.news.Add(1)
	set := c.set(of)
	copy(set[1:], set[:3])
	set[0] = partitionCount{of: of, now: n}
	return &set[0]
}

func (c *partitionCounts) set(of uint64) *[4]partitionCount {
	return &c.sets[of&uint64(len(c.sets)-1)]
}

// touch finds an entry and makes it the first of its set.
func (c *partitionCounts) touch(of uint64) (*partitionCount, bool) {
	set := c.set(of)
	for i := range set {
		if set[i].of == of && set[i].now != 0 {
			found := set[i]
			copy(set[1:i+1], set[:i])
			set[0] = found
			return &set[0], true
		}
	}
	return nil, false
}
