package builtin

import (
	"fmt"
	"slices"
	"sync"

	"warder/rules"
	"warder/rules/format"
	"warder/rules/state"
)

// What is wrong with a record often shows in what it is: plain text on a topic of
// Confluent frames, null where there are values. Samples of what consumers fetch are
// classified, so that a finding about an offset can say it.

const (
	// formPartitions is of how many partitions something is kept, 600 bytes each.
	formPartitions = 10_000
	// keptForms samples are kept of a partition, and as many that are not as most
	// are: those are worth remembering longer.
	keptForms = 8
	// formSamples of a partition say what is usual, from formsLeast on.
	formSamples, formsLeast = 1000, 5
	// formReach is how far behind the offset that a group stops at the record may
	// be that it stops for: of those that came with it.
	formReach = 500
)

// fetchedForms remembers samples of fetched records. It is safe for concurrent use.
type fetchedForms struct {
	mu         sync.Mutex // guards the following
	partitions *state.LRU[rules.TopicPartition, *partitionForms]
}

// partitionForms are those of one partition.
type partitionForms struct {
	last, odd formRing
	counts    [format.NumClasses]uint16
	samples   int
}

// form is what a record is.
type form struct {
	offset int64
	bytes  int32 // of its value
	class  format.Class
}

// formRing holds the last forms, oldest overwritten.
type formRing struct {
	forms [keptForms]form
	n     int
}

func (r *formRing) add(f form) {
	r.forms[r.n%keptForms] = f
	r.n++
}

func (r *formRing) held() []form { return r.forms[:min(r.n, keptForms)] }

func (r *formRing) at(offset int64) (form, bool) {
	if i := slices.IndexFunc(r.held(), func(f form) bool { return f.offset == offset }); i >= 0 {
		return r.forms[i], true
	}
	return form{}, false
}

// NewShared remembers what is fetched.
func (*poisonMessage) NewShared() rules.Store {
	return &fetchedForms{partitions: state.NewLRU[rules.TopicPartition, *partitionForms](formPartitions)}
}

// Len is the number of partitions.
func (s *fetchedForms) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partitions.Len()
}

// Evicted counts the partitions that were forgotten.
func (s *fetchedForms) Evicted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partitions.Evicted()
}

// Sample notes what a fetched record is.
func (*poisonMessage) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if !b.Fetched {
		return // it has no offset yet
	}
	_, value := kindsOf(r)
	f := form{offset: b.Header.BaseOffset + int64(r.OffsetDelta), bytes: int32(len(r.Value)), class: value.Class}
	c.Shared.(*fetchedForms).note(rules.TopicPartition{Topic: b.Topic.Name, Partition: b.Partition}, f)
}

func (s *fetchedForms) note(tp rules.TopicPartition, f form) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.partitions.Get(tp)
	if !ok {
		p = &partitionForms{}
		s.partitions.Put(tp, p)
	}
	if _, again := p.last.at(f.offset); again {
		return
	}
	if _, again := p.odd.at(f.offset); again {
		return
	}
	p.last.add(f)
	if usual, known := p.usual(); known && usual != f.class {
		p.odd.add(f)
	}
	p.counts[f.class]++
	if p.samples++; p.samples >= formSamples {
		for i := range p.counts {
			p.counts[i] /= 2
		}
		p.samples /= 2
	}
}

// usual is what most records are, if enough are known.
func (p *partitionForms) usual() (most format.Class, known bool) {
	for class, n := range p.counts {
		if n > p.counts[most] {
			most = format.Class(class)
		}
	}
	return most, p.samples >= formsLeast && int(p.counts[most])*2 > p.samples
}

// poisonForm is what is known of the record that a group stops at.
type poisonForm struct {
	form
	usual format.Class
	odd   bool // it is not what most are
}

// of gives the record at an offset or, if that is nothing special or not known, the
// next odd one of those that came with it.
func (s *fetchedForms) of(tp rules.TopicPartition, offset int64) (found poisonForm, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.partitions.Peek(tp)
	if !known {
		return found, false
	}
	usual, sure := p.usual()
	f, there := p.last.at(offset)
	if !there {
		f, there = p.odd.at(offset)
	}
	if there && sure && f.class != usual {
		return poisonForm{f, usual, true}, true
	}
	next := form{offset: offset + formReach}
	for _, other := range p.odd.held() {
		if other.offset >= offset && other.offset < next.offset && sure && other.class != usual {
			next = other
		}
	}
	if next.offset < offset+formReach {
		return poisonForm{next, usual, true}, true
	}
	return poisonForm{f, usual, false}, there
}

// words says what is odd about it, for behind the summary; "" when nothing is.
func (f *poisonForm) words() string {
	if !f.odd {
		return ""
	}
	return fmt.Sprintf("; the record at %d is %s, where others on the partition are %s", f.offset, f.class.One(), f.usual.Many())
}

// facts are the evidence.
func (f *poisonForm) facts() rules.Evidence {
	facts := rules.Evidence{
		{Name: "format", Value: f.class.String()}, {Name: "format_offset", Value: f.offset}, {Name: "value_bytes", Value: int(f.bytes)},
	}
	if f.odd {
		facts = append(facts, rules.Fact{Name: "usual_format", Value: f.usual.String()})
	}
	return facts
}
