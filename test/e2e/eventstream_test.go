package e2e

import (
	"errors"
	"slices"
	"testing"

	"warder/test/e2e/driver"
)

func TestEventStream(t *testing.T) {
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "compacted-event-stream", name: "flip", clients: []string{client}, run: flip})
		playRule(t, rulePlay{rule: "compacted-event-stream", name: "block", clients: []string{client}, through: "guard", run: flipRefused})
	}
	playRule(t, rulePlay{rule: "compacted-event-stream", name: "events", clients: []string{"java", "franz-go"}, run: events})
}

// living makes a topic with a history.
func (s *side) living(name string) string {
	topic := s.create(s.topic(name), 1, 1, M{"cleanup.policy": "delete"})
	s.put(topic, gen{Count: 30, Size: 40})
	return topic
}

func (s *side) alter(topic, key, value string) error {
	return s.ask("alter_configs", M{"name": topic, "set": M{key: value}}, nil)
}

// policy is the topic's cleanup.policy, as the brokers themselves have it.
func (s *side) policy(topic string) string {
	var r struct{ Configs map[string]string }
	err := w.admin.Call(s.ctx, "describe_configs", M{"conn": threeDirect(), "type": "topic", "name": topic, "keys": []string{"cleanup.policy"}}, &r)
	if err != nil {
		s.fail("%w", err)
	}
	return r.Configs["cleanup.policy"]
}

// flip: a topic that lives is made compacted; the twin's retention is changed, as operators do all day.
func flip(sides []*side) {
	s := sides[0]
	twin, topic := s.living("twin"), s.living("t")
	for _, c := range []struct{ topic, key, value string }{{twin, "retention.ms", "7200000"}, {topic, "cleanup.policy", "compact"}} {
		if err := s.alter(c.topic, c.key, c.value); err != nil {
			s.fail("%s: %w", c.key, err)
		}
	}
	if f := s.await("compacted-event-stream", topic, "critical", "compact"); !f.WouldBlock || f.Action != "alert" || f.Subject.ClientID != "e2e-"+s.client {
		s.fail("%+v", f)
	}
	s.silent("compacted-event-stream", twin)
}

// flipRefused: the same through a warder that refuses it, in Kafka's way of saying so; the twin passes.
func flipRefused(sides []*side) {
	s := sides[0]
	twin, topic := s.living("twin"), s.living("t")
	if err := s.alter(twin, "retention.ms", "7200000"); err != nil {
		s.fail("the twin: %w", err)
	}
	refused, _ := errors.AsType[*driver.Error](s.alter(topic, "cleanup.policy", "compact"))
	s.refusedBy("compacted-event-stream", refused)
	if p := s.policy(topic); p != "delete" {
		s.fail("cleanup.policy is %s", p)
	}
	found, err := findingsOf(s.ctx, warderNamed("guard"), about("compacted-event-stream", topic))
	if err != nil || !slices.ContainsFunc(found, func(f finding) bool { return f.Action == "block" }) {
		s.fail("no block among %s, %v", listed(found), err)
	}
	if err := noFinding(s.ctx, warderNamed("guard"), "compacted-event-stream", twin); err != nil {
		s.fail("%w", err)
	}
}

// events: every record on a compacted topic has a key of its own, window after window; the twin's keys come back.
func events(sides []*side) {
	s, other := sides[0], sides[1]
	topic, twin := s.compacted("t", 3), s.compacted("twin", 3)
	load := func(s *side, topic string, keys int) {
		p := s.producer(nil)
		s.generate(p, topic, gen{Count: 2800, Size: 60, Partitions: 3, Keys: keys}, M{"rate": 400})
		s.closeProducer(p)
	}
	together(
		func() { load(other, twin, 200) },
		func() { load(s, topic, 0) },
	)
	s.await("compacted-event-stream", topic, "warning", "event stream")
	s.silent("compacted-event-stream", twin)
}
