package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/test/e2e/clients/godriver"
)

// producer is an open client for producing.
type producer struct {
	client          *kgo.Client
	transactionalID string
	manual, acks0   bool
	delivery        time.Duration
}

var producers = godriver.Handles[*producer]{Prefix: "p"}

var producerOperations = map[string]godriver.Operation{
	"producer_open": producerOpen, "produce": produce, "flush": flush, "producer_close": producerClose,
	"begin": begin, "commit": commit, "abort": abort, "send_offsets": sendOffsets,
}

var codecs = map[string]kgo.CompressionCodec{
	"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// partitioners that an application may choose; the library's own default needs no option.
var partitioners = map[string]kgo.Partitioner{
	"": kgo.ManualPartitioner(), "manual": kgo.ManualPartitioner(), "default": nil,
	"SaramaCompatHasher": kgo.StickyKeyPartitioner(kgo.SaramaCompatHasher(fnv32a)),
}

func fnv32a(b []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(b)
	return h.Sum32()
}

func producerOptions(r *godriver.Request) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(codecs[r.Codec]),
		kgo.ProducerLinger(r.Linger()),
		kgo.ProduceRequestTimeout(godriver.Millis(r.RequestTimeoutMs, 10000)),
	}
	partitioner, known := partitioners[r.Partitioner]
	if !known {
		return nil, godriver.Unsupported("franz-go has no partitioner " + r.Partitioner)
	}
	if partitioner != nil {
		opts = append(opts, kgo.RecordPartitioner(partitioner))
	}
	switch r.Acks {
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	}
	// With idempotence kgo chooses the number in flight itself and refuses the option.
	if !r.IsIdempotent() {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(godriver.Or(r.MaxInFlight, 5)))
	}
	// kgo has one limit for a batch, of 1 KiB at least; the request as a whole may have 100 MiB anyway.
	if bytes := godriver.Or(r.BatchBytes, r.MaxRequestBytes); bytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(max(1<<10, int32(bytes))))
	}
	if r.TransactionalID != "" {
		opts = append(opts, kgo.TransactionalID(r.TransactionalID), kgo.TransactionTimeout(godriver.Millis(r.TransactionTimeoutMs, 40000)))
	}
	return opts, nil
}

func producerOpen(r *godriver.Request) (any, error) {
	opts, err := producerOptions(r)
	if err != nil {
		return nil, err
	}
	client, err := connect(&r.Conn, opts...)
	if err != nil {
		return nil, err
	}
	if r.TransactionalID != "" {
		ctx, cancel := withTime()
		defer cancel()
		if _, _, err := client.ProducerID(ctx); err != nil {
			client.Close()
			return nil, err
		}
	}
	return producers.Add(&producer{client, r.TransactionalID, r.IsManual(), r.Acks == "0", godriver.Millis(r.DeliveryTimeoutMs, 30000)}), nil
}

func produce(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	send := func(rec godriver.Record, done func(int32, int64, error)) {
		// Not kgo's RecordDeliveryTimeout: it counts from the record's timestamp, which may be years back.
		ctx, cancel := context.WithTimeout(context.Background(), p.delivery)
		p.client.Produce(ctx, toKgo(r.Topic, rec), func(sent *kgo.Record, err error) {
			cancel()
			if p.acks0 {
				done(sent.Partition, -1, err)
			} else {
				done(sent.Partition, sent.Offset, err)
			}
		})
	}
	return godriver.Produce(r, p.manual, send, describe)
}

func toKgo(topic string, r godriver.Record) *kgo.Record {
	out := &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	if r.Timestamp != 0 {
		out.Timestamp = time.UnixMilli(r.Timestamp)
	}
	return out
}

func flush(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTime()
	defer cancel()
	return nil, p.client.Flush(ctx)
}

func producerClose(r *godriver.Request) (any, error) {
	p, err := producers.Take(r.Handle)
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTime()
	defer cancel()
	err = p.client.Flush(ctx)
	p.client.Close()
	return nil, err
}

func begin(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	return nil, p.client.BeginTransaction()
}

func commit(r *godriver.Request) (any, error) { return nil, endTransaction(r, kgo.TryCommit) }
func abort(r *godriver.Request) (any, error)  { return nil, endTransaction(r, kgo.TryAbort) }

// endTransaction first sends, or drops, what is buffered: EndTransaction wants that of its caller.
func endTransaction(r *godriver.Request, how kgo.TransactionEndTry) error {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return err
	}
	ctx, cancel := withTime()
	defer cancel()
	settle := p.client.Flush
	if how == kgo.TryAbort {
		settle = p.client.AbortBufferedRecords
	}
	if err := settle(ctx); err != nil {
		return fmt.Errorf("before the end of the transaction: %w", err)
	}
	return p.client.EndTransaction(ctx, how)
}
