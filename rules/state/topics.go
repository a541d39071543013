package state

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"warder/rules"
)

// Topic is what is known of a topic.
type Topic = rules.Topic

// DefaultTopics is the usual limit of Topics; one entry takes about 400 bytes.
const DefaultTopics = 100_000

// Topics knows names, ids and cleanup policies of topics. Beyond its limit it
// forgets the topic that was not asked for the longest, to within one turn of
// the clock algorithm. Reads share a lock that is held for a map access.
type Topics struct {
	limit   int
	evicted atomic.Uint64

	mu     sync.RWMutex // guards the following
	byName map[string]*topicEntry
	byID   map[[16]byte]*topicEntry
	ring   []*topicEntry // every entry, for the clock
	hand   int
	untold int         // entries that nobody was told of
	teller int         // where Untold goes on in ring
	heard  func(Topic) // see Follow; nil when nobody does
}

type topicEntry struct {
	topic atomic.Pointer[Topic] // what it points to never changes
	used  atomic.Bool           // since the hand passed last
	slot  int                   // in ring; guarded by Topics.mu
	told  bool                  // see Topics.Tell; guarded by Topics.mu
}

// NewTopics makes a store of at most limit topics; 0 means DefaultTopics.
func NewTopics(limit int) *Topics {
	if limit <= 0 {
		limit = DefaultTopics
	}
	return &Topics{limit: limit, byName: map[string]*topicEntry{}, byID: map[[16]byte]*topicEntry{}}
}

// Find gives what is known of a topic by name, nil if nothing is. What it
// points to never changes: news come as another pointer. It allocates nothing.
func (t *Topics) Find(name []byte) *Topic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[string(name)].get()
}

// FindID is Find by topic id.
func (t *Topics) FindID(id [16]byte) *Topic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id].get()
}

// ByName is Find with a copy. It allocates nothing.
func (t *Topics) ByName(name []byte) (Topic, bool) { return value(t.Find(name)) }

// ByID is FindID with a copy. It allocates nothing.
func (t *Topics) ByID(id [16]byte) (Topic, bool) { return value(t.FindID(id)) }

func value(p *Topic) (Topic, bool) {
	if p == nil {
		return Topic{}, false
	}
	return *p, true
}

func (e *topicEntry) get() *Topic {
	if e == nil {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.topic.Load()
}

// Learn notes what Metadata or CreateTopics said of a topic. A zero id or count
// is no news. Another id than before means that the topic was deleted and made
// anew: its configuration is forgotten. It says whether any of it was news; what
// is known already takes no more than a read lock.
func (t *Topics) Learn(name string, id [16]byte, partitions int) (news bool) {
	if name == "" {
		return false
	}
	none := [16]byte{}
	known := t.Peek(name)
	if known != nil && (id == none || known.ID == id) && (partitions <= 0 || known.Partitions == int32(partitions)) {
		return false
	}
	t.update(name, func(now Topic) Topic {
		if id != none && now.ID != none && id != now.ID {
			now = Topic{Name: name}
		}
		if id != none {
			now.ID = id
		}
		if partitions > 0 {
			now.Partitions = int32(partitions)
		}
		return now
	})
	return true
}

// Peek is Find without counting as use.
func (t *Topics) Peek(name string) *Topic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.byName[name]; e != nil {
		return e.topic.Load()
	}
	return nil
}

// LearnConfig notes the effective cleanup.policy as it was at a time; older
// news than what is known are ignored.
func (t *Topics) LearnConfig(name, cleanupPolicy string, at time.Time) {
	if name == "" {
		return
	}
	t.update(name, func(now Topic) Topic {
		if now.ConfigTime.After(at) {
			return now
		}
		now.Cleanup, now.ConfigTime = rules.ParseCleanupPolicy(cleanupPolicy), at
		return now
	})
}

// ForgetConfig makes the cleanup.policy unknown again, because it may have
// changed.
func (t *Topics) ForgetConfig(name string) {
	if t.Find([]byte(name)) == nil {
		return
	}
	t.update(name, func(now Topic) Topic {
		now.Cleanup, now.ConfigTime = rules.CleanupUnknown, time.Time{}
		return now
	})
}

// LearnSettings notes what the cluster said of a topic's settings.
func (t *Topics) LearnSettings(name string, settings rules.TopicSettings) {
	if name == "" {
		return
	}
	settings.Known = true
	t.update(name, func(now Topic) Topic {
		now.Settings = settings
		return now
	})
}

// ForgetSettings makes the settings unknown again, because they may have changed.
func (t *Topics) ForgetSettings(name string) {
	if known := t.Find([]byte(name)); known == nil || !known.Settings.Known {
		return
	}
	t.update(name, func(now Topic) Topic {
		now.Settings = rules.TopicSettings{}
		return now
	})
}

// Delete forgets a topic.
func (t *Topics) Delete(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.byName[name]; e != nil {
		t.remove(e)
	}
}

// Tell notes that whoever follows topics is told of this one, and says whether it
// is news to them: each topic is once, and again when it has another id or was
// deleted in between.
func (t *Topics) Tell(name string) (news bool) {
	t.mu.RLock()
	e := t.byName[name]
	news = e != nil && !e.told
	t.mu.RUnlock()
	if !news {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tell(t.byName[name])
}

// Untold gives at most limit topics that nobody was told of yet, and notes that
// they are told now.
func (t *Topics) Untold(limit int) (news []Topic) {
	t.mu.RLock()
	untold := t.untold
	t.mu.RUnlock()
	if untold == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for range t.ring {
		if t.untold == 0 || len(news) == limit {
			break
		}
		e := t.ring[t.teller%len(t.ring)]
		t.teller = (t.teller + 1) % len(t.ring)
		if t.tell(e) {
			news = append(news, *e.topic.Load())
		}
	}
	return news
}

// TellAgain makes every topic news once more, for followers who were not there.
func (t *Topics) TellAgain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.ring {
		e.told = false
	}
	t.untold, t.teller = len(t.ring), 0
}

// tell says whether the topic was untold, and makes it told.
func (t *Topics) tell(e *topicEntry) bool {
	if e == nil || e.told {
		return false
	}
	e.told = true
	t.untold--
	return true
}

// Len is the number of topics known.
func (t *Topics) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byName)
}

// Evicted counts the topics that were forgotten for want of room.
func (t *Topics) Evicted() uint64 { return t.evicted.Load() }

// Export gives all topics by name, for the state file.
func (t *Topics) Export() []Topic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.exportLocked()
}

func (t *Topics) exportLocked() []Topic {
	out := make([]Topic, 0, len(t.ring))
	for _, e := range t.ring {
		out = append(out, *e.topic.Load())
	}
	slices.SortFunc(out, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Follow gives all topics by name, and calls heard with each that more is learnt of
// from then on, in place of who followed before. heard must be quick and must not come
// back to t.
func (t *Topics) Follow(heard func(Topic)) []Topic {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = heard
	return t.exportLocked()
}

// Import takes over what Export gave earlier. Topics that are known already
// stay as they are.
func (t *Topics) Import(topics []Topic) {
	for _, saved := range topics {
		if saved.Name == "" {
			continue
		}
		saved.Settings = rules.TopicSettings{} // they are asked for when they matter, and may have changed
		t.update(saved.Name, func(now Topic) Topic {
			if now == (Topic{Name: saved.Name}) {
				return saved
			}
			return now
		})
	}
}

// update changes one topic, which is added if need be.
func (t *Topics) update(name string, change func(Topic) Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byName[name]
	before := Topic{Name: name}
	if e != nil {
		before = *e.topic.Load()
	}
	after := change(before)
	if e != nil && after == before {
		return
	}
	if e == nil {
		e = t.add(name)
	}
	e.topic.Store(&after)
	if t.heard != nil {
		t.heard(after)
	}
	if before.ID != after.ID && t.byID[before.ID] == e {
		delete(t.byID, before.ID)
		if e.told {
			e.told = false
			t.untold++
		}
	}
	if after.ID != ([16]byte{}) {
		t.byID[after.ID] = e
	}
}

// add makes an entry, in the place of one that is no longer used if the store
// is full.
func (t *Topics) add(name string) *topicEntry {
	if len(t.ring) >= t.limit {
		t.evict()
	}
	e := &topicEntry{slot: len(t.ring)}
	t.byName[name] = e
	t.ring = append(t.ring, e)
	t.untold++
	return e
}

func (t *Topics) evict() {
	for {
		t.hand %= len(t.ring)
		e := t.ring[t.hand]
		if !e.used.Swap(false) {
			t.remove(e)
			t.evicted.Add(1)
			return
		}
		t.hand++
	}
}

func (t *Topics) remove(e *topicEntry) {
	topic := e.topic.Load()
	delete(t.byName, topic.Name)
	if t.byID[topic.ID] == e {
		delete(t.byID, topic.ID)
	}
	t.tell(e) // nobody needs to be told any more
	last := len(t.ring) - 1
	t.ring[e.slot] = t.ring[last]
	t.ring[e.slot].slot = e.slot
	t.ring[last] = nil
	t.ring = t.ring[:last]
}
