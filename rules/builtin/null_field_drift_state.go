package builtin

import (
	"math/bits"
	"strings"
	"sync"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Bounds of what is remembered of fields.
const (
	fieldTopicLimit = 2000
	// fieldLimit is the fields of one topic, the number of bits in a fieldSet. Beyond
	// it a new one takes the place of one that hardly ever came.
	fieldLimit = 64
	// fieldChurn is how often that happens: names that are never the same
	// are data, not fields.
	fieldChurn = 256
	// fieldText is the longest path that is kept whole.
	fieldText = 120
	// fieldMemory is the most samples that a field's past is made of; then it counts
	// half, so that it gives way to what is newer.
	fieldMemory = 10_000
	// fieldIncidents is how many a topic can have at once; further ones are not
	// told.
	fieldIncidents = 8
)

// fieldStore is what is known of the fields of all topics. A topic takes 100 to 200
// bytes for each of its at most 64 fields, 26 MB for 2,000 topics at worst. Beyond
// them the topic that was written least recently is forgotten and learnt anew.
type fieldStore struct {
	mu     sync.Mutex // guards topics; never taken while a topic is locked
	topics *state.LRU[string, *topicFields]
}

// NewShared makes the memory of all sessions.
func (n *nullFieldDrift) NewShared() rules.Store {
	return &fieldStore{topics: state.NewLRU[string, *topicFields](fieldTopicLimit)}
}

// Len is the number of topics.
func (f *fieldStore) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.topics.Len()
}

// Evicted counts topics that were forgotten.
func (f *fieldStore) Evicted() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.topics.Evicted()
}

// of gives what is known of a topic, and touches it. A topic that was deleted and
// made anew begins anew.
func (f *fieldStore) of(t *rules.Topic) *topicFields {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.topics.Get(t.Name)
	if ok && (known.id == t.ID || known.id == rules.TopicID{} || t.ID == rules.TopicID{}) {
		return known
	}
	fresh := &topicFields{id: t.ID}
	f.topics.Put(strings.Clone(t.Name), fresh)
	return fresh
}

// fieldSet is a set of fields of one topic, by index.
type fieldSet uint64

func (s fieldSet) has(i int) bool { return s>>i&1 != 0 }

// topicFields is what is known of one topic.
type topicFields struct {
	id rules.TopicID

	mu        sync.Mutex // guards the following
	fields    []knownField
	churn     int
	strange   int // samples with few of the usual fields, in this window
	samples   int // in this window
	incidents []*fieldIncident
}

// knownField is a field of a topic.
type knownField struct {
	hash   uint64
	parent int // index; -1 at the top
	around uint64
	text   string // its path
	since  int64  // when it was first seen, in Unix seconds

	past fieldCounts // before this window
	now  fieldCounts // in this window
	open bool        // it is part of an incident
	held int         // windows since then
}

// count adds a sample.
func (f *knownField) count(value, null bool) {
	f.now.n++
	if value {
		f.now.values++
	}
	if null {
		f.now.nulls++
	}
}

// fieldCounts counts samples in which the object around a field is there.
type fieldCounts struct{ n, values, nulls uint32 }

func (c *fieldCounts) add(o fieldCounts) {
	c.n, c.values, c.nulls = c.n+o.n, c.values+o.values, c.nulls+o.nulls
	if c.n > fieldMemory {
		c.n, c.values, c.nulls = c.n/2, c.values/2, c.nulls/2
	}
}

// rate is the share of samples that have a value, to a thousandth.
func (c fieldCounts) rate() float64 { return float64(c.values*1000/max(c.n, 1)) / 1000 }

// shape is what one sample says of the fields of its topic.
type shape struct{ values, nulls, objects, excused fieldSet }

// match finds the fields of a value among those that are known, and takes in what is
// new.
func (t *topicFields) match(w *fieldWalk, now time.Time) shape {
	var s shape
	var known [fieldsOfValue]int8 // index in t.fields plus 1
	at := 0
	for i := range w.fields[:w.n] {
		f := &w.fields[i]
		k := t.find(f.hash, at)
		if k < 0 {
			if k = t.admit(w, f, &known, now); k < 0 {
				continue
			}
		}
		known[i], at = int8(k+1), k+1
		s.add(k, f.has)
	}
	return s
}

// add notes what the sample says of a field.
func (s *shape) add(i int, has fieldFacts) {
	bit := fieldSet(1) << i
	if has&factValue != 0 {
		s.values |= bit
	}
	if has&factNull != 0 {
		s.nulls |= bit
	}
	if has&factObject != 0 {
		s.objects |= bit
	}
	if has&factExcused != 0 {
		s.excused |= bit
	}
}

// find gives the index of a field, -1 if it is not known. It is likely to be at:
// values have their fields in the same order.
func (t *topicFields) find(hash uint64, at int) int {
	if at < len(t.fields) && t.fields[at].hash == hash {
		return at
	}
	for i := range t.fields {
		if t.fields[i].hash == hash {
			return i
		}
	}
	return -1
}

// admit makes a field known, if there is room for it or can be made.
func (t *topicFields) admit(w *fieldWalk, f *walkedField, known *[fieldsOfValue]int8, now time.Time) int {
	field := knownField{hash: f.hash, parent: -1, since: now.Unix()}
	path := ""
	if f.parent >= 0 {
		if field.parent = int(known[f.parent]) - 1; field.parent < 0 {
			return -1 // nor is what is around it
		}
		around := &t.fields[field.parent]
		field.around, path = around.hash, around.text
		if f.inArray {
			path += "[]"
		}
		path += "."
	}
	i := len(t.fields)
	if i == fieldLimit {
		if i = t.seldom(field.parent); i < 0 {
			return -1
		}
		t.churn++
	} else {
		t.fields = append(t.fields, knownField{})
	}
	field.text = rules.Excerpt(path+string(w.value[f.from:f.to]), fieldText)
	t.fields[i] = field
	return i
}

// seldom gives the index of the field that came least often, if it is not worth
// much; -1 if all are. Not that which must stay.
func (t *topicFields) seldom(stays int) int {
	if t.churn == fieldChurn {
		return -1
	}
	least, values := -1, uint32(2)
	for i := range t.fields {
		if f := &t.fields[i]; i != stays && !f.open && f.past.values+f.now.values < values {
			least, values = i, f.past.values+f.now.values
		}
	}
	return least
}

// there says whether the object around a field is there in a sample.
func (t *topicFields) there(f *knownField, s *shape) bool {
	return f.parent < 0 || s.objects.has(f.parent) && t.fields[f.parent].hash == f.around
}

// fieldIncident is some fields that changed at once.
type fieldIncident struct {
	fields  fieldSet // those that are not over
	subject rules.Subject
	aspect  string
	text    string // names of all the fields
	nulls   bool   // they became null; else they are missing
	topic   string
}

// each calls f with every index in the set.
func (s fieldSet) each(f func(i int)) {
	for ; s != 0; s &= s - 1 {
		f(bits.TrailingZeros64(uint64(s)))
	}
}
