package rules

import "time"

// ProducerInitialised says that InitProducerId was answered for a transactional id.
// It comes before the TransactionEnded of the same answer. Answers that send the
// client to ask again (the coordinator has moved, CONCURRENT_TRANSACTIONS) are left
// out.
type ProducerInitialised struct {
	At              time.Time
	Client          *Identity
	TransactionalID string
	// ProducerID and ProducerEpoch are what the producer has from now on; -1 on
	// an error.
	ProducerID    int64
	ProducerEpoch int16
	// Timeout is transaction.timeout.ms of the producer.
	Timeout time.Duration
	// Resumed says that a producer goes on with the id that it had before
	// (KIP-360), to abort a transaction that has gone wrong.
	Resumed bool
	// ErrorCode as in Errors.java; 0 is none.
	ErrorCode int16
}

// Kind is KindProducerInitialised.
func (ProducerInitialised) Kind() Kind { return KindProducerInitialised }

// When is the time of the answer.
func (e ProducerInitialised) When() time.Time { return e.At }

// Key knows ByTransactionalID.
func (e ProducerInitialised) Key(k KeyKind) string {
	if k == ByTransactionalID {
		return e.TransactionalID
	}
	return ""
}

// ProduceFailed says that the broker refused a partition of a Produce request, or
// the coordinator something else that belongs to a transaction: AddPartitionsToTxn,
// AddOffsetsToTxn or EndTxn. Errors after which a coordinator is asked again, and
// those that follow from a refusal of warder's own, are left out. Of answers to
// Produce below version 10 it comes only where the session writes in transactions.
type ProduceFailed struct {
	At     time.Time
	Client *Identity
	// Request is the name of the API, as in "Produce".
	Request string
	// Topic and Partition of a Produce request; "" and -1 of others, and a
	// topic whose id nobody can explain is "".
	Topic     string
	Partition int32
	// TransactionalID is "" when the client writes outside of transactions.
	TransactionalID string
	// ProducerID is -1 when it is not known.
	ProducerID int64
	// ErrorCode as in Errors.java.
	ErrorCode int16
}

// Kind is KindProduceFailed.
func (ProduceFailed) Kind() Kind { return KindProduceFailed }

// When is the time of the answer.
func (e ProduceFailed) When() time.Time { return e.At }

// Key knows ByTransactionalID and ByTopic.
func (e ProduceFailed) Key(k KeyKind) string {
	switch k {
	case ByTransactionalID:
		return e.TransactionalID
	case ByTopic:
		return e.Topic
	default:
		return ""
	}
}

// TransactionsOpen is the answer to OpenTransactions.
type TransactionsOpen struct {
	At time.Time
	TopicPartition
	// Known is false when nobody could say.
	Known bool
	// Open transactions, the one that began at the lowest offset first; at most 20
	// of them.
	Open []OpenTransaction
}

// OpenTransaction is a transaction as the leader of a partition knows it.
type OpenTransaction struct {
	ProducerID    int64
	ProducerEpoch int32
	// StartOffset is its first record in the partition.
	StartOffset int64
	// LastWrite is the timestamp of its last batch in the partition, by the
	// producer's clock or the broker's; zero when there is none.
	LastWrite time.Time
}

// Kind is KindTransactionsOpen.
func (TransactionsOpen) Kind() Kind { return KindTransactionsOpen }

// When is the time of the answer.
func (e TransactionsOpen) When() time.Time { return e.At }

// Key knows ByTopic.
func (e TransactionsOpen) Key(k KeyKind) string {
	if k == ByTopic {
		return e.Topic
	}
	return ""
}
