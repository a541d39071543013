package messages

import "github.com/twmb/franz-go/pkg/kmsg"

// Refusals of requests about records and offsets. None of their answers has room
// for a text.

func refuseDeleteRecords(rq *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	for i := range rq.Topics {
		t := kmsg.NewDeleteRecordsResponseTopic()
		t.Topic = rq.Topics[i].Topic
		for j := range rq.Topics[i].Partitions {
			p := kmsg.NewDeleteRecordsResponseTopicPartition()
			p.Partition, p.LowWatermark, p.ErrorCode = rq.Topics[i].Partitions[j].Partition, -1, policyViolation
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

func refuseDeleteGroups(rq *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	for _, group := range rq.Groups {
		g := kmsg.NewDeleteGroupsResponseGroup()
		g.Group, g.ErrorCode = group, policyViolation
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}

func refuseOffsetCommit(rq *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := kmsg.NewPtrOffsetCommitResponse()
	for i := range rq.Topics {
		t := kmsg.NewOffsetCommitResponseTopic()
		t.Topic, t.TopicID = rq.Topics[i].Topic, rq.Topics[i].TopicID
		for j := range rq.Topics[i].Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = rq.Topics[i].Partitions[j].Partition, policyViolation
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}
