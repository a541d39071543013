package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/records"
	"warder/rules/state"
)

const (
	clientID          = "bench-producer"
	writtenPartitions = 12
	manyKeys          = 1_000_000
)

// writtenTopic is the id of the topic that is produced to; it is compacted, so rules look into its records.
var writtenTopic = [16]byte{1, 2, 3, 4}

// batch is one prepared batch.
type batch struct {
	partition int32
	records   int64
	bytes     []byte
}

// makeBatches makes batches of clean records: keys of 16 bytes out of a million, each in the partition that the Java client would choose, and JSON
// values of about 100. size is that of a batch before compression.
func makeBatches(codec records.Codec, size, count int) ([]batch, error) {
	return makeKeyed(codec, size, count, manyKeys)
}

// makeKeyed draws from fewer keys.
func makeKeyed(codec records.Codec, size, count, keys int) ([]batch, error) {
	random := rand.New(rand.NewPCG(1, 2))
	perBatch := max(1, size/recordBytes)
	var building [writtenPartitions]*records.Builder
	var sequence [writtenPartitions]int32
	var all []batch
	for len(all) < count {
		key := fmt.Appendf(nil, "user-%011d", random.IntN(keys))
		p := keyPartition(key)
		if building[p] == nil {
			b := records.NewBuilder(codec)
			b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.BaseTimestamp = 7, 0, sequence[p], 1_790_000_000_000
			building[p] = b
		}
		b := building[p].Add(key, value(random))
		if len(b.Records) < perBatch {
			continue
		}
		blob, err := b.AppendBatch(nil)
		if err != nil {
			return nil, err
		}
		all = append(all, batch{p, int64(perBatch), blob})
		sequence[p] += int32(perBatch)
		building[p] = nil
	}
	return all, nil
}

// keyPartition is where a Java client sends a key.
func keyPartition(key []byte) int32 { return state.Java.Partition(key, writtenPartitions) }

// recordBytes is the size of a record uncompressed, with a key of 16 bytes and a value of 100.
const recordBytes = 126

func value(random *rand.Rand) []byte {
	states := [...]string{"shipped", "pending", "packed", "returned"}
	v := fmt.Appendf(nil, `{"id":%d,"user":"u%06d","state":%q,"amount":%.2f,"note":"`,
		random.IntN(1e9), random.IntN(1e6), states[random.IntN(len(states))], random.Float64()*1000)
	for len(v) < 98 {
		v = append(v, byte('a'+random.IntN(16)))
	}
	return append(v, `"}`...)
}

// script is a run of prepared requests, one behind the other.
type script struct {
	bytes   []byte
	starts  []int // of the requests, and the end of the last
	records []int64
}

func (s *script) add(frame []byte, records int64) {
	if len(s.starts) == 0 {
		s.starts = []int{0}
	}
	s.bytes = append(s.bytes, frame...)
	s.starts = append(s.starts, len(s.bytes))
	s.records = append(s.records, records)
}

func (s *script) len() int { return len(s.records) }

func (s *script) size(i int) int { return s.starts[i+1] - s.starts[i] }

// produceScript has a Produce request for each batch.
func produceScript(batches []batch) *script {
	s := &script{}
	for _, b := range batches {
		s.add(produceRequest(writtenTopic, b), b.records)
	}
	return s
}

func produceRequest(topic [16]byte, b batch) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = produceVersion, -1, 30000
	t := kmsg.NewProduceRequestTopic()
	t.TopicID = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = b.partition, b.bytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return requestFrame(req)
}

// requestFrame is a request with its header; its correlation id is set when it is sent.
func requestFrame(req kmsg.Request) []byte {
	frame := make([]byte, 4, 256)
	frame = binary.BigEndian.AppendUint16(frame, uint16(req.Key()))
	frame = binary.BigEndian.AppendUint16(frame, uint16(req.GetVersion()))
	frame = append(frame, 0, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(clientID)))
	frame = append(frame, clientID...)
	if req.IsFlexible() {
		frame = append(frame, 0)
	}
	frame = req.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

// fetchRequest asks for the partitions that fetchAnswer has, and gives where their offsets stand.
func fetchRequest(id [16]byte) (frame []byte, offsets []int) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = fetchVersion, 500, 1, 50<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.TopicID = id
	for index := range int32(fetchedPartitions) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = index, markOffset, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	frame = requestFrame(req)
	from := 0
	for range fetchedPartitions {
		from += find(frame[from:], offsetMark())
		offsets = append(offsets, from)
		binary.BigEndian.PutUint64(frame[from:], 0)
		from += 8
	}
	return frame, offsets
}
