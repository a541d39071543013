package e2e

import (
	"slices"
	"testing"
)

func TestFormats(t *testing.T) {
	playRule(t, rulePlay{rule: "format-drift", clients: []string{"java", "kafka-python"}, run: twoFormats})
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "format-drift", name: "block", clients: []string{client}, through: "guard", run: otherFormatRefused})
	}
	playRule(t, rulePlay{rule: "null-field-drift", clients: []string{"java", "franz-go"}, run: fieldTurnsNull})
}

// slowly writes generated records at a rate at which a rule that takes samples sees every one.
func (s *side) slowly(topic string, g gen) {
	p := s.producer(nil)
	s.generate(p, topic, g, M{"rate": 30})
	s.closeProducer(p)
}

// twoFormats: one producer writes what a schema registry made, another JSON; on the twin both write JSON.
func twoFormats(sides []*side) {
	java, python := sides[0], sides[1]
	twin, topic := java.create(java.topic("twin"), 1, 1, nil), java.create(java.topic("t"), 1, 1, nil)
	json, frames := gen{Count: 60, Value: "json"}, gen{Count: 60, Size: 60, Value: "confluent"}
	together(
		func() { java.slowly(twin, json) },
		func() { python.slowly(twin, json) },
		func() { java.slowly(topic, frames) },
	)
	python.slowly(topic, json)
	java.await("format-drift", topic, "critical", "confluent", "json", "e2e-java", "e2e-kafka-python")
	java.silent("format-drift", twin)
}

// otherFormatRefused: on a topic that is pinned to text keys and JSON values, records of another format are refused, and those around them are stored.
func otherFormatRefused(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	key, json, frame := []byte("user-1"), []byte(`{"id":1}`), []byte("\x00\x00\x00\x00\x07\x02\x06abc")
	records := []record{
		{key: key, value: json},
		{key: key, value: frame},
		{key: []byte("\x00\x00\x00\x00\x09\x02k"), value: json},
		{key: key, value: nil},
		{key: nil, value: json},
	}
	p := s.producer(M{"idempotent": false})
	got := s.send(p, topic, "sync", records)
	s.closeProducer(p)
	for i, r := range got.Results {
		if i == 1 || i == 2 {
			s.refusedBy("format-drift", r.Error)
		} else if r.Error != nil {
			s.fail("record %d: %w", i, r.Error)
		}
	}
	var stored []string
	for _, r := range raw(s, topic) {
		stored = append(stored, plain(r.V))
	}
	if want := []string{string(json), plain(nil), string(json)}; !slices.Equal(stored, want) {
		s.fail("stored are %q, not %q", stored, want)
	}
	if f := s.await("format-drift", topic, "critical", "pinned"); f.Action != "block" || f.Subject.ClientID != "e2e-"+s.client {
		s.fail("%+v", f)
	}
}

// fieldTurnsNull: a field that always had a value has none any more; the twin's keeps its.
func fieldTurnsNull(sides []*side) {
	s, other := sides[0], sides[1]
	twin, topic := s.create(s.topic("twin"), 1, 1, nil), s.create(s.topic("t"), 1, 1, nil)
	full, null := gen{Count: 90, Value: "json"}, gen{Count: 60, Value: "json-null-email"}
	together(
		func() { other.slowly(twin, full); other.slowly(twin, full) },
		func() { s.slowly(topic, full); s.slowly(topic, null) },
	)
	if _, err := awaitFinding(s.ctx, warderNamed("records"), "null-field-drift", topic, func(f finding) bool { return f.says("email") }); err != nil {
		s.fail("%w", err)
	}
	s.silent("null-field-drift", twin)
}
