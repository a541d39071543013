package e2e

import "testing"

func TestFormats(t *testing.T) {
	playRule(t, rulePlay{rule: "format-drift", clients: []string{"java", "kafka-python"}, run: twoFormats})
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
