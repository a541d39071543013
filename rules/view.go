package rules

import (
	"time"

	"github.com/cespare/xxhash/v2"

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
	// Payload is the records as they travel, compressed by Header.Codec; with
	// magic 0 and 1 it is nil. It is set for BatchRule alone.
	Payload []byte
	// Records counts the records that were walked so far; 0 when nobody
	// needs them.
	Records int
	// Fetched says that the batch is on its way to a consumer, which Identity
	// describes then: who wrote it is not known. Only SampleRule sees such, and
	// only some batches unless inspect.fetch_records is `all`; a denial of one
	// means nothing.
	Fetched bool
	// Seen is how many partitions the topic has as the client last saw it in
	// Metadata, which is what it chooses partitions by. With NeedKeys.
	Seen PartitionsSeen
	// Weight is how many records the current sample stands for, see
	// SampleRule: of the batches that were looked into.
	Weight int

	before *Record
	hash   uint64 // of the key of the record with Index hashed-1
	hashed int
}

// PartitionsSeen is how many partitions a client takes a topic to have.
type PartitionsSeen struct {
	// Now is 0 while it is not known.
	Now int32
	// Before is another number that the client saw within the last ten
	// minutes and may still go by; 0 when there is none.
	Before int32
}

// Begin is for the engine: it turns to the next batch.
func (b *Batch) Begin(h *records.Header) {
	b.Header, b.Records, b.hashed, b.before = h, 0, 0, nil
}

// KeyHash is a hash of the record's key, computed once for all rules. It is the
// same in every process (xxHash64), so a replay counts what was counted live;
// whoever chooses keys can make two collide: nothing may be refused by it.
func (b *Batch) KeyHash(r *Record) uint64 {
	if b.hashed != r.Index+1 {
		b.hash, b.hashed = xxhash.Sum64(r.Key), r.Index+1
	}
	return b.hash
}

// Pair is the key and value of a record; nil is null.
type Pair struct{ Key, Value []byte }

// Before gives the record before the current one in the same batch; false for
// the first.
func (b *Batch) Before(r *Record) (Pair, bool) {
	if r.Index == 0 || b.before == nil {
		return Pair{}, false
	}
	return Pair{b.before.Key, b.before.Value}, true
}

// SetBefore is for the engine: it sets what Before returns.
func (b *Batch) SetBefore(r *Record) { b.before = r }

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
