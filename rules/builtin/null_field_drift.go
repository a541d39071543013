package builtin

import (
	"errors"
	"sync"
	"time"

	"warder/rules"
	"warder/rules/format"
)

// nullFieldDrift finds fields of JSON values that were always there and now are
// null or missing: a renamed property, a serializer that writes nulls, a join that
// finds nothing. It learns the fields of each topic from samples, see fieldStore.
type nullFieldDrift struct {
	nullFieldKnobs
	mixed rules.Globs
}

// nullFieldKnobs are the keys below `rules.null-field-drift` that only it knows.
type nullFieldKnobs struct {
	// Samples with which a field is learnt, those in which the object around it is there.
	// 10-10000.
	Baseline int `yaml:"baseline" min:"10" max:"10000"`
	// Samples over which its rate is looked at again. 10-10000.
	Window int `yaml:"window" min:"10" max:"10000"`
	// Least share of samples that must have had it. 0.5-1.
	Before float64 `yaml:"before" min:"0.5" max:"1"`
	// Share that is a fall when fewer have it. 0-0.95.
	After float64 `yaml:"after" min:"0" max:"0.95"`
	// Samples in which a field was never null, after which a null is news. 10-1000000.
	NeverNull int `yaml:"never_null" min:"10" max:"1000000"`
	// How many are enough where they took an hour or more. 10-1000000.
	NeverNullSlow int `yaml:"never_null_slow" min:"10" max:"1000000"`
	// Nulls within one window that make a finding. 1-10000.
	Nulls int `yaml:"nulls" min:"1" max:"10000"`
	// Topics whose values have no common fields by design.
	Mixed []mixedPattern `yaml:"mixed"`
}

func nullFieldDriftSpec() rules.Spec {
	return rules.Spec{
		ID:       "null-field-drift",
		Summary:  "a field of JSON values that was always there and now is null or missing",
		Severity: rules.Warning,
		Needs:    rules.NeedSamples,
		Default:  rules.Alert,
		Doc:      "docs/rules/null-field-drift.md",
		Example:  "null-field-drift:\n  topics: [\"orders.*\"]\n  never_null: 500\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID,
		New:      newNullFieldDrift,
	}
}

func newNullFieldDrift(decode func(any) error) (rules.Rule, error) {
	n := &nullFieldDrift{nullFieldKnobs: nullFieldKnobs{
		Baseline: 100, Window: 100, Before: 0.99, After: 0.5, NeverNull: 1000, NeverNullSlow: 200, Nulls: 3, Mixed: mixedTopics,
	}}
	err := decode(&n.nullFieldKnobs)
	if err != nil {
		return nil, err
	}
	if n.After >= n.Before {
		return nil, errors.New("null-field-drift: `after` must be less than `before`")
	}
	n.mixed, err = rules.CompileGlobs(n.Mixed...)
	return n, err
}

// Wants leaves out topics that only brokers write, and those without common
// fields.
func (n *nullFieldDrift) Wants(_ *rules.Identity, t *rules.Topic) bool {
	return !brokerTopics.Match(t.Name) && (len(n.Mixed) == 0 || !n.mixed.Match(t.Name))
}

// NewScratch makes the memory of one session.
func (n *nullFieldDrift) NewScratch() any { return &fieldScratch{} }

// fieldScratch is the topic at hand in one session.
type fieldScratch struct {
	topic *rules.Topic
	at    time.Time
	state *topicFields
}

// fieldWalks are lent while a value is looked at: they take 7 KB each, and of thousands
// of sessions hardly any has a value at hand.
var fieldWalks = sync.Pool{New: func() any { return new(fieldWalk) }}

// maxFieldsValue is the longest value that is looked at, in bytes.
const maxFieldsValue = 16 << 10

// Sample learns from one JSON value, and compares it with what was learnt.
func (n *nullFieldDrift) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	value := jsonObject(r.Value)
	if value == nil {
		return
	}
	w := fieldWalks.Get().(*fieldWalk)
	defer w.giveBack()
	if !w.read(value) {
		return
	}
	s := c.Scratch.(*fieldScratch)
	if s.topic != b.Topic || s.at != b.Time {
		s.topic, s.at, s.state = b.Topic, b.Time, c.Shared.(*fieldStore).of(b.Topic)
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	n.learn(c, b, s.state, w)
}

// jsonObject gives the JSON object that a value looks like, also behind the frame
// of Confluent's JSON Schema serializer; nil if it is none, or too long.
func jsonObject(value []byte) []byte {
	if format.SchemaID(value) != 0 {
		value = value[5:]
	}
	if len(value) < 2 || len(value) > maxFieldsValue || value[0] != '{' {
		return nil
	}
	return value
}
