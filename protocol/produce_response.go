package protocol

import "warder/protocol/wire"

// Versions of the Produce response and their differences (ProduceResponse.json).
const (
	produceThrottle      = 1
	produceLogAppendTime = 2
	produceLogStart      = 5
	produceRecordErrors  = 8  // RecordErrors and ErrorMessage (KIP-467)
	produceEndpoints     = 10 // CurrentLeader and NodeEndpoints (KIP-951)
)

// ProduceResponse is a view of the body of a Produce response, versions 0-13.
type ProduceResponse struct {
	Version       int16
	NumTopics     int
	NumPartitions int
	ThrottleMs    int32 // v1+
	// HasEndpoints says that NodeEndpoints is present (v10+): the addresses of
	// brokers, to be rewritten before a client sees them.
	HasEndpoints bool

	body   []byte
	topics int // offset of the length of the topic array
	tail   int // offset behind the topic array: throttle time, tags, trailing bytes
	tags   int // offset of the tags, v9+
}

// ProduceResponsePartition is what a Produce response says of one partition.
type ProduceResponsePartition struct {
	Topic           []byte   // v0-12; aliases the body
	TopicID         [16]byte // v13+
	Partition       int32
	ErrorCode       int16
	BaseOffset      int64  // -1 with an error
	LogAppendTimeMs int64  // v2+, -1 unless the topic uses LogAppendTime
	LogStartOffset  int64  // v5+, -1 if unknown
	ErrorMessage    []byte // v8+; empty when null; aliases the body
}

// ParseProduceResponse checks the structure of a whole body. Trailing bytes
// are tolerated. The view aliases body; nothing is allocated unless it fails.
//
// Errors: *VersionError, *MalformedError.
func ParseProduceResponse(version int16, body []byte) (ProduceResponse, error) {
	if version < 0 || version > produceMaxVersion {
		return ProduceResponse{}, &VersionError{Key: Produce, Version: version}
	}
	p := ProduceResponse{Version: version, body: body}
	it := p.Partitions()
	p.NumTopics = max(it.w.topics, 0)
	for part := (ProduceResponsePartition{}); it.Next(&part); {
		p.NumPartitions++
	}
	r := it.w.r
	p.tail = r.Offset()
	if version >= produceThrottle {
		p.ThrottleMs = r.Int32()
	}
	p.tags = r.Offset()
	if p.flexible() {
		p.HasEndpoints = hasTag(&r, tagNodeEndpoints) && version >= produceEndpoints
	}
	if r.Err() != nil {
		return ProduceResponse{}, malformed(Produce, version, "ProduceResponse", &r)
	}
	return p, nil
}

func (p *ProduceResponse) flexible() bool { return p.Version >= produceFlexible }

// Partitions returns an iterator over all partitions of all topics.
func (p *ProduceResponse) Partitions() (it ProduceResponsePartitions) {
	it.version = p.Version
	it.w.begin(wire.NewReaderAt(p.body, p.topics), p.flexible(), p.Version >= produceTopicID)
	return it
}

// ProduceResponsePartitions iterates over the partitions of a Produce
// response. It is a value, as ProducePartitions is.
type ProduceResponsePartitions struct {
	w       topicWalk
	version int16
}

// Next fills out with the next partition, or returns false at the end.
func (it *ProduceResponsePartitions) Next(out *ProduceResponsePartition) bool {
	if !it.w.next() {
		return false
	}
	r := &it.w.r
	out.Topic, out.TopicID = it.w.topic, it.w.topicID
	out.Partition = r.Int32()
	out.ErrorCode = r.Int16()
	out.BaseOffset = r.Int64()
	out.LogAppendTimeMs, out.LogStartOffset, out.ErrorMessage = -1, -1, nil
	if it.version >= produceLogAppendTime {
		out.LogAppendTimeMs = r.Int64()
	}
	if it.version >= produceLogStart {
		out.LogStartOffset = r.Int64()
	}
	if it.version >= produceRecordErrors {
		it.skipRecordErrors()
		out.ErrorMessage, _ = r.FlexNullableString(it.w.flexible)
	}
	it.w.skipTags()
	return r.Err() == nil
}

// skipRecordErrors steps over the records that the broker names as offenders.
func (it *ProduceResponsePartitions) skipRecordErrors() {
	for n := it.w.r.ArrayLen(it.w.flexible); n > 0 && it.w.r.Err() == nil; n-- {
		it.w.r.Int32()
		it.w.r.FlexNullableString(it.w.flexible)
		it.w.skipTags()
	}
}

// hasTag steps over a section of tags and reports whether number is in it.
func hasTag(r *wire.Reader, number uint32) (found bool) {
	for n := r.TagCount(); n > 0 && r.Err() == nil; n-- {
		if tag, _ := r.Tag(); tag == number {
			found = true
		}
	}
	return found
}
