package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"warder/test/e2e/driver"
)

func TestTransactions(t *testing.T) {
	for _, client := range []string{"java", "librdkafka", "franz-go"} {
		playRule(t, rulePlay{rule: "transaction-stall", clients: []string{client}, through: "groups", run: killedProducer})
		playRule(t, rulePlay{rule: "transaction-aborts", clients: []string{client}, through: "groups", run: manyAborts})
		playRule(t, rulePlay{rule: "producer-fenced", clients: []string{client}, through: "groups", run: twoProducers})
	}
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "unsafe-producer", clients: []string{client}, through: "groups", run: unsafeProducer})
		playRule(t, rulePlay{rule: "unsafe-producer", name: "block", clients: []string{client}, through: "guard", run: unsafeRefused})
	}
}

// shortTransactions are the settings of a producer whose transactions may take five seconds.
func shortTransactions(id string) M {
	return M{"transactional_id": id, "transaction_timeout_ms": 5000, "delivery_timeout_ms": 4000, "request_timeout_ms": 2000}
}

// transaction writes n records to a topic, and ends as told; "" leaves it open.
func (s *side) transaction(producer, topic string, n int, end string) error {
	if err := s.ask("begin", M{"handle": producer}, nil); err != nil {
		return err
	}
	var p produced
	args := M{"handle": producer, "topic": topic, "generate": gen{Count: n, Size: 30, Partitions: 1}}
	if err := s.ask("produce", args, &p); err != nil {
		return err
	}
	if p.Failed > 0 {
		return errors.New(p.firstErrors())
	}
	if end == "" {
		return nil
	}
	return s.ask(end, M{"handle": producer}, nil)
}

func (s *side) mustTransact(producer, topic string, n int, end string) {
	if err := s.transaction(producer, topic, n, end); err != nil {
		s.fail("a transaction of %d records to %s, %s: %w", n, topic, end, err)
	}
}

// ofTransactions waits for a finding about a transactional.id.
func (s *side) ofTransactions(rule, id, severity string, words ...string) finding {
	return s.awaitOf(url.Values{"rule": {rule}, "limit": {"1000"}}, fmt.Sprint(severity, " ", id, words), func(f finding) bool {
		return f.Subject.TransactionalID == id && (f.Severity == severity && !f.Resolved || severity == "resolved" && f.Resolved) && f.says(words...)
	})
}

// quietTransactions wants none.
func (s *side) quietTransactions(rule, id string) {
	all, err := findingsOf(s.ctx, warderNamed(s.through), url.Values{"rule": {rule}, "limit": {"1000"}})
	if err != nil {
		s.fail("%w", err)
	}
	about := slices.DeleteFunc(all, func(f finding) bool { return f.Subject.TransactionalID != id })
	if len(about) > 0 {
		s.fail("%s was to be silent about %s: %s", rule, id, listed(about))
	}
}

// killedProducer: a producer is killed in the middle of a transaction, while others write on. A reader that wants only what is committed stands still until
// the producer is started again under the same id. The twin's transactions are short.
func killedProducer(sides []*side) {
	s := sides[0]
	s.needs("transactions")
	topic, fine := s.create(s.topic("t"), 1, 1, nil), s.create(s.topic("fine"), 1, 1, nil)
	id, twin := s.topic("ledger-tx"), s.topic("short-tx")
	short := s.producer(shortTransactions(twin))
	s.mustTransact(short, fine, 10, "commit")
	p := s.groupPlay("g")
	reader := p.joins(topic, "reporting-"+s.client, M{"isolation": "read_committed", "auto_commit_ms": 500})
	s.records(topic, 1, 10)
	reader.reaches(10, of(topic, 0)...)

	own := s.apart()
	own.conn = s.named("ledger-" + s.client)
	own.mustTransact(own.producer(shortTransactions(id)), topic, 20, "")
	begun := time.Now()
	own.killed()
	others := s.producer(nil)
	write := func() { s.generate(others, topic, gen{Count: 5, Size: 30, Partitions: 1}, nil) }
	write()
	f := s.ofTransactions("transaction-stall", id, "warning", "ledger-"+s.client+" has had a transaction of "+id+" open for", "its timeout is 5s", "in "+topic+"-0")
	if late := f.FirstTime.Sub(begun); late < 4*time.Second { // which began a little before
		s.fail("it was told %v after the transaction had begun, whose timeout is 5s and 1s of grace: %+v", late, f)
	}
	s.until("readers that stand still", 60*time.Second, func() error {
		write()
		all, err := findingsOf(s.ctx, warderNamed(s.through), about("transaction-stall", topic))
		if err == nil && !slices.ContainsFunc(all, func(f finding) bool {
			return f.Severity == "critical" && f.says("readers of "+topic+"-0 stand still at offset 10", "behind the end") && f.Evidence["reader"] == "reporting-"+s.client
		}) {
			err = errors.New(listed(all))
		}
		return err
	})
	s.mustTransact(short, fine, 10, "commit")
	if n := reader.state().Count; n != 10 {
		s.fail("the reader was given %d records", n)
	}
	again := s.producer(M{"conn": s.named("ledger-" + s.client), "transactional_id": id, "transaction_timeout_ms": 5000, "delivery_timeout_ms": 4000, "request_timeout_ms": 2000})
	s.ofTransactions("transaction-stall", id, "resolved", "aborted by InitProducerId of ledger-"+s.client)
	write()
	s.until("the reader to go on", 30*time.Second, func() error {
		if n := reader.state().Count; n <= 10 {
			return fmt.Errorf("it was given %d records", n)
		}
		return nil
	})
	s.quietTransactions("transaction-stall", twin)
	for _, handle := range []string{again, others, short} {
		s.closeProducer(handle)
	}
	reader.close()
}

// manyAborts: one producer aborts every third transaction and more; the twin commits them all but one, at its end.
func manyAborts(sides []*side) {
	s := sides[0]
	s.needs("transactions")
	topic := s.create(s.topic("t"), 1, 1, nil)
	id, twin := s.topic("many"), s.topic("few")
	fine, bad := s.producer(M{"transactional_id": twin}), s.producer(M{"transactional_id": id})
	for i := range 12 {
		s.mustTransact(fine, topic, 2, "commit")
		s.mustTransact(bad, topic, 2, []string{"commit", "abort"}[min(i%3, 1)])
	}
	s.mustTransact(fine, topic, 2, "abort")
	f := s.ofTransactions("transaction-aborts", id, "critical", "e2e-"+s.client+" aborted")
	aborted, _ := f.Evidence["aborted"].(float64)
	committed, _ := f.Evidence["committed"].(float64)
	if aborted < 3 || aborted > 8 || committed > 4 || aborted+committed < 10 {
		s.fail("8 of 12 transactions were aborted: %+v", f)
	}
	s.quietTransactions("transaction-aborts", twin)
	s.closeProducer(fine)
	s.closeProducer(bad)
}

// twoProducers: two processes run with one transactional.id. The twin is one process that is killed and started again elsewhere.
func twoProducers(sides []*side) {
	s := sides[0]
	s.needs("transactions")
	topic := s.create(s.topic("t"), 1, 1, nil)
	id, twin := s.topic("shared"), s.topic("restarted")
	first, second := s.apart(), s.apart()
	first.conn, second.conn = s.named("ledger-0"), s.named("ledger-1")
	defer second.killed()
	first.mustTransact(first.producer(M{"transactional_id": twin}), topic, 2, "")
	one := first.producer(M{"transactional_id": id})
	first.mustTransact(one, topic, 2, "commit")
	other := second.producer(M{"transactional_id": id})
	second.mustTransact(other, topic, 2, "commit")
	err := first.transaction(one, topic, 2, "commit")
	if err == nil {
		s.fail("the producer that was fenced goes on writing")
	}
	if e, ok := errors.AsType[*driver.Error](err); ok {
		s.note("the fenced producer was told %s: %.80s", e.Name, e.Message)
	}
	f := s.ofTransactions("producer-fenced", id, "critical", "ledger-0 at", "was fenced by ledger-1 at", "both are running with transactional.id "+id)
	if f.Subject.ClientID != "ledger-0" {
		s.fail("the producer that was fenced is ledger-0: %+v", f)
	}
	first.killed()
	replacement := second.producer(M{"transactional_id": twin})
	second.mustTransact(replacement, topic, 2, "commit")
	second.mustTransact(other, topic, 2, "commit")
	s.ofTransactions("producer-fenced", id, "resolved")
	s.quietTransactions("producer-fenced", twin)
}

// careless are the settings of a producer that may lose and repeat what it writes; careful of one that does not.
var careless, careful = M{"acks": "1", "idempotent": false}, M{"acks": "all", "idempotent": true}

// unsafeProducer writes to a topic that is named as critical; the twins write carefully, and to a topic that is not.
func unsafeProducer(sides []*side) {
	s := sides[0]
	s.needs("idempotent")
	topic, safe, other := s.create(s.topic("t"), 1, 1, nil), s.create(s.topic("safe"), 1, 1, nil), s.create("other."+s.topic("t"), 1, 1, nil)
	write := func(topic string, settings M) {
		p := s.producer(settings)
		s.generate(p, topic, gen{Count: 10, Size: 30, Partitions: 1}, nil)
		s.closeProducer(p)
	}
	write(safe, careful)
	write(other, careless)
	write(topic, careless)
	f := s.await("unsafe-producer", topic, "warning", "e2e-"+s.client+" writes to critical topic "+topic, "acks=1 and without idempotence")
	wantEvidence(s, f, M{"acks": 1, "idempotent": false, "missing": "acks=all and enable.idempotence=true"})
	s.silent("unsafe-producer", safe)
	s.silent("unsafe-producer", other)
}

// unsafeRefused: the same where warder refuses it. What is written carefully is stored.
func unsafeRefused(sides []*side) {
	s := sides[0]
	s.needs("idempotent")
	topic := s.create(s.topic("t"), 1, 1, nil)
	p := s.producer(careless)
	got := s.send(p, topic, "sync", []record{{value: []byte("v")}})
	s.closeProducer(p)
	s.refusedBy("unsafe-producer", got.Results[0].Error)
	s.records(topic, 1, 10)
	if n := s.end(topic); n != 10 {
		s.fail("%s holds %d records, not the 10 of the careful producer", topic, n)
	}
}
