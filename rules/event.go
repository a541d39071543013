package rules

import "time"

// Event is a typed fact about a completed exchange, copied out of it: immutable
// and safe anywhere.
type Event interface {
	// Kind says which type it is.
	Kind() Kind
	// When it happened.
	When() time.Time
	// Key gives the event's key of that kind; "" when it has none, and
	// nobody who watches by it is told.
	Key(KeyKind) string
}

// Kind is the type of an Event.
type Kind uint8

// The kinds of events.
const (
	KindGap Kind = iota
	KindRestored
	KindObservation
	KindTransactionEnded
	KindTopicAsked
	KindTopicAppeared
	KindTopicDeleted
	KindTopicAltered
	KindPartitionsAdded
	KindTopicWritten
	KindTopicRead
	KindSubscribed
	KindTopicReaders
	KindPartitionerFound
	KindKeysMoved
	KindSchemaSubjects
	KindKeyFormatChanged
	KindFetched
	KindProducerInitialised
	KindProduceFailed
	KindJoinRequested
	KindJoined
	KindSynced
	KindHeartbeat
	KindLeft
	KindConsumerHeartbeat
	KindMemberGone
	KindCommitted
	KindOffsetsFetched
	KindOffsetsSettled
	KindOffsetsDeleted
	KindOffsetsListed
	KindMemberFetched
	KindMemberPolled
	KindAcquired
	KindAcknowledged
	KindShareOffsets
	KindProduceAnswered
	KindFetchAnswered
	KindConnectionUsed
	KindGroupDescribed
	KindGroupConfigured
	KindTransactionsOpen

	// NumKinds bounds the values above.
	NumKinds
)

// KeyKind says what a Watcher's state belongs to.
type KeyKind uint8

// The kinds of keys.
const (
	ByTransactionalID KeyKind = iota
	ByTopic
	// ByCluster is one key for everything: what has to be seen together.
	ByCluster
	ByGroup
	// ByClient is client.id and principal, see Identity.Key.
	ByClient

	// NumKeyKinds bounds the values above.
	NumKeyKinds
)

// Interest names events that a Watcher wants, and by which key.
type Interest struct {
	Kind Kind
	By   KeyKind
}

// Gap says that events were dropped because a queue was full. Every state that
// may have missed one is told.
type Gap struct {
	At time.Time
	// Lost is how many events were dropped since the last Gap.
	Lost int
}

// Kind is KindGap.
func (Gap) Kind() Kind { return KindGap }

// When is the time of the first event that got through again.
func (g Gap) When() time.Time { return g.At }

// Key is empty: a gap concerns all.
func (Gap) Key(KeyKind) string { return "" }

// Restored says that warder was started anew and knows a key from before: the Model
// of that kind of key has been restored. Every Watcher by that kind of key is told,
// whatever it watches, so that it may begin its state.
type Restored struct {
	At time.Time
	By KeyKind
	Of string
}

// Kind is KindRestored.
func (Restored) Kind() Kind { return KindRestored }

// When is the time of the start.
func (r Restored) When() time.Time { return r.At }

// Key is Of for the kind By.
func (r Restored) Key(k KeyKind) string {
	if k != r.By {
		return ""
	}
	return r.Of
}

// Observation is what a rule saw in a batch and wants to judge later; only the
// Watcher of the same rule is given it, once it is clear what becomes of the
// request.
type Observation struct {
	// At, Client and Refused are set by the engine.
	At     time.Time
	Client *Identity
	// Refused says that the batch was refused, by whichever rule: the log never
	// gets it.
	Refused bool
	By      KeyKind
	Of      string
	Data    any
}

// Kind is KindObservation.
func (Observation) Kind() Kind { return KindObservation }

// When is the time of the request.
func (o Observation) When() time.Time { return o.At }

// Key is Of for the kind By.
func (o Observation) Key(k KeyKind) string {
	if k != o.By {
		return ""
	}
	return o.Of
}

// TransactionEnded says that a transaction was committed or aborted: EndTxn was
// answered without error, or InitProducerId with the same transactional id
// was, which aborts what was open (Committed false). ProducerID and
// ProducerEpoch are those of the EndTxn request, which the transaction's batches
// carry too, or of the InitProducerId response.
type TransactionEnded struct {
	At              time.Time
	Client          *Identity
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	Committed       bool
	// Initialised says that it was InitProducerId: there need not have been an
	// open transaction.
	Initialised bool
}

// Kind is KindTransactionEnded.
func (TransactionEnded) Kind() Kind { return KindTransactionEnded }

// When is the time of the answer.
func (t TransactionEnded) When() time.Time { return t.At }

// Key knows ByTransactionalID.
func (t TransactionEnded) Key(k KeyKind) string {
	if k == ByTransactionalID {
		return t.TransactionalID
	}
	return ""
}
