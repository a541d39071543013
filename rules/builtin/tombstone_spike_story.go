package builtin

import (
	"fmt"
	"math"
	"time"

	"warder/rules"
)

// spikeStory is all that a finding says of a spike, copied out of the memory.
type spikeStory struct {
	tally
	topic         rules.Topic
	sign          sign
	lasted        time.Duration
	length        time.Duration // of a window
	window        writes
	usual         float64 // tombstones in a window
	usualFraction float64
	over          bool // there is none any more
	adopted       bool // it goes on and counts as usual
}

func (t *topicDeletes) story(k *spikeKnobs) spikeStory {
	return spikeStory{
		tally: t.spike.clone(), topic: t.spike.topic, sign: t.spike.sign,
		lasted: t.spike.last.Sub(t.spike.since), length: k.Window,
		window: t.rate.window(), usual: t.rate.usualIn(k.Window), usualFraction: t.rate.usualFraction(),
	}
}

// report puts a spike into words.
func (s *spikeStory) report() rules.Report {
	r := rules.Report{
		Subject: rules.Subject{Topic: s.topic.Name}, OwnSubject: true, Resolved: s.over || s.adopted,
		Summary: s.what() + ": " + s.consequence(), Evidence: s.evidence(), Advice: s.advice(),
	}
	if s.sign == nearlyAll || !s.topic.Cleanup.Known() {
		r.Severity = rules.Warning
	}
	return r
}

func (s *spikeStory) what() string {
	return fmt.Sprintf("%s wrote null values for about %s of %s in %s", s.who(), s.keysText(), topicText(&s.topic), lasting(s.lasted))
}

func (s *spikeStory) who() string {
	writers := s.busiest()
	text := writers[0].client
	switch others := len(writers) - 1; {
	case s.more:
		text += fmt.Sprintf(" and %d or more others", others)
	case others == 1:
		text += " and 1 other"
	case others > 1:
		text += fmt.Sprintf(" and %d others", others)
	}
	return text
}

func (s *spikeStory) keysText() string {
	if n := s.distinct(); n != 1 {
		return roundText(n) + " distinct keys"
	}
	return "one key"
}

func (s *spikeStory) consequence() string {
	switch {
	case s.over:
		return "that is over; what was deleted is gone with the next compaction"
	case s.adopted:
		return "that goes on, and counts as usual from now on"
	case !s.topic.Cleanup.Known():
		return "if the topic is compacted, that deletes them; " + s.usualText()
	}
	return "compaction will delete them; " + s.usualText()
}

// usualText says what is usual, by the minute unless windows are longer.
func (s *spikeStory) usualText() string {
	per := max(s.length, time.Minute)
	n := s.usual * per.Seconds() / s.length.Seconds()
	span := "a minute"
	if per > time.Minute {
		span = "in " + lasting(per)
	}
	switch {
	case s.sign == nearlyAll:
		return "what is usual there is not known yet"
	case n == 0:
		return "usual are none"
	case n < 1:
		return "usual is less than one " + span
	}
	if text := roundText(int(math.Round(n))); text != "1" {
		return "usual are " + text + " " + span
	}
	return "usual is one " + span
}

func (s *spikeStory) evidence() rules.Evidence {
	e := rules.Evidence{
		{Name: "distinct_keys", Value: s.distinct()},
		{Name: "lasted", Value: lasting(s.lasted)},
		{Name: "window", Value: lasting(s.length)},
		{Name: "tombstones", Value: s.window.tombstones},
		{Name: "records", Value: s.window.records},
	}
	if s.sign == nearlyAll {
		e = append(e, rules.Fact{Name: "baseline", Value: "no baseline yet"})
	} else {
		e = append(e, rules.Fact{Name: "usual_tombstones", Value: places(s.usual, 1)}, rules.Fact{Name: "usual_fraction", Value: places(s.usualFraction, 4)})
	}
	var clients []string
	for _, w := range s.busiest() {
		clients = append(clients, fmt.Sprintf("%s: %d", w.client, w.tombstones))
	}
	return append(e,
		rules.Fact{Name: "clients", Value: clients[:min(len(clients), namedKeys)]},
		rules.Fact{Name: "keys", Value: s.samples[:min(len(s.samples), namedKeys)]},
		rules.Fact{Name: "cleanup_policy", Value: s.topic.Cleanup.String()})
}

func (s *spikeStory) advice() string {
	client, topic := s.busiest()[0].client, rules.Excerpt(s.topic.Name, 249)
	return fmt.Sprintf("If this is not meant, stop %s and raise min.compaction.lag.ms of %s at once: until the log cleaner has run, the old values can still be read from the log and written again.", client, topic) +
		fmt.Sprintf(" If it is, add {client_id: %q, topic: %q} to rules.tombstone-spike.allow.", client, topic)
}

// roundText writes a number with at most two digits that are not zero, and with
// commas.
func roundText(n int) string {
	scale := 1
	for n/scale >= 100 {
		scale *= 10
	}
	return counted((n + scale/2) / scale * scale)
}

// lasting writes a length of time for people: 60 s, 5 min, 2 h.
func lasting(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
}

// places rounds to so many decimal places.
func places(x float64, n int) float64 {
	scale := math.Pow10(n)
	return math.Round(x*scale) / scale
}
