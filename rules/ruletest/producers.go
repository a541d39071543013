package ruletest

import (
	"strings"
	"time"

	"warder/rules"
)

// transactionTimeout is what a producer has that does not say otherwise, as in Java.
const transactionTimeout = time.Minute

// initialise is `initialises T pid=7/0 timeout=60s error=90 resumed`: an answer to
// InitProducerId, which also aborts what was open.
func (s *stage) initialise(c *client, words []string) {
	s.t.Helper()
	ev := rules.ProducerInitialised{
		At: s.now, Client: c.identity, TransactionalID: s.named(words), ProducerID: c.producer, Timeout: transactionTimeout,
	}
	for _, setting := range words[1:] {
		key, value, _ := strings.Cut(setting, "=")
		var err error
		switch key {
		case "pid":
			ev.ProducerID, ev.ProducerEpoch, err = producer(value)
		case "timeout":
			ev.Timeout = s.duration(value)
		case "error":
			ev.ErrorCode, ev.ProducerID, ev.ProducerEpoch = int16(s.number(value)), -1, -1
		case "resumed":
			ev.Resumed = true
		default:
			s.t.Fatalf("initialises: unknown setting %q", setting)
		}
		s.must(err)
	}
	s.emit(ev)
	if ev.ErrorCode == 0 {
		s.emit(rules.TransactionEnded{
			At: s.now, Client: c.identity, TransactionalID: ev.TransactionalID,
			ProducerID: ev.ProducerID, ProducerEpoch: ev.ProducerEpoch, Initialised: true,
		})
		s.settle(c, ev.TransactionalID, s.transactions.Began(ev.TransactionalID, ev.Timeout), false)
	}
}

// settle tells groups what became of their offsets in a transaction.
func (s *stage) settle(c *client, transactionalID string, groups []string, committed bool) {
	for _, group := range groups {
		s.emit(rules.OffsetsSettled{At: s.now, Client: c.identity, Group: group, TransactionalID: transactionalID, Committed: committed})
	}
}

// addOffsets is `adds offsets to T: of G TOPIC/P=OFFSET …`: TxnOffsetCommit, answered.
func (s *stage) addOffsets(c *client, words []string) {
	s.t.Helper()
	if len(words) < 5 || words[1] != "to" || words[3] != "of" {
		s.t.Fatalf("want adds offsets to T: of GROUP TOPIC/P=OFFSET, have %q", words)
	}
	id, group := s.named(words[2:]), words[4]
	s.emit(rules.Committed{
		At: s.now, Client: c.identity, Membership: s.membership(c, group), Requested: s.now, Offsets: s.offsets(words[5:]),
		TransactionalID: id, TransactionTimeout: s.transactions.Joined(id, group),
	})
}

// fail is `fails T: 47 orders/3` for a Produce, `fails T: 90 EndTxn` for another
// request.
func (s *stage) fail(c *client, words []string) {
	s.t.Helper()
	if len(words) != 3 {
		s.t.Fatalf("fails: want TRANSACTIONAL_ID: CODE TOPIC/PARTITION or REQUEST, have %q", words)
	}
	ev := rules.ProduceFailed{
		At: s.now, Client: c.identity, Request: words[2], Partition: -1,
		TransactionalID: s.named(words), ProducerID: c.producer, ErrorCode: int16(s.number(words[1])),
	}
	if topic, partition, ok := strings.Cut(words[2], "/"); ok {
		ev.Request, ev.Topic, ev.Partition = "Produce", topic, int32(s.number(partition))
	}
	s.emit(ev)
}
