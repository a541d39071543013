package state

import (
	"time"

	"warder/rules"
)

// TopicList is the answer of /api/v1/topics. Its JSON names are stable, as those of
// TopicView are: more may come, none goes.
type TopicList struct {
	Topics []TopicLine `json:"topics"` // by name
	// Untold is what nobody can tell of any topic.
	Untold []rules.Untold `json:"untold,omitempty"`
}

// TopicLine is a topic, and what its traffic looks like, in short.
type TopicLine struct {
	rules.Topic
	// Written is what clients write to it; left out when none did since warder
	// knows it.
	Written *Pace `json:"written,omitempty"`
	// Log is how its partitions grow; left out when of none of them is known where
	// it ends.
	Log *LogPace `json:"log,omitempty"`
	rules.TopicTold
}

// LogPace is how the log of a topic grows, whoever writes to it, over the last
// minute or two, as answers that come through warder show it.
type LogPace struct {
	RecordsPerSecond float64 `json:"records_per_second"`
	// Known is of how many partitions it is known.
	Known int `json:"known_partitions"`
	// Largest is the partition that grows most, left out when none grows.
	Largest *LargestPartition `json:"largest,omitempty"`
}

// LargestPartition is the partition of a topic that grows most.
type LargestPartition struct {
	Partition int32 `json:"partition"`
	// Share of the topic's records, from 0 to 1, and how many times that is a fair
	// share, which is one part in as many as there are partitions.
	Share     float64 `json:"share"`
	TimesFair float64 `json:"times_fair"`
}

// TopicView is all that is known of a topic, the answer of /api/v1/topics/NAME.
type TopicView struct {
	TopicLine
	// Logs of its partitions, by number; those of which nothing is known are
	// left out.
	Logs   []PartitionPace `json:"logs"`
	Untold []rules.Untold  `json:"untold,omitempty"`
}

// PartitionPace is how one partition grows. Start is the first offset that its log
// holds, End the one behind the last that consumers can read.
type PartitionPace struct {
	Partition        int32   `json:"partition"`
	Start            *int64  `json:"log_start,omitempty"`
	End              int64   `json:"end"`
	RecordsPerSecond float64 `json:"records_per_second"`
	// Share of the topic's records, from 0 to 1.
	Share float64 `json:"share"`
}

// NewTopicView puts together what is known of a topic now.
func NewTopicView(t rules.Topic, logs *Logs, traffic *Traffic, told rules.TopicTold, now time.Time) TopicView {
	v := TopicView{TopicLine: TopicLine{Topic: t, Written: traffic.Pace(t.Name, now), TopicTold: told}, Logs: []PartitionPace{}}
	whole := 0.0
	for i := range t.Partitions {
		ends, pace, ok := logs.Growth(rules.TopicPartition{Topic: t.Name, Partition: i}, now)
		if ok {
			v.Logs = append(v.Logs, PartitionPace{Partition: i, Start: known(ends.LogStartOffset), End: ends.HighWatermark, RecordsPerSecond: pace})
			whole += pace
		}
	}
	if len(v.Logs) == 0 {
		return v
	}
	v.Log = &LogPace{RecordsPerSecond: whole, Known: len(v.Logs)}
	for i := range v.Logs {
		p := &v.Logs[i]
		if whole == 0 {
			break
		}
		p.Share = p.RecordsPerSecond / whole
		if l := v.Log.Largest; l == nil || p.Share > l.Share {
			v.Log.Largest = &LargestPartition{p.Partition, p.Share, p.Share * float64(t.Partitions)}
		}
	}
	return v
}
