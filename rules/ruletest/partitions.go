package ruletest

import (
	"strings"

	"warder/rules/state"
)

// byPartitioner reads TOPIC by PARTITIONER: RECORDS.
func byPartitioner(text string) (topic, by, list string, ok bool) {
	target, list, _ := strings.Cut(text, ": ")
	topic, by, ok = strings.Cut(target, " by ")
	return topic, by, list, ok
}

// split adds a batch for each partition that a partitioner chooses, of as many as
// the client last saw. By turns every record goes to the next partition, whatever
// its key.
func (r *request) split(s *stage, topic, by, list string) {
	s.t.Helper()
	s.metadata(r.client, topic)
	n := r.client.saw[topic]
	p, known := state.PartitionerNamed(by)
	if !known && by != "turns" {
		s.t.Fatalf("no partitioner %q", by)
	}
	batches := make([]part, n)
	for _, rec := range s.recordsOf(list) {
		place := r.client.turn % n
		if p != state.NoPartitioner {
			place = int(p.Partition(rec.Key, int32(n)))
		}
		r.client.turn++
		batches[place].add(rec)
	}
	for i := range batches {
		if b := &batches[i]; len(b.records) > 0 {
			b.topic, b.partition = topic, int32(i)
			r.parts = append(r.parts, *b)
		}
	}
}

// metadata has a client learn of a topic before it writes to it for the first
// time.
func (s *stage) metadata(c *client, topic string) {
	if c.saw[topic] == 0 && s.topics.Find([]byte(topic)) != nil {
		s.see(c, topic, s.partitionsOf(topic))
	}
}

// sawPartitions is `saw TOPIC: N partitions`.
func (s *stage) sawPartitions(c *client, words []string) {
	s.t.Helper()
	topic := s.named(words)
	if len(words) != 3 {
		s.t.Fatalf("saw: want TOPIC: N partitions, have %q", words)
	}
	s.see(c, topic, s.number(words[1]))
}

func (s *stage) see(c *client, topic string, n int) {
	c.saw[topic] = n
	added, ok := s.engine.Keys().SawPartitions(c.identity, topic, s.ids[topic], int32(n), s.now)
	s.topics.Learn(topic, s.ids[topic], n)
	if ok {
		s.emit(added)
	}
}

// addPartitions is `adds partitions TOPIC: BEFORE AFTER`. Clients go by the old
// number until they see the new one.
func (s *stage) addPartitions(c *client, words []string) {
	s.t.Helper()
	if len(words) != 4 || words[0] != "partitions" {
		s.t.Fatalf("adds: want partitions TOPIC: BEFORE AFTER, have %q", words)
	}
	topic, before, after := s.named(words[1:]), s.number(words[2]), s.number(words[3])
	if had := s.partitionsOf(topic); had != before {
		s.t.Fatalf("topic %s has %d partitions, not %d", topic, had, before)
	}
	added, ok := s.engine.Keys().AddedPartitions(c.identity, topic, int32(after), s.now)
	s.partitions[topic] = after
	s.topics.Learn(topic, s.ids[topic], after)
	if ok {
		s.emit(added)
	}
}
