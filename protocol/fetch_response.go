package protocol

import "warder/protocol/wire"

// FetchResponse is a view of the body of a Fetch response that is in memory as
// a whole, versions 0 to 18. Large responses are better read by a
// FetchResponseStream.
type FetchResponse struct {
	Version       int16
	ThrottleMs    int32 // v1+
	ErrorCode     int16 // v7+
	SessionID     int32 // v7+
	NumTopics     int
	NumPartitions int
	// HasEndpoints says that NodeEndpoints is present (v16+): the addresses of
	// brokers, to be rewritten before a client sees them.
	HasEndpoints bool

	body   []byte
	topics int // offset of the length of the topic array
	tags   int // offset of the tags, v12+
}

// FetchResponsePartition is what a Fetch response says of one partition.
type FetchResponsePartition struct {
	Topic                []byte   // v0-12; aliases the body, or the stream it comes from
	TopicID              [16]byte // v13+
	Partition            int32
	ErrorCode            int16
	HighWatermark        int64
	LastStableOffset     int64 // v4+, else -1
	LogStartOffset       int64 // v5+, else -1
	AbortedTransactions  int   // v4+: how many are listed
	PreferredReadReplica int32 // v11+, else -1; a node id
	// Records are batches or message sets, the last of which may be cut off.
	// They alias the body; from a stream they are always nil, and the bytes
	// are still to come.
	Records     []byte
	RecordsNull bool
	RecordsSize int // bytes of records, 0 when null
}

// ParseFetchResponse checks the structure of a whole body, down to the place
// of each partition's records but not into them. Trailing bytes are tolerated.
// The view aliases body; nothing is allocated unless it fails.
//
// Errors: *VersionError, *MalformedError.
func ParseFetchResponse(version int16, body []byte) (FetchResponse, error) {
	if version < 0 || version > fetchMaxVersion {
		return FetchResponse{}, &VersionError{Key: Fetch, Version: version}
	}
	f := FetchResponse{Version: version, body: body}
	r := wire.NewReader(body)
	if version >= fetchThrottle {
		f.ThrottleMs = r.Int32()
	}
	if version >= fetchSession {
		f.ErrorCode = r.Int16()
		f.SessionID = r.Int32()
	}
	f.topics = r.Offset()
	it := f.partitions(r)
	f.NumTopics = max(it.w.topics, 0)
	for part := (FetchResponsePartition{}); it.Next(&part); {
		f.NumPartitions++
	}
	r = it.w.r
	f.tags = r.Offset()
	if version >= fetchFlexible {
		f.HasEndpoints = hasTag(&r, tagNodeEndpoints) && version >= fetchEndpoints
	}
	if r.Err() != nil {
		return FetchResponse{}, malformed(Fetch, version, "FetchResponse", &r)
	}
	return f, nil
}

// Partitions returns an iterator over all partitions of all topics.
func (f *FetchResponse) Partitions() FetchResponsePartitions {
	return f.partitions(wire.NewReaderAt(f.body, f.topics))
}

func (f *FetchResponse) partitions(r wire.Reader) (it FetchResponsePartitions) {
	it.version = f.Version
	it.w.begin(r, f.Version >= fetchFlexible, f.Version >= fetchTopicID)
	return it
}

// FetchResponsePartitions iterates over the partitions of a Fetch response. It
// is a value: a copy continues on its own from the same place.
type FetchResponsePartitions struct {
	w       topicWalk
	version int16
}

// Next fills out with the next partition, or returns false at the end.
func (it *FetchResponsePartitions) Next(out *FetchResponsePartition) bool {
	if !it.w.next() {
		return false
	}
	r := &it.w.r
	out.Topic, out.TopicID = it.w.topic, it.w.topicID
	out.readFixed(r, it.version)
	out.AbortedTransactions = 0
	if it.version >= fetchIsolation {
		out.AbortedTransactions = it.skipAborted()
	}
	out.PreferredReadReplica = -1
	if it.version >= fetchRack {
		out.PreferredReadReplica = r.Int32()
	}
	out.Records, out.RecordsNull = r.FlexNullableBytes(it.w.flexible)
	out.RecordsSize = len(out.Records)
	it.w.skipTags()
	return r.Err() == nil
}

// readFixed reads the fields of constant size that a partition starts with:
// fetchFixedSize bytes.
func (out *FetchResponsePartition) readFixed(r *wire.Reader, version int16) {
	out.Partition = r.Int32()
	out.ErrorCode = r.Int16()
	out.HighWatermark = r.Int64()
	out.LastStableOffset, out.LogStartOffset = -1, -1
	if version >= fetchIsolation {
		out.LastStableOffset = r.Int64()
	}
	if version >= fetchLogStart {
		out.LogStartOffset = r.Int64()
	}
}

// fetchFixedSize returns how many bytes readFixed reads.
func fetchFixedSize(version int16) int {
	switch {
	case version >= fetchLogStart:
		return 30
	case version >= fetchIsolation:
		return 22
	}
	return 14
}

// abortedSize is the size of an aborted transaction without its tags: producer
// id and first offset.
const abortedSize = 16

// skipAborted steps over the aborted transactions and returns their number.
func (it *FetchResponsePartitions) skipAborted() int {
	n := max(it.w.r.ArrayLen(it.w.flexible), 0)
	for i := 0; i < n && it.w.r.Err() == nil; i++ {
		it.w.r.Span(abortedSize)
		it.w.skipTags()
	}
	return n
}
