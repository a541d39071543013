package protocol_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/wire"
)

// Random messages made by kmsg, the oracle of these tests. Unknown tags stand
// at every level, at most one per section: kmsg writes several in any order.

type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

func (g generator) text(prefix string) string { return fmt.Sprintf("%s-%d", prefix, g.IntN(1000)) }

func (g generator) textOrNull(prefix string) *string {
	if g.IntN(3) == 0 {
		return nil
	}
	return new(g.text(prefix))
}

func (g generator) bytes(most int) []byte {
	b := make([]byte, g.IntN(most+1))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g generator) id() (id [16]byte) {
	for i := range id {
		id[i] = byte(g.Uint32())
	}
	return id
}

// tags adds an unknown tag now and then; only flexible versions write it.
func (g generator) tags(t *kmsg.Tags) {
	if g.IntN(3) == 0 {
		t.Set(20+g.Uint32N(200), g.bytes(200))
	}
}

// versionCase is one run of forVersions.
type versionCase struct {
	*testing.T
	version   int16
	generator generator
}

// forVersions runs a test for several random messages of every version.
func forVersions(t *testing.T, maxVersion int16, test func(versionCase)) {
	t.Helper()
	for v := range maxVersion + 1 {
		t.Run(fmt.Sprintf("v%d", v), func(t *testing.T) {
			for seed := range 30 {
				test(versionCase{t, v, newGenerator(uint64(v)<<32 | uint64(seed))})
			}
		})
	}
}

func (g generator) produceRequest(version int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version = version
	req.TransactionID = g.textOrNull("txn")
	req.Acks = int16(g.IntN(3) - 1)
	req.TimeoutMillis = g.Int32()
	for range g.IntN(4) {
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic, topic.TopicID = g.text("topic"), g.id()
		for range g.IntN(4) {
			part := kmsg.NewProduceRequestTopicPartition()
			part.Partition = g.Int32()
			if g.IntN(5) > 0 {
				part.Records = g.bytes(300)
			}
			g.tags(&part.UnknownTags)
			topic.Partitions = append(topic.Partitions, part)
		}
		g.tags(&topic.UnknownTags)
		req.Topics = append(req.Topics, topic)
	}
	g.tags(&req.UnknownTags)
	return req
}

func (g generator) produceResponse(version int16) *kmsg.ProduceResponse {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = version
	for i := range g.IntN(4) {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = fmt.Sprintf("topic-%d", i), [16]byte{byte(i), 1}
		for range g.IntN(4) {
			topic.Partitions = append(topic.Partitions, g.produceResponsePartition())
		}
		g.tags(&topic.UnknownTags)
		resp.Topics = append(resp.Topics, topic)
	}
	resp.ThrottleMillis = g.Int32()
	if version >= 10 {
		for _, e := range g.endpoints() {
			b := kmsg.NewProduceResponseBroker()
			b.NodeID, b.Host, b.Port, b.Rack = e.node, e.host, e.port, e.rack
			g.tags(&b.UnknownTags)
			resp.Brokers = append(resp.Brokers, b)
		}
	}
	g.tags(&resp.UnknownTags)
	return resp
}

func (g generator) produceResponsePartition() kmsg.ProduceResponseTopicPartition {
	part := kmsg.NewProduceResponseTopicPartition()
	part.Partition, part.ErrorCode, part.BaseOffset = g.Int32(), int16(g.IntN(100)), g.Int64()
	part.LogAppendTime, part.LogStartOffset = g.Int64(), g.Int64()
	for range g.IntN(3) {
		rec := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		rec.RelativeOffset, rec.ErrorMessage = g.Int32(), g.textOrNull("record")
		g.tags(&rec.UnknownTags)
		part.ErrorRecords = append(part.ErrorRecords, rec)
	}
	part.ErrorMessage = g.textOrNull("message")
	if g.IntN(3) == 0 {
		part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = g.Int32(), g.Int32()
	}
	g.tags(&part.UnknownTags)
	return part
}

func (g generator) fetchRequest(version int16) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = version
	req.ReplicaID, req.ReplicaState.ID, req.ReplicaState.Epoch = -1, int32(g.IntN(3)-1), -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = g.Int32(), g.Int32(), g.Int32()
	req.IsolationLevel = int8(g.IntN(2))
	req.SessionID, req.SessionEpoch = g.Int32(), g.Int32()
	for range g.IntN(4) {
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = g.text("topic"), g.id()
		for range g.IntN(4) {
			part := kmsg.NewFetchRequestTopicPartition()
			part.Partition, part.FetchOffset, part.PartitionMaxBytes = g.Int32(), g.Int64(), g.Int32()
			part.CurrentLeaderEpoch, part.LastFetchedEpoch, part.LogStartOffset = g.Int32(), g.Int32(), g.Int64()
			g.tags(&part.UnknownTags)
			topic.Partitions = append(topic.Partitions, part)
		}
		g.tags(&topic.UnknownTags)
		req.Topics = append(req.Topics, topic)
	}
	for range g.IntN(3) {
		topic := kmsg.NewFetchRequestForgottenTopic()
		topic.Topic, topic.TopicID = g.text("gone"), g.id()
		for range g.IntN(4) {
			topic.Partitions = append(topic.Partitions, g.Int32())
		}
		g.tags(&topic.UnknownTags)
		req.ForgottenTopics = append(req.ForgottenTopics, topic)
	}
	req.Rack = g.text("rack")
	req.ClusterID = g.textOrNull("cluster")
	g.tags(&req.UnknownTags)
	return req
}

func (g generator) fetchResponse(version int16) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = version
	resp.ThrottleMillis, resp.ErrorCode, resp.SessionID = g.Int32(), int16(g.IntN(100)), g.Int32()
	for range g.IntN(4) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = g.text("topic"), g.id()
		for range g.IntN(4) {
			topic.Partitions = append(topic.Partitions, g.fetchResponsePartition())
		}
		g.tags(&topic.UnknownTags)
		resp.Topics = append(resp.Topics, topic)
	}
	if version >= 16 {
		for _, e := range g.endpoints() {
			b := kmsg.NewFetchResponseBroker()
			b.NodeID, b.Host, b.Port, b.Rack = e.node, e.host, e.port, e.rack
			g.tags(&b.UnknownTags)
			resp.Brokers = append(resp.Brokers, b)
		}
	}
	g.tags(&resp.UnknownTags)
	return resp
}

func (g generator) fetchResponsePartition() kmsg.FetchResponseTopicPartition {
	part := kmsg.NewFetchResponseTopicPartition()
	part.Partition, part.ErrorCode, part.HighWatermark = g.Int32(), int16(g.IntN(100)), g.Int64()
	part.LastStableOffset, part.LogStartOffset, part.PreferredReadReplica = g.Int64(), g.Int64(), g.Int32()
	for range g.IntN(4) {
		aborted := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		aborted.ProducerID, aborted.FirstOffset = g.Int64(), g.Int64()
		g.tags(&aborted.UnknownTags)
		part.AbortedTransactions = append(part.AbortedTransactions, aborted)
	}
	if g.IntN(5) > 0 {
		part.RecordBatches = g.bytes(20 << (2 * g.IntN(6)))
	}
	if g.IntN(3) == 0 {
		part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = g.Int32(), g.Int64()
	}
	if g.IntN(3) == 0 {
		part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = g.Int32(), g.Int32()
	}
	g.tags(&part.UnknownTags)
	return part
}

type endpoint struct {
	node, port int32
	host       string
	rack       *string
}

func (g generator) endpoints() []endpoint {
	var all []endpoint
	for i := range g.IntN(4) {
		all = append(all, endpoint{int32(i), 9092 + int32(g.IntN(10)), g.text("broker"), g.textOrNull("rack")})
	}
	return all
}

// oddLengths reports whether body may hold a varint above the int32 range,
// which Kafka's own code reads as negative, and kmsg as large.
func oddLengths(body []byte) bool {
	for i := range body {
		if v, _, err := wire.DecodeUvarint(body[i:]); err == nil && v > 1<<31-1 {
			return true
		}
	}
	return false
}

// tagBomb reports whether the value of a tagged field that kmsg decodes, and we
// do not, may claim a huge number of tags: kmsg counts down to zero, which takes
// it seconds. Known fields have numbers up to 2 and begin with eight bytes or
// more of other values.
func tagBomb(body []byte) bool {
	for i := range body {
		if body[i] > 2 {
			continue
		}
		size, n, err := wire.DecodeUvarint(body[i+1:])
		if rest := body[i+1+n:]; err != nil || size < 9 || int(size) > len(rest) {
			continue
		}
		value := body[i+1+n:][:size]
		for at := 8; at < len(value); at++ {
			if v, _, err := wire.DecodeUvarint(value[at:]); err == nil && v >= 1<<20 {
				return true
			}
		}
	}
	return false
}
