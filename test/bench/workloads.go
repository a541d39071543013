package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/records"
)

// workload is one row of the tables.
type workload struct {
	name        string
	connections int
	traffic     traffic
	targets     []string // empty: all
}

func (l *workload) has(target string) bool {
	return len(l.targets) == 0 || slices.Contains(l.targets, target)
}

// The names by which goals speak of loads.
const (
	produceNone1  = "produce none, 1 KB"
	produceNone16 = "produce none, 16 KB"
	produceNone64 = "produce none, 64 KB"
	produceLZ4    = "produce lz4, 16 KB"
	produceLZ464  = "produce lz4, 64 KB"
	produceSnappy = "produce snappy, 16 KB"
	produceZstd   = "produce zstd, 16 KB"
	produceGzip   = "produce gzip, 16 KB"
	consumeNone   = "consume none"
	consumeLZ4    = "consume lz4"
	opaqueAnswers = "opaque answers"
	pingPong1     = "ping-pong, 1 connection"
	pingPong64    = "ping-pong, 64 connections"
)

// Batches are as many as no cache of a core holds, and few enough to be made in seconds.
const preparedBytes = 24 << 20

// makeLoads prepares all bytes that will be sent, and the topics of the sink.
func makeLoads() ([]workload, []*topic, error) {
	written := &topic{name: "users", id: writtenTopic, compacted: true, partitions: writtenPartitions}
	topics := []*topic{written}
	var all []workload
	blind := []string{direct, relayTCP, haproxy, warderOff}
	inspecting := []string{haproxy, warderOff, warderNulls, warderBlock}
	for _, p := range []struct {
		name    string
		codec   records.Codec
		size    int
		targets []string
	}{
		{produceNone1, records.None, 1 << 10, blind},
		{produceNone16, records.None, 16 << 10, nil},
		{produceNone64, records.None, 64 << 10, nil},
		{produceLZ4, records.LZ4, 16 << 10, nil},
		{produceLZ464, records.LZ4, 64 << 10, inspecting},
		{produceSnappy, records.Snappy, 16 << 10, inspecting},
		{produceZstd, records.Zstd, 16 << 10, nil},
		{produceGzip, records.Gzip, 16 << 10, inspecting},
	} {
		batches, err := makeBatches(p.codec, p.size, preparedBytes/max(p.size, 8<<10))
		if err != nil {
			return nil, nil, err
		}
		all = append(all, workload{p.name, 1, stream{script: produceScript(batches)}, p.targets})
	}
	for i, p := range []struct {
		name  string
		codec records.Codec
	}{{consumeNone, records.None}, {consumeLZ4, records.LZ4}} {
		batches, err := makeBatches(p.codec, 16<<10, 128)
		if err != nil {
			return nil, nil, err
		}
		t := &topic{name: "events-" + p.codec.String(), id: [16]byte{2, byte(i)}, partitions: fetchedPartitions}
		t.answer = newFetchAnswer(t.id, batches)
		topics = append(topics, t)
		request, offsets := fetchRequest(t.id)
		all = append(all, workload{p.name, 1, pull{request, offsets, t.answer}, nil})
	}
	all = append(all, workload{opaqueAnswers, 1, opaque(topics[1].answer), blind})
	small, err := smallScript()
	if err != nil {
		return nil, nil, err
	}
	all = append(all, workload{pingPong1, 1, pingPong{small}, nil}, workload{pingPong64, 64, pingPong{small}, nil})
	return all, topics, nil
}

// opaque pulls answers as large as those of Fetch, of an API that nobody looks into.
func opaque(a *fetchAnswer) traffic {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Version = logDirsVersion
	return pull{requestFrame(req), nil, &fetchAnswer{body: a.body}}
}

// smallRequest is the size of the requests of a ping-pong.
const smallRequest = 200

// smallScript is one Produce request of smallRequest bytes with a single record.
func smallScript() (*script, error) {
	key := []byte("user-00000000001")
	for size := smallRequest; size > 0; size-- {
		b := records.NewBuilder(records.None)
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.BaseTimestamp = 7, 0, 0, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		blob, err := b.Add(key, slices.Repeat([]byte{'1'}, size)).AppendBatch(nil)
		if err != nil {
			return nil, err
		}
		if s := produceScript([]batch{{keyPartition(key), 1, blob}}); s.size(0) == smallRequest {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no Produce request has %d bytes", smallRequest)
}
