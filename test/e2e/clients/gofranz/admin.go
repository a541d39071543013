package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/e2e/clients/godriver"
)

type adminOperation func(context.Context, *kadm.Client, *godriver.Request) (any, error)

// adminOperations are those that run on a short-lived admin client of their own.
func adminOperations() map[string]godriver.Operation {
	all := map[string]godriver.Operation{}
	for name, operation := range map[string]adminOperation{
		"create_topic": createTopic, "create_partitions": createPartitions, "delete_topic": deleteTopic, "list_topics": listTopics,
		"describe_topic": describeTopic, "describe_cluster": describeCluster, "describe_configs": describeConfigs, "alter_configs": alterConfigs,
		"list_groups": listGroups, "describe_group": describeGroup, "delete_group": deleteGroup, "group_offsets": groupOffsets,
		"list_offsets": listOffsets, "delete_records": deleteRecords, "alter_share_offsets": shareFromEarliest,
	} {
		all[name] = func(r *godriver.Request) (any, error) {
			client, err := connect(&r.Conn)
			if err != nil {
				return nil, err
			}
			defer client.Close()
			ctx, cancel := within(r)
			defer cancel()
			return operation(ctx, kadm.NewClient(client), r)
		}
	}
	return all
}

func createTopic(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	configs := map[string]*string{}
	for key, value := range r.Configs {
		configs[key] = &value
	}
	made, err := a.CreateTopic(ctx, godriver.Or(r.Partitions, 1), godriver.Or(r.Replication, 1), configs, r.Name)
	return nil, because(err, made.ErrMessage)
}

func createPartitions(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	all, err := a.UpdatePartitions(ctx, int(r.Total), r.Name)
	if err != nil {
		return nil, err
	}
	one, err := all.On(r.Name, nil)
	if err != nil {
		return nil, err
	}
	return nil, because(one.Err, one.ErrMessage)
}

func deleteTopic(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	gone, err := a.DeleteTopic(ctx, r.Name)
	return nil, because(err, gone.ErrMessage)
}

func listTopics(ctx context.Context, a *kadm.Client, _ *godriver.Request) (any, error) {
	topics, err := a.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"topics": godriver.NotNull(topics.Names())}, nil
}

func describeTopic(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	topics, err := a.ListTopicsWithInternal(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	if err := topics[r.Name].Err; err != nil {
		return nil, err
	}
	partitions := []any{}
	for _, p := range topics[r.Name].Partitions.Sorted() {
		partitions = append(partitions, map[string]any{"id": p.Partition, "leader": p.Leader, "replicas": p.Replicas, "isr": p.ISR})
	}
	return map[string]any{"partitions": partitions}, nil
}

func describeCluster(ctx context.Context, a *kadm.Client, _ *godriver.Request) (any, error) {
	m, err := a.BrokerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	brokers := []any{}
	for _, b := range m.Brokers {
		brokers = append(brokers, map[string]any{"id": b.NodeID, "host": b.Host, "port": b.Port})
	}
	return map[string]any{"cluster_id": m.Cluster, "controller": m.Controller, "brokers": brokers}, nil
}

func describeConfigs(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	var found kadm.ResourceConfigs
	var err error
	if r.Type == "broker" {
		var id int64
		if id, err = strconv.ParseInt(r.Name, 10, 32); err == nil {
			found, err = a.DescribeBrokerConfigs(ctx, int32(id))
		}
	} else {
		found, err = a.DescribeTopicConfigs(ctx, r.Name)
	}
	if err != nil {
		return nil, err
	}
	one, err := found.On(r.Name, nil)
	if err != nil {
		return nil, err
	}
	if one.Err != nil {
		return nil, because(one.Err, one.ErrMessage)
	}
	wanted := map[string]*string{}
	for _, key := range r.Keys {
		for _, config := range one.Configs {
			if config.Key == key {
				wanted[key] = config.Value
			}
		}
	}
	return map[string]any{"configs": wanted}, nil
}

func alterConfigs(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	var configs []kadm.AlterConfig
	for key, value := range r.Set {
		configs = append(configs, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: new(value)})
	}
	all, err := a.AlterTopicConfigs(ctx, configs, r.Name)
	if err != nil {
		return nil, err
	}
	one, err := all.On(r.Name, nil)
	if err != nil {
		return nil, err
	}
	return nil, because(one.Err, one.ErrMessage)
}

func listOffsets(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	list := a.ListEndOffsets
	if r.Spec == "earliest" {
		list = a.ListStartOffsets
	}
	found, err := list(ctx, r.Topic)
	if err == nil {
		err = found.Error()
	}
	if err != nil {
		return nil, err
	}
	offsets := map[string]int64{}
	found.Each(func(o kadm.ListedOffset) { offsets[strconv.Itoa(int(o.Partition))] = o.Offset })
	return map[string]any{"offsets": offsets}, nil
}

func deleteRecords(ctx context.Context, a *kadm.Client, r *godriver.Request) (any, error) {
	offsets := kadm.Offsets{}
	offsets.AddOffset(r.Topic, r.Partition, r.Offset, -1)
	all, err := a.DeleteRecords(ctx, offsets)
	if err != nil {
		return nil, err
	}
	one, err := all.On(r.Topic, r.Partition, nil)
	if err != nil {
		return nil, err
	}
	return map[string]any{"low_watermark": one.LowWatermark}, one.Err
}

// shareFromEarliest: a share group starts at the end of a topic unless its own configuration says otherwise.
func shareFromEarliest(ctx context.Context, _ *kadm.Client, r *godriver.Request) (any, error) {
	client, err := connect(&r.Conn)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return nil, setGroupConfig(ctx, client, r.Group, "share.auto.offset.reset", "earliest")
}

func setGroupConfig(ctx context.Context, client *kgo.Client, group, key, value string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Op, config.Value = key, kmsg.IncrementalAlterConfigOpSet, &value
	resource.Configs = append(resource.Configs, config)
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(response.Resources) != 1 {
		return fmt.Errorf("%d answers to one change", len(response.Resources))
	}
	return kerr.ErrorForCode(response.Resources[0].ErrorCode)
}

func sorted(names []string) []string {
	sort.Strings(names)
	return godriver.NotNull(names)
}
