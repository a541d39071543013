package main

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/e2e/clients/godriver"
)

// sendOffsets commits offsets within the producer's transaction. kgo does so by itself only for a GroupTransactSession, which is member and producer in
// one; a producer apart from its consumer sends the requests that the session would send.
func sendOffsets(r *godriver.Request) (any, error) {
	p, err := producers.Get(r.Handle)
	if err != nil {
		return nil, err
	}
	offsets, group, memberID, generation := r.Offsets, r.Group, "", int32(-1)
	if r.Consumer != "" {
		m, err := members.Get(r.Consumer)
		if err != nil {
			return nil, err
		}
		memberID, generation = m.client.GroupMetadata()
		group = godriver.Or(group, m.group)
		if offsets == nil {
			offsets = m.Positions()
		}
	}
	ctx, cancel := withTime()
	defer cancel()
	request := kmsg.NewPtrTxnOffsetCommitRequest()
	request.TransactionalID, request.Group, request.MemberID, request.Generation = p.transactionalID, group, memberID, generation
	if request.ProducerID, request.ProducerEpoch, err = p.client.ProducerID(ctx); err != nil {
		return nil, err
	}
	if request.Topics, err = offsetTopics(ctx, kadm.NewClient(p.client), offsets); err != nil {
		return nil, err
	}
	if err := addOffsets(ctx, p.client, request); err != nil {
		return nil, err
	}
	return nil, commitOffsets(ctx, p.client, request)
}

// offsetTopics gives each topic its name and its id: which of them is sent, the version decides.
func offsetTopics(ctx context.Context, admin *kadm.Client, offsets map[string]int64) ([]kmsg.TxnOffsetCommitRequestTopic, error) {
	byTopic := map[string][]kmsg.TxnOffsetCommitRequestTopicPartition{}
	for name, offset := range offsets {
		topic, id, err := godriver.SplitPartition(name)
		if err != nil {
			return nil, err
		}
		partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = id, offset
		byTopic[topic] = append(byTopic[topic], partition)
	}
	known, err := admin.ListTopics(ctx, slices.Collect(maps.Keys(byTopic))...)
	if err != nil {
		return nil, err
	}
	var topics []kmsg.TxnOffsetCommitRequestTopic
	for name, partitions := range byTopic {
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID, topic.Partitions = name, known[name].ID, partitions
		topics = append(topics, topic)
	}
	return topics, nil
}

func addOffsets(ctx context.Context, client *kgo.Client, commit *kmsg.TxnOffsetCommitRequest) error {
	request := kmsg.NewPtrAddOffsetsToTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Group =
		commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

func commitOffsets(ctx context.Context, client *kgo.Client, request *kmsg.TxnOffsetCommitRequest) error {
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}
