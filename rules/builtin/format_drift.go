package builtin

import (
	"errors"
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/format"
)

// formatDrift finds records that are not serialized as the others of their topic
// are: a second format that a consumer will choke on, producers that do not agree,
// ids of schemas that belong elsewhere. Topics that are pinned to a format are
// held to it record by record, and can be refused.
//
// It looks at samples, of produced records and of fetched ones where nobody
// produces through this warder; see formatStore for what it remembers.
type formatDrift struct {
	formatKnobs
	mixed rules.Globs
	pins  []compiledPin
}

// formatKnobs are the keys below `rules.format-drift` that only it knows.
type formatKnobs struct {
	// Samples that make a picture of a topic: what counts are the last half to whole
	// of so many. 20-60000.
	Window int `yaml:"window" min:"20" max:"60000"`
	// Samples after which a topic, or a producer, may have a usual format: one that 95 % of
	// them have. 5-10000.
	Baseline int `yaml:"baseline" min:"5" max:"10000"`
	// Samples of another format that make a finding. 1-1000.
	Hits int `yaml:"hits" min:"1" max:"1000"`
	// Share of a topic's samples from which another format counts as usual when the topic is
	// first known. 0-1.
	Rare float64 `yaml:"rare" min:"0" max:"1"`
	// The same for one producer. 0-1.
	RareOwn float64 `yaml:"rare_own" min:"0" max:"1"`
	// Samples of a producer after which its format is compared with that of others. 3-10000.
	ProducerSamples int `yaml:"producer_samples" min:"3" max:"10000"`
	// How long a topic is watched before anything of it is called usual, or wrong: some
	// hold several formats by design. 0s-1h.
	FirstLook time.Duration `yaml:"first_look" min:"0s" max:"1h"`
	// A format that has not been written for so long is gone. 1s-59m.
	Quiet time.Duration `yaml:"quiet" min:"1s" max:"59m"`
	// Time after which another format that goes on being written is usual. 1s-24h.
	AcceptAfter time.Duration `yaml:"accept_after" min:"1s" max:"24h"`
	// Topics that hold several formats by design.
	Mixed []mixedPattern `yaml:"mixed"`
	// Formats that topics are held to; the first entry that matches a topic holds.
	Pins []formatPin `yaml:"pins"`
	// What a refusal means for clients that wait for no answer (acks=0):
	// close the connection, or drop the batch, which loses data silently.
	AcksZero string `yaml:"acks_0" enum:"close,drop"`
}

// mixedTopics is the default of `mixed`: dead-letter queues, whatever the case.
var mixedTopics = []mixedPattern{"*{dlq,DLQ,Dlq}*", "*{dead,Dead,DEAD}*{letter,Letter,LETTER}*", "*{.,-,_}{dlt,DLT}"}

// mixedPattern is a pattern that is checked where it stands.
type mixedPattern string

// UnmarshalText reads and checks a pattern.
func (p *mixedPattern) UnmarshalText(text []byte) error {
	*p = mixedPattern(text)
	_, err := rules.CompileGlobs(*p)
	return err
}

func formatDriftSpec() rules.Spec {
	return rules.Spec{
		ID:       "format-drift",
		Summary:  "records serialized in another way than their topic's others, or than it is pinned to",
		Severity: rules.Warning,
		Needs:    rules.NeedRecords | rules.NeedSamples | rules.NeedFetched,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/format-drift.md",
		Example:  "format-drift:\n  action: block\n  pins:\n    - {topic: \"orders.*\", value: confluent, key: text}\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID,
		Tells:    rules.TellsFormats,
		Watches: []rules.Interest{
			{Kind: rules.KindObservation, By: rules.ByTopic},
			{Kind: rules.KindSchemaSubjects, By: rules.ByTopic},
		},
		New: newFormatDrift,
	}
}

func newFormatDrift(decode func(any) error) (rules.Rule, error) {
	d := &formatDrift{formatKnobs: formatKnobs{
		Window: 1000, Baseline: 50, Hits: 3, Rare: 0.01, RareOwn: 0.05, ProducerSamples: 10,
		FirstLook: time.Minute, Quiet: 10 * time.Minute, AcceptAfter: time.Hour, Mixed: mixedTopics, AcksZero: "close",
	}}
	err := decode(&d.formatKnobs)
	if err != nil {
		return nil, err
	}
	if d.Baseline > d.Window/2 {
		return nil, fmt.Errorf("format-drift: baseline is %d samples; it must be at most half the window of %d", d.Baseline, d.Window)
	}
	d.mixed, err = rules.CompileGlobs(d.Mixed...)
	for i := range d.Pins {
		pin, pinErr := d.Pins[i].compile()
		err = errors.Join(err, pinErr)
		d.pins = append(d.pins, pin)
	}
	return d, err
}

// Wants leaves out topics that only brokers write, and those that are mixed by
// design unless they are pinned.
func (d *formatDrift) Wants(id *rules.Identity, t *rules.Topic) bool {
	return d.WantsRecords(id, t) || !d.byDesign(t.Name)
}

func (d *formatDrift) byDesign(topic string) bool {
	return brokerTopics.Match(topic) || len(d.Mixed) > 0 && d.mixed.Match(topic)
}

// WantsRecords wants every record of pinned topics; else samples are enough.
func (d *formatDrift) WantsRecords(_ *rules.Identity, t *rules.Topic) bool {
	p := d.pinsOf(t.Name)
	return p[keySide].set|p[valueSide].set != 0
}

// NewScratch makes the memory of one session.
func (d *formatDrift) NewScratch() any { return &formatScratch{} }

// formatScratch saves one session from working out the same things again: what
// holds for the topic and the client at hand. It takes 250 bytes.
type formatScratch struct {
	topic *rules.Topic // what pins and mixed are of
	pins  topicPins
	mixed bool

	at    time.Time // when state was looked up
	state *topicFormats

	client *rules.Identity // what producer is of
	writer uint64

	broken pinBreach // of the batch at hand
}

// turn turns to the topic of a batch.
func (s *formatScratch) turn(d *formatDrift, t *rules.Topic) {
	if s.topic != t {
		s.topic, s.state = t, nil
		s.pins, s.mixed = d.pinsOf(t.Name), d.byDesign(t.Name)
	}
}

// Sample counts what the key and the value are, and compares them with what is
// usual.
func (d *formatDrift) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	s := c.Scratch.(*formatScratch)
	s.turn(d, b.Topic)
	if s.mixed {
		return
	}
	if s.state == nil || s.at != b.Time {
		s.state, s.at = c.Shared.(*formatStore).of(b.Topic), b.Time
	}
	if s.client != b.Identity {
		s.client, s.writer = b.Identity, writerOf(b.Identity)
	}
	look := sighting{rule: d, c: c, b: b, r: r, topic: s.state, pins: s.pins}
	key, value := kindsOf(r)
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if !look.counts(s.writer) {
		return
	}
	look.judge(keySide, key)
	look.judge(valueSide, value)
}

// kindsOf classifies key and value. What record headers say of them counts too.
func kindsOf(r *rules.Record) (key, value format.Kind) {
	key, value = format.Classify(r.Key), format.Classify(r.Value)
	if r.NumHeaders == 0 {
		return key, value
	}
	if id, ok := r.Header(format.KeySchemaHeader); ok && format.SchemaHeader(id) {
		key = key.Says(format.ConfluentHeader)
	}
	if id, ok := r.Header(format.ValueSchemaHeader); ok && format.SchemaHeader(id) {
		return key, value.Says(format.ConfluentHeader)
	}
	for _, name := range format.ContentTypeHeaders {
		if media, ok := r.Header(name); ok {
			if c, ok := format.HeaderClass(media); ok {
				value = value.Says(c)
			}
			break
		}
	}
	return key, value
}

// Record holds the records of pinned topics to their format.
func (d *formatDrift) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	s := c.Scratch.(*formatScratch)
	s.turn(d, b.Topic)
	d.holdToPins(s, c, b, r)
}

// Batch reports what of a batch broke a pin.
func (d *formatDrift) Batch(c *rules.Case, b *rules.Batch) {
	if c.Denied > 0 {
		s := c.Scratch.(*formatScratch)
		c.Report(s.broken.report(s.pins, c, b))
	}
}
