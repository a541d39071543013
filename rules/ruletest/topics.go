package ruletest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"warder/rules"
)

// named takes the colon off the first of words.
func (s *stage) named(words []string) string {
	s.t.Helper()
	if len(words) == 0 {
		s.t.Fatal("the name of a topic or group is missing")
	}
	return strings.TrimSuffix(words[0], ":")
}

// askTopic is a Metadata request for a topic: with a number an error, else the
// topic is there.
func (s *stage) askTopic(c *client, words []string) {
	s.t.Helper()
	topic := s.named(words)
	if len(words) == 1 {
		s.appear(c, rules.TopicAppeared{Topic: topic, Asked: true})
		return
	}
	s.emit(rules.TopicAsked{
		At: s.now, Client: c.identity, Topic: topic, ErrorCode: int16(s.number(words[1])),
		AutoCreate: len(words) > 2 && words[2] == "auto-create",
	})
}

// listTopic is a topic that comes up in a listing of the cluster.
func (s *stage) listTopic(c *client, words []string) {
	s.appear(c, rules.TopicAppeared{Topic: s.named(words)})
}

func (s *stage) createTopic(c *client, words []string) {
	s.appear(c, rules.TopicAppeared{Topic: s.named(words), Created: true})
}

// appear makes a topic known that was not.
func (s *stage) appear(c *client, ev rules.TopicAppeared) {
	if s.topics.Find([]byte(ev.Topic)) != nil && !ev.Created && s.appeared[ev.Topic] {
		return
	}
	s.appeared[ev.Topic] = true
	if s.topics.Find([]byte(ev.Topic)) == nil {
		s.setTopic(ev.Topic, "unknown")
	}
	ev.At, ev.Client, ev.Partitions = s.now, c.identity, int32(s.partitionsOf(ev.Topic))
	s.emit(ev)
}

func (s *stage) deleteTopic(c *client, words []string) {
	topic := s.named(words)
	s.setTopic(topic, "deleted")
	s.engine.Keys().Forget(topic)
	delete(s.ids, topic)
	delete(s.appeared, topic)
	s.emit(rules.TopicDeleted{At: s.now, Client: c.identity, Topic: topic})
}

// alterTopic changes cleanup.policy.
func (s *stage) alterTopic(c *client, words []string) {
	s.t.Helper()
	if len(words) != 3 {
		s.t.Fatalf("alters: want TOPIC: BEFORE AFTER, have %q", words)
	}
	ev := rules.TopicAltered{At: s.now, Client: c.identity, Topic: s.named(words)}
	s.must(ev.Before.UnmarshalText([]byte(words[1])))
	s.must(ev.After.UnmarshalText([]byte(words[2])))
	s.setTopic(ev.Topic, words[2])
	s.emit(ev)
}

func (s *stage) subscribe(c *client, words []string) {
	s.t.Helper()
	ev := rules.Subscribed{At: s.now, Client: c.identity, Group: s.named(words)}
	for _, word := range words[1:] {
		if pattern, ok := strings.CutPrefix(word, "/"); ok {
			ev.Pattern = strings.TrimSuffix(pattern, "/")
		} else {
			ev.Topics = append(ev.Topics, word)
		}
	}
	s.emit(ev)
}

func (s *stage) readTopic(c *client, words []string) {
	s.t.Helper()
	ev := rules.TopicRead{At: s.now, Client: c.identity, Topic: s.named(words)}
	if len(words) > 1 {
		ev.Bytes = int64(s.number(words[1]))
	}
	s.emit(ev)
}

// answer is the Asker of a case: it knows what the archive says.
func (s *stage) answer(q rules.Question) bool {
	switch q := q.(type) {
	case rules.WhoReads:
		groups, known := s.said("readers", q.Topic)
		s.engine.Emit(rules.TopicReaders{At: s.now, Topic: q.Topic, Known: known, Groups: groups})
	case rules.OpenTransactions:
		s.engine.Emit(s.openTransactions(q))
	case rules.SubjectsOfSchema:
		subjects, known := s.said("schemas", strconv.Itoa(int(q.ID)))
		s.engine.Emit(rules.SchemaSubjects{At: s.now, ID: q.ID, Topic: q.Topic, Known: known, Subjects: subjects})
	default:
		return false
	}
	return true
}

// openTransactions is what the leader of a partition says: `TOPIC/P: PRODUCER/EPOCH@START WRITTEN`, written last so long
// after the case began.
func (s *stage) openTransactions(q rules.OpenTransactions) rules.TransactionsOpen {
	s.t.Helper()
	words, known := s.said("transactions", fmt.Sprintf("%s/%d", q.Topic, q.Partition))
	ev := rules.TransactionsOpen{At: s.now, TopicPartition: q.TopicPartition, Known: known}
	for pair := range slices.Chunk(words, 2) {
		var o rules.OpenTransaction
		_, err := fmt.Sscanf(pair[0], "%d/%d@%d", &o.ProducerID, &o.ProducerEpoch, &o.StartOffset)
		s.must(err)
		o.LastWrite = start.Add(s.duration(pair[1]))
		ev.Open = append(ev.Open, o)
	}
	return ev
}

// said finds a line `name: words` in a section of the archive.
func (s *stage) said(in, name string) (words []string, known bool) {
	for line := range lines(section(s.archive, in)) {
		if key, rest, ok := strings.Cut(line, ":"); ok && key == name {
			return strings.Fields(rest), true
		}
	}
	return nil, false
}
