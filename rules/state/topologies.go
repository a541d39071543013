package state

import (
	"sync"

	"warder/rules"
)

// Bounds of Topologies: 60 bytes for each topic.
const (
	DefaultTopologies = 1000 // groups
	// MaxTopologyTopics of one group; what its topology reads beyond them belongs
	// to nobody.
	MaxTopologyTopics = 1000
)

// Topologies knows what the tasks of Streams groups read (KIP-1071). A member tells
// its topology when it joins and not again; from then on the coordinator names tasks
// by subtopology and partition. Beyond its limit it forgets the group that was not
// asked for the longest. It is safe for concurrent use.
type Topologies struct {
	mu     sync.Mutex // guards the following
	groups *LRU[string, *Topology]
}

// Topology is what a Streams application reads. It never changes once it is learnt.
type Topology struct {
	Epoch         int32
	Subtopologies map[string]Subtopology
}

// Subtopology is a part of a Topology. Its task number p reads partition p of each
// topic that has one.
type Subtopology struct {
	// Topics that it reads, those that Streams makes to repartition among them.
	Topics []string
	// Whole is false when it reads more: topics by a pattern, or beyond the bound.
	Whole bool
}

// NewTopologies makes a store of at most limit groups; 0 means DefaultTopologies.
func NewTopologies(limit int) *Topologies {
	if limit <= 0 {
		limit = DefaultTopologies
	}
	return &Topologies{groups: NewLRU[string, *Topology](limit)}
}

// Learn notes the topology of a group, unless a later one is known: while an
// application is replaced by a newer one both join.
func (s *Topologies) Learn(group string, t *Topology) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.groups.Peek(group); !ok || t.Epoch >= before.Epoch {
		s.groups.Put(group, t)
	}
}

// Find gives the topology of a group, nil when it is not known.
func (s *Topologies) Find(group string) *Topology {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.groups.Get(group)
	return t
}

// Reads appends what the tasks of a subtopology read, and says whether that is all.
// count gives the number of partitions of a topic, 0 when it is not known: then it
// is taken to have them all.
func (t *Topology) Reads(list []rules.TopicPartition, subtopology string, tasks []int32, count func(topic string) int) ([]rules.TopicPartition, bool) {
	if t == nil {
		return list, len(tasks) == 0
	}
	sub, ok := t.Subtopologies[subtopology]
	for _, topic := range sub.Topics {
		n := count(topic)
		for _, p := range tasks {
			if n == 0 || int(p) < n {
				list = append(list, rules.TopicPartition{Topic: topic, Partition: p})
			}
		}
	}
	return list, ok && sub.Whole || len(tasks) == 0
}

// Len is the number of groups known.
func (s *Topologies) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.Len()
}

// Evicted counts the groups that were forgotten for want of room.
func (s *Topologies) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.Evicted()
}
