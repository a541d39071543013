package e2e

import (
	"strings"
	"testing"

	"warder/test/e2e/driver"
)

func TestNulls(t *testing.T) {
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "tombstone-spike", clients: []string{client}, run: spike})
	}
	playRule(t, rulePlay{rule: "tombstone-spike", name: "aborted", clients: []string{"java"}, run: abortedSpike})
	playRule(t, rulePlay{rule: "empty-value", clients: []string{"java"}, run: emptyValues})
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "empty-value", name: "block", clients: []string{client}, through: "guard", run: emptyRefused})
	}
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

// usually writes what is usual on these topics, for longer than a window and the time it takes to know it.
func (s *side) usually(topics ...string) {
	p := s.producer(nil)
	var parts []func()
	for _, topic := range topics {
		parts = append(parts, func() {
			s.generate(p, topic, gen{Count: 108, Partitions: 3, Prefix: "u-", Keys: 40, Value: "json"}, M{"rate": 12})
		})
	}
	together(parts...)
	s.closeProducer(p)
}

// spike: forty keys are deleted at once; the twin's are written anew.
func spike(sides []*side) {
	s := sides[0]
	twin, topic := s.compacted("twin", 3), s.compacted("t", 3)
	s.usually(twin, topic)
	s.put(twin, alive("u-"))
	s.put(topic, deleted("u-"))
	f := s.await("tombstone-spike", topic, "critical", "e2e-"+s.client)
	if n, ok := f.Evidence["distinct_keys"].(float64); !ok || n < 15 || n > 45 {
		s.fail("%v of 40 keys: %+v", f.Evidence["distinct_keys"], f)
	}
	s.silent("tombstone-spike", twin)
	s.silent("tombstone", twin)
}

// abortedSpike: what an aborted transaction deleted stays; what a committed one deleted does not.
func abortedSpike(sides []*side) {
	s := sides[0]
	twin, topic := s.compacted("twin", 3), s.compacted("t", 3)
	s.usually(twin, topic)
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
	for i := range 60 {
		little := []string{"0", "a", `{"a":1}`, "false", "[0]", " x "}
		records = append(records, record{key: []byte("k" + itoa(i)), value: []byte(little[i%len(little)])})
	}
	if got := s.send(p, twin, "async", records); got.Failed > 0 {
		s.fail("%s", got.firstErrors())
	}
	s.closeProducer(p)
	for form, kind := range map[string]string{"empty": "zero_bytes", "empty-object": "empty_object", "null-text": "null_text"} {
		topic := s.compacted(form, 1)
		s.put(topic, gen{Count: 40, Prefix: "u-", Value: "json"}, gen{Count: 5, Prefix: "u-", Value: form})
		if f := s.await("empty-value", topic, "warning", "sha256:"); f.Evidence["kind"] != kind || f.Subject.ClientID != "e2e-"+s.client {
			s.fail("%s: %+v", form, f)
		}
	}
	s.silent("empty-value", twin)
}

// emptyRefused: a value that says nothing is refused where others say something, and what the key had stays.
func emptyRefused(sides []*side) {
	s := sides[0]
	topic := s.compacted("t", 1)
	s.put(topic, gen{Count: 60, Prefix: "u-", Value: "json"})
	p := s.producer(M{"idempotent": false})
	got := s.send(p, topic, "sync", []record{
		{key: []byte("u-k1"), value: []byte("{}")},
		{key: []byte("u-k2"), value: []byte("0")},
	})
	s.closeProducer(p)
	s.refusedBy("empty-value", got.Results[0].Error)
	if e := got.Results[1].Error; e != nil {
		s.fail("the value after it: %w", e)
	}
	for _, r := range raw(s, topic) {
		if plain(r.V) == "{}" {
			s.fail("it was stored at offset %d", r.O)
		}
	}
}

// refusedBy wants code 44, and warder's words from the libraries that show them.
func (s *side) refusedBy(rule string, e *driver.Error) {
	switch {
	case e == nil:
		s.fail("nothing was refused")
	case e.Code == nil || *e.Code != policyViolation:
		s.fail("it was refused with %v, not with code %d", e, policyViolation)
	case (s.client == "java" || s.client == "kafka-python") && !strings.Contains(e.Message, "warder: rule "+rule+" refused"):
		s.fail("the text does not explain the refusal: %q", e.Message)
	}
}
