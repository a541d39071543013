package rules

import "time"

// Members of a share group (KIP-932) read the same partitions side by side. The
// broker gives each record to one of them at a time, says how often it has done so,
// and gives it to another unless it is acknowledged in time.

// Acquired says which records a member of a share group was given: the answer to a
// ShareFetch.
type Acquired struct {
	At     time.Time
	Client *Identity
	// Membership has no generation: ShareFetch does not say it.
	Membership
	Records []AcquiredRecords
}

// AcquiredRecords are records of one partition that were all given to somebody
// DeliveryCount times, this time included.
type AcquiredRecords struct {
	TopicPartition
	// First and Last are their offsets, both included.
	First, Last   int64
	DeliveryCount int16
}

// Kind is KindAcquired.
func (Acquired) Kind() Kind { return KindAcquired }

// When is the time of the answer.
func (e Acquired) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Acquired) Key(k KeyKind) string { return groupKey(k, e.Group) }

// Acknowledgement is what a member says of a record that it was given
// (AcknowledgeType.java).
type Acknowledgement int8

// The types. A gap is an offset without a record, as compaction leaves it; Renew
// asks for more time (KIP-1222).
const (
	AckGap Acknowledgement = iota
	AckAccept
	AckRelease
	AckReject
	AckRenew
)

// Acknowledged says what a member of a share group says of records that it was
// given: in ShareAcknowledge, or with its next ShareFetch. The broker does not
// take it when the record's lock has run out meanwhile.
type Acknowledged struct {
	At     time.Time
	Client *Identity
	// Membership has no generation.
	Membership
	Records []AcknowledgedRecords
}

// AcknowledgedRecords are records of one partition of which the same is said.
type AcknowledgedRecords struct {
	TopicPartition
	// First and Last are their offsets, both included.
	First, Last int64
	Type        Acknowledgement
}

// Kind is KindAcknowledged.
func (Acknowledged) Kind() Kind { return KindAcknowledged }

// When is the time of the request.
func (e Acknowledged) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Acknowledged) Key(k KeyKind) string { return groupKey(k, e.Group) }

// ShareOffsets says from where on a share group has still to read partitions: the
// answer to DescribeShareGroupOffsets, or that to AlterShareGroupOffsets or
// DeleteShareGroupOffsets, by which somebody has Set them.
type ShareOffsets struct {
	At     time.Time
	Client *Identity
	Group  string
	// Offsets are share-partition start offsets: all before them is done with.
	// -1 when there is none.
	Offsets []PartitionOffset
	// Topics whose offsets were deleted.
	Topics []string
	Set    bool
}

// Kind is KindShareOffsets.
func (ShareOffsets) Kind() Kind { return KindShareOffsets }

// When is the time of the answer.
func (e ShareOffsets) When() time.Time { return e.At }

// Key knows ByGroup.
func (e ShareOffsets) Key(k KeyKind) string { return groupKey(k, e.Group) }
