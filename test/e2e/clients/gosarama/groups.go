package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

func listGroups(a sarama.ClusterAdmin, _ *godriver.Request) (any, error) {
	groups, err := a.ListConsumerGroups()
	return map[string]any{"groups": godriver.NotNull(slices.Sorted(maps.Keys(groups)))}, err
}

func describeGroup(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	groups, err := a.DescribeConsumerGroups([]string{r.Group})
	if err != nil {
		return nil, err
	}
	if len(groups) != 1 {
		return nil, fmt.Errorf("%d descriptions of one group", len(groups))
	}
	if groups[0].Err != sarama.ErrNoError {
		return nil, groups[0].Err
	}
	return map[string]any{"state": groups[0].State, "members": len(groups[0].Members)}, nil
}

func deleteGroup(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	return nil, a.DeleteConsumerGroup(r.Group)
}

func groupOffsets(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	found, err := a.ListConsumerGroupOffsets(r.Group, nil)
	if err != nil {
		return nil, err
	}
	if found.Err != sarama.ErrNoError {
		return nil, found.Err
	}
	offsets := map[string]int64{}
	for topic, partitions := range found.Blocks {
		for id, block := range partitions {
			if block.Err != sarama.ErrNoError {
				return nil, block.Err
			}
			if block.Offset >= 0 {
				offsets[godriver.PartitionName(topic, id)] = block.Offset
			}
		}
	}
	return map[string]any{"offsets": offsets}, nil
}
