package builtin

import (
	"errors"
	"fmt"
	"strings"

	"warder/rules"
	"warder/rules/format"
)

// Sides of a record.
const (
	keySide = iota
	valueSide
	sides
)

// sideNames, and what several of them are called.
var sideNames = [sides]struct{ one, many string }{{"key", "keys"}, {"value", "values"}}

// formatPin is one entry of `pins`.
type formatPin struct {
	// Pattern of the topics.
	Topic mixedPattern `yaml:"topic"`
	// Format of their keys; none: any. A null key is always allowed.
	Key pinnedFormat `yaml:"key"`
	// Format of their values; none: any. A null value is always allowed.
	Value pinnedFormat `yaml:"value"`
}

// pinnedFormat is the name of a format that a topic can be pinned to.
type pinnedFormat string

// pinnable are the formats that a topic can be pinned to. A frame is named by
// whose it is; avro and protobuf say what is inside, and take every frame that may
// hold it.
var pinnable = []pinned{
	{"json", "JSON", format.Of(format.JSON)},
	{"text", "text", format.Of(format.Text, format.Empty)},
	{"int", "integers of 4 or 8 bytes", format.Of(format.Int32, format.Int64)},
	{"int32", "4-byte integers", format.Of(format.Int32)},
	{"int64", "8-byte integers", format.Of(format.Int64)},
	{"confluent", "Confluent frames", format.Of(format.Confluent, format.ConfluentHeader)},
	{"glue", "AWS Glue frames", format.Of(format.Glue)},
	{"avro", "Avro", format.Of(format.Confluent, format.ConfluentHeader, format.Glue, format.AvroContainer, format.AvroSingle, format.Avro)},
	{"protobuf", "Protobuf", format.Of(format.Protobuf, format.Confluent, format.ConfluentHeader, format.Glue, format.Empty)},
}

// pinned is what a pin comes to; the zero value allows everything.
type pinned struct {
	name pinnedFormat
	text string     // completes "pinned to "
	set  format.Set // what is allowed
}

// UnmarshalText reads the name of a format.
func (f *pinnedFormat) UnmarshalText(text []byte) error {
	*f = pinnedFormat(text)
	if f.find().set != 0 {
		return nil
	}
	known := make([]string, len(pinnable))
	for i, p := range pinnable {
		known[i] = string(p.name)
	}
	return fmt.Errorf("%q is not a format to pin; write one of %s", text, strings.Join(known, ", "))
}

func (f pinnedFormat) find() pinned {
	for _, p := range pinnable {
		if p.name == f {
			return p
		}
	}
	return pinned{}
}

// compiledPin is a formatPin ready for use.
type compiledPin struct {
	topics rules.Globs
	pins   topicPins
}

// topicPins is what the two sides of a topic are held to.
type topicPins [sides]pinned

func (p *formatPin) compile() (compiledPin, error) {
	if p.Topic == "" {
		return compiledPin{}, errors.New("format-drift: an entry of pins needs `topic`")
	}
	c := compiledPin{pins: topicPins{p.Key.find(), p.Value.find()}}
	if c.pins[keySide].set|c.pins[valueSide].set == 0 {
		return compiledPin{}, fmt.Errorf("format-drift: the pin of topic %s needs `value` or `key`", rules.Excerpt(p.Topic, 80))
	}
	var err error
	c.topics, err = rules.CompileGlobs(p.Topic)
	return c, err
}

// pinsOf gives what a topic is held to.
func (d *formatDrift) pinsOf(topic string) topicPins {
	for i := range d.pins {
		if d.pins[i].topics.Match(topic) {
			return d.pins[i].pins
		}
	}
	return topicPins{}
}

// pinBreach is what of one batch broke the pins of its topic.
type pinBreach struct {
	side    int
	class   format.Class // of the first
	records int
}

// holdToPins denies a record that is not what its topic is pinned to.
func (d *formatDrift) holdToPins(s *formatScratch, c *rules.Case, b *rules.Batch, r *rules.Record) {
	side, k := valueSide, format.Kind{}
	for ; side >= keySide; side-- {
		if s.pins[side].set == 0 {
			continue
		}
		if k = kindOf(r, side); k.Class != format.Null && k.Fits&s.pins[side].set == 0 {
			break
		}
	}
	if side < keySide {
		return
	}
	if c.Denied == 0 {
		s.broken = pinBreach{side: side, class: k.Class}
	}
	s.broken.records++
	denial := rules.Denial{Record: r.Index}
	if c.Denied == 0 || c.Blocks && c.Denied < rules.MaxDenials {
		denial.Reason = fmt.Sprintf("%s is %s, and topic %s is pinned to %s", sideNames[side].one, k.Class.One(),
			rules.Excerpt(b.Topic.Name, 249), s.pins[side].text)
	}
	if d.AcksZero == "drop" {
		denial.AcksZero = rules.DropSilently
	}
	c.Deny(denial)
}

// kindOf classifies one side; the headers are only asked where bytes alone would
// not do.
func kindOf(r *rules.Record, side int) format.Kind {
	if r.NumHeaders > 0 {
		key, value := kindsOf(r)
		return [sides]format.Kind{key, value}[side]
	}
	if side == keySide {
		return format.Classify(r.Key)
	}
	return format.Classify(r.Value)
}

func (p *pinBreach) report(pins topicPins, c *rules.Case, b *rules.Batch) rules.Report {
	pin, side := pins[p.side], sideNames[p.side]
	how := ""
	if p.records > 1 || b.Records > 1 {
		how = fmt.Sprintf(" (%s of %s records)", counted(p.records), counted(b.Records))
	}
	advice := fmt.Sprintf("Give this client the serializer of the topic, or change the entry of rules.format-drift.pins that says %s: %s.", side.one, pin.name)
	if !c.Blocks {
		advice += " `action: block` under rules.format-drift refuses such writes."
	}
	return rules.Report{
		Severity: rules.Critical,
		Aspect:   "pin " + side.one,
		Summary: fmt.Sprintf("%s wrote %s to topic %s, whose %s are pinned to %s%s: consumers that expect nothing else will fail on them",
			clientText(b.Identity), p.class.Many(), rules.Excerpt(b.Topic.Name, 249), side.many, pin.text, how),
		Evidence: rules.Evidence{
			{Name: "part", Value: side.one},
			{Name: "format", Value: p.class.String()},
			{Name: "pinned", Value: string(pin.name)},
			{Name: "offset_in_batch", Value: c.Denials[0].Record},
			{Name: "broken", Value: p.records},
			{Name: "records", Value: b.Records},
		},
		Advice: advice,
	}
}
