package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

// consume reads all partitions of a topic to their ends as they were at the start.
func consume(r *godriver.Request) (any, error) {
	config, err := configure(&r.Conn)
	if err != nil {
		return nil, err
	}
	config.Consumer.IsolationLevel, config.Consumer.Return.Errors = isolation(r), true
	config.Consumer.Fetch.Default = int32(godriver.Or(r.MaxFetchBytes, int(config.Consumer.Fetch.Default)))
	client, err := sarama.NewClient(r.Conn.Brokers(), config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	deadline := time.Now().Add(godriver.Millis(r.TimeoutMs, 30000))
	digests := godriver.NewDigests(r.Raw)
	partitions, err := client.Partitions(r.Topic)
	if err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	defer func() { _ = consumer.Close() }()
	failures := make([]error, len(partitions))
	var all sync.WaitGroup
	var lock sync.Mutex
	for i, id := range partitions {
		all.Go(func() {
			failures[i] = readPartition(client, consumer, r.Topic, id, deadline, func(m *sarama.ConsumerMessage) {
				lock.Lock()
				defer lock.Unlock()
				digests.Add(fromSarama(m))
			})
		})
	}
	all.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return digests.Result(), nil
}

func readPartition(client sarama.Client, consumer sarama.Consumer, topic string, id int32, deadline time.Time, keep func(*sarama.ConsumerMessage)) error {
	first, err := client.GetOffset(topic, id, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	last, err := lastRecord(client, topic, id, first)
	if err != nil || last < first {
		return err
	}
	reader, err := consumer.ConsumePartition(topic, id, first)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case m := <-reader.Messages():
			keep(m)
			if m.Offset >= last {
				return nil
			}
		case failure := <-reader.Errors():
			return failure.Err
		case <-timer.C:
			return fmt.Errorf("partition %d was not read to its end in time", id)
		}
	}
}

// lastRecord is the offset of the last record that a consumer will be given, or less than first when there is none. sarama tells neither the end of the
// committed records nor its position, and the log may end in control or aborted batches, which it passes over in silence: so the batches are
// looked at from the end.
func lastRecord(client sarama.Client, topic string, id int32, first int64) (int64, error) {
	at, err := client.GetOffset(topic, id, sarama.OffsetNewest)
	if err != nil {
		return 0, err
	}
	for at--; at >= first; {
		block, err := fetch(client, topic, id, at)
		if err != nil {
			return 0, err
		}
		if len(block.RecordsSet) == 0 || block.RecordsSet[0].RecordBatch == nil {
			at-- // beyond the last stable offset, or compacted away
			continue
		}
		batch := block.RecordsSet[0].RecordBatch
		if batch.FirstOffset <= at && !batch.Control && !aborted(block, batch) && len(batch.Records) > 0 {
			return batch.FirstOffset + batch.Records[len(batch.Records)-1].OffsetDelta, nil
		}
		at = min(at, batch.FirstOffset) - 1
	}
	return at, nil
}

func fetch(client sarama.Client, topic string, id int32, at int64) (*sarama.FetchResponseBlock, error) {
	broker, err := client.Leader(topic, id)
	if err != nil {
		return nil, err
	}
	_ = broker.Open(client.Config())
	request := &sarama.FetchRequest{Version: 4, MaxBytes: 1 << 20, Isolation: client.Config().Consumer.IsolationLevel}
	request.AddBlock(topic, id, at, 1<<20, -1)
	answer, err := broker.Fetch(request)
	if err != nil {
		return nil, err
	}
	block := answer.GetBlock(topic, id)
	if block == nil {
		return nil, errors.New("the answer to a fetch lacks the partition")
	}
	if block.Err != sarama.ErrNoError {
		return nil, block.Err
	}
	return block, nil
}

// aborted tells whether the batch, the first of its block, belongs to an aborted transaction; only read_committed fetches name those.
func aborted(block *sarama.FetchResponseBlock, batch *sarama.RecordBatch) bool {
	for _, t := range block.AbortedTransactions {
		if batch.IsTransactional && t.ProducerID == batch.ProducerID && t.FirstOffset <= batch.FirstOffset {
			return true
		}
	}
	return false
}
