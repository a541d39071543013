package rules

import (
	"time"

	"warder/protocol/records"
)

// Request is a Produce request on its way. Nothing in it may be kept after the
// call.
type Request struct {
	// Time is when the last byte of the request was read.
	Time     time.Time
	Identity *Identity
	// Version of the Produce API.
	Version int16
	// Acks as the client sent it: -1, 0 or 1.
	Acks int16
	// TransactionalID is empty when null.
	TransactionalID []byte
	// Partitions is the number of topic-partitions in the request.
	Partitions int
}

// Batch is one record batch on its way to one partition. Nothing in it may be
// kept after the call.
type Batch struct {
	Request
	// Topic is what is known of the topic now.
	Topic *Topic
	// Partition is the partition's number.
	Partition int32
	// Header is the head of the batch. With magic 0 and 1 it stands for one
	// message or wrapper.
	Header *records.Header
	// Records counts the records that were walked so far; 0 when nobody
	// needs them.
	Records int

	before Pair
}

// Pair is the key and value of a record; nil is null.
type Pair struct{ Key, Value []byte }

// Before gives the record before the current one in the same batch; false for
// the first.
func (b *Batch) Before(r *Record) (Pair, bool) { return b.before, r.Index > 0 }

// SetBefore is for the engine: it sets what Before returns.
func (b *Batch) SetBefore(key, value []byte) { b.before = Pair{key, value} }

// Record is a view of one record; see records.Record for its fields.
type Record records.Record

// Header gives the value of the first record header with this key, and whether
// there is one. A null value is nil.
func (r *Record) Header(key string) ([]byte, bool) {
	it := (*records.Record)(r).HeaderIter()
	var h records.RecordHeader
	for it.Next(&h) {
		if string(h.Key) == key {
			return h.Value, true
		}
	}
	return nil, false
}
