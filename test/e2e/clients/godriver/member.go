package godriver

import (
	"maps"
	"sort"
	"sync"
	"time"
)

// Member is what a group member has received so far. It is safe for concurrent use; it grows with what nobody takes.
type Member struct {
	mu         sync.Mutex
	received   []Record
	count      int
	positions  map[string]int64
	assigned   map[string]bool
	rebalances int
	err        *Failure
	slow       time.Duration
	changed    chan struct{} // closed when slow is another
}

// NewMember is a member that owns nothing.
func NewMember() *Member {
	return &Member{positions: map[string]int64{}, assigned: map[string]bool{}, changed: make(chan struct{})}
}

// Slow has every record take so long from now on, also the one that is at work.
func (m *Member) Slow(each time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slow = each
	close(m.changed)
	m.changed = make(chan struct{})
}

// Work takes as long as a record is to take.
func (m *Member) Work() {
	for begin := time.Now(); ; {
		m.mu.Lock()
		left, changed := m.slow-time.Since(begin), m.changed
		m.mu.Unlock()
		if left <= 0 {
			return
		}
		select {
		case <-time.After(left):
		case <-changed:
		}
	}
}

// Receive counts a record in.
func (m *Member) Receive(r Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Headers = NotNull(r.Headers)
	m.received = append(m.received, r)
	m.count++
	m.positions[PartitionName(r.Topic, r.Partition)] = r.Offset + 1
}

// Assign adds partitions, and counts a rebalance even when there are none.
func (m *Member) Assign(partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rebalances++
	eachPartition(partitions, func(name string) { m.assigned[name] = true })
}

// Revoke takes partitions away.
func (m *Member) Revoke(partitions map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	eachPartition(partitions, func(name string) { delete(m.assigned, name) })
}

func eachPartition(partitions map[string][]int32, visit func(name string)) {
	for topic, ids := range partitions {
		for _, id := range ids {
			visit(PartitionName(topic, id))
		}
	}
}

// Fail keeps the first fatal error.
func (m *Member) Fail(f *Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = f
	}
}

// State is the answer of `consumer_state`.
func (m *Member) State() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	assignment := []string{}
	for name := range m.assigned {
		assignment = append(assignment, name)
	}
	sort.Strings(assignment)
	return map[string]any{
		"assignment": assignment, "count": m.count, "positions": maps.Clone(m.positions), "rebalances": m.rebalances, "error": m.err,
	}
}

// Take is the answer of `consumer_take`.
func (m *Member) Take() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.received
	m.received = nil
	return map[string]any{"records": NotNull(taken)}
}

// Positions are those of what was received and is still assigned.
func (m *Member) Positions() map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	positions := map[string]int64{}
	for name, offset := range m.positions {
		if m.assigned[name] {
			positions[name] = offset
		}
	}
	return positions
}
