package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strconv"
	"time"

	"warder/test/e2e/driver"
	"warder/test/e2e/kafka"
)

// M is a JSON object.
type M = map[string]any

// side is one run of a scenario: one client, direct or through warder. Its methods end the scenario by a panic that run turns
// into an error, so that scenarios read as what happens.
type side struct {
	ctx      context.Context
	cluster  *kafka.Cluster
	scenario string
	client   string
	mode     string // "direct" or "warder"
	through  string // in a rulePlay: the name of the warder
	d        *driver.Driver
	conn     M
	notes    []string
}

// failure ends a scenario.
type failure struct{ err error }

func (s *side) fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// ends runs a scenario, or a part of one, to its end: a failure, what the library cannot do, or neither.
func ends(run func()) (skip string, err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			err = f.err
			if no, ok := errors.AsType[*driver.Unsupported](err); ok {
				skip, err = no.Reason, nil
			}
		default:
			err = fmt.Errorf("panic: %v\n%s", f, debug.Stack())
		}
	}()
	run()
	return "", nil
}

// note adds a line that the summary prints: something that is as documented but worth knowing.
func (s *side) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// topic is a name of its own for this run.
func (s *side) topic(name string) string {
	return fmt.Sprintf("%s.%s.%s.%s", s.scenario, name, s.client, s.mode)
}

// ask runs an operation and gives the client's error back.
func (s *side) ask(op string, args M, result any) error {
	ctx, cancel := context.WithTimeout(s.ctx, 100*time.Second)
	defer cancel()
	all := M{"conn": s.conn}
	maps.Copy(all, args)
	return s.d.Call(ctx, op, all, result)
}

// must runs an operation that has to work.
func (s *side) must(op string, args M, result any) {
	if err := s.ask(op, args, result); err != nil {
		if _, ok := errors.AsType[*driver.Unsupported](err); ok {
			panic(failure{err})
		}
		s.fail("%s %v: %w", op, short(args), err)
	}
}

func short(args M) string {
	text := fmt.Sprint(args)
	return text[:min(len(text), 200)]
}

// until waits for a condition.
func (s *side) until(what string, limit time.Duration, ok func() error) {
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || s.ctx.Err() != nil {
			s.fail("waited %v for %s: %w", limit, what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

const unknownTopic = 3

type partition struct {
	ID, Leader    int
	Replicas, ISR []int
}

func (s *side) describe(topic string) ([]partition, error) {
	var d struct{ Partitions []partition }
	err := s.ask("describe_topic", M{"name": topic}, &d)
	return d.Partitions, err
}

// create makes a topic through the client and waits until the client sees a leader and all replicas of each partition.
func (s *side) create(name string, partitions, replication int, configs M) string {
	err := s.ask("create_topic", M{"name": name, "partitions": partitions, "replication": replication, "configs": configs}, nil)
	if e, ok := errors.AsType[*driver.Error](err); err != nil && (!ok || e.Code == nil || *e.Code != unknownTopic) { // kafkajs looks at a new topic at once, on any broker
		s.fail("creating %s: %w", name, err)
	}
	s.settled(name, partitions, replication)
	s.led(name)
	return name
}

// led waits until the leaders of a new topic know their office. What the client was told is another broker's word: of two batches that are under way to a
// leader when it learns, it may refuse the first and take the second, and an idempotent producer that tries the first again is out of sequence for good.
func (s *side) led(topic string) {
	brokers := M{"bootstrap": s.cluster.Bootstrap(kafka.Plaintext)}
	s.until("the leaders of "+topic, 30*time.Second, func() error {
		return w.admin.Call(s.ctx, "list_offsets", M{"conn": brokers, "topic": topic}, nil)
	})
}

// settled waits until the client sees the topic whole, and gives it as it was seen: a second look may be at a broker that is behind.
func (s *side) settled(name string, partitions, replication int) (found []partition) {
	s.until("topic "+name+" to have leaders", 30*time.Second, func() (err error) {
		if found, err = s.describe(name); err != nil {
			return err
		}
		if len(found) != partitions {
			return fmt.Errorf("%d partitions", len(found))
		}
		for _, p := range found {
			if p.Leader < 0 || len(p.ISR) != replication {
				return fmt.Errorf("partition %+v", p)
			}
		}
		return nil
	})
	return found
}

// outcome of one record.
type outcome struct {
	P     int
	O     int64
	Error *driver.Error
}

type produced struct {
	Acked, Failed int
	SlowestMs     *int64 `json:"slowest_ms"` // of generated records, where the driver tells
	Results       []outcome
	Errors        []struct {
		I     int
		Error *driver.Error
	}
}

func (p produced) firstErrors() string {
	text := ""
	for i, e := range p.Errors {
		if i < 3 {
			text += fmt.Sprintf(" [%d %v]", e.I, e.Error)
		}
	}
	for i, o := range p.Results {
		if o.Error != nil && len(text) < 400 {
			text += fmt.Sprintf(" [%d %v]", i, o.Error)
		}
	}
	return text
}

// producer opens one and gives its handle.
func (s *side) producer(settings M) string {
	var r struct{ Handle string }
	s.must("producer_open", settings, &r)
	return r.Handle
}

func (s *side) closeProducer(handle string) { s.must("producer_close", M{"handle": handle}, nil) }

// generate produces generated records, all of which have to be acknowledged.
func (s *side) generate(handle, topic string, g gen, more M) produced {
	g.Avoid = refusals[s.client]
	args := M{"handle": handle, "topic": topic, "generate": g}
	maps.Copy(args, more)
	var p produced
	s.must("produce", args, &p)
	if p.Acked != g.Count || p.Failed != 0 {
		s.fail("producing %d records to %s: %d acked, %d failed:%s", g.Count, topic, p.Acked, p.Failed, p.firstErrors())
	}
	return p
}

// send produces the records one knows by hand.
func (s *side) send(handle, topic, mode string, records []record) produced {
	var list []M
	for _, r := range records {
		m := M{"p": r.partition, "k": b64(r.key), "v": b64(r.value)}
		if r.ts != 0 {
			m["ts"] = r.ts
		}
		list = append(list, m)
	}
	var p produced
	s.must("produce", M{"handle": handle, "topic": topic, "records": list, "mode": mode}, &p)
	if len(p.Results) != len(records) {
		s.fail("%d outcomes for %d records", len(p.Results), len(records))
	}
	return p
}

func b64(b []byte) any {
	if b == nil {
		return nil
	}
	return base64.StdEncoding.EncodeToString(b)
}

// read is a record as a consumer reports it.
type read struct {
	T    string
	P    int
	O    int64
	K, V *string
	TS   int64
}

func plain(s *string) string {
	if s == nil {
		return "null"
	}
	b, err := base64.StdEncoding.DecodeString(*s)
	if err != nil {
		return "not base64: " + *s
	}
	return string(b)
}

type consumed struct {
	Partitions map[string]struct {
		sum
		First int64 `json:"first"`
		Last  int64 `json:"last"`
	}
	Records []read
}

func (c consumed) sums() map[string]sum {
	all := map[string]sum{}
	for p, d := range c.Partitions {
		all[p] = d.sum
	}
	return all
}

func (s *side) consume(topic string, more M) consumed {
	args := M{"topic": topic}
	maps.Copy(args, more)
	var c consumed
	s.must("consume", args, &c)
	return c
}

// refusals names what client libraries refuse to send and other libraries do.
var refusals = map[string][]string{
	"kafka-python": {"null_header_values", "null_key_and_value"},
	"kafkajs":      {"null_header_values"},
}

// holds fails unless topic comes to hold exactly these generated records, one generator after the other. A committed reader may not see the
// end of the last transaction at once: its markers are written after the commit was answered. What is lost or stored twice stays so.
func (s *side) holds(topic string, more M, gens ...gen) {
	for i := range gens {
		gens[i].Avoid = refusals[s.client]
	}
	want := digests(gens...)
	s.until(topic+" to hold what was written", 30*time.Second, func() error {
		got := s.consume(topic, more).sums()
		if !maps.Equal(got, want) {
			return fmt.Errorf("%s holds %v, want %v", topic, got, want)
		}
		return nil
	})
}

// lead moves a partition's leadership in an orderly way.
func lead(s *side, topic string, partition, broker int) error {
	ctx, cancel := context.WithTimeout(s.ctx, 40*time.Second)
	defer cancel()
	return w.admin.Call(ctx, "move_leader", M{"conn": threeDirect(), "topic": topic, "partition": partition, "leader": broker}, nil)
}

// end is the sum of a topic's latest offsets.
func (s *side) end(topic string) int64 {
	var total int64
	for _, o := range s.offsets(topic, "latest") {
		total += o
	}
	return total
}

// offsets lists a topic's earliest or latest offsets. A leader just elected may not answer at once, and not all libraries ask again.
func (s *side) offsets(topic, spec string) map[string]int64 {
	var r struct{ Offsets map[string]int64 }
	s.until("offsets", 20*time.Second, func() error { return s.ask("list_offsets", M{"topic": topic, "spec": spec}, &r) })
	return r.Offsets
}

func itoa(i int) string { return strconv.Itoa(i) }
