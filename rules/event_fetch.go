package rules

import "time"

// Fetched says how far a client has come in a topic: what it asks for now and what
// the broker answered last, for partitions of which there was news since the last
// such event. It comes with a Fetch request, at most once in FetchedEvery for each
// session and topic, and not before the first answer. Where sessions are
// incremental (KIP-227) a partition without news is silent.
type Fetched struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Partitions in the order of their numbers.
	Partitions []FetchedPartition
}

// FetchedEvery is how often Fetched comes.
const FetchedEvery = time.Second

// FetchedPartition is one partition as its reader sees it. Offsets are -1 while
// they are not known. HighWatermark - FetchOffset is what the client has still to
// ask for; where a topic is compacted or transactional it counts offsets, not
// records.
type FetchedPartition struct {
	Partition int32
	// FetchOffset is what the client asked for last. A client asks for a
	// partition again when it has room for more of it, which is not to say that
	// the application has processed what it was given.
	FetchOffset int64
	// HighWatermark, LastStableOffset (Fetch v4+) and LogStartOffset (v5+) are
	// the last that the broker told.
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	// ErrorCode of the last answer, as in Errors.java.
	ErrorCode int16
	// Bytes of records since the last such event.
	Bytes int64
	// ReadOffset is the lowest offset that a request was answered with records
	// for since the last such event, -1 when none was. A client that goes back asks for
	// other offsets in between.
	ReadOffset int64
}

// Kind is KindFetched.
func (Fetched) Kind() Kind { return KindFetched }

// When is the time of the request.
func (e Fetched) When() time.Time { return e.At }

// Key knows ByTopic alone: there is far too much of it for one key.
func (e Fetched) Key(k KeyKind) string {
	if k == ByTopic {
		return e.Topic
	}
	return ""
}
