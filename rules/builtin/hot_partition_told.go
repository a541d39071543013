package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
)

// TellTopic tells which partitions are hot, also before they are reported.
func (s *hotTraffic) TellTopic(topic string, _ time.Time, told *rules.TopicTold) {
	t := s.find(topic)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, suspect := range t.suspects {
		if suspect.hot > 0 {
			told.HotPartitions = append(told.HotPartitions, rules.HotPartitionTold{
				Partition: suspect.partition, By: hotMeasureNames[suspect.by], Windows: suspect.hot,
			})
		}
	}
	slices.SortFunc(told.HotPartitions, func(a, b rules.HotPartitionTold) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.By, b.By))
	})
}
