package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// policyViolation is Kafka's code of a blocked record.
const policyViolation = 44

// tombstoneCase is a way to send forty records with a tombstone among them.
type tombstoneCase struct {
	name       string
	mode       string // of produce
	idempotent bool
	one        bool // every record a batch of its own, many in flight
	first      bool // the tombstone is the producer's first record
	partitions int
	compaction bool   // look at the key again after compaction
	codec      string // of the producer; with one, the first record shrinks more than a thousandfold
}

var tombstoneCases = []tombstoneCase{
	{name: "sync", mode: "sync", idempotent: true, compaction: true},
	{name: "sync-plain", mode: "sync", compaction: true},
	{name: "pipelined", mode: "async", idempotent: true, one: true},
	{name: "pipelined-plain", mode: "async", one: true},
	{name: "batched", mode: "call", idempotent: true},
	{name: "batched-plain", mode: "call"},
	{name: "first-batch", mode: "async", idempotent: true, one: true, first: true},
	{name: "partial", mode: "call", idempotent: true, partitions: 2},
	{name: "compressed", mode: "call", idempotent: true, codec: "gzip"},
}

func TestTombstone(t *testing.T) {
	for _, c := range tombstoneCases {
		sc := scenario{name: "block-" + c.name, modes: []string{"warder"}, warder: throughBlocking(kafka.Plaintext), run: func(s *side) any { return blocked(s, c) }}
		if c.idempotent {
			sc.needs = []string{"idempotent"}
		}
		runScenario(t, sc)
	}
	runScenario(t, scenario{name: "alert-only", run: notBlocked})
	runScenario(t, scenario{name: "block-transaction", needs: []string{"transactions"}, modes: []string{"warder"},
		warder: throughBlocking(kafka.Plaintext), run: blockedInTransaction})
	runScenario(t, scenario{name: "block-in-band", needs: []string{"sasl:SCRAM-SHA-512", "tls"}, modes: []string{"warder"},
		warder: throughBlocking(kafka.SASLTLS),
		run:    func(s *side) any { return blocked(s, tombstoneCase{mode: "sync", compaction: true}) }})
}

// TestTombstoneFindings asks the blocking warder what it has found: the operator's side of what the clients met.
func TestTombstoneFindings(t *testing.T) {
	p := warderNamed("blocking")
	if p == nil {
		t.Skip("no tombstone was blocked before")
	}
	for _, name := range clientNames() {
		begin := time.Now()
		err := hasFinding(p, "e2e-"+name)
		w.sums.add("finding-of-block", name, "", err, nil, time.Since(begin))
		if err != nil {
			t.Error(err)
		}
	}
}

// hasFinding asks the admin interface for blocked tombstones of a client.
func hasFinding(p *proxy, clientID string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found, err := findingsOf(ctx, p, url.Values{"rule": {"tombstone"}, "client_id": {clientID}})
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Action == "block" && f.Subject.ClientID == clientID && strings.HasPrefix(f.Subject.Topic, "block-") && strings.Contains(f.Summary, "compacted topic") {
			return nil
		}
	}
	return fmt.Errorf("no blocked tombstone of %s among %s", clientID, listed(found))
}

// throughBlocking goes through a warder that blocks tombstones and has no credentials of its own.
func throughBlocking(upstream kafka.Listener) func(context.Context) (M, error) {
	return func(ctx context.Context) (M, error) {
		spec := proxySpec{cluster: w.three, upstream: upstream, listeners: []listenerSpec{{name: "plain"}}, rules: "  tombstone: {action: block}"}
		name := "blocking"
		conn := M{}
		if upstream == kafka.SASLTLS {
			name = "blocking-in-band"
			spec.listeners = []listenerSpec{{name: "plain", tls: "tls"}}
			conn["security"] = secure("SASL_SSL", "SCRAM-SHA-512", false)
		}
		p, err := startWarder(ctx, name, spec)
		if err != nil {
			return nil, err
		}
		conn["bootstrap"] = p.addr["plain"]
		return conn, nil
	}
}

// victim is the key that the tombstone would delete. It and the values are so long that two records do not fit where a library was
// asked for one a batch.
var victim = "victim" + strings.Repeat("-", 60)

// forty are records of which one is a tombstone for the key victim, written alive before; the key dup is written twice, so that
// compaction shows itself.
func forty(c tombstoneCase) (records []record, tombstone int) {
	parts := max(1, c.partitions)
	for i := range 40 {
		r := record{partition: i % parts, key: []byte("k" + itoa(i)), value: []byte("v" + itoa(i) + strings.Repeat(".", 200)), ts: time.Now().UnixMilli()}
		switch i {
		case 2, 10:
			r.key = []byte("dup")
		case 6:
			r.key, r.value = []byte(victim), []byte("alive"+strings.Repeat(".", 200))
		}
		records = append(records, r)
	}
	if c.codec != "" {
		records[0].value = []byte(strings.Repeat("z", 700_000))
	}
	tombstone = 20
	if c.first {
		tombstone = 0
	}
	records[tombstone].key, records[tombstone].value = []byte(victim), nil
	return records, tombstone
}

func compactTopic(s *side, partitions int) string {
	return s.create(s.topic("t"), max(1, partitions), 3, M{"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "100"})
}

// settings of the case's producer.
func (c tombstoneCase) settings() M {
	m := M{"idempotent": c.idempotent, "max_in_flight": 5, "delivery_timeout_ms": 20000}
	if c.one {
		m["batch_bytes"], m["linger_ms"] = 1, 0
	} else {
		m["linger_ms"] = 20
	}
	if c.mode == "sync" {
		m["linger_ms"] = 0
	}
	if c.codec != "" {
		m["codec"] = c.codec
	}
	return m
}

// blocked: the tombstone is refused with warder's error; what was acknowledged is stored once and in order, nothing else is; the
// producer goes on; after compaction the key is still alive.
func blocked(s *side, c tombstoneCase) any {
	topic := compactTopic(s, c.partitions)
	for part := range c.partitions { // one leader: one request carries both partitions
		s.until("broker 1 to lead", 30*time.Second, func() error { return lead(s, topic, part, 1) })
	}
	records, tombstone := forty(c)
	p := s.producer(c.settings())
	got := s.send(p, topic, c.mode, records)
	s.refusedBy("tombstone", got.Results[tombstone].Error)
	var after []record
	for i := range 5 {
		after = append(after, record{partition: i % max(1, c.partitions), key: []byte("a" + itoa(i)), value: []byte(itoa(i) + "after"), ts: time.Now().UnixMilli()})
	}
	later := s.send(p, topic, "sync", after)
	checkCounts(s, c, got, later)
	_ = s.ask("producer_close", M{"handle": p}, nil) // a producer in its fatal state may say so once more
	checkStored(s, c, topic, append(append([]record(nil), records...), after...), append(got.Results, later.Results...))
	if c.compaction {
		if v := afterCompaction(s, topic, max(1, c.partitions)); !strings.HasPrefix(v, "alive") {
			s.fail("after compaction the key is %s", v)
		}
	}
	s.must("delete_topic", M{"name": topic}, nil)
	return "the key is alive"
}

// blockedInTransaction: a refused tombstone spoils its own transaction, which is aborted, and not the next.
func blockedInTransaction(s *side) any {
	topic := compactTopic(s, 1)
	settings := M{"transactional_id": s.topic("x"), "delivery_timeout_ms": 20000}
	p := s.producer(settings)
	value := func(key, v string) record {
		return record{key: []byte(key), value: []byte(v), ts: time.Now().UnixMilli()}
	}
	s.must("begin", M{"handle": p}, nil)
	got := s.send(p, topic, "sync", []record{value("dropped", "with its transaction"), {key: []byte("dropped"), ts: time.Now().UnixMilli()}})
	s.refusedBy("tombstone", got.Results[1].Error)
	s.must("abort", M{"handle": p}, nil)
	if s.client == "kafka-python" {
		s.note("kafka-python's transactional producer is of no use after any refused batch, as documented: a new one goes on")
		_ = s.ask("producer_close", M{"handle": p}, nil)
		p = s.producer(settings)
	}
	for again := false; ; again = true {
		s.must("begin", M{"handle": p}, nil)
		got := s.send(p, topic, "sync", []record{value("kept-1", "a"), value("kept-2", "b")})
		if got.Acked == 2 {
			break
		}
		if s.client != "librdkafka" || again {
			s.fail("the next transaction:%s", got.firstErrors())
		}
		s.note("librdkafka bumps its epoch a transaction late: the one after a refusal must be aborted too, as after a refusal of the broker's own")
		s.must("abort", M{"handle": p}, nil)
	}
	s.must("commit", M{"handle": p}, nil)
	s.closeProducer(p)
	s.until("the committed records", 30*time.Second, func() error {
		var keys []string
		for _, r := range s.consume(topic, M{"isolation": "read_committed", "raw": true}).Records {
			keys = append(keys, plain(r.K))
		}
		if strings.Join(keys, " ") != "kept-1 kept-2" {
			return fmt.Errorf("a committed reader sees %v", keys)
		}
		return nil
	})
	s.must("delete_topic", M{"name": topic}, nil)
	return "the next transaction is whole"
}

// checkCounts wants exactly one failure where the records had batches of their own, and a producer that goes on, save for what
// the libraries are known to do.
func checkCounts(s *side, c tombstoneCase, got, later produced) {
	alone := c.mode == "sync" || c.one && (s.client == "java" || s.client == "librdkafka")
	if s.client == "kafka-python" && c.idempotent {
		if later.Acked != 0 {
			s.fail("kafka-python's idempotent producer was expected to be in its fatal state, yet %d records were acknowledged", later.Acked)
		}
		s.note("kafka-python's idempotent producer is fatal after any refused batch, as documented: %d of 39 were acknowledged", got.Acked)
		return
	}
	if alone && got.Acked != 39 {
		s.fail("%d of the 39 other records were acknowledged:%s", got.Acked, got.firstErrors())
	}
	if later.Acked != 5 {
		s.fail("the producer is not usable afterwards:%s", later.firstErrors())
	}
	if got.Acked != 39 && c.one { // elsewhere the others shared the tombstone's batch, or its request
		s.note("%d of the 39 other records failed with the tombstone, though in batches of their own", 39-got.Acked)
	}
}

// checkStored reads the brokers directly: acknowledged records are there once, in order within their partition, and nothing else is.
func checkStored(s *side, c tombstoneCase, topic string, records []record, results []outcome) {
	sent, acked, stored := map[int][]string{}, map[int][]string{}, map[int][]string{}
	for i, o := range results {
		if records[i].value == nil {
			continue
		}
		name, p := string(records[i].key)+"="+string(records[i].value[:5]), records[i].partition
		sent[p] = append(sent[p], name)
		if o.Error == nil {
			acked[p] = append(acked[p], name)
		}
	}
	for _, r := range raw(s, topic) {
		if r.V == nil {
			s.fail("a null value for key %s was stored at offset %d", plain(r.K), r.O)
		}
		stored[r.P] = append(stored[r.P], plain(r.K)+"="+plain(r.V)[:5])
	}
	for p := range max(1, c.partitions) {
		a, b := drop(acked[p], "dup=v2..."), drop(stored[p], "dup=v2...") // compaction may already have taken it
		if !within(b, sent[p]) || !within(a, b) {
			s.fail("partition %d: sent %v, acknowledged %v, stored %v", p, sent[p], a, b)
		}
		if len(a) == len(b) {
			continue
		}
		if s.client != "franz-go" || c.idempotent {
			s.fail("partition %d: acknowledged %v, stored %v", p, a, b)
		}
		s.note("franz-go without idempotence reported %d records as failed that were in flight and are stored", len(b)-len(a))
	}
}

// within tells whether part is whole less some entries, in order and none more often.
func within(part, whole []string) bool {
	for _, e := range whole {
		if len(part) > 0 && part[0] == e {
			part = part[1:]
		}
	}
	return len(part) == 0
}

func drop(list []string, one string) []string {
	var rest []string
	for _, l := range list {
		if l != one {
			rest = append(rest, l)
		}
	}
	return rest
}

// raw reads a topic directly from the brokers.
func raw(s *side, topic string) []read {
	var c consumed
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	if err := w.admin.Call(ctx, "consume", M{"conn": threeDirect(), "topic": topic, "raw": true}, &c); err != nil {
		s.fail("reading %s directly: %w", topic, err)
	}
	return c.Records
}

// notBlocked is the twin without blocking, direct and through a warder that only alerts: compaction takes the key.
func notBlocked(s *side) any {
	topic := compactTopic(s, 1)
	c := tombstoneCase{mode: "sync"}
	records, _ := forty(c)
	p := s.producer(c.settings())
	if got := s.send(p, topic, c.mode, records); got.Acked != 40 {
		s.fail("%d acknowledged:%s", got.Acked, got.firstErrors())
	}
	s.closeProducer(p)
	v := afterCompaction(s, topic, 1)
	s.must("delete_topic", M{"name": topic}, nil)
	if strings.HasPrefix(v, "alive") {
		s.fail("the key survived its tombstone")
	}
	return "the key is gone"
}

// afterCompaction makes the brokers compact the topic and returns what the key victim is then: its last value, null or gone. New
// records close the active segment, which the cleaner leaves alone; the key dup shows when the cleaner has been there.
func afterCompaction(s *side, topic string, partitions int) string {
	roller := adminProducer(s)
	value := "gone"
	s.until("compaction", time.Minute, func() error {
		for part := range partitions {
			roll(s, roller, topic, part)
		}
		time.Sleep(150 * time.Millisecond) // older than segment.ms: the next record closes the segment
		dups := 0
		value = "gone"
		for _, r := range raw(s, topic) {
			switch plain(r.K) {
			case "dup":
				dups++
			case victim:
				value = plain(r.V)
			}
		}
		if dups != 1 {
			return fmt.Errorf("the key dup is there %d times", dups)
		}
		return nil
	})
	if err := w.admin.Call(s.ctx, "producer_close", M{"handle": roller}, nil); err != nil {
		s.fail("%w", err)
	}
	return value
}

func adminProducer(s *side) string {
	var r struct{ Handle string }
	if err := w.admin.Call(s.ctx, "producer_open", M{"conn": threeDirect(), "linger_ms": 0}, &r); err != nil {
		s.fail("%w", err)
	}
	return r.Handle
}

func roll(s *side, producer, topic string, part int) {
	rec := M{"p": part, "k": b64([]byte("roll")), "v": b64([]byte("roll"))}
	if err := w.admin.Call(s.ctx, "produce", M{"handle": producer, "topic": topic, "records": []M{rec}, "mode": "sync"}, nil); err != nil {
		s.fail("%w", err)
	}
}
