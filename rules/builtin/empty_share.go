package builtin

import (
	"sync"
	"time"

	"warder/rules/state"
)

// Empty values are of two classes: those that are, and those that may be.
const (
	surelyEmpty = iota
	maybeEmpty
	emptyClasses
)

func (k emptyKind) class() int {
	if k == maybeNull || k == maybeEmptyJSON {
		return maybeEmpty
	}
	return surelyEmpty
}

const (
	// shareOf is how many values a share is of: older ones fade.
	shareOf = 1000
	// topicWeighs is for how many of a client's own values the share of the topic
	// stands. A few values that are not empty say little of a client where one
	// value in twenty is.
	topicWeighs = 100
	// firmAfter times `learn` values of a topic show what is usual there: then an
	// empty one may be refused, and what is reported is not learnt.
	firmAfter = 10
	// streakPause ends what goes on.
	streakPause = time.Hour

	shareTopics = 10_000
	sharePairs  = 20_000
)

// emptyMemory is how much of what is written to each topic is empty, and of what
// each client writes to it: at most 10,000 topics and 20,000 clients with their
// topics. Beyond that those that were written to least recently are forgotten, and
// learnt anew. One entry takes about 350 bytes, so 11 MB at most.
type emptyMemory struct {
	mu     sync.Mutex // guards the following
	topics *state.LRU[string, *emptyShare]
	pairs  *state.LRU[topicClient, *emptyShare]
}

type topicClient struct{ topic, client string }

func newEmptyMemory() *emptyMemory {
	return &emptyMemory{topics: state.NewLRU[string, *emptyShare](shareTopics), pairs: state.NewLRU[topicClient, *emptyShare](sharePairs)}
}

// emptyShare is what has been learnt of values.
type emptyShare struct {
	values int
	share  [emptyClasses]float64
	streak [emptyClasses]emptyStreak
}

// emptyStreak is empty values that are reported, and so not learnt, and go on and
// on.
type emptyStreak struct {
	since, last     time.Time
	empties, values int
}

// emptyBefore is what was usual before a batch.
type emptyBefore struct {
	values int // of the topic
	share  [emptyClasses]float64
}

// seenEmpty is what a batch had.
type seenEmpty struct {
	values   int
	empties  [emptyClasses]int
	reported [emptyClasses]int
	refused  bool
}

// before says what is usual for a client and topic: the client's own share, with
// that of the topic standing for topicWeighs values.
func (m *emptyMemory) before(topic, client string) (b emptyBefore) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, ok := m.topics.Peek(topic)
	if !ok {
		return b
	}
	b.values, b.share = all.values, all.share
	if own, ok := m.pairs.Peek(topicClient{topic, client}); ok {
		n := float64(own.values)
		for class := range b.share {
			b.share[class] = (own.share[class]*n + all.share[class]*topicWeighs) / (n + topicWeighs)
		}
	}
	return b
}

// learn takes in a batch.
func (m *emptyMemory) learn(k *emptyKnobs, who topicClient, at time.Time, seen *seenEmpty) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, ok := m.topics.Get(who.topic)
	if !ok {
		all = &emptyShare{}
		m.topics.Put(who.topic, all)
	}
	own, ok := m.pairs.Get(who)
	if !ok {
		own = &emptyShare{}
		m.pairs.Put(who, own)
	}
	news := *seen
	if !k.firm(all.values) {
		news.reported = [emptyClasses]int{} // perhaps it is usual
	}
	all.learn(k, at, &news)
	own.learn(k, at, &news)
}

// firm says whether so many values of a topic show what is usual there.
func (k *emptyKnobs) firm(values int) bool { return values >= firmAfter*k.Learn }

// learn takes in a batch. What is reported is not learnt, or it would pass for
// usual after the tenth in a thousand; what goes on for `adopt_after` is, unless
// it is refused.
func (s *emptyShare) learn(k *emptyKnobs, at time.Time, seen *seenEmpty) {
	for class := range s.share {
		if !seen.refused {
			s.goesOn(k, at, seen, class)
		}
		usual := seen.empties[class] - seen.reported[class]
		if n := seen.values - seen.reported[class]; n > 0 {
			weight := min(float64(n)/float64(min(s.values+n, shareOf)), 1)
			s.share[class] += (float64(usual)/float64(n) - s.share[class]) * weight
		}
	}
	s.values += seen.values - seen.reported[surelyEmpty] - seen.reported[maybeEmpty]
}

// goesOn follows what is reported.
func (s *emptyShare) goesOn(k *emptyKnobs, at time.Time, seen *seenEmpty, class int) {
	streak := &s.streak[class]
	if seen.reported[class] == 0 {
		if !streak.since.IsZero() {
			streak.values += seen.values
		}
		return
	}
	if at.Sub(streak.last) > streakPause {
		*streak = emptyStreak{since: at}
	}
	streak.last = at
	streak.empties += seen.reported[class]
	streak.values += seen.values
	if at.Sub(streak.since) >= k.AdoptAfter {
		s.share[class] = float64(streak.empties) / float64(streak.values)
		*streak = emptyStreak{}
	}
}

// Len is the number of topics and of clients with their topics.
func (m *emptyMemory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.Len() + m.pairs.Len()
}

// Evicted counts those that had to go.
func (m *emptyMemory) Evicted() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.Evicted() + m.pairs.Evicted()
}
