package rules

import "time"

// clusterKey is the one key of ByCluster.
const clusterKey = "cluster"

// topicKey is the Key of an event about one topic.
func topicKey(k KeyKind, topic string) string {
	switch k {
	case ByTopic:
		return topic
	case ByCluster:
		return clusterKey
	default:
		return ""
	}
}

// TopicAsked says that the cluster answered a client's Metadata request for a
// topic by name with an error, such as UNKNOWN_TOPIC_OR_PARTITION.
type TopicAsked struct {
	At     time.Time
	Client *Identity
	Topic  string
	// ErrorCode is what the cluster said of the topic, as in Errors.java.
	ErrorCode int16
	// AutoCreate says that the request allowed the broker to create the topic
	// (allow_auto_topic_creation; always before Metadata version 4).
	AutoCreate bool
}

// Kind is KindTopicAsked.
func (TopicAsked) Kind() Kind { return KindTopicAsked }

// When is the time of the answer.
func (e TopicAsked) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicAsked) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// TopicAppeared says that a topic is seen for the first time, or again with
// another id. What a listing of the cluster brings up comes within seconds, and
// comes again for rules that are switched on later.
type TopicAppeared struct {
	At time.Time
	// Client is empty when nobody in particular brought it up.
	Client *Identity
	Topic  string
	// Partitions is 0 when unknown.
	Partitions int32
	// Created says that the client made it with CreateTopics.
	Created bool
	// Asked says that the client named it in a Metadata request; else it came
	// up in a listing of the cluster.
	Asked bool
}

// Kind is KindTopicAppeared.
func (TopicAppeared) Kind() Kind { return KindTopicAppeared }

// When is the time of the answer that named it.
func (e TopicAppeared) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicAppeared) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// TopicDeleted says that DeleteTopics was answered without error.
type TopicDeleted struct {
	At     time.Time
	Client *Identity
	Topic  string
}

// Kind is KindTopicDeleted.
func (TopicDeleted) Kind() Kind { return KindTopicDeleted }

// When is the time of the answer.
func (e TopicDeleted) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicDeleted) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// TopicAltered says that a topic's cleanup.policy was changed by AlterConfigs or
// IncrementalAlterConfigs, answered without error. After is unknown when the policy
// goes back to the broker's default, as it does when AlterConfigs, which replaces
// the whole configuration, does not name it.
type TopicAltered struct {
	At            time.Time
	Client        *Identity
	Topic         string
	Before, After CleanupPolicy // unknown where it is not known
}

// Kind is KindTopicAltered.
func (TopicAltered) Kind() Kind { return KindTopicAltered }

// When is the time of the answer.
func (e TopicAltered) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicAltered) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// PartitionsAdded says that a topic has more partitions than before: by
// CreatePartitions, or as Metadata shows.
type PartitionsAdded struct {
	At            time.Time
	Client        *Identity // who added them, or whose Metadata shows it
	Topic         string
	Before, After int32
	// Asked says that the client asked for them, with CreatePartitions.
	Asked bool
	// Known and Moving are how many of the keys that were seen lately there
	// are, and how many of them the change sends to another partition; 0 when
	// nothing is known of the topic's keys.
	Known, Moving int
	// Partitioner that the numbers are worked out with; "" when it is not known.
	Partitioner string
}

// Kind is KindPartitionsAdded.
func (PartitionsAdded) Kind() Kind { return KindPartitionsAdded }

// When is the time of the answer.
func (e PartitionsAdded) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e PartitionsAdded) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// TopicWritten says that a client writes to a topic. It comes with the first
// write, then at most once in WrittenEvery for each session and topic.
type TopicWritten struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Batches and Bytes since the last such event.
	Batches int
	Bytes   int64
}

// WrittenEvery and ReadEvery are how often TopicWritten and TopicRead come.
const (
	WrittenEvery = 10 * time.Second
	ReadEvery    = 10 * time.Second
)

// Kind is KindTopicWritten.
func (TopicWritten) Kind() Kind { return KindTopicWritten }

// When is the time of the request.
func (e TopicWritten) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicWritten) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// TopicRead says that a client fetches from a topic, whether or not there was
// anything to fetch. It comes with the first Fetch that names the topic, then at
// most once in ReadEvery for each session and topic.
type TopicRead struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Bytes of records since the last such event; 0 when the topic is silent.
	Bytes int64
}

// Kind is KindTopicRead.
func (TopicRead) Kind() Kind { return KindTopicRead }

// When is the time of the request or answer.
func (e TopicRead) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicRead) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// Subscribed says that a member of a group subscribes to topics: in JoinGroup
// (ConsumerProtocolSubscription) or ConsumerGroupHeartbeat (KIP-848). It comes
// when the list is new for the member.
type Subscribed struct {
	At     time.Time
	Client *Identity
	Group  string
	// Topics by name; those that match Pattern are not listed.
	Topics []string
	// Pattern is the regular expression of a KIP-848 subscription, "" without.
	Pattern string
}

// Kind is KindSubscribed.
func (Subscribed) Kind() Kind { return KindSubscribed }

// When is the time of the request.
func (e Subscribed) When() time.Time { return e.At }

// Key knows ByCluster.
func (e Subscribed) Key(k KeyKind) string { return topicKey(k, "") }

// TopicReaders is the answer to WhoReads.
type TopicReaders struct {
	At    time.Time
	Topic string
	// Known is false when nobody could say.
	Known bool
	// Groups that have committed offsets for the topic, at most 20 of them.
	Groups []string
}

// Kind is KindTopicReaders.
func (TopicReaders) Kind() Kind { return KindTopicReaders }

// When is the time of the answer.
func (e TopicReaders) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e TopicReaders) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// SchemaSubjects is the answer to SubjectsOfSchema.
type SchemaSubjects struct {
	At    time.Time
	ID    int32
	Topic string
	// Known is false when nobody could say; without a registry nobody can.
	Known bool
	// Subjects under which the schema is registered, as in "orders-value"; at
	// most 20 of them.
	Subjects []string
}

// Kind is KindSchemaSubjects.
func (SchemaSubjects) Kind() Kind { return KindSchemaSubjects }

// When is the time of the answer.
func (e SchemaSubjects) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e SchemaSubjects) Key(k KeyKind) string { return topicKey(k, e.Topic) }
