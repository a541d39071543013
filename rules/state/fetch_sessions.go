package state

import (
	"sync"

	"warder/rules"
)

// The usual limits of FetchSessions: how many sessions have a name, and how many
// topics and partitions all of them hold. Brokers keep 1,000 sessions each
// (max.incremental.fetch.session.cache.slots). A session takes about 600 bytes, a
// partition 64 to 128 and a topic about 200, which makes 25 MB when it is full.
const (
	DefaultFetchSessions   = 10_000
	DefaultFetchPartitions = 200_000
)

// FetchSessions knows what consumers read. From version 7 of Fetch on a request
// names only the partitions that changed since the last one of its fetch session
// (KIP-227), and a session outlives the connection it began on: what it stands for
// has to be remembered. A full request outside any session is remembered here as
// well, without a name, for as long as its connection lasts.
//
// Beyond the limit of sessions the one that was asked for least recently is
// forgotten, and so it is to make room for partitions; what still finds no room is
// not known. Such a session is learnt anew from what its requests name.
type FetchSessions struct {
	limit  int // of held
	topics *Topics

	mu      sync.Mutex // guards the following; taken inside FetchSession.mu
	named   *LRU[fetchSessionName, *FetchSession]
	unnamed int
	held    int // topics and partitions that sessions may hold in all
	evicted uint64
}

// fetchSessionName is what a broker calls a session: its ids are its own.
type fetchSessionName struct {
	broker string
	id     int32
}

// NewFetchSessions makes a store of at most so many sessions with a name and so
// many topics and partitions; 0 means the default. It finds the names of topic
// ids in topics.
func NewFetchSessions(topics *Topics, sessions, partitions int) *FetchSessions {
	if sessions <= 0 {
		sessions = DefaultFetchSessions
	}
	if partitions <= 0 {
		partitions = DefaultFetchPartitions
	}
	return &FetchSessions{limit: partitions, topics: topics, named: NewLRU[fetchSessionName, *FetchSession](sessions)}
}

// Open makes a session that has no name. Whoever does not Keep it must Drop it.
func (s *FetchSessions) Open() *FetchSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unnamed++
	return &FetchSession{store: s, byName: map[string]*fetchedTopic{}, byID: map[rules.TopicID]*fetchedTopic{}}
}

// Find gives the session that a broker calls id, nil if it is not known.
func (s *FetchSessions) Find(broker string, id int32) *FetchSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, _ := s.named.Get(fetchSessionName{broker, id})
	return f
}

// Keep notes the name that a broker has given to a session.
func (s *FetchSessions) Keep(f *FetchSession, broker string, id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fetchSessionName{broker, id}
	if f.gone || f.name == name {
		return
	}
	if before, ok := s.named.Peek(name); ok {
		s.removeLocked(before)
	}
	if f.name.id != 0 {
		s.named.Delete(f.name)
	} else {
		s.unnamed--
	}
	f.name = name
	if gone, evicted := s.named.Put(name, f); evicted {
		s.releaseLocked(gone)
		s.evicted++
	}
}

// Forget ends the session that a broker calls id, if it is known.
func (s *FetchSessions) Forget(broker string, id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.named.Peek(fetchSessionName{broker, id}); ok {
		s.removeLocked(f)
	}
}

// End ends a session that has a name.
func (s *FetchSessions) End(f *FetchSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.name.id != 0 && !f.gone {
		s.removeLocked(f)
	}
}

// Drop ends a session, unless it has a name.
func (s *FetchSessions) Drop(f *FetchSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.name.id == 0 && !f.gone {
		s.unnamed--
		s.releaseLocked(f)
	}
}

// removeLocked ends a session that has a name.
func (s *FetchSessions) removeLocked(f *FetchSession) {
	s.named.Delete(f.name)
	s.releaseLocked(f)
}

// releaseLocked takes back what a session may hold. Requests that are still open
// may go on using it; nobody else will find it.
func (s *FetchSessions) releaseLocked(f *FetchSession) {
	s.held -= f.quota
	f.quota, f.gone = 0, true
}

// grantStep is how many topics and partitions a session is granted at a time, so
// that sessions seldom meet here.
const grantStep = 16

// grant lets f hold some more, if need be at the expense of others. It returns
// how much; 0 means that there is no room.
func (s *FetchSessions) grant(f *FetchSession) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.gone {
		return 0
	}
	for s.held+grantStep > s.limit {
		_, oldest, ok := s.named.Oldest()
		if !ok || oldest == f {
			s.evicted++
			return 0
		}
		s.removeLocked(oldest)
		s.evicted++
	}
	s.held += grantStep
	f.quota += grantStep
	return grantStep
}

// giveBack takes n back of what was granted to f.
func (s *FetchSessions) giveBack(f *FetchSession, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.gone {
		s.held -= n
		f.quota -= n
	}
}

// Len is the number of sessions, those without a name included.
func (s *FetchSessions) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named.Len() + s.unnamed
}

// Evicted counts sessions that were forgotten, and topics and partitions that
// found no room.
func (s *FetchSessions) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evicted
}
