package state

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"warder/rules"
)

// Bounds of Members. One client with one membership takes about 500 bytes, and
// 40 more for each partition.
const (
	DefaultMembers      = 20_000 // clients
	maxClientMembers    = 64     // of one client: an application with many consumers under one client id
	maxMemberPartitions = 20_000 // of one member; what is beyond them belongs to nobody
)

// Members knows which members of which groups a client is, and what they were
// assigned, so that requests which do not say (Fetch, ListOffsets) can be told to
// the group. A client is an address and a client id: it uses several connections.
// Within a group a partition has one owner at a time, so several members behind
// one address are told apart by what they read. Beyond its limit it forgets the
// client that was not asked for the longest. It is safe for concurrent use.
type Members struct {
	mu      sync.Mutex // guards the following
	clients *LRU[clientKey, []*memberAssigned]
	byID    map[memberKey]clientKey
}

type clientKey struct {
	address  netip.Addr
	clientID string
}

type memberKey struct{ group, memberID string }

type memberAssigned struct {
	rules.Membership
	partitions []rules.TopicPartition // sorted
	readable   bool
}

// Reader is what Find knows: the member that reads.
type Reader struct {
	rules.Membership
	// Ambiguous says that the request may be another member's.
	Ambiguous bool
}

// NewMembers makes a store of at most limit clients; 0 means DefaultMembers.
func NewMembers(limit int) *Members {
	if limit <= 0 {
		limit = DefaultMembers
	}
	return &Members{clients: NewLRU[clientKey, []*memberAssigned](limit), byID: map[memberKey]clientKey{}}
}

func clientOf(id *rules.Identity) clientKey {
	return clientKey{id.Remote.Addr(), id.ClientID}
}

func compareTopicPartition(a, b rules.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Assigned notes what a member was given. readable is false when that is not
// known, as for members that do not speak the consumer protocol.
func (s *Members) Assigned(id *rules.Identity, m rules.Membership, partitions []rules.TopicPartition, readable bool) {
	a := &memberAssigned{Membership: m, readable: readable}
	a.partitions = slices.Clone(partitions[:min(len(partitions), maxMemberPartitions)])
	slices.SortFunc(a.partitions, compareTopicPartition)
	key := clientOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(m.Group, m.MemberID)
	list, _ := s.clients.Get(key)
	if len(list) >= maxClientMembers {
		delete(s.byID, memberKey{list[0].Group, list[0].MemberID})
		list = list[1:]
	}
	list = append(slices.Clone(list), a)
	s.byID[memberKey{m.Group, m.MemberID}] = key
	if gone, evicted := s.clients.Put(key, list); evicted {
		for _, g := range gone {
			delete(s.byID, memberKey{g.Group, g.MemberID})
		}
	}
}

// Left forgets a member.
func (s *Members) Left(group, memberID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(group, memberID)
}

// forget drops a member wherever it was; mu is held.
func (s *Members) forget(group, memberID string) {
	member := memberKey{group, memberID}
	key, ok := s.byID[member]
	if !ok {
		return
	}
	delete(s.byID, member)
	list, _ := s.clients.Peek(key)
	list = slices.DeleteFunc(slices.Clone(list), func(a *memberAssigned) bool { return a.Group == group && a.MemberID == memberID })
	if len(list) == 0 {
		s.clients.Delete(key)
		return
	}
	s.clients.Replace(key, list)
}

// Knows says whether a member was assigned something, and has not left.
func (s *Members) Knows(group, memberID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byID[memberKey{group, memberID}]
	return ok
}

// Find gives the member that a client is when it reads a partition; false when
// none is known to.
func (s *Members) Find(id *rules.Identity, p rules.TopicPartition) (Reader, bool) {
	s.mu.Lock()
	list, _ := s.clients.Get(clientOf(id))
	s.mu.Unlock() // the list itself never changes
	var found []*memberAssigned
	for _, a := range list {
		if _, owns := slices.BinarySearchFunc(a.partitions, p, compareTopicPartition); owns {
			found = append(found, a)
		}
	}
	switch {
	case len(found) > 0:
		return Reader{found[len(found)-1].Membership, len(found) > 1}, true
	case len(list) == 1 && !list[0].readable:
		return Reader{list[0].Membership, true}, true
	}
	return Reader{}, false
}

// Group gives the group that a client is a member of, whatever it reads; false when it
// is known to be in none, or in several.
func (s *Members) Group(id *rules.Identity) (string, bool) {
	s.mu.Lock()
	list, _ := s.clients.Get(clientOf(id))
	s.mu.Unlock() // the list itself never changes
	for _, a := range list {
		if a.Group != list[0].Group {
			return "", false
		}
	}
	if len(list) == 0 {
		return "", false
	}
	return list[0].Group, true
}

// Len is the number of clients known.
func (s *Members) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients.Len()
}

// Evicted counts the clients that were forgotten for want of room.
func (s *Members) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients.Evicted()
}
