package e2e

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestTuning(t *testing.T) {
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "untuned-producer", name: "batches", clients: []string{client}, run: smallBatches})
		playRule(t, rulePlay{rule: "untuned-consumer", name: "fetches", clients: []string{client}, run: smallFetches})
		playRule(t, rulePlay{rule: "connection-churn", name: "message", clients: []string{client}, run: clientPerMessage})
	}
	// Not kafkajs: what it does between two records takes about as long as the broker, and then little would be won.
	for _, client := range []string{"java", "librdkafka"} {
		playRule(t, rulePlay{rule: "untuned-producer", name: "sync", clients: []string{client}, run: oneByOne})
	}
	for _, client := range []string{"java", "librdkafka"} {
		playRule(t, rulePlay{rule: "untuned-producer", name: "codec", clients: []string{client}, run: uncompressed})
	}
}

// as is a client id of its own, one that the rules about settings look at, for one part of a scenario.
func (s *side) as(role string) M {
	conn := maps.Clone(s.conn)
	conn["client_id"] = "tune-" + s.scenario + "-" + role + "-" + s.client
	return conn
}

// advised plays a mistake and its twin, over and over and both at once, until warder has told of the mistake, of one of these kinds, and wants it to have
// said nothing of the kind of the twin. The advice must name what the library calls the setting.
func (s *side) advised(rule string, kinds []string, names string, mistake, twin func()) {
	found := make(chan struct{})
	again := func(play func()) func() {
		return func() {
			for {
				select {
				case <-found:
					return
				case <-s.ctx.Done():
					return
				default:
					play()
				}
			}
		}
	}
	query := func(role string) url.Values {
		return url.Values{"rule": {rule}, "client_id": {s.as(role)["client_id"].(string)}, "limit": {"100"}}
	}
	together(again(mistake), again(twin), func() {
		defer close(found)
		f, err := awaitFindingOf(s.ctx, warderNamed("records"), query("mistake"), func(f finding) bool {
			kind, _ := f.Evidence["kind"].(string)
			return slices.Contains(kinds, kind)
		})
		switch {
		case err != nil:
			s.fail("%w", err)
		case f.Severity != "info" || !strings.Contains(f.Advice, names):
			s.fail("%s does not name %s: %s", f.Severity, names, f.Advice)
		}
	})
	twins, err := findingsOf(s.ctx, warderNamed("records"), query("twin"))
	if i := slices.IndexFunc(twins, func(f finding) bool { return slices.Contains(kinds, f.Evidence["kind"].(string)) }); err != nil || i >= 0 {
		s.fail("of the twin: %s, %w", listed(twins), err)
	}
}

// word is what the advice must say to a client; Java's also to librdkafka, and to kafkajs, which does not say what it is.
func (s *side) word(words map[string]string) string {
	if word, ok := words[s.client]; ok {
		return word
	}
	return words["java"]
}

// smallBatches: up to 120 records a second in requests of their own, several at a time, against the same in batches. kafkajs has no linger: there the twin passes many
// records to one send().
func smallBatches(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	small := s.producer(M{"conn": s.as("mistake"), "linger_ms": 0, "batch_bytes": 1, "partitioner": "default"})
	large := s.producer(M{"conn": s.as("twin"), "linger_ms": 500, "codec": "lz4", "partitioner": "default"})
	names := map[string]string{
		"java": "linger.ms", "sarama": "Producer.Flush.Frequency", "franz-go": "kgo.ProducerLinger", "kafkajs": "send()", "kafka-python": "linger_ms",
	}
	kinds := []string{"small-batches"}
	if s.client == "sarama" { // which has one request in flight when it is idempotent, and so may be found to wait for each record
		kinds, names["sarama"] = append(kinds, "synchronous"), "Producer"
	}
	s.advised("untuned-producer", kinds, s.word(names),
		func() { s.generate(small, topic, gen{Count: 60, Size: 20}, M{"rate": 120}) },
		func() {
			if s.client == "kafkajs" {
				s.generate(large, topic, gen{Count: 2000, Size: 200}, M{"mode": "call"})
				return
			}
			s.generate(large, topic, gen{Count: 120, Size: 20}, M{"rate": 120})
		})
	s.closeProducer(small)
	s.closeProducer(large)
}

// oneByOne: each record is waited for, against as many that are sent without waiting.
func oneByOne(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	sync := s.producer(M{"conn": s.as("mistake"), "linger_ms": 0, "partitioner": "default"})
	async := s.producer(M{"conn": s.as("twin"), "linger_ms": 500, "codec": "lz4", "partitioner": "default"})
	words := map[string]string{"java": "get()", "librdkafka": "flush()"}
	s.advised("untuned-producer", []string{"synchronous"}, s.word(words),
		func() { s.generate(sync, topic, gen{Count: 200, Size: 20}, M{"mode": "sync"}) },
		func() {
			s.generate(async, topic, gen{Count: 100, Size: 20}, M{"rate": 100})
		})
	s.closeProducer(sync)
	s.closeProducer(async)
}

// uncompressed: large batches without compression, against the same with it, which are still no small ones.
func uncompressed(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	plain := s.producer(M{"conn": s.as("mistake"), "linger_ms": 50, "batch_bytes": 262144, "partitioner": "default"})
	packed := s.producer(M{"conn": s.as("twin"), "linger_ms": 50, "batch_bytes": 262144, "codec": "lz4", "partitioner": "default"})
	load := func(p string) func() {
		return func() { s.generate(p, topic, gen{Count: 300, Size: 5000}, M{"rate": 300}) }
	}
	s.advised("untuned-producer", []string{"uncompressed"}, s.word(map[string]string{"java": "compression.type=lz4", "librdkafka": "compression.codec=lz4"}), load(plain), load(packed))
	s.closeProducer(plain)
	s.closeProducer(packed)
}

// smallFetches: two groups read a drip of small records, one as soon as there is anything and one when there are 64 KiB or the wait is over.
func smallFetches(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	var consumers []string
	for role, bytes := range map[string]int{"mistake": 1, "twin": 65536} {
		var r struct{ Handle string }
		s.must("consumer_open", M{"conn": s.as(role), "group": s.topic(role), "topics": []string{topic}, "fetch_min_bytes": bytes}, &r)
		consumers = append(consumers, r.Handle)
	}
	drip := s.producer(M{"linger_ms": 0, "partitioner": "default"})
	words := map[string]string{
		"java": "fetch.min.bytes", "sarama": "Consumer.Fetch.Min", "franz-go": "kgo.FetchMinBytes", "kafka-python": "fetch_min_bytes",
	}
	s.advised("untuned-consumer", []string{"small-fetches"}, s.word(words),
		func() { s.generate(drip, topic, gen{Count: 100, Size: 50}, M{"rate": 100}) },
		func() { s.generate(drip, topic, gen{Count: 10, Size: 50}, M{"rate": 10}) })
	s.closeProducer(drip)
	for _, c := range consumers {
		s.must("consumer_close", M{"handle": c}, nil)
	}
}

// clientPerMessage: a producer is made for each record and thrown away, against one that is kept.
func clientPerMessage(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	one := gen{Count: 1, Size: 20}
	kept := s.producer(M{"conn": s.as("twin"), "partitioner": "default"})
	words := map[string]string{"java": "KafkaProducer", "librdkafka": "Producer", "sarama": "sarama.Client", "franz-go": "kgo.Client", "kafkajs": "producer", "kafka-python": "KafkaProducer"}
	s.advised("connection-churn", []string{"short-lived"}, s.word(words),
		func() {
			p := s.producer(M{"conn": s.as("mistake"), "partitioner": "default"})
			s.generate(p, topic, one, nil)
			s.closeProducer(p)
		},
		func() { s.generate(kept, topic, gen{Count: 20, Size: 20}, M{"rate": 20}) })
	s.closeProducer(kept)
}
