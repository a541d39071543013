package messages

import "github.com/twmb/franz-go/pkg/kmsg"

// policyViolation is the error of a request that somebody's policy does not allow
// (CreateTopicPolicy, AlterConfigPolicy).
const policyViolation = 44

// AppendRefusal appends the body of the answer to a request that was refused as a
// whole: CreateTopics, DeleteTopics, AlterConfigs, CreatePartitions,
// IncrementalAlterConfigs, DeleteRecords, DeleteGroups, OffsetDelete or
// OffsetCommit. Every entry of the request, by its ordinal from 0, has
// POLICY_VIOLATION and its message where the version has room for one
// (getErrorResponse of each request in Apache Kafka). Entries that other functions
// of this package leave out count as well, such as brokers in AlterConfigs.
//
// Errors: *VersionError (also for any other API), *LimitError, *MalformedError.
func AppendRefusal(dst []byte, key, version int16, body []byte, lim Limits, message func(ordinal int) string) ([]byte, error) {
	rq, err := DecodeRequest(key, version, body, lim)
	if err != nil && !trailing(err) {
		return dst, err
	}
	var resp kmsg.Response
	switch rq := rq.(type) {
	case *kmsg.CreateTopicsRequest:
		resp = refuseCreateTopics(rq, message)
	case *kmsg.DeleteTopicsRequest:
		resp = refuseDeleteTopics(rq, message)
	case *kmsg.CreatePartitionsRequest:
		resp = refuseCreatePartitions(rq, message)
	case *kmsg.AlterConfigsRequest:
		resp = refuseAlterConfigs(rq, message)
	case *kmsg.IncrementalAlterConfigsRequest:
		resp = refuseIncrementalAlterConfigs(rq, message)
	case *kmsg.DeleteRecordsRequest:
		resp = refuseDeleteRecords(rq)
	case *kmsg.DeleteGroupsRequest:
		resp = refuseDeleteGroups(rq)
	case *kmsg.OffsetDeleteRequest:
		resp = &kmsg.OffsetDeleteResponse{ErrorCode: policyViolation} // of the whole; partitions stand only in an answer without
	case *kmsg.OffsetCommitRequest:
		resp = refuseOffsetCommit(rq)
	default:
		return dst, &VersionError{Key: key, Version: version}
	}
	resp.SetVersion(version)
	return resp.AppendTo(dst), nil
}

func refuseCreateTopics(rq *kmsg.CreateTopicsRequest, message func(int) string) kmsg.Response {
	resp := kmsg.NewPtrCreateTopicsResponse()
	for i := range rq.Topics {
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = rq.Topics[i].Topic, policyViolation, new(message(i))
		t.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // null would mean that the client may not see them
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

func refuseDeleteTopics(rq *kmsg.DeleteTopicsRequest, message func(int) string) kmsg.Response {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	add := func(name *string, id [16]byte) {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode, t.ErrorMessage = name, id, policyViolation, new(message(len(resp.Topics)))
		resp.Topics = append(resp.Topics, t)
	}
	for _, name := range rq.TopicNames { // below version 6
		add(&name, [16]byte{})
	}
	for i := range rq.Topics {
		add(rq.Topics[i].Topic, rq.Topics[i].TopicID)
	}
	return resp
}

func refuseCreatePartitions(rq *kmsg.CreatePartitionsRequest, message func(int) string) kmsg.Response {
	resp := kmsg.NewPtrCreatePartitionsResponse()
	for i := range rq.Topics {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = rq.Topics[i].Topic, policyViolation, new(message(i))
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

func refuseAlterConfigs(rq *kmsg.AlterConfigsRequest, message func(int) string) kmsg.Response {
	resp := kmsg.NewPtrAlterConfigsResponse()
	for i := range rq.Resources {
		r := kmsg.NewAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = rq.Resources[i].ResourceType, rq.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = policyViolation, new(message(i))
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}

func refuseIncrementalAlterConfigs(rq *kmsg.IncrementalAlterConfigsRequest, message func(int) string) kmsg.Response {
	resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
	for i := range rq.Resources {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = rq.Resources[i].ResourceType, rq.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = policyViolation, new(message(i))
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}
