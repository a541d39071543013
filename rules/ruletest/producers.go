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
	}
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
