package ruletest

import (
	"strconv"
	"strings"

	"warder/rules"
)

// acquire is what a member of a share group is given: `acquires G: TOPIC/P=FIRST-LAST
// times=2`.
func (s *stage) acquire(c *client, words []string) {
	s.t.Helper()
	ev := rules.Acquired{At: s.now, Client: c.identity, Membership: s.shareMembership(c, words)}
	times := int16(1)
	for _, w := range words[1:] {
		if n, ok := strings.CutPrefix(w, "times="); ok {
			times = int16(s.number(n))
			continue
		}
		tp, first, last := s.offsetRange(w)
		ev.Records = append(ev.Records, rules.AcquiredRecords{TopicPartition: tp, First: first, Last: last})
	}
	for i := range ev.Records {
		ev.Records[i].DeliveryCount = times
	}
	s.emit(ev)
}

// acknowledging makes the verb by which a member says one thing of records:
// `releases G: TOPIC/P=FIRST-LAST`.
func acknowledging(ack rules.Acknowledgement) func(*stage, *client, []string) {
	return func(s *stage, c *client, words []string) {
		s.t.Helper()
		ev := rules.Acknowledged{At: s.now, Client: c.identity, Membership: s.shareMembership(c, words)}
		for _, w := range words[1:] {
			tp, first, last := s.offsetRange(w)
			ev.Records = append(ev.Records, rules.AcknowledgedRecords{TopicPartition: tp, First: first, Last: last, Type: ack})
		}
		s.emit(ev)
	}
}

// shareMembership is that of a client in a share group, as its requests say it.
func (s *stage) shareMembership(c *client, words []string) rules.Membership {
	s.t.Helper()
	return rules.Membership{Group: s.named(words), MemberID: c.memberID, Generation: -1}
}

// offsetRange reads TOPIC/PARTITION=FIRST-LAST, or one offset.
func (s *stage) offsetRange(text string) (tp rules.TopicPartition, first, last int64) {
	s.t.Helper()
	target, offsets, ok := strings.Cut(text, "=")
	if !ok {
		s.t.Fatalf("cannot read %q; want TOPIC/PARTITION=FIRST-LAST", text)
	}
	from, to, several := strings.Cut(offsets, "-")
	if !several {
		to = from
	}
	first, err := strconv.ParseInt(from, 10, 64)
	s.must(err)
	last, err = strconv.ParseInt(to, 10, 64)
	s.must(err)
	return s.topicPartition(target), first, last
}
