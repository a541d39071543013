package proxy

import (
	"hash/maphash"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/state"
)

// Where logs end, as producers show it. The answer to Produce says where a batch
// begins, and only the request how many records it has; the broker answers
// partitions in an order of its own.

// keptWritten is how many partitions of a request are remembered, at 16 bytes each.
// Of those beyond it the log is known to end behind their first record, or later.
const keptWritten = 64

// writtenTo is a partition that a request writes to, and the offset of its last
// record less that of its first.
type writtenTo struct {
	topic     uint64
	partition int32
	delta     int32
}

var writtenSeed = maphash.MakeSeed()

// topicHash is a topic by what a request and its answer both name it.
func topicHash(name []byte, id [16]byte) uint64 {
	if len(name) > 0 {
		return maphash.Bytes(writtenSeed, name)
	}
	return maphash.Bytes(writtenSeed, id[:])
}

// noteWritten remembers how many records a request has for each partition.
func (ex *exchange) noteWritten(req *protocol.ProduceRequest) {
	it := req.Partitions()
	for p := (protocol.ProducePartition{}); len(ex.written) < keptWritten && it.Next(&p); {
		var h records.Header
		whole, err := h.Peek(p.Records)
		if err == nil && whole && h.Magic == 2 && h.Size == len(p.Records) {
			ex.written = append(ex.written, writtenTo{topicHash(p.Topic, p.TopicID), p.Partition, h.LastOffsetDelta})
		}
	}
}

// lastOf gives the offset of the last record that was stored in a partition, or of
// the first where that is all that is known.
func (ex *exchange) lastOf(p *protocol.ProduceResponsePartition) int64 {
	if len(ex.written) == 0 {
		return p.BaseOffset
	}
	topic := topicHash(p.Topic, p.TopicID)
	for _, w := range ex.written {
		if w.topic == topic && w.partition == p.Partition {
			return p.BaseOffset + int64(w.delta)
		}
	}
	return p.BaseOffset
}

// noteStored takes over where the logs of partitions are by what was stored just
// now. They may end later.
func (s *session) noteStored(ex *exchange, resp *protocol.ProduceResponse) {
	it := resp.Partitions()
	var p protocol.ProduceResponsePartition
	for it.Next(&p) {
		t := s.topic(p.Topic, p.TopicID)
		if p.ErrorCode != 0 || p.BaseOffset < 0 || t == nil || t.Name == "" {
			continue
		}
		tp := rules.TopicPartition{Topic: t.Name, Partition: p.Partition}
		s.srv.logs.Written(tp, state.Stored{First: p.BaseOffset, Last: ex.lastOf(&p), LogStart: p.LogStartOffset}, s.out.readAt)
	}
}
