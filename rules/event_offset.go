package rules

import "time"

// PartitionOffset is an offset of a partition, as committed: the next one to be
// read.
type PartitionOffset struct {
	TopicPartition
	// Offset is -1 when there is none.
	Offset    int64
	ErrorCode int16
}

// Committed is the coordinator's answer to OffsetCommit, or to TxnOffsetCommit,
// whose offsets count only when the transaction is committed, see OffsetsSettled. An
// administrator who sets offsets commits with an empty member id and generation -1.
type Committed struct {
	At     time.Time
	Client *Identity
	Membership
	Requested time.Time
	Offsets   []PartitionOffset
	// TransactionalID is empty outside a transaction. TransactionTimeout is
	// transaction.timeout.ms, 0 when that was not heard.
	TransactionalID    string
	TransactionTimeout time.Duration
}

// Kind is KindCommitted.
func (Committed) Kind() Kind { return KindCommitted }

// When is the time of the answer.
func (e Committed) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Committed) Key(k KeyKind) string { return groupKey(k, e.Group) }

// OffsetsSettled says that the transaction ended in which offsets of a group were
// committed: they count from now on, or never did. The transaction of which that is not
// heard is aborted by its coordinator when its timeout has passed.
type OffsetsSettled struct {
	At              time.Time
	Client          *Identity
	Group           string
	TransactionalID string
	Committed       bool
}

// Kind is KindOffsetsSettled.
func (OffsetsSettled) Kind() Kind { return KindOffsetsSettled }

// When is the time of the answer.
func (e OffsetsSettled) When() time.Time { return e.At }

// Key knows ByGroup.
func (e OffsetsSettled) Key(k KeyKind) string { return groupKey(k, e.Group) }

// OffsetsFetched is the coordinator's answer to OffsetFetch: where a group goes on
// reading.
type OffsetsFetched struct {
	At      time.Time
	Client  *Identity
	Group   string
	Offsets []PartitionOffset
	// Looked says that warder asked, not a client, and All that Offsets are all
	// that the group has.
	Looked, All bool
}

// Kind is KindOffsetsFetched.
func (OffsetsFetched) Kind() Kind { return KindOffsetsFetched }

// When is the time of the answer.
func (e OffsetsFetched) When() time.Time { return e.At }

// Key knows ByGroup.
func (e OffsetsFetched) Key(k KeyKind) string { return groupKey(k, e.Group) }

// OffsetsDeleted says that OffsetDelete or DeleteGroups was answered without
// error.
type OffsetsDeleted struct {
	At     time.Time
	Client *Identity
	Group  string
	// Partitions whose offsets are gone; nil for the whole group.
	Partitions []TopicPartition
}

// Kind is KindOffsetsDeleted.
func (OffsetsDeleted) Kind() Kind { return KindOffsetsDeleted }

// When is the time of the answer.
func (e OffsetsDeleted) When() time.Time { return e.At }

// Key knows ByGroup.
func (e OffsetsDeleted) Key(k KeyKind) string { return groupKey(k, e.Group) }

// What ListOffsets can ask for instead of a time (ListOffsetsRequest.java).
const (
	LatestTimestamp   int64 = -1
	EarliestTimestamp int64 = -2
)

// OffsetsListed says that a member of a group asked where a partition ends or
// begins (ListOffsets), as consumers do that have no committed offset or whose
// offset is out of range (auto.offset.reset).
type OffsetsListed struct {
	At     time.Time
	Client *Identity
	Membership
	TopicPartition
	// Timestamp asked for: LatestTimestamp, EarliestTimestamp, other negative
	// ones, or milliseconds.
	Timestamp int64
	Offset    int64
	ErrorCode int16
}

// Kind is KindOffsetsListed.
func (OffsetsListed) Kind() Kind { return KindOffsetsListed }

// When is the time of the answer.
func (e OffsetsListed) When() time.Time { return e.At }

// Key knows ByGroup.
func (e OffsetsListed) Key(k KeyKind) string { return groupKey(k, e.Group) }

// MemberFetched is Fetched for one partition that is assigned to a member of a
// group: where it reads, and what the broker says of the partition.
type MemberFetched struct {
	At     time.Time
	Client *Identity
	Membership
	TopicPartition
	// FetchOffset is what the member asks for now; the rest is of the last
	// answer.
	FetchOffset int64
	// HighWatermark, LastStableOffset and LogStartOffset are -1 when the
	// answer does not say.
	HighWatermark, LastStableOffset, LogStartOffset int64
	// Bytes of records since the last such event, and ReadOffset the lowest offset
	// that they were given for, -1 when there were none.
	Bytes, ReadOffset int64
	ErrorCode         int16
	// ReadCommitted says that the member reads up to the last stable offset
	// (isolation.level).
	ReadCommitted bool
	// Ambiguous says that more than one member of the same address and client
	// id may have sent the request.
	Ambiguous bool
}

// Kind is KindMemberFetched.
func (MemberFetched) Kind() Kind { return KindMemberFetched }

// When is the time of the request.
func (e MemberFetched) When() time.Time { return e.At }

// Key knows ByGroup.
func (e MemberFetched) Key(k KeyKind) string { return groupKey(k, e.Group) }

// MemberPolled says that a member of a group has sent a Fetch, whatever it asks
// for: MemberFetched is silent about partitions without news. It comes at most once
// in FetchedEvery for each broker that the member reads from.
type MemberPolled struct {
	At     time.Time
	Client *Identity
	Membership
	// Ambiguous as in MemberFetched.
	Ambiguous bool
}

// Kind is KindMemberPolled.
func (MemberPolled) Kind() Kind { return KindMemberPolled }

// When is the time of the request.
func (e MemberPolled) When() time.Time { return e.At }

// Key knows ByGroup.
func (e MemberPolled) Key(k KeyKind) string { return groupKey(k, e.Group) }
