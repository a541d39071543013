package protocol

import (
	"math"

	"warder/protocol/wire"
)

// Versions of Fetch and their differences (FetchRequest.json,
// FetchResponse.json).
const (
	fetchMaxVersion   = 18
	fetchThrottle     = 1
	fetchMaxBytes     = 3
	fetchIsolation    = 4  // IsolationLevel, LastStableOffset, AbortedTransactions
	fetchLogStart     = 5  // LogStartOffset on either side
	fetchSession      = 7  // sessions (KIP-227), the top-level error
	fetchLeaderEpoch  = 9  // CurrentLeaderEpoch (KIP-320)
	fetchRack         = 11 // RackId, PreferredReadReplica (KIP-392)
	fetchFlexible     = 12 // compact fields and tags, LastFetchedEpoch
	fetchTopicID      = 13 // topics by id
	fetchReplicaState = 15 // ReplicaId moves into tag 1 (KIP-903)
	fetchEndpoints    = 16 // NodeEndpoints (KIP-951)
)

const tagReplicaState = 1

// FetchRequest is a view of the body of a Fetch request, versions 0 to 18.
type FetchRequest struct {
	Version        int16
	ReplicaID      int32 // -1 for a consumer
	MaxWaitMs      int32
	MinBytes       int32
	MaxBytes       int32  // v3+; math.MaxInt32 before
	IsolationLevel int8   // v4+; 1 is read_committed
	SessionID      int32  // v7+; 0 outside a session
	SessionEpoch   int32  // v7+; 0 asks for a session, -1 declines or ends it; -1 before v7
	RackID         []byte // v11+; aliases the body
	NumTopics      int
	NumPartitions  int // in an incremental request only those that changed

	body      []byte
	topics    int // offset of the length of the topic array
	forgotten int // offset of the length of the forgotten topics, v7+
}

// FetchPartition is one partition of a Fetch request.
type FetchPartition struct {
	Ordinal            int      // 0 for the first partition of the request
	Topic              []byte   // v0-12; aliases the body
	TopicID            [16]byte // v13+
	Partition          int32
	CurrentLeaderEpoch int32 // v9+, else -1
	FetchOffset        int64
	LastFetchedEpoch   int32 // v12+, else -1
	LogStartOffset     int64 // v5+, -1 for a consumer
	MaxBytes           int32
}

// ForgottenPartition is a partition that a Fetch request takes out of its
// session.
type ForgottenPartition struct {
	Topic     []byte   // v7-12; aliases the body
	TopicID   [16]byte // v13+
	Partition int32
}

// ParseFetchRequest checks the structure of a whole body. Trailing bytes are
// tolerated. The view aliases body; nothing is allocated unless it fails.
//
// Errors: *VersionError, *MalformedError.
func ParseFetchRequest(version int16, body []byte) (FetchRequest, error) {
	if version < 0 || version > fetchMaxVersion {
		return FetchRequest{}, &VersionError{Key: Fetch, Version: version}
	}
	f := FetchRequest{Version: version, body: body}
	r := wire.NewReader(body)
	f.readHead(&r)
	f.topics = r.Offset()
	it := f.partitions(r)
	f.NumTopics = max(it.w.topics, 0)
	for part := (FetchPartition{}); it.Next(&part); {
		f.NumPartitions++
	}
	r = it.w.r
	f.forgotten = r.Offset()
	f.readTail(&r)
	if r.Err() != nil {
		return FetchRequest{}, malformed(Fetch, version, "FetchRequest", &r)
	}
	return f, nil
}

func (f *FetchRequest) flexible() bool { return f.Version >= fetchFlexible }

// readHead reads the fields in front of the topics.
func (f *FetchRequest) readHead(r *wire.Reader) {
	f.ReplicaID, f.MaxBytes, f.SessionEpoch = -1, math.MaxInt32, -1
	if f.Version < fetchReplicaState {
		f.ReplicaID = r.Int32()
	}
	f.MaxWaitMs = r.Int32()
	f.MinBytes = r.Int32()
	if f.Version >= fetchMaxBytes {
		f.MaxBytes = r.Int32()
	}
	if f.Version >= fetchIsolation {
		f.IsolationLevel = r.Int8()
	}
	if f.Version >= fetchSession {
		f.SessionID = r.Int32()
		f.SessionEpoch = r.Int32()
	}
}

// readTail reads the fields behind the topics.
func (f *FetchRequest) readTail(r *wire.Reader) {
	if f.Version >= fetchSession {
		it := f.forgottenFrom(*r)
		for part := (ForgottenPartition{}); it.Next(&part); {
		}
		*r = it.w.r
	}
	if f.Version >= fetchRack {
		f.RackID = r.FlexString(f.flexible())
	}
	if !f.flexible() {
		return
	}
	for n := r.TagCount(); n > 0 && r.Err() == nil; n-- {
		tag, value := r.Tag()
		if tag == tagReplicaState && f.Version >= fetchReplicaState {
			state := wire.NewReader(value)
			f.ReplicaID = state.Int32()
		}
	}
}

// Partitions returns an iterator over all partitions of all topics.
func (f *FetchRequest) Partitions() FetchPartitions {
	return f.partitions(wire.NewReaderAt(f.body, f.topics))
}

func (f *FetchRequest) partitions(r wire.Reader) (it FetchPartitions) {
	it.version = f.Version
	it.w.begin(r, f.flexible(), f.Version >= fetchTopicID)
	return it
}

// Forgotten returns an iterator over the partitions that leave the session.
func (f *FetchRequest) Forgotten() ForgottenPartitions {
	if f.Version < fetchSession {
		return ForgottenPartitions{}
	}
	return f.forgottenFrom(wire.NewReaderAt(f.body, f.forgotten))
}

func (f *FetchRequest) forgottenFrom(r wire.Reader) (it ForgottenPartitions) {
	it.w.begin(r, f.flexible(), f.Version >= fetchTopicID)
	return it
}

// FetchPartitions iterates over the partitions of a Fetch request. It is a
// value: a copy continues on its own from the same place.
type FetchPartitions struct {
	w       topicWalk
	version int16
}

// Next fills out with the next partition, or returns false at the end.
func (it *FetchPartitions) Next(out *FetchPartition) bool {
	if !it.w.next() {
		return false
	}
	r := &it.w.r
	out.Ordinal = it.w.ordinal - 1
	out.Topic, out.TopicID = it.w.topic, it.w.topicID
	out.CurrentLeaderEpoch, out.LastFetchedEpoch, out.LogStartOffset = -1, -1, -1
	out.Partition = r.Int32()
	if it.version >= fetchLeaderEpoch {
		out.CurrentLeaderEpoch = r.Int32()
	}
	out.FetchOffset = r.Int64()
	if it.version >= fetchFlexible {
		out.LastFetchedEpoch = r.Int32()
	}
	if it.version >= fetchLogStart {
		out.LogStartOffset = r.Int64()
	}
	out.MaxBytes = r.Int32()
	it.w.skipTags()
	return r.Err() == nil
}

// ForgottenPartitions iterates over the partitions that leave a fetch session.
type ForgottenPartitions struct{ w topicWalk }

// Next fills out with the next partition, or returns false at the end.
func (it *ForgottenPartitions) Next(out *ForgottenPartition) bool {
	if !it.w.next() {
		return false
	}
	out.Topic, out.TopicID = it.w.topic, it.w.topicID
	out.Partition = it.w.r.Int32() // the elements are bare integers, without tags
	return it.w.r.Err() == nil
}
