package builtin

import (
	"time"

	"warder/rules"
)

// TellTopic tells how much is deleted.
func (m *spikeMemory) TellTopic(topic string, now time.Time, told *rules.TopicTold) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.topics.Peek(topic)
	if !ok {
		return
	}
	window := rateBuckets * t.rate.bucket
	sum := t.rate.windowAt(now)
	tombstones := &rules.TombstonesTold{
		PerMinute: float64(sum.tombstones) / window.Minutes(), WindowMs: window.Milliseconds(), Spike: t.spike != nil,
	}
	if sum.records > 0 {
		tombstones.Share = float64(sum.tombstones) / float64(sum.records)
	}
	if t.rate.usual.span > 0 {
		tombstones.UsualPerMinute = new(t.rate.usualIn(time.Minute))
	}
	told.Tombstones = tombstones
}

// windowAt is window for a time at which nothing need have been written.
func (r *deleteRate) windowAt(now time.Time) (sum writes) {
	for n := max(r.number(now)-rateBuckets+1, r.head-rateBuckets+1); n <= r.head; n++ {
		w := r.recent[n%rateBuckets]
		sum.records += w.records
		sum.tombstones += w.tombstones
	}
	return sum
}
