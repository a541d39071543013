package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

type adminOperation func(sarama.ClusterAdmin, *godriver.Request) (any, error)

// adminOperations are those that run on a short-lived admin client of their own.
func adminOperations() map[string]godriver.Operation {
	all := map[string]godriver.Operation{}
	for name, operation := range map[string]adminOperation{
		"create_topic": createTopic, "create_partitions": createPartitions, "delete_topic": deleteTopic, "list_topics": listTopics,
		"describe_topic": describeTopic, "describe_cluster": describeCluster, "describe_configs": describeConfigs, "alter_configs": alterConfigs,
		"list_groups": listGroups, "describe_group": describeGroup, "delete_group": deleteGroup, "group_offsets": groupOffsets,
		"list_offsets": listOffsets, "delete_records": deleteRecords,
	} {
		all[name] = func(r *godriver.Request) (any, error) {
			return godriver.Within(godriver.Millis(r.TimeoutMs, int(limit.Milliseconds())), r.Op, func() (any, error) { return onAdmin(r, operation) })
		}
	}
	return all
}

func onAdmin(r *godriver.Request, operation adminOperation) (any, error) {
	config, err := configure(&r.Conn)
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdmin(r.Conn.Brokers(), config)
	if err != nil {
		return nil, err
	}
	result, err := operation(admin, r)
	if closed := admin.Close(); err == nil && closed != nil {
		err = closed
	}
	return result, err
}

func createTopic(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	detail := &sarama.TopicDetail{
		NumPartitions: godriver.Or(r.Partitions, 1), ReplicationFactor: godriver.Or(r.Replication, 1), ConfigEntries: map[string]*string{},
	}
	for key, value := range r.Configs {
		detail.ConfigEntries[key] = &value
	}
	return nil, a.CreateTopic(r.Name, detail, false)
}

func createPartitions(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	return nil, a.CreatePartitions(r.Name, r.Total, nil, false)
}

func deleteTopic(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	return nil, a.DeleteTopic(r.Name)
}

func listTopics(a sarama.ClusterAdmin, _ *godriver.Request) (any, error) {
	topics, err := a.ListTopics()
	return map[string]any{"topics": slices.Sorted(maps.Keys(topics))}, err
}

// partitionsOf describes a topic; one that does not exist is an error.
func partitionsOf(a sarama.ClusterAdmin, topic string) ([]*sarama.PartitionMetadata, error) {
	topics, err := a.DescribeTopics([]string{topic})
	if err != nil {
		return nil, err
	}
	if len(topics) != 1 {
		return nil, fmt.Errorf("%d descriptions of one topic", len(topics))
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	partitions := topics[0].Partitions
	slices.SortFunc(partitions, func(x, y *sarama.PartitionMetadata) int { return int(x.ID - y.ID) })
	return partitions, nil
}

func describeTopic(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	partitions, err := partitionsOf(a, r.Name)
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, p := range partitions {
		all = append(all, map[string]any{"id": p.ID, "leader": p.Leader, "replicas": p.Replicas, "isr": p.Isr})
	}
	return map[string]any{"partitions": all}, nil
}

// describeCluster: sarama does not tell the cluster's id.
func describeCluster(a sarama.ClusterAdmin, _ *godriver.Request) (any, error) {
	brokers, controller, err := a.DescribeCluster()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(brokers, func(x, y *sarama.Broker) int { return int(x.ID() - y.ID()) })
	all := []any{}
	for _, b := range brokers {
		host, port, err := net.SplitHostPort(b.Addr())
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		all = append(all, map[string]any{"id": b.ID(), "host": host, "port": number})
	}
	return map[string]any{"cluster_id": nil, "controller": controller, "brokers": all}, nil
}

func describeConfigs(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	kind := sarama.TopicResource
	if r.Type == "broker" {
		kind = sarama.BrokerResource
	}
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: kind, Name: r.Name, ConfigNames: r.Keys}) //nolint:staticcheck // what programs in the field call
	if err != nil {
		return nil, err
	}
	configs := map[string]string{}
	for _, entry := range entries {
		configs[entry.Name] = entry.Value
	}
	return map[string]any{"configs": configs}, nil
}

func alterConfigs(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	entries := map[string]sarama.IncrementalAlterConfigsEntry{}
	for key, value := range r.Set {
		entries[key] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	}
	return nil, a.IncrementalAlterConfig(sarama.TopicResource, r.Name, entries, false)
}

func offsetsOf(a sarama.ClusterAdmin, topic string, at int64) (map[string]int64, error) {
	partitions, err := partitionsOf(a, topic)
	if err != nil {
		return nil, err
	}
	wanted := map[int32]int64{}
	for _, p := range partitions {
		wanted[p.ID] = at
	}
	found, err := a.ListOffsets(map[string]map[int32]int64{topic: wanted}, nil)
	if err != nil {
		return nil, err
	}
	offsets := map[string]int64{}
	for id, result := range found[topic] {
		if result.Err != nil && !errors.Is(result.Err, sarama.ErrNoError) {
			return nil, result.Err
		}
		offsets[strconv.Itoa(int(id))] = result.Offset
	}
	return offsets, nil
}

func listOffsets(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	at := sarama.OffsetNewest
	if r.Spec == "earliest" {
		at = sarama.OffsetOldest
	}
	offsets, err := offsetsOf(a, r.Topic, at)
	return map[string]any{"offsets": offsets}, err
}

// deleteRecords: sarama keeps the low watermark of the answer to itself; the log's start is asked for afterwards.
func deleteRecords(a sarama.ClusterAdmin, r *godriver.Request) (any, error) {
	if err := a.DeleteRecords(r.Topic, map[int32]int64{r.Partition: r.Offset}); err != nil {
		return nil, err
	}
	offsets, err := offsetsOf(a, r.Topic, sarama.OffsetOldest)
	return map[string]any{"low_watermark": offsets[strconv.Itoa(int(r.Partition))]}, err
}
