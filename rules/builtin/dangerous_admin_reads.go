package builtin

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

const (
	// maxReadingGroups bounds groupReads, beside the partitions that groups are
	// followed on, 100 bytes each.
	maxReadingGroups = 10_000
	// readsFor is for how long what was written down of a group holds. It is
	// written anew every few seconds while the group is followed.
	readsFor = time.Minute
)

// groupReads is how groups stand in the topics they read, as it was written down
// last. Shards write and sessions read. When it is full it forgets the group of which
// nothing was written for the longest.
type groupReads struct {
	mu     sync.Mutex // guards the following
	groups *state.LRU[string, *readingGroup]
	swept  time.Time
}

// readingGroup is one group.
type readingGroup struct {
	at      time.Time // when it was so
	managed bool      // it has, or had, members: its offsets are not those of consumers with assign()
	members int
	clients []*rules.Identity // of the members
	used    time.Time         // when it last had members, or committed
	topics  map[string]*readTopic
}

// readTopic is a topic as one group reads it.
type readTopic struct {
	used        time.Time       // when a partition was last assigned to a member, or committed
	recordBytes float64         // that a record takes in the log on average; 0 when not known
	partitions  []readPartition // in the order of their numbers
}

// readPartition is where the group is in a partition.
type readPartition struct {
	number     int32
	next       int64         // to be read, -1 when not known
	start, end int64         // of the log, -1 when not known
	age        time.Duration // of the record to be read next, -1 when not known
	atLeast    bool          // it may be older
}

// unread is how many records there are that the group has not read; 0 when it is
// not known.
func (p *readPartition) unread() int64 {
	if p.next < 0 || p.end < 0 {
		return 0
	}
	return max(p.end-max(p.next, p.start), 0)
}

// gone is how many of them lie before an offset.
func (p *readPartition) gone(before int64) int64 {
	if p.next < 0 {
		return 0
	}
	return max(before-max(p.next, p.start), 0)
}

func newGroupReads() *groupReads {
	return &groupReads{groups: state.NewLRU[string, *readingGroup](maxReadingGroups)}
}

// publish writes down how a group stands.
func (s *groupReads) publish(g *state.Group, sizes *recordSizes, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.groups.Get(g.ID)
	if !known {
		r = &readingGroup{topics: map[string]*readTopic{}}
		s.groups.Put(g.ID, r)
	}
	r.at, r.members, r.clients = now, g.Members(), r.clients[:0]
	r.managed = r.managed || g.Type != "" || r.members > 0 // those who were there before warder have not said the type
	g.EachMember(func(m *state.Member) { r.clients = append(r.clients, m.Client) })
	if r.used = latest(r.used, g.Emptied); r.members > 0 {
		r.used = now
	}
	for name, t := range r.topics {
		t.partitions, t.recordBytes = t.partitions[:0], sizes.average(name)
	}
	var t *readTopic
	topic := ""
	g.EachPartition(func(p *state.GroupPartition) {
		if t == nil || p.Topic != topic {
			t, topic = r.topic(p.Topic), p.Topic
		}
		t.take(g, p, now)
	})
	for _, t := range r.topics {
		r.used = latest(r.used, t.used)
	}
}

// topic gives what is known of a topic, made if need be.
func (r *readingGroup) topic(name string) *readTopic {
	t := r.topics[name]
	if t == nil {
		t = &readTopic{}
		r.topics[name] = t
	}
	return t
}

// take writes down one partition.
func (t *readTopic) take(g *state.Group, p *state.GroupPartition, now time.Time) {
	used := p.CommittedAt
	if p.OwnerID != "" && g.Owner(p) != nil {
		used = now
	}
	t.used = latest(t.used, used)
	out := readPartition{number: p.Partition, next: p.Committed, start: p.Ends.LogStartOffset, end: -1, age: -1}
	if p.Committed < 0 || !p.Forgotten.IsZero() {
		out.next = p.Position
	}
	if end, ok := p.End(); ok {
		out.end = end
	}
	if age, ok := p.TimeLag(now); ok {
		out.age = max(age, 0)
	} else if waits := p.Waiting(now); waits > 0 {
		out.age, out.atLeast = waits, true
	}
	t.partitions = append(t.partitions, out)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// topicReader is a group that reads a topic, copied out.
type topicReader struct {
	group   string
	members int
	readTopic
}

// of gives the groups that match and are known to read a topic, by name.
func (s *groupReads) of(topic string, groups rules.Globs, now time.Time) (list []topicReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups.Each(func(name string, g *readingGroup) {
		t := g.topics[topic]
		if t == nil || len(t.partitions) == 0 || now.Sub(g.at) > readsFor || !groups.Match(name) {
			return
		}
		r := topicReader{group: name, members: g.members, readTopic: *t}
		r.partitions = slices.Clone(t.partitions)
		list = append(list, r)
	})
	slices.SortFunc(list, func(a, b topicReader) int { return cmp.Compare(a.group, b.group) })
	return list
}

// group calls f with what is known of a group, if it is; f must be quick.
func (s *groupReads) group(name string, now time.Time, f func(*readingGroup)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.groups.Peek(name); ok && now.Sub(g.at) <= readsFor {
		f(g)
	}
}

// forget drops what does not hold any more, now and then.
func (s *groupReads) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) < readsFor {
		return
	}
	s.swept = now
	s.groups.Each(func(name string, g *readingGroup) {
		if now.Sub(g.at) > readsFor {
			s.groups.Delete(name)
		}
	})
}

// Len is the number of groups known.
func (s *groupReads) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.Len()
}

// Evicted counts the groups that were forgotten for want of room.
func (s *groupReads) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.Evicted()
}

// recordSizes learns how many bytes a record of a topic takes in the log, from what
// the members of a group are given between two of their Fetches: 60 bytes for each
// partition that is fetched.
type recordSizes struct {
	at     map[rules.TopicPartition]int64 // where each partition was fetched last
	topics map[string]*recordSize
}

type recordSize struct{ bytes, records float64 }

// sizedRecords is how many records an average reaches back, more or less.
const sizedRecords = 100_000

func newRecordSizes() *recordSizes {
	return &recordSizes{at: map[rules.TopicPartition]int64{}, topics: map[string]*recordSize{}}
}

func (s *recordSizes) note(ev *rules.MemberFetched) {
	before, known := s.at[ev.TopicPartition]
	s.at[ev.TopicPartition] = ev.FetchOffset
	if !known || ev.ErrorCode != 0 || ev.Bytes <= 0 || ev.FetchOffset <= before {
		return
	}
	t := s.topics[ev.Topic]
	if t == nil {
		t = &recordSize{}
		s.topics[ev.Topic] = t
	}
	t.bytes += float64(ev.Bytes)
	if t.records += float64(ev.FetchOffset - before); t.records > sizedRecords {
		t.bytes, t.records = t.bytes/2, t.records/2
	}
}

// average gives the bytes of a record, 0 when it is not known.
func (s *recordSizes) average(topic string) float64 {
	if s == nil || s.topics[topic] == nil {
		return 0
	}
	return s.topics[topic].bytes / s.topics[topic].records
}
