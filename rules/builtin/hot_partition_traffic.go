package builtin

import (
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Bounds of what is kept of topics.
const (
	hotTopics = 1000
	// hotMostPartitions is the largest topic that is judged.
	hotMostPartitions = 16_384
	// hotLoads is how many partitions of all topics together are counted.
	hotLoads = 262_144
)

// hotTraffic is what all sessions write, by topic: 16 bytes for each partition,
// 4 MiB at most, and 300 bytes for each of at most 1,000 topics. A topic has at
// most two hot partitions at once, whose keys take 12 KiB each: 24 MiB if all
// topics had two. Beyond its bounds it forgets the topic that was written to
// least recently, which then begins anew.
type hotTraffic struct {
	mu      sync.Mutex // guards the following; comes before hotTopic.mu
	topics  *state.LRU[string, *hotTopic]
	loads   int // of all topics
	crowded uint64
}

func newHotTraffic() *hotTraffic {
	return &hotTraffic{topics: state.NewLRU[string, *hotTopic](hotTopics)}
}

// Len is the number of topics.
func (s *hotTraffic) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Len()
}

// Evicted counts the topics that were forgotten for want of room.
func (s *hotTraffic) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.Evicted() + s.crowded
}

// topicOf gives the traffic of a topic, which has as many loads as the topic has
// partitions.
func (s *hotTraffic) topicOf(t *rules.Topic) *hotTopic {
	n := int(t.Partitions)
	s.mu.Lock()
	defer s.mu.Unlock()
	topic, known := s.topics.Get(t.Name)
	if known && topic.partitions == n {
		return topic
	}
	if !known {
		topic = &hotTopic{name: t.Name}
		if gone, full := s.topics.Put(t.Name, topic); full {
			s.loads -= gone.partitions
		}
	}
	s.loads += n - topic.partitions
	topic.partitions = n
	topic.resize(n)
	for s.loads > hotLoads { // ends before topic, which was touched last
		name, oldest, _ := s.topics.Oldest()
		s.topics.Delete(name)
		s.loads -= oldest.partitions
		s.crowded++
	}
	return topic
}

// find gives the traffic of a topic, nil when nothing is known of it.
func (s *hotTraffic) find(topic string) *hotTopic {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.topics.Peek(topic)
	return t
}

// all gives every topic, the longest unused first.
func (s *hotTraffic) all() []*hotTopic {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*hotTopic, 0, s.topics.Len())
	s.topics.Each(func(_ string, t *hotTopic) { all = append(all, t) })
	return all
}

// hotTopic is what was written to one topic in the current window.
type hotTopic struct {
	name       string // never changes
	partitions int    // guarded by hotTraffic.mu

	mu       sync.Mutex // guards the following
	began    time.Time  // of the window; zero when nothing is going on
	stray    bool       // there was a partition beyond those that are known
	loads    []hotLoad  // by partition
	suspects []*hotSuspect
}

// hotMeasure is what is compared.
type hotMeasure int

const (
	hotBytes hotMeasure = iota
	hotRecords
	hotMeasures
)

var hotMeasureNames = [hotMeasures]string{"bytes", "records"}

// hotLoad is what one partition took in the current window of what has a key.
type hotLoad [hotMeasures]float64

// resize follows a change of the partition count.
func (t *hotTopic) resize(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	loads := make([]hotLoad, n)
	copy(loads, t.loads)
	t.loads = loads
}

// suspectOf gives the partition's suspect while its keys are followed.
func (t *hotTopic) suspectOf(partition int32) *hotSuspect {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.suspects {
		if s.partition == partition && s.keys != nil {
			return s
		}
	}
	return nil
}

// count adds what a batch brought.
func (t *hotTopic) count(s *hotBatch, brought hotLoad) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began = s.at
	}
	if s.partition < 0 || int(s.partition) >= len(t.loads) {
		t.stray = true
		return
	}
	for m := range brought {
		t.loads[s.partition][m] += brought[m]
	}
}

// hotLead is who took most, in one measure.
type hotLead struct {
	partition        int32
	top, next, whole float64 // of the first, the second and all partitions
}

// leads gives the lead in each measure. The caller holds mu.
func (t *hotTopic) leads() (leads [hotMeasures]hotLead) {
	for i := range t.loads {
		for m := range leads {
			leads[m].add(int32(i), t.loads[i][m])
		}
	}
	return leads
}

func (l *hotLead) add(partition int32, taken float64) {
	l.whole += taken
	switch {
	case taken > l.top:
		l.partition, l.top, l.next = partition, taken, l.top
	case taken > l.next:
		l.next = taken
	}
}
