package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/rules"
)

// kafkaPatience is how long one finding may take to be written. The client tries
// again by itself meanwhile.
const kafkaPatience = 30 * time.Second

// KafkaOptions are how the client of a Kafka sink writes: durably, and without
// making the topic, which is the operator's to configure.
func KafkaOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RecordDeliveryTimeout(kafkaPatience), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.UnknownTopicRetries(1),
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.NoCompression()),
	}
}

// Kafka writes findings to a topic as JSON, keyed by fingerprint, so that those of
// one incident stay in order and a compacted topic keeps the last of each.
type Kafka struct {
	client   *kgo.Client
	topic    string
	least    rules.Severity
	ctx      context.Context //nolint:containedctx // ends with Interrupt
	cancel   context.CancelFunc
	hurrying sync.Once
}

// NewKafka makes the sink; the client is the sink's from now on.
func NewKafka(c configs.KafkaSink, client *kgo.Client) (*Kafka, error) {
	s := &Kafka{client: client, topic: c.Topic}
	if err := s.least.UnmarshalText([]byte(c.MinSeverity)); err != nil {
		return nil, fmt.Errorf("kafka sink: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Name is "kafka".
func (*Kafka) Name() string { return "kafka" }

// hurriedPatience is how long a finding may take once the sink is to end.
const hurriedPatience = time.Second

// Interrupt gives what is being written, and what follows, a moment more.
func (s *Kafka) Interrupt() {
	s.hurrying.Do(func() { time.AfterFunc(hurriedPatience, s.cancel) })
}

// Write writes one finding and waits until it is stored.
func (s *Kafka) Write(f *rules.Finding) error {
	if f.Severity < s.least {
		return nil
	}
	value, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("finding %s: %w", f.ID, err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, kafkaPatience)
	defer cancel()
	r := &kgo.Record{
		Topic: s.topic, Key: []byte(f.Fingerprint), Value: value, Timestamp: f.Time,
		Headers: []kgo.RecordHeader{{Key: "rule", Value: []byte(f.Rule)}, {Key: "severity", Value: []byte(f.Severity.String())}},
	}
	if err := s.client.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("topic %s: %w", s.topic, err)
	}
	return nil
}

// Close ends the connections.
func (s *Kafka) Close() error {
	s.cancel()
	s.client.Close()
	return nil
}
