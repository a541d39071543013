package builtin

import (
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

const (
	// maxKeyedTopics bounds topicKeys: 10,000 topics of some 2.5 KiB, 25 MB.
	maxKeyedTopics = 10_000
	// maxNewTopics bounds how many new topics are remembered, about 200 bytes each.
	maxNewTopics = 1000
	// newKeysPercent is how many of the keys that several windows had, counted
	// for each window by itself, must be left when those that occur in more than
	// one are counted once. A job that writes a table anew in every window leaves
	// one part in as many as there are windows. The estimate has an error of 3.3 %.
	newKeysPercent = 80
	// toldEvery is how often an event stream is reported again while it is one.
	toldEvery = 24 * time.Hour
)

// topicKeys follows the keys of each compacted topic, and which topics are new.
// When it is full it forgets the topic that was not written to for the longest,
// which then begins anew.
type topicKeys struct {
	mu      sync.Mutex // guards the following
	topics  *state.LRU[string, *keyUse]
	created *state.LRU[string, time.Time]
}

// keyUse is what is known of the keys of one topic: 2.2 KiB.
type keyUse struct {
	id rules.TopicID

	// the window under way
	began   time.Time
	records int
	keys    state.Distinct

	// the windows before it, as long as they look like an event stream
	windows int
	sum     int            // keys of each, added up
	all     state.Distinct // keys of all
	told    time.Time      // when it was reported last; zero when not
}

func newTopicKeys(limit int) *topicKeys {
	return &topicKeys{topics: state.NewLRU[string, *keyUse](limit), created: state.NewLRU[string, time.Time](maxNewTopics)}
}

// count takes in the keys of a batch. When its time ends a window that makes the
// topic an event stream, and that was not told lately, it says so.
func (s *topicKeys) count(b *rules.Batch, seen *batchKeys, k *compactedEventStreamKnobs) (found eventStream, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, known := s.topics.Get(b.Topic.Name)
	if !known {
		u = &keyUse{began: b.Time, id: b.Topic.ID}
		s.topics.Put(b.Topic.Name, u)
	}
	if u.id != b.Topic.ID { // deleted and made anew, or the id was learnt late
		*u = keyUse{began: b.Time, id: b.Topic.ID}
	}
	if b.Time.Sub(u.began) >= k.Window {
		found, ok = u.close(k, b.Time)
		u.began, u.records = b.Time, 0
		u.keys.Reset()
	}
	u.records += seen.records
	seen.into(&u.keys)
	return found, ok
}

// close judges the window that is over. One with too few records says nothing.
func (u *keyUse) close(k *compactedEventStreamKnobs, now time.Time) (found eventStream, ok bool) {
	if u.records < k.MinRecords {
		return found, false
	}
	distinct := min(u.keys.Count(), u.records)
	if 100*distinct < k.Distinct*u.records {
		u.calm()
		return found, false
	}
	u.windows++
	u.sum += distinct
	u.all.Merge(&u.keys)
	fresh := min(100*u.all.Count()/u.sum, 100)
	if fresh < newKeysPercent {
		u.calm()
		return found, false
	}
	if u.windows < k.Windows || !u.told.IsZero() && now.Sub(u.told) < toldEvery {
		return found, false
	}
	u.told = now
	return eventStream{keys: distinct, records: u.records, windows: u.windows, fresh: fresh, window: k.Window}, true
}

// calm forgets the windows before: keys came back.
func (u *keyUse) calm() {
	u.windows, u.sum, u.told = 0, 0, time.Time{}
	u.all.Reset()
}

// isEventStream says whether the topic was reported as one and still is.
func (s *topicKeys) isEventStream(topic string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.topics.Peek(topic)
	return ok && !u.told.IsZero()
}

// note remembers when a topic was created.
func (s *topicKeys) note(topic string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created.Put(topic, at)
}

// isNew says whether the topic was created less than d ago.
func (s *topicKeys) isNew(topic string, d time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.created.Peek(topic)
	return ok && now.Sub(at) < d
}

// Len is the number of topics remembered.
func (s *topicKeys) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Len() + s.created.Len()
}

// Evicted counts the topics that were forgotten for want of room.
func (s *topicKeys) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Evicted() + s.created.Evicted()
}
