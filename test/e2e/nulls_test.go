package e2e

import "testing"

func TestNulls(t *testing.T) {
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "tombstone-spike", clients: []string{client}, run: spike})
	}
	playRule(t, rulePlay{rule: "tombstone-spike", name: "aborted", clients: []string{"java"}, run: abortedSpike})
	playRule(t, rulePlay{rule: "empty-value", clients: []string{"java"}, run: emptyValues})
}

// compacted makes a compacted topic that nobody will compact in time.
func (s *side) compacted(name string, partitions int) string {
	return s.create(s.topic(name), partitions, 1, M{"cleanup.policy": "compact"})
}

// put writes generated records through a producer of its own.
func (s *side) put(topic string, gens ...gen) {
	p := s.producer(nil)
	for _, g := range gens {
		s.generate(p, topic, g, nil)
	}
	s.closeProducer(p)
}

// forms of forty keys: alive, and deleted.
func alive(prefix string) gen {
	return gen{Count: 40, Partitions: 3, Prefix: prefix, Value: "json"}
}

func deleted(prefix string) gen {
	return gen{Count: 40, Partitions: 3, Prefix: prefix, Value: "null"}
}

// spike: forty keys are deleted at once; the twin's are written anew.
func spike(sides []*side) {
	s := sides[0]
	twin, topic := s.compacted("twin", 3), s.compacted("t", 3)
	s.put(twin, alive("u-"), alive("u-"))
	s.put(topic, alive("u-"), deleted("u-"))
	f := s.await("tombstone-spike", topic, "critical")
	if n, ok := f.Evidence["tombstones"].(float64); !ok || n < 20 || n > 40 {
		s.fail("%v tombstones of 40: %+v", f.Evidence["tombstones"], f)
	}
	s.silent("tombstone-spike", twin)
	s.silent("tombstone", twin)
}

// abortedSpike: what an aborted transaction deleted stays; what a committed one deleted does not.
func abortedSpike(sides []*side) {
	s := sides[0]
	twin, topic := s.compacted("twin", 3), s.compacted("t", 3)
	s.put(twin, alive("u-"))
	s.put(topic, alive("u-"))
	p := s.producer(M{"transactional_id": s.topic("x")})
	for _, part := range []struct{ topic, end string }{{twin, "abort"}, {topic, "commit"}} {
		s.must("begin", M{"handle": p}, nil)
		s.generate(p, part.topic, deleted("u-"), nil)
		s.must(part.end, M{"handle": p}, nil)
	}
	s.closeProducer(p)
	s.await("tombstone-spike", topic, "critical")
	s.silent("tombstone-spike", twin)
	s.silent("tombstone", twin)
}

// emptyValues: values that are not null and say nothing, each kind on a topic of its own; the twin's say little, but something.
func emptyValues(sides []*side) {
	s := sides[0]
	twin := s.compacted("twin", 1)
	p := s.producer(nil)
	var records []record
	for i, v := range []string{"0", "a", `{"a":1}`, "false", "[0]", " x "} {
		records = append(records, record{key: []byte("k" + itoa(i)), value: []byte(v)})
	}
	if got := s.send(p, twin, "async", records); got.Failed > 0 {
		s.fail("%s", got.firstErrors())
	}
	s.closeProducer(p)
	for _, form := range []string{"empty", "empty-object", "null-text"} {
		topic := s.compacted(form, 1)
		s.put(topic, gen{Count: 5, Size: 40, Prefix: "u-"}, gen{Count: 5, Prefix: "u-", Value: form})
		f, err := awaitFinding(s.ctx, warderNamed("records"), "empty-value", topic, func(f finding) bool { return f.Subject.ClientID == "e2e-"+s.client })
		if err != nil {
			s.fail("%s: %w", form, err)
		}
		if !f.says("sha256:") {
			s.fail("no key is named: %+v", f)
		}
	}
	s.silent("empty-value", twin)
}
