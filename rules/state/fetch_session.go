package state

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"warder/rules"
)

// FetchSession is what one consumer reads from one broker: topics, partitions and
// how far it has come. Both loops of a connection use it, and after a reconnect
// those of another one: each method takes a lock for a map access and a search.
type FetchSession struct {
	store *FetchSessions

	// guarded by store.mu
	name  fetchSessionName // id is 0 while it has none
	quota int              // what it was granted
	gone  bool             // the store has forgotten it

	mu       sync.Mutex // guards the following
	byName   map[string]*fetchedTopic
	byID     map[rules.TopicID]*fetchedTopic
	topics   []*fetchedTopic // all of them
	room     int             // topics and partitions that may still be added
	parts    int             // of all topics
	marked   int             // of them, named in this round
	round    uint32          // counts full requests
	untidy   bool            // something was added or is to be removed
	reader   uint64          // the connection that asked last
	due      time.Time       // when there may be something to tell
	progress bool            // somebody wants to know how far it has come
	polled   time.Time       // when Polled last said so
}

// FetchTopic names a topic as a Fetch message does: by name, or by id when the
// name is empty.
type FetchTopic struct {
	Name []byte
	ID   rules.TopicID
}

type fetchedTopic struct {
	name        string // empty while nobody can say
	id          rules.TopicID
	parts       []fetchedPart
	sorted      int       // of parts, the first that are in the order of their numbers
	told, shown time.Time // when TopicRead and Fetched came last
	bytes       int64     // since told
	news        bool      // since shown
}

type fetchedPart struct {
	rules.FetchedPartition
	round    uint32
	answered bool
	news     bool // since the topic was shown
	dead     bool // the client forgot it
}

// Begin begins a request of a connection. A full one names all that is read.
func (f *FetchSession) Begin(full bool, reader uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if full {
		f.round++
		f.marked = 0
	}
	if f.reader != reader {
		f.reader = reader
		f.retell()
	}
}

// retell makes everything news again.
func (f *FetchSession) retell() {
	f.due = time.Time{}
	for _, t := range f.topics {
		t.told, t.shown = time.Time{}, time.Time{}
		for i := range t.parts {
			t.parts[i].news = t.parts[i].answered
			t.news = t.news || t.parts[i].news
		}
	}
}

// Ask notes that the request asks for a partition, from an offset on.
func (f *FetchSession) Ask(topic FetchTopic, partition int32, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.find(topic)
	if t == nil {
		if t = f.add(topic); t == nil {
			return
		}
	}
	p := t.find(partition)
	if p == nil {
		if p = f.addPart(t, partition); p == nil {
			return
		}
	}
	if p.round != f.round {
		p.round = f.round
		f.marked++
	}
	p.dead = false
	if p.FetchOffset == offset {
		return
	}
	p.FetchOffset = offset
	if p.answered {
		p.news, t.news = true, true
		f.dueBy(t.shown.Add(rules.FetchedEvery))
	}
}

// Forget notes that the request takes a partition out of the session.
func (f *FetchSession) Forget(topic FetchTopic, partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.find(topic); t != nil {
		if p := t.find(partition); p != nil {
			p.dead, f.untidy = true, true
		}
	}
}

// End ends a request: what a full one has not named is no longer read.
func (f *FetchSession) End(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.untidy || full && f.marked < f.parts {
		f.tidy(full)
	}
}

// Answer notes what a broker says of a partition of the session, and gives the
// offset that it was asked for, -1 when that is not known.
func (f *FetchSession) Answer(topic FetchTopic, a rules.FetchedPartition) (asked int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.find(topic)
	if t == nil {
		return -1
	}
	t.bytes += a.Bytes
	p := t.find(a.Partition)
	if p == nil {
		return -1
	}
	before := p.FetchedPartition
	learn(&p.HighWatermark, a.HighWatermark)
	learn(&p.LastStableOffset, a.LastStableOffset)
	learn(&p.LogStartOffset, a.LogStartOffset)
	p.ErrorCode = a.ErrorCode
	p.Bytes += a.Bytes
	if a.Bytes > 0 && (p.ReadOffset < 0 || p.FetchOffset < p.ReadOffset) {
		p.ReadOffset = p.FetchOffset // a consumer has one Fetch at a time under way to a broker
	}
	if p.answered && p.FetchedPartition == before {
		return p.FetchOffset
	}
	p.answered, p.news, t.news = true, true, true
	if f.progress {
		f.dueBy(t.shown.Add(rules.FetchedEvery))
	}
	return p.FetchOffset
}

// learn takes over an offset; an answer with an error has none.
func learn(known *int64, offset int64) {
	if offset >= 0 {
		*known = offset
	}
}

// FetchNews says which events somebody wants.
type FetchNews struct{ Reads, Progress bool }

// News gives the events that are due by now, in the name of who asks, and the
// topic ids whose names nobody knows yet, at most maxUnnamed of them.
func (f *FetchSession) News(now time.Time, who *rules.Identity, wanted FetchNews) (events []rules.Event, unnamed [][16]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wanted.Progress && !f.progress {
		f.due = time.Time{}
	}
	f.progress = wanted.Progress
	if now.Before(f.due) {
		return nil, nil
	}
	f.due = now.Add(rules.ReadEvery)
	for _, t := range f.topics {
		if !f.named(t) {
			f.dueBy(now.Add(unnamedEvery))
			if len(unnamed) < maxUnnamed {
				unnamed = append(unnamed, t.id)
			}
			continue
		}
		if wanted.Reads {
			if t.told.IsZero() || now.Sub(t.told) >= rules.ReadEvery {
				events = append(events, rules.TopicRead{At: now, Client: who, Topic: t.name, Bytes: t.bytes})
				t.told, t.bytes = now, 0
			}
			f.dueBy(t.told.Add(rules.ReadEvery))
		}
		if wanted.Progress && t.news {
			if now.Sub(t.shown) >= rules.FetchedEvery {
				events = append(events, rules.Fetched{At: now, Client: who, Topic: t.name, Partitions: t.show()})
				t.shown = now
			} else {
				f.dueBy(t.shown.Add(rules.FetchedEvery))
			}
		}
	}
	return events, unnamed
}

// Partitions is how many partitions are read, of those that there was room for.
func (f *FetchSession) Partitions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parts
}

// Polled gives a partition that the session reads, by which its reader can be
// found, at most once in rules.FetchedEvery.
func (f *FetchSession) Polled(now time.Time) (p rules.TopicPartition, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.polled) < rules.FetchedEvery {
		return p, false
	}
	for _, t := range f.topics {
		if len(t.parts) > 0 && f.named(t) {
			f.polled = now
			return rules.TopicPartition{Topic: t.name, Partition: t.parts[0].Partition}, true
		}
	}
	return p, false
}

// How often and how many names of topic ids are asked for.
const (
	unnamedEvery = time.Second
	maxUnnamed   = 100
)

// show gives the partitions of which there is news, which is no news any more.
func (t *fetchedTopic) show() []rules.FetchedPartition {
	n := 0
	for i := range t.parts {
		if t.parts[i].news {
			n++
		}
	}
	list := make([]rules.FetchedPartition, 0, n)
	for i := range t.parts {
		if p := &t.parts[i]; p.news {
			list = append(list, p.FetchedPartition)
			p.news, p.Bytes, p.ReadOffset = false, 0, -1
		}
	}
	t.news = false
	return list
}

func (f *FetchSession) dueBy(at time.Time) {
	if at.Before(f.due) {
		f.due = at
	}
}

// named says whether the name of a topic is known, and learns it if it can.
func (f *FetchSession) named(t *fetchedTopic) bool {
	if t.name == "" {
		if known := f.store.topics.FindID(t.id); known != nil {
			t.name = known.Name
		}
	}
	return t.name != ""
}

func (f *FetchSession) find(topic FetchTopic) *fetchedTopic {
	if len(topic.Name) > 0 {
		return f.byName[string(topic.Name)]
	}
	return f.byID[topic.ID]
}

// find searches the partitions that were there before this request.
func (t *fetchedTopic) find(partition int32) *fetchedPart {
	from, to := 0, t.sorted
	for from < to { // slices.BinarySearchFunc would copy what it compares
		if middle := (from + to) / 2; t.parts[middle].Partition < partition {
			from = middle + 1
		} else {
			to = middle
		}
	}
	if from == t.sorted || t.parts[from].Partition != partition {
		return nil
	}
	return &t.parts[from]
}

// take takes room for a topic or partition, if there is any.
func (f *FetchSession) take() bool {
	if f.room == 0 {
		f.room = f.store.grant(f)
	}
	if f.room == 0 {
		return false
	}
	f.room--
	return true
}

// maxTopicName is the longest name of a topic (Topic.java).
const maxTopicName = 249

// add adds a topic, unless there is no room or no topic can have that name.
func (f *FetchSession) add(topic FetchTopic) *fetchedTopic {
	if len(topic.Name) > maxTopicName || !f.take() {
		return nil
	}
	t := &fetchedTopic{name: string(topic.Name), id: topic.ID}
	if t.name != "" {
		f.byName[t.name] = t
	} else {
		f.byID[t.id] = t
	}
	f.topics = append(f.topics, t)
	f.untidy, f.due = true, time.Time{}
	return t
}

// addPart adds a partition behind those in order; tidy puts it among them.
func (f *FetchSession) addPart(t *fetchedTopic, partition int32) *fetchedPart {
	if !f.take() {
		return nil
	}
	t.parts = append(t.parts, fetchedPart{FetchedPartition: rules.FetchedPartition{
		Partition: partition, FetchOffset: -1, HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, ReadOffset: -1,
	}})
	f.parts++
	f.marked++
	f.untidy = true
	p := &t.parts[len(t.parts)-1]
	p.round = f.round
	return p
}

// tidy puts partitions in order and removes what is no longer read: what was
// forgotten and, after a full request, what that has not named.
func (f *FetchSession) tidy(full bool) {
	f.parts = 0
	f.topics = slices.DeleteFunc(f.topics, func(t *fetchedTopic) bool {
		before := len(t.parts)
		t.tidy(func(p *fetchedPart) bool { return p.dead || full && p.round != f.round })
		f.parts += len(t.parts)
		f.room += before - len(t.parts)
		if len(t.parts) > 0 {
			return false
		}
		f.room++
		if f.byName[t.name] == t {
			delete(f.byName, t.name)
		}
		if f.byID[t.id] == t {
			delete(f.byID, t.id)
		}
		return true
	})
	f.marked, f.untidy = f.parts, false
	if f.room >= 2*grantStep {
		f.store.giveBack(f, f.room-grantStep)
		f.room = grantStep
	}
}

func (t *fetchedTopic) tidy(gone func(*fetchedPart) bool) {
	if t.sorted < len(t.parts) { // a partition that was named twice counts as it was named last
		slices.SortStableFunc(t.parts, func(a, b fetchedPart) int { return cmp.Compare(a.Partition, b.Partition) })
	}
	kept := t.parts[:0]
	for i := range t.parts {
		twice := i+1 < len(t.parts) && t.parts[i+1].Partition == t.parts[i].Partition
		if !twice && !gone(&t.parts[i]) {
			kept = append(kept, t.parts[i])
		}
	}
	t.parts, t.sorted = kept, len(kept)
}
