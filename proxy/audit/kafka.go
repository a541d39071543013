package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules/sink"
)

// kafkaPatience is how long finding the end of the trail, or writing a batch, may take.
const kafkaPatience = 30 * time.Second

// Kafka writes a trail to partition 0 of a topic, one line a record. A batch of which
// nobody knows whether it was stored is written again: the same lines may then
// stand there twice, which [Verify] tolerates.
type Kafka struct {
	client *kgo.Client
	topic  string
}

// KafkaOptions are how the client of a Kafka sink must be made.
func KafkaOptions() []kgo.Opt {
	return append(sink.KafkaOptions(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// NewKafka makes the sink; the client is the sink's from now on.
func NewKafka(topic string, client *kgo.Client) *Kafka { return &Kafka{client, topic} }

// Open reads the last record of the partition.
func (k *Kafka) Open(ctx context.Context) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, kafkaPatience)
	defer cancel()
	first, next, err := k.ends(ctx)
	if err != nil || first == next {
		return Found{}, err
	}
	value, err := k.last(ctx, next-1)
	if err != nil {
		return Found{}, fmt.Errorf("topic %s: reading where the trail ends: %w", k.topic, err)
	}
	l, _, err := parse(value)
	if err != nil {
		return Found{}, fmt.Errorf("the last record of topic %s, partition 0: %w; the trail needs a topic of its own", k.topic, err)
	}
	return Found{Head: Head{Seq: l.Seq, Hash: l.Hash}}, nil
}

// ends gives the first offset of the partition and the one behind its last.
func (k *Kafka) ends(ctx context.Context) (first, next int64, err error) {
	for _, at := range []struct {
		timestamp int64
		offset    *int64
	}{{-2, &first}, {-1, &next}} { // earliest and latest, as in ListOffsetsRequest.java
		req := kmsg.NewPtrListOffsetsRequest()
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Timestamp = at.timestamp
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: k.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{partition}}}
		resp, err := req.RequestWith(ctx, k.client)
		if err != nil {
			return 0, 0, fmt.Errorf("topic %s: %w", k.topic, err)
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, 0, fmt.Errorf("topic %s: %w", k.topic, errNoAnswer)
		}
		answer := resp.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			return 0, 0, fmt.Errorf("topic %s: %w", k.topic, err)
		}
		*at.offset = answer.Offset
	}
	return first, next, nil
}

var errNoAnswer = errors.New("the brokers do not say where partition 0 ends")

// last reads one record.
func (k *Kafka) last(ctx context.Context, offset int64) ([]byte, error) {
	k.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{k.topic: {0: kgo.NewOffset().At(offset)}})
	defer k.client.RemoveConsumePartitions(map[string][]int32{k.topic: {0}})
	for {
		fetches := k.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, errs[0].Err
		}
		if records := fetches.Records(); len(records) > 0 {
			return records[len(records)-1].Value, nil
		}
	}
}

// Write writes lines and waits until they are stored.
func (k *Kafka) Write(ctx context.Context, lines [][]byte) (n int, fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, kafkaPatience)
	defer cancel()
	records := make([]*kgo.Record, len(lines))
	for i, line := range lines {
		records[i] = &kgo.Record{Topic: k.topic, Value: line}
	}
	stored := make(map[*kgo.Record]bool, len(lines))
	for _, result := range k.client.ProduceSync(ctx, records...) {
		stored[result.Record] = result.Err == nil
		if err == nil && result.Err != nil {
			err = fmt.Errorf("topic %s: %w", k.topic, result.Err)
		}
	}
	for n < len(records) && stored[records[n]] {
		n++
	}
	return n, false, err
}

// Sync has nothing to do: what Write returns for is stored by all in-sync replicas.
func (*Kafka) Sync() error { return nil }

// Close ends the connections.
func (k *Kafka) Close() error {
	k.client.Close()
	return nil
}
