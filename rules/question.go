package rules

import "time"

// Question is something that a Watcher or Sweeper wants to know and traffic does
// not say. It is answered once, by an event that reaches everybody who watches
// that kind of event; whoever asked must watch it. Questions go out when there is
// time for them, never on the path of traffic.
type Question interface {
	// Unanswered is the answer that nobody could say: the cluster refused,
	// there was no connection that could carry the question, or the traffic
	// is a recording.
	Unanswered(now time.Time) Event
}

// WhoReads asks which groups have committed offsets for a topic, also those
// whose consumers do not come through warder. The answer is TopicReaders.
type WhoReads struct{ Topic string }

// Unanswered is a TopicReaders that is not Known.
func (q WhoReads) Unanswered(now time.Time) Event {
	return TopicReaders{At: now, Topic: q.Topic}
}

// SubjectsOfSchema asks the schema registry for the subjects of a schema id. The
// answer is SchemaSubjects, of the topic where the id was seen.
type SubjectsOfSchema struct {
	ID    int32
	Topic string
}

// Unanswered is a SchemaSubjects that is not Known.
func (q SubjectsOfSchema) Unanswered(now time.Time) Event {
	return SchemaSubjects{At: now, ID: q.ID, Topic: q.Topic}
}

// OpenTransactions asks which producers have a transaction open in a partition
// (DescribeProducers). The answer is TransactionsOpen.
type OpenTransactions struct{ TopicPartition }

// Unanswered is a TransactionsOpen that is not Known.
func (q OpenTransactions) Unanswered(now time.Time) Event {
	return TransactionsOpen{At: now, TopicPartition: q.TopicPartition}
}
