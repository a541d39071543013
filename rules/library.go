package rules

import "strings"

// Library is a family of client libraries that behave alike.
type Library uint8

// The libraries that are told apart.
const (
	UnknownLibrary Library = iota
	Java
	Librdkafka // and its bindings, confluent-kafka among them
	KafkaPython
	KafkaJS
	Sarama
	FranzGo
	KafkaGo
)

var libraryNames = [...]string{"unknown", "Java", "librdkafka", "kafka-python", "kafkajs", "sarama", "franz-go", "kafka-go"}

// String is the name that the library's users know.
func (l Library) String() string { return libraryNames[l] }

// softwareNames are beginnings of what libraries call themselves in ApiVersions
// (KIP-511), in lower case.
var softwareNames = []struct {
	prefix  string
	library Library
}{
	{"apache-kafka-java", Java},
	{"librdkafka", Librdkafka},
	{"confluent-kafka", Librdkafka},
	{"rdkafka", Librdkafka},
	{"kafka-python", KafkaPython},
	{"kafkajs", KafkaJS},
	{"sarama", Sarama},
	{"kgo", FranzGo},
	{"franz-go", FranzGo},
	{"kafka-go", KafkaGo},
	{"segmentio", KafkaGo},
}

// Library tells the library by the software's name. kafkajs and kafka-go send
// none.
func (id *Identity) Library() Library {
	name := strings.ToLower(id.SoftwareName)
	for _, s := range softwareNames {
		if strings.HasPrefix(name, s.prefix) {
			return s.library
		}
	}
	return UnknownLibrary
}

// PollInterval says whether the library gives max.poll.interval.ms as the
// rebalance timeout of JoinGroup, and leaves the group itself when that has
// passed without a poll. The others have no such interval: nobody ever takes the
// partitions of a consumer that is stuck.
func (l Library) PollInterval() bool {
	return l == Java || l == Librdkafka || l == KafkaPython
}

// FetchesAhead says whether the library goes on fetching in the background while
// the application works on what it was given: a Fetch says nothing about it, and
// of its progress only commits do.
func (l Library) FetchesAhead() bool {
	return l == Librdkafka || l == Sarama || l == KafkaGo
}

// FetchesInPoll says whether the library sends Fetch only while the application
// polls: then every one shows that it does.
func (l Library) FetchesInPoll() bool {
	return l == Java || l == KafkaPython
}
