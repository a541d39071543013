package rules

import "time"

// TopicTeller is the Store of a rule that can tell people what it has seen of a
// topic, beside what it finds wrong. It fills in what Spec.Tells names, or leaves it
// out when it has seen nothing. It is called while sessions use the store, now and
// then, by whoever looks.
type TopicTeller interface {
	TellTopic(topic string, now time.Time, told *TopicTold)
}

// Tells says what the Store of a rule tells of topics, as a set.
type Tells uint8

// What a rule can tell.
const (
	TellsTombstones Tells = 1 << iota
	TellsFormats
	TellsHotPartitions
)

var tellsNames = []struct {
	of   Tells
	name string
}{{TellsTombstones, "tombstones"}, {TellsFormats, "formats"}, {TellsHotPartitions, "hot_partitions"}}

// Names are those of the JSON fields of TopicTold.
func (t Tells) Names() (names []string) {
	for _, n := range tellsNames {
		if t&n.of != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// TopicTold is what rules tell of a topic. What none of them has seen is left out.
// Its JSON names are stable.
type TopicTold struct {
	Tombstones *TombstonesTold `json:"tombstones,omitempty"`
	Formats    *FormatsTold    `json:"formats,omitempty"`
	// HotPartitions that take far more than their share now, by number.
	HotPartitions []HotPartitionTold `json:"hot_partitions,omitempty"`
}

// TombstonesTold is how much of what is written to a compacted topic deletes a key.
// Deletes that are known to be on purpose are left out.
type TombstonesTold struct {
	// PerMinute is how many tombstones there are in a minute, on average over the
	// window, and Share which share of the records of the window they are, from 0
	// to 1.
	PerMinute float64 `json:"per_minute"`
	Share     float64 `json:"share"`
	// WindowMs is how long the window is, in milliseconds.
	WindowMs int64 `json:"window_ms"`
	// UsualPerMinute is how many there were before the window; left out while
	// nothing is older.
	UsualPerMinute *float64 `json:"usual_per_minute,omitempty"`
	// Spike says that there are far more than usual.
	Spike bool `json:"spike"`
}

// FormatsTold is how the records of a topic are serialized.
type FormatsTold struct {
	Keys   FormatTold `json:"keys"`
	Values FormatTold `json:"values"`
	// Clients that produced samples lately, at most eight, in the order in which
	// they were first seen.
	Clients []FormatClient `json:"clients"`
}

// FormatTold is how the keys or values of a topic are serialized, by its last
// samples. Null and what is empty are no samples.
type FormatTold struct {
	Samples int `json:"samples"`
	// Usual is the format of nearly all of them; left out where formats are mixed,
	// and without samples.
	Usual string `json:"usual,omitempty"`
	// Seen are all formats among the samples, the most frequent first.
	Seen []FormatShare `json:"seen"`
}

// FormatShare is the share of samples of a format, from 0 to 1. Bytes that may be
// of either of two formats count for both, so that shares may add up to more.
type FormatShare struct {
	Format string  `json:"format"`
	Share  float64 `json:"share"`
}

// FormatClient is what one producer writes, all instances together.
type FormatClient struct {
	// Client is its client.id in printable ASCII, at most 80 characters.
	Client   string    `json:"client"`
	Software string    `json:"software,omitempty"`
	Last     time.Time `json:"last"` // when it produced last
	// Keys and Values are its usual formats; left out where it has none.
	Keys   string `json:"keys,omitempty"`
	Values string `json:"values,omitempty"`
}

// HotPartitionTold is a partition that takes far more than its share of a topic.
type HotPartitionTold struct {
	Partition int32 `json:"partition"`
	// By is bytes or records, and Windows for how many windows in a row.
	By      string `json:"by"`
	Windows int    `json:"windows"`
}

// Untold is what nobody can tell of any topic, and why.
type Untold struct {
	// What is the name of the field that is missing.
	What string `json:"what"`
	// Rule that would tell it, if it is a rule.
	Rule string `json:"rule,omitempty"`
	Why  string `json:"why"`
}
