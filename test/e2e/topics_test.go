package e2e

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"warder/test/e2e/driver"
)

const day = int64(1700000000000) // a time for records, so that results do not depend on the clock

func TestBasics(t *testing.T) {
	runScenario(t, scenario{name: "topics", needs: []string{"admin"}, run: topics})
	runScenario(t, scenario{name: "admin", needs: []string{"admin"}, run: adminCalls})
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		sc := scenario{name: "codec-" + codec, run: func(s *side) any { return codecs(s, codec) }}
		if codec != "none" {
			sc.needs = []string{"codec:" + codec}
		}
		runScenario(t, sc)
	}
	runScenario(t, scenario{name: "value-forms", run: valueForms})
	runScenario(t, scenario{name: "idempotent-20000", needs: []string{"idempotent"}, run: idempotent20000})
	runScenario(t, scenario{name: "records-5MB", run: fiveMegabytes})
	runScenario(t, scenario{name: "acks0", needs: []string{"acks0", "list_offsets"}, run: acks0})
}

// topics creates, describes, changes, lists and deletes topics.
func topics(s *side) any {
	name := s.create(s.topic("t"), 3, 3, M{"cleanup.policy": "compact", "retention.ms": "7200000"})
	result := M{}
	result["again"] = errorName(s.ask("create_topic", M{"name": name, "partitions": 1, "replication": 1}, nil))
	result["describe"] = shape(s.settled(name, 3, 3))
	result["configs"] = s.configs(name, "cleanup.policy", "retention.ms", "min.insync.replicas")
	if s.d.Can("alter_configs") {
		s.must("alter_configs", M{"name": name, "set": M{"cleanup.policy": "compact,delete"}}, nil)
		s.until("the new cleanup.policy", 20*time.Second, func() error {
			altered := s.configs(name, "cleanup.policy", "retention.ms")
			result["altered"] = altered
			if got := altered["cleanup.policy"]; got != "compact,delete" {
				return fmt.Errorf("it is %v", got)
			}
			return nil
		})
	}
	if s.d.Can("create_partitions") {
		s.must("create_partitions", M{"name": name, "total": 5}, nil)
		result["grown"] = shape(s.settled(name, 5, 3))
	}
	// Brokers learn of a change one by one, and the client may ask any of them.
	s.until("the topic to be listed", 20*time.Second, func() error { return s.listed(name, true) })
	s.must("delete_topic", M{"name": name}, nil)
	s.until("the topic to be gone", 20*time.Second, func() error { return s.listed(name, false) })
	result["delete again"] = errorName(s.ask("delete_topic", M{"name": name}, nil))
	return result
}

// configs are the topic's settings of these names.
func (s *side) configs(topic string, names ...string) M {
	var r struct{ Configs M }
	s.must("describe_configs", M{"type": "topic", "name": topic, "keys": names}, &r)
	return r.Configs
}

// listed wants the topic to be among all topics, or not.
func (s *side) listed(topic string, want bool) error {
	var list struct{ Topics []string }
	s.must("list_topics", nil, &list)
	if slices.Contains(list.Topics, topic) != want {
		return fmt.Errorf("%s among %d topics: %v", topic, len(list.Topics), !want)
	}
	return nil
}

// shape is what two topics of the same making have in common.
func shape(found []partition) any {
	var all []string
	for _, p := range found {
		all = append(all, fmt.Sprintf("%d: %d replicas, %d in sync", p.ID, len(p.Replicas), len(p.ISR)))
	}
	return all
}

func errorName(err error) string {
	var e *driver.Error
	switch {
	case err == nil:
		return "no error"
	case errors.As(err, &e) && e.Code != nil:
		return fmt.Sprintf("%s %d", e.Name, *e.Code)
	case errors.As(err, &e):
		return e.Name
	}
	return err.Error()
}

// adminCalls asks about the cluster, brokers and offsets, and deletes records.
func adminCalls(s *side) any {
	result := M{"cluster": describeCluster(s)}
	var configs struct{ Configs M }
	s.must("describe_configs", M{"type": "broker", "name": "1", "keys": []string{"log.cleaner.backoff.ms", "message.max.bytes", "node.id"}}, &configs)
	result["broker"] = configs.Configs
	topic := s.create(s.topic("t"), 2, 3, nil)
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: 20, Size: 30, Partitions: 2, TS: day}, nil)
	s.closeProducer(p)
	if s.d.Can("list_offsets") {
		result["earliest"], result["latest"] = s.offsets(topic, "earliest"), s.offsets(topic, "latest")
	}
	if s.d.Can("delete_records") {
		var low struct {
			LowWatermark int64 `json:"low_watermark"`
		}
		s.must("delete_records", M{"topic": topic, "partition": 1, "offset": 4}, &low)
		result["low watermark"] = low.LowWatermark
		result["after"] = s.consume(topic, nil).Partitions
	}
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

// describeCluster checks that a client behind warder is told of warder's addresses only, and leaves them out of the result.
func describeCluster(s *side) any {
	if !s.d.Can("describe_cluster") {
		return nil
	}
	var c struct {
		ClusterID  *string `json:"cluster_id"`
		Controller int
		Brokers    []struct {
			ID   int
			Host string
			Port int
		}
	}
	s.must("describe_cluster", nil, &c)
	brokers := map[int]bool{}
	for _, p := range w.three.Ports() {
		brokers[p] = true
	}
	var ids []int
	for _, b := range c.Brokers {
		ids = append(ids, b.ID)
		if direct := s.mode == "direct"; brokers[b.Port] != direct || b.Host != "127.0.0.1" {
			s.fail("broker %d is said to be at %s", b.ID, net.JoinHostPort(b.Host, itoa(b.Port)))
		}
	}
	return M{"id": c.ClusterID, "controller is one of them": c.Controller >= 1 && c.Controller <= 3, "brokers": ids}
}

// codecs stores keys, values, nulls, headers and timestamps with one codec and reads them back.
func codecs(s *side, codec string) any {
	topic := s.create(s.topic("t"), 3, 3, nil)
	var want []gen
	for i, idempotent := range []bool{true, false} {
		if idempotent && !s.d.Can("idempotent") {
			continue
		}
		g := gen{Count: 400, Size: 300, Partitions: 3, TS: day, Flavour: "mixed", Prefix: fmt.Sprintf("r%d-", i)}
		p := s.producer(M{"codec": codec, "idempotent": idempotent, "linger_ms": 20})
		s.generate(p, topic, g, nil)
		s.closeProducer(p)
		want = append(want, g)
	}
	s.holds(topic, nil, want...)
	result := s.consume(topic, nil).Partitions
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

// valueForms stores every form of value that generators make, with recurring keys.
func valueForms(s *side) any {
	topic := s.create(s.topic("t"), 2, 3, nil)
	var want []gen
	for i, form := range []string{"text", "json", "json-null-email", "confluent", "null", "null-text", "empty", "empty-object"} {
		want = append(want, gen{Count: 20, Size: 50, Partitions: 2, TS: day, Prefix: fmt.Sprintf("f%d-", i), Keys: 7, Hot: 5, Value: form})
	}
	p := s.producer(nil)
	for _, g := range want {
		s.generate(p, topic, g, nil)
	}
	s.closeProducer(p)
	s.holds(topic, nil, want...)
	s.must("delete_topic", M{"name": topic}, nil)
	return "every form came back"
}

func idempotent20000(s *side) any {
	topic := s.create(s.topic("t"), 2, 3, nil)
	g := gen{Count: 20000, Size: 100, Partitions: 2, TS: day}
	p := s.producer(M{"idempotent": true, "codec": "none"})
	s.generate(p, topic, g, nil)
	s.closeProducer(p)
	s.holds(topic, nil, g)
	result := s.consume(topic, nil).Partitions
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

// fiveMegabytes sends records far larger than any window or buffer on the way.
func fiveMegabytes(s *side) any {
	topic := s.create(s.topic("t"), 1, 3, M{"max.message.bytes": "8000000"})
	g := gen{Count: 3, Size: 5_000_000, Partitions: 1, TS: day}
	p := s.producer(M{"max_request_bytes": 8_000_000, "batch_bytes": 6_000_000, "linger_ms": 0})
	s.generate(p, topic, g, M{"mode": "sync"})
	s.closeProducer(p)
	s.holds(topic, M{"max_fetch_bytes": 8_000_000}, g)
	s.must("delete_topic", M{"name": topic}, nil)
	return "three records of 5 MB came back"
}

// acks0 has no answers to wait for: the records are awaited in the log.
func acks0(s *side) any {
	topic := s.create(s.topic("t"), 1, 3, nil)
	g := gen{Count: 500, Size: 100, Partitions: 1, TS: day}
	first := gen{Count: 1, Partitions: 1, TS: day, Prefix: "acknowledged"} // a leader that does not yet know its office loses what nobody waits for
	p := s.producer(nil)
	s.generate(p, topic, first, nil)
	s.closeProducer(p)
	p = s.producer(M{"acks": "0", "idempotent": false})
	s.generate(p, topic, g, nil)
	s.until("501 records in the log", 30*time.Second, func() error {
		if n := s.end(topic); n != 501 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	s.holds(topic, nil, first, g)
	s.closeProducer(p)
	s.must("delete_topic", M{"name": topic}, nil)
	return "500 records in order"
}
