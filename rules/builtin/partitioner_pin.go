package builtin

import (
	"fmt"
	"strconv"

	"warder/rules"
	"warder/rules/state"
)

// partitionerPin says that the keys of some topics must be where a partitioner
// puts them.
type partitionerPin struct {
	// Pattern of the topic.
	Topic pinnedTopic `yaml:"topic"`
	// One of the six partitioners by its name.
	Partitioner state.Partitioner `yaml:"partitioner"`
}

// pinnedTopic is a pattern of topics.
type pinnedTopic struct{ rules.Globs }

// UnmarshalText compiles the pattern.
func (p *pinnedTopic) UnmarshalText(text []byte) (err error) {
	p.Globs, err = rules.CompileGlobs(string(text))
	return err
}

// pinnedMix is a partitionerMix with pins: it looks at each record of the pinned
// topics. A key is in its place if the partitioner puts it there with the number
// of partitions that the client last saw, or saw within ten minutes before.
// While warder has not seen what the client saw, nothing is denied.
type pinnedMix struct{ *partitionerMix }

// pinScratch is what is kept from record to record.
type pinScratch struct {
	topic string
	pin   state.Partitioner
	seen  misplaced
}

// misplaced is what was found in one batch.
type misplaced struct {
	first int // index of the first record
	place int32
	keys  []string // at most namedKeys
}

// NewScratch makes room for one batch.
func (*pinnedMix) NewScratch() any { return &pinScratch{} }

// Record denies keys that are not where the topic's partitioner puts them.
func (m *pinnedMix) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	s := c.Scratch.(*pinScratch)
	if s.topic != b.Topic.Name {
		s.topic, s.pin = b.Topic.Name, m.pinOf(b.Topic.Name)
	}
	if s.pin == state.NoPartitioner || len(r.Key) == 0 || b.Seen.Now == 0 {
		return
	}
	hash := s.pin.Hash(r.Key)
	place := s.pin.Place(hash, b.Seen.Now)
	if place == b.Partition || b.Seen.Before > 0 && s.pin.Place(hash, b.Seen.Before) == b.Partition {
		return
	}
	m.deny(c, b, r, place)
}

func (m *pinnedMix) pinOf(topic string) state.Partitioner {
	for i := range m.Pins {
		if m.Pins[i].Topic.Match(topic) {
			return m.Pins[i].Partitioner
		}
	}
	return state.NoPartitioner
}

func (m *pinnedMix) deny(c *rules.Case, b *rules.Batch, r *rules.Record, place int32) {
	s := c.Scratch.(*pinScratch)
	d := rules.Denial{Record: r.Index}
	if c.Denied < namedKeys || c.Blocks && c.Denied < rules.MaxDenials {
		d.Key = rules.KeyText(r.Key)
		if len(m.Reveal) > 0 {
			d.Key = strconv.Quote(rules.Excerpt(r.Key, 64))
		}
		d.Reason = fmt.Sprintf("key %s belongs on partition %d by the %s partitioner, not on %d, and topic %s is pinned to it",
			d.Key, place, s.pin, b.Partition, topicName(b.Topic.Name))
	}
	if m.AcksZero == "drop" {
		d.AcksZero = rules.DropSilently
	}
	if c.Denied == 0 {
		s.seen = misplaced{first: r.Index, place: place}
	}
	if c.Denied < namedKeys {
		s.seen.keys = append(s.seen.keys, d.Key)
	}
	c.Deny(d)
}

// Batch reports the misplaced keys of a batch.
func (m *pinnedMix) Batch(c *rules.Case, b *rules.Batch) {
	if c.Denied == 0 {
		return
	}
	s := c.Scratch.(*pinScratch)
	what := "key " + s.seen.keys[0]
	if c.Denied > 1 {
		what = fmt.Sprintf("%d keys, the first of them %s,", c.Denied, s.seen.keys[0])
	}
	advice := fmt.Sprintf("%s is %s.", s.pin, settingFor(s.pin.String()))
	if !c.Blocks {
		advice += " `action: block` under rules.partitioner-mix refuses such writes."
	}
	c.Report(rules.Report{
		Summary: fmt.Sprintf("%s wrote %s to partition %d of topic %s, which is pinned to %s: by that it belongs on %d",
			whoIs(b.Identity), what, b.Partition, topicName(b.Topic.Name), s.pin.Label(), s.seen.place),
		Evidence: rules.Evidence{
			{Name: "offset_in_batch", Value: s.seen.first}, {Name: "records", Value: b.Records}, {Name: "misplaced", Value: c.Denied},
			{Name: "keys", Value: s.seen.keys}, {Name: "belongs_on", Value: s.seen.place},
			{Name: "partitions", Value: b.Seen.Now}, {Name: "partitioner", Value: s.pin.String()},
		},
		Advice: advice,
	})
}
