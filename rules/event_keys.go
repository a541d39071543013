package rules

import "time"

// Concerning is an event about what clients do to a topic. A rule is told of it
// only if its topics, clients, principals and allow list let it look at the
// topic and at every one of the clients.
type Concerning interface {
	Concerns() (topic string, clients []*Identity)
}

// CustomPartitioner is the name of no known partitioner: the application names
// the partition of each record, or the client ignores keys.
const CustomPartitioner = "custom"

// KeyPlaces is a key, and where each partitioner would send it.
type KeyPlaces struct {
	// Key as KeyText writes it.
	Key string
	// Shown is the beginning of the key itself, for a rule that may reveal it.
	Shown string
	// Places is the partition by the name of the partitioner.
	Places map[string]int32
}

// PartitionerFound says how a client chooses partitions by key. It comes when
// that becomes clear, when it changes, and every PartitionerEvery while the
// client goes on writing.
type PartitionerFound struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Partitions of the topic as the client last saw it.
	Partitions int32
	// Partitioner by its name, or CustomPartitioner.
	Partitioner string
	// Keys is how many different keys were tried, Matches how many of them are
	// where the partitioner puts them. For CustomPartitioner it is the one that
	// came closest.
	Keys, Matches int
	// Before is what the client used before; "" unless it changed.
	Before string
	// Example is one of the keys.
	Example KeyPlaces
}

// PartitionerEvery is how often PartitionerFound is repeated.
const PartitionerEvery = 10 * time.Minute

// Kind is KindPartitionerFound.
func (PartitionerFound) Kind() Kind { return KindPartitionerFound }

// When is the time of the request.
func (e PartitionerFound) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e PartitionerFound) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// Concerns names topic and client.
func (e PartitionerFound) Concerns() (string, []*Identity) { return e.Topic, []*Identity{e.Client} }

// KeysMoved says that a client writes keys to other partitions than those they
// were on, though the number of partitions has not changed. It comes for each
// batch that shows such keys, at most MovedPerSecond times a second for each
// client and topic.
type KeysMoved struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Partitions of the topic as the client last saw it.
	Partitions int32
	// TopicPartitions is how many anybody saw last; 0 when that is not known.
	TopicPartitions int32
	// One of the keys as KeyText writes it, and its beginning for a rule that
	// may reveal it.
	KeyText, Shown string
	From, To       int32
	// Writer is who had put that key on From; nil when that is not known.
	Writer *Identity
	// Ago is how long before, to the minute, modulo 45 days.
	Ago time.Duration
	// Moved is how often keys were found elsewhere since the last such event.
	Moved int
	// Hashes of some of those keys, at most MovedHashes.
	Hashes []uint64
	// Partitioner of the client and of Writer; "" while it is not known.
	Partitioner, WriterPartitioner string
	// InUse lists the partitioners of all who write to the topic.
	InUse []string
}

// MovedHashes bounds KeysMoved.Hashes, MovedPerSecond how often it comes.
const (
	MovedHashes    = 16
	MovedPerSecond = 32
)

// Kind is KindKeysMoved.
func (KeysMoved) Kind() Kind { return KindKeysMoved }

// When is the time of the request.
func (e KeysMoved) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e KeysMoved) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// Concerns names topic, client and who was there before.
func (e KeysMoved) Concerns() (string, []*Identity) {
	if e.Writer == nil {
		return e.Topic, []*Identity{e.Client}
	}
	return e.Topic, []*Identity{e.Client, e.Writer}
}

// KeyFormatChanged says that the bytes of a client's keys look otherwise than
// before: the same keys by another serializer are other keys.
type KeyFormatChanged struct {
	At     time.Time
	Client *Identity
	Topic  string
	// Before and After in words, as in "8-byte binary" and "text".
	Before, After string
	// Keys that were looked at.
	Keys int
	// Partitioner of the client; "" while it is not known.
	Partitioner string
}

// Kind is KindKeyFormatChanged.
func (KeyFormatChanged) Kind() Kind { return KindKeyFormatChanged }

// When is the time of the request.
func (e KeyFormatChanged) When() time.Time { return e.At }

// Key knows ByTopic and ByCluster.
func (e KeyFormatChanged) Key(k KeyKind) string { return topicKey(k, e.Topic) }

// Concerns names topic and client.
func (e KeyFormatChanged) Concerns() (string, []*Identity) { return e.Topic, []*Identity{e.Client} }

// Concerns names the topic: whoever added partitions, the keys are others'.
func (e PartitionsAdded) Concerns() (string, []*Identity) { return e.Topic, nil }
