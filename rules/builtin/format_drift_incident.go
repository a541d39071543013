package builtin

import (
	"fmt"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/format"
)

// drift is an incident: somebody writes a format that is not usual.
type drift struct {
	side      int
	class     format.Class // what is written
	usual     format.Class // and what is usual
	own       bool         // for this producer; else for the topic
	disjoint  bool         // another producer writes what is usual
	topic     string
	partition int32
	subject   rules.Subject

	writer                   uint64 // 0 of what was fetched
	client, software         string
	other, otherSoftware     string // the other producer
	reader                   string // who fetched it
	offset                   int64  // where
	hits, usualHits, samples int
	begun                    uint64 // samples of the side before it
	first, last, told        time.Time
}

// drift gives the incident of a format and a producer, nil if there is none.
func (s *topicSide) drift(c format.Class, by *formatWriter) *drift {
	writer := uint64(0)
	if by != nil {
		writer = by.writer
	}
	for _, d := range s.drifts {
		if d.class == c && d.writer == writer {
			return d
		}
	}
	return nil
}

func (s *topicSide) hasDrift(c format.Class) bool {
	for _, d := range s.drifts {
		if d.class == c {
			return true
		}
	}
	return false
}

// end closes an incident and gives the report of its end.
func (t *topicFormats) end(side, i int, how string) rules.Report {
	s := &t.sides[side]
	d := s.drifts[i]
	s.drifts = append(s.drifts[:i], s.drifts[i+1:]...)
	t.store.open.Add(-1)
	r := d.report()
	r.Resolved, r.Summary = true, how
	return r
}

// accept makes a format usual that goes on being written, and ends its incidents.
func (s *sighting) accept(side int, c format.Class) {
	t := &s.topic.sides[side]
	t.accept(format.Of(c), s.b.Time)
	for _, p := range s.topic.producers {
		if p.sides[side].maybe(c) > 0 {
			p.sides[side].accepted |= format.Of(c)
		}
	}
	for i, d := range slices.Backward(t.drifts) {
		if d.class == c {
			s.c.Report(s.topic.end(side, i, fmt.Sprintf("%s still writes %s to topic %s; that is usual from now on: %s of the last %s %s are",
				d.who(), c.Many(), d.topicText(), counted(t.maybe(c)), counted(t.n()), sideNames[side].many)))
		}
	}
}

// Sweep ends incidents of formats that nobody writes any more.
func (d *formatDrift) Sweep(w *rules.Watch) {
	store := w.Shared.(*formatStore)
	if store.open.Load() == 0 {
		return
	}
	store.mu.Lock()
	topics := make([]*topicFormats, 0, store.topics.Len())
	store.topics.Each(func(_ string, t *topicFormats) { topics = append(topics, t) })
	store.mu.Unlock()
	for _, t := range topics {
		t.endQuiet(d, w)
	}
}

func (t *topicFormats) endQuiet(rule *formatDrift, w *rules.Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for side := range t.sides {
		for i, d := range slices.Backward(t.sides[side].drifts) {
			if w.Now.Sub(d.last) >= rule.Quiet {
				w.Report(t.end(side, i, fmt.Sprintf("%s has written no more %s to topic %s for %s; what it wrote before is still there",
					d.who(), d.class.Many(), d.topicText(), rule.Quiet)))
			}
		}
	}
}

// asNorm says that a format has become the usual one.
func (d *drift) asNorm(t *topicSide) string {
	return fmt.Sprintf("topic %s now holds %s: %s of the last %s %s are", d.topicText(), d.class.Many(),
		counted(t.fits(d.class)), counted(t.n()), sideNames[d.side].many)
}

func (d *drift) topicText() string { return rules.Excerpt(d.topic, 249) }

func (d *drift) who() string {
	if d.writer == 0 {
		return "somebody"
	}
	return d.client
}

// whoWith adds the software.
func whoWith(client, software string) string {
	if software == "" {
		return client
	}
	return client + " (" + software + ")"
}

// report puts the incident into words as it stands.
func (d *drift) report() rules.Report {
	r := rules.Report{
		Subject: d.subject, OwnSubject: true,
		Aspect:   sideNames[d.side].one + " " + d.class.String(),
		Summary:  d.summary() + ": " + d.consequence(),
		Evidence: d.evidence(),
		Advice:   d.advice(),
	}
	if d.writer != 0 {
		r.Subject.Partition = new(d.partition)
	}
	if d.disjoint {
		r.Severity = rules.Critical
	}
	return r
}

func (d *drift) summary() string {
	many := sideNames[d.side].many
	count := fmt.Sprintf("%s (%s of %s)", d.usual.Many(), counted(d.usualHits), counted(d.samples))
	switch {
	case d.disjoint:
		return fmt.Sprintf("%s writes %s to topic %s as %s, and %s writes them as %s", whoWith(d.client, d.software), many, d.topicText(),
			d.class.Many(), whoWith(d.other, d.otherSoftware), d.usual.Many())
	case d.own:
		return fmt.Sprintf("%s writes %s to topic %s, where its own %s have been %s", d.who(), d.class.Many(), d.topicText(), many, count)
	case d.writer == 0:
		return fmt.Sprintf("somebody writes %s to topic %s, where %s have been %s; %s fetched it from partition %d, offset %d",
			d.class.Many(), d.topicText(), many, count, d.reader, d.partition, d.offset)
	}
	return fmt.Sprintf("%s writes %s to topic %s, where %s have been %s", d.who(), d.class.Many(), d.topicText(), many, count)
}

func (d *drift) consequence() string {
	if d.side == keySide {
		return "equal keys are no longer equal bytes, so they go to other partitions and neither compaction nor joins bring them together"
	}
	if d.disjoint {
		return "a consumer made for one fails on the other"
	}
	return "consumers that expect the one will fail on the other or skip it"
}

func (d *drift) evidence() rules.Evidence {
	e := rules.Evidence{
		{Name: "part", Value: sideNames[d.side].one},
		{Name: "format", Value: d.class.String()},
		{Name: "usual_format", Value: d.usual.String()},
		{Name: "samples", Value: d.hits},
	}
	if d.disjoint {
		return append(e, rules.Fact{Name: "producers", Value: []string{whoWith(d.client, d.software), whoWith(d.other, d.otherSoftware)}},
			rules.Fact{Name: "other_samples", Value: d.usualHits})
	}
	e = append(e, rules.Fact{Name: "usual_samples", Value: d.usualHits}, rules.Fact{Name: "of_samples", Value: d.samples})
	if d.writer == 0 {
		e = append(e, rules.Fact{Name: "partition", Value: d.partition}, rules.Fact{Name: "offset", Value: d.offset})
	}
	return e
}

func (d *drift) advice() string {
	side := sideNames[d.side].one
	who := d.who()
	if d.writer == 0 {
		who = "every producer of the topic"
	}
	text := fmt.Sprintf("Compare %s.serializer of %s with what consumers of the topic read (%s.deserializer)", side, who, side)
	if d.side == valueSide {
		text += "; they must skip what is there already, or send it to a dead-letter topic"
	}
	return text + ". An entry in rules.format-drift.pins, with `action: block`, refuses other formats; a topic that is meant to hold several belongs into `mixed`."
}
