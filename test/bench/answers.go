package main

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What is set in prepared bytes is found by what stood there when they were made.
const (
	markPartition = 0x0a0b0c0d
	markOffset    = 0x1122334455667788
)

// find gives where a mark stands.
func find(body, mark []byte) int {
	at := bytes.Index(body, mark)
	if at < 0 {
		panic("a mark is not in the bytes that were made with it")
	}
	return at
}

func offsetMark() []byte { return binary.BigEndian.AppendUint64(nil, markOffset) }

// produceAnswer is the body of an answer to Produce of one partition.
type produceAnswer struct {
	body                     []byte
	topic, partition, offset int // where they stand
}

func newProduceAnswer() produceAnswer {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	t := kmsg.NewProduceResponseTopic()
	t.TopicID = writtenTopic
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.BaseOffset, p.LogStartOffset = markPartition, markOffset, 0
	t.Partitions = append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
	body := resp.AppendTo(nil)
	return produceAnswer{body, find(body, writtenTopic[:]), find(body, binary.BigEndian.AppendUint32(nil, markPartition)), find(body, offsetMark())}
}

func (a *produceAnswer) set(topic []byte, partition int32, offset int64) {
	copy(a.body[a.topic:a.topic+16], topic)
	binary.BigEndian.PutUint32(a.body[a.partition:], uint32(partition))
	binary.BigEndian.PutUint64(a.body[a.offset:], uint64(offset))
}

// fetchAnswer is the body of an answer to Fetch, about a MiB of batches of some partitions.
type fetchAnswer struct {
	body    []byte
	batches []int // where the base offsets of the batches stand
	step    int64 // records in each partition of the answer
	records int64 // in all of it
}

const (
	fetchedPartitions = 4
	fetchedBytes      = 256 << 10 // of each partition
)

// newFetchAnswer fills an answer with batches, in turns.
func newFetchAnswer(id [16]byte, batches []batch) *fetchAnswer {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = fetchVersion
	t := kmsg.NewFetchResponseTopic()
	t.TopicID = id
	var blobs [][]byte
	a := &fetchAnswer{}
	next, perPartition := 0, 0
	for size := 0; size+len(batches[perPartition].bytes) <= fetchedBytes; perPartition++ {
		size += len(batches[perPartition].bytes)
	}
	for index := range int32(fetchedPartitions) {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = index, 1<<40, 1<<40, 0
		a.step = 0
		for range perPartition {
			b := batches[next%len(batches)]
			next++
			blob := slices.Clone(b.bytes)
			binary.BigEndian.PutUint64(blob, uint64(a.step))
			a.step += b.records
			blobs = append(blobs, blob)
			p.RecordBatches = append(p.RecordBatches, blob...)
		}
		a.records += a.step
		t.Partitions = append(t.Partitions, p)
	}
	resp.Topics = append(resp.Topics, t)
	a.body = resp.AppendTo(nil)
	from := 0
	for _, blob := range blobs {
		from += find(a.body[from:], blob)
		a.batches = append(a.batches, from)
		from += len(blob)
	}
	return a
}

func (a *fetchAnswer) clone() *fetchAnswer {
	c := *a
	c.body = slices.Clone(a.body)
	return &c
}

// advance gives the batches the offsets behind those of this answer.
func (a *fetchAnswer) advance() {
	for _, at := range a.batches {
		binary.BigEndian.PutUint64(a.body[at:], binary.BigEndian.Uint64(a.body[at:])+uint64(a.step))
	}
}
