package main

import (
	"errors"
	"time"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

// producer is an open producer; without acks it has no offsets to tell.
type producer struct {
	sarama.AsyncProducer
	manual, acks0 bool
}

var producers = godriver.Handles[*producer]{Prefix: "p"}

var producerOperations = map[string]godriver.Operation{
	"producer_open": producerOpen, "produce": produce, "producer_close": producerClose, "send_offsets": sendOffsets,
	// Nothing is buffered: produce waited for every outcome.
	"flush":  onProducer(func(sarama.AsyncProducer) error { return nil }),
	"begin":  onProducer(sarama.AsyncProducer.BeginTxn),
	"commit": onProducer(sarama.AsyncProducer.CommitTxn),
	"abort":  onProducer(sarama.AsyncProducer.AbortTxn),
}

var codecs = map[string]sarama.CompressionCodec{
	"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

// partitioners that an application may choose, by the name of their constructor.
var partitioners = map[string]sarama.PartitionerConstructor{
	"": sarama.NewManualPartitioner, "manual": sarama.NewManualPartitioner, "default": sarama.NewConfig().Producer.Partitioner,
	"NewReferenceHashPartitioner": sarama.NewReferenceHashPartitioner, "NewConsistentCRCHashPartitioner": sarama.NewConsistentCRCHashPartitioner,
	"NewMurmur2Partitioner": sarama.NewMurmur2Partitioner,
}

var acks = map[string]sarama.RequiredAcks{"": sarama.WaitForAll, "all": sarama.WaitForAll, "1": sarama.WaitForLocal, "0": sarama.NoResponse}

func onProducer(operation func(sarama.AsyncProducer) error) godriver.Operation {
	return func(r *godriver.Request) (any, error) {
		p, err := producers.Get(r.Handle)
		if err != nil {
			return nil, err
		}
		return godriver.Within(limit, r.Op, func() (any, error) { return nil, operation(p.AsyncProducer) })
	}
}

func producerOpen(r *godriver.Request) (any, error) {
	config, err := configure(&r.Conn)
	if err != nil {
		return nil, err
	}
	p := &config.Producer
	p.Return.Successes, p.Return.Errors = true, true
	if p.Partitioner = partitioners[r.Partitioner]; p.Partitioner == nil {
		return nil, godriver.Unsupported("sarama has no partitioner " + r.Partitioner)
	}
	p.RequiredAcks, p.Compression = acks[r.Acks], codecs[r.Codec]
	p.Flush.Frequency = r.Linger()
	p.Timeout = godriver.Millis(r.RequestTimeoutMs, 10000)
	// sarama has no delivery timeout, only tries with a pause between them, of sending and of asking for the leader.
	delivery := godriver.Millis(r.DeliveryTimeoutMs, 30000)
	p.Retry.Max = max(1, int(delivery/p.Retry.Backoff))
	config.Metadata.Retry.Max = max(1, int(delivery/config.Metadata.Retry.Backoff))
	p.MaxMessageBytes = max(p.MaxMessageBytes, r.MaxRequestBytes, r.BatchBytes)
	// It has no size of a batch to aim at, only limits: batches too small for two records are asked for so.
	if r.BatchBytes > 0 && r.BatchBytes < smallestRecord {
		p.Flush.MaxMessages = 1
	}
	p.Idempotent, p.Transaction.ID = r.IsIdempotent(), r.TransactionalID
	p.Transaction.Timeout = godriver.Millis(r.TransactionTimeoutMs, 60000)
	config.Net.MaxOpenRequests = godriver.Or(r.MaxInFlight, 5)
	if p.Idempotent {
		config.Net.MaxOpenRequests = 1 // it refuses more
	}
	return godriver.Within(limit, r.Op, func() (any, error) {
		async, err := sarama.NewAsyncProducer(r.Conn.Brokers(), config)
		if err != nil {
			return nil, err
		}
		go deliver(async)
		return producers.Add(&producer{async, r.IsManual(), r.Acks == "0"}), nil
	})
}

// outcome rides on a message to where its end is told.
type outcome func(partition int32, offset int64, err error)

// smallestRecord is less than any record takes in sarama's reckoning.
const smallestRecord = 36

// deliver hands out outcomes until the producer is closed.
func deliver(p sarama.AsyncProducer) {
	successes, failures := p.Successes(), p.Errors()
	for successes != nil || failures != nil {
		select {
		case m, open := <-successes:
			if !open {
				successes = nil
				continue
			}
			m.Metadata.(outcome)(m.Partition, m.Offset, nil)
		case e, open := <-failures:
			if !open {
				failures = nil
				continue
			}
			e.Msg.Metadata.(outcome)(e.Msg.Partition, -1, e.Err)
		}
	}
}

func produce(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	send := func(rec godriver.Record, done func(int32, int64, error)) {
		p.Input() <- toSarama(r.Topic, rec, func(partition int32, offset int64, err error) {
			if p.acks0 {
				offset = -1
			}
			done(partition, offset, err)
		})
	}
	return godriver.Produce(r, p.manual, send, describe)
}

func toSarama(topic string, r godriver.Record, done outcome) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Metadata: done}
	if r.Key != nil {
		m.Key = sarama.ByteEncoder(r.Key)
	}
	if r.Value != nil {
		m.Value = sarama.ByteEncoder(r.Value)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
	}
	if r.Timestamp != 0 {
		m.Timestamp = time.UnixMilli(r.Timestamp)
	}
	return m
}

func producerClose(r *godriver.Request) (any, error) {
	p, err := producers.Take(r.Handle)
	if err != nil {
		return nil, err
	}
	// Close reads the outcomes itself, and so would compete with deliver; what it would return was reported there.
	p.AsyncClose()
	return nil, nil
}

func sendOffsets(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	metadata, positions := &sarama.ConsumerGroupMetadata{GroupID: r.Group, GenerationID: -1}, r.Offsets
	if r.Consumer != "" {
		m, err := members.Get(r.Consumer)
		if err != nil {
			return nil, err
		}
		if metadata = m.metadata(); metadata == nil {
			return nil, errors.New("the member is in no generation of its group")
		}
		if positions == nil {
			positions = m.Positions()
		}
	}
	offsets := map[string][]*sarama.PartitionOffsetMetadata{}
	for name, at := range positions {
		topic, partition, err := godriver.SplitPartition(name)
		if err != nil {
			return nil, err
		}
		offsets[topic] = append(offsets[topic], &sarama.PartitionOffsetMetadata{Partition: partition, Offset: at, LeaderEpoch: -1})
	}
	if r.Consumer == "" {
		return nil, p.AddOffsetsToTxn(offsets, r.Group)
	}
	return nil, p.AddOffsetsToTxnWithGroupMetadata(offsets, metadata)
}
