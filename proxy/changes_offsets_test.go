package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/rules"
	"warder/rules/sink"
	"warder/test/fakebroker"
)

// offsetsOf is a request of one of the APIs about records and offsets; OffsetCommit for
// nobody in particular.
func offsetsOf(key, version int16, group, topic string) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	switch rq := req.(type) {
	case *kmsg.DeleteRecordsRequest:
		rq.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 7}}}}
	case *kmsg.DeleteGroupsRequest:
		rq.Groups = []string{group}
	case *kmsg.OffsetDeleteRequest:
		rq.Group, rq.Topics = group, []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 1}}}}
	case *kmsg.OffsetCommitRequest:
		rq.Default()
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, topicID(topic)
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = 1, 7
		t.Partitions = append(t.Partitions, p)
		rq.Group, rq.Topics = group, append(rq.Topics, t)
		rq.SetVersion(version)
	}
	return req
}

// codesOf are the errors in an answer to one of them.
func codesOf(resp kmsg.Response) (codes []int16) {
	switch resp := resp.(type) {
	case *kmsg.DeleteRecordsResponse:
		for i := range resp.Topics {
			for _, p := range resp.Topics[i].Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.DeleteGroupsResponse:
		for _, g := range resp.Groups {
			codes = append(codes, g.ErrorCode)
		}
	case *kmsg.OffsetDeleteResponse:
		codes = append(codes, resp.ErrorCode)
	case *kmsg.OffsetCommitResponse:
		for i := range resp.Topics {
			for _, p := range resp.Topics[i].Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	return codes
}

var offsetAPIs = map[int16]rules.ChangeKind{
	protocol.DeleteRecords: rules.DeleteRecords, protocol.DeleteGroups: rules.DeleteGroup,
	protocol.OffsetDelete: rules.DeleteOffsets, protocol.OffsetCommit: rules.SetOffsets,
}

// protecting is a rig with a rule that denies whatever is done to the group or topic
// frozen.
func protecting(t *testing.T, change func(*configs.Config)) (*rig, *changing) {
	t.Helper()
	rule := &changing{judge: func(c *rules.Case, ch *rules.Change) {
		if ch.Group == "frozen" || ch.Topic.Name == "frozen" {
			c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "it is frozen"})
		}
	}}
	spec := rule.spec()
	spec.Needs = 0
	r := newRigWith(t, []rules.Spec{spec}, change)
	for _, topic := range []string{"frozen", "free"} {
		r.topics.Learn(topic, topicID(topic), 3)
	}
	return r, rule
}

func TestRefusedOffsetsNeverReachTheBroker(t *testing.T) {
	for key, kind := range offsetAPIs {
		api := protocol.LookupAPI(key)
		for version := api.Min; version <= api.Max; version++ {
			if key == protocol.OffsetCommit && version == 0 { // knows no members
				continue
			}
			t.Run(fmt.Sprintf("%s v%d", api.Name, version), func(t *testing.T) {
				r, rule := protecting(t, blocking)
				r.broker.Handle(opaque, echo)
				c := r.dial()
				if got := codesOf(c.Do(offsetsOf(key, version, "frozen", "frozen"))); len(got) != 1 || got[0] != 44 {
					t.Errorf("answered %v", got)
				}
				c.Write(opaqueRequest(1000, 1))
				c.Next()
				if frames := r.broker.Conn(t, 0).WaitFrames(t, 1); len(frames) != 1 || frames[0].Key != opaque {
					t.Errorf("the broker got %d requests, the first of key %d", len(frames), frames[0].Key)
				}
				ch := rule.shown(t, 0)
				if ch.Kind != kind || ch.API != api.Name || (ch.Group == "frozen") != kind.OfGroup() || (ch.Topic.Partitions == 3) != (kind != rules.DeleteGroup) {
					t.Errorf("%+v", ch)
				}
				if kind == rules.DeleteGroup {
					return
				}
				want := rules.PartitionOffset{TopicPartition: rules.TopicPartition{Topic: "frozen", Partition: 1}, Offset: 7}
				if kind == rules.DeleteOffsets {
					want.Offset = -1
				}
				if len(ch.Offsets) != 1 || ch.Offsets[0] != want {
					t.Errorf("%+v", ch.Offsets)
				}
			})
		}
	}
}

func TestAllowedOffsetsAreUntouched(t *testing.T) {
	for key := range offsetAPIs {
		for _, action := range []string{"off", "alert", "block"} {
			api, name := protocol.LookupAPI(key), map[string]string{"off": "frozen", "alert": "frozen", "block": "free"}[action]
			t.Run(api.Name+" "+action, func(t *testing.T) {
				r, _ := protecting(t, nil)
				r.rules(action)
				r.answerWith(key, func(int16) kmsg.Response { return kmsg.ResponseForKey(key) })
				c := r.dial()
				req := offsetsOf(key, api.Max, name, name)
				sent := c.Send(req)
				c.Receive(req)
				if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
					t.Errorf("the broker received\n%x\nfor\n%x", got, sent)
				}
			})
		}
	}
}

// TestMembersMayAlwaysCommit: what a member commits is nobody's to judge, whatever
// rules say of the topic, and neither is a commit that cannot be read.
func TestMembersMayAlwaysCommit(t *testing.T) {
	r, rule := protecting(t, func(c *configs.Config) { blocking(c); c.Inspect.OnUndecodable = "refuse" })
	r.answerWith(protocol.OffsetCommit, func(int16) kmsg.Response { return kmsg.NewPtrOffsetCommitResponse() })
	c := r.dial()
	for _, who := range []struct {
		version    int16
		member     string
		generation int32
	}{{9, "c1", 3}, {8, "c1", -1}, {7, "", 3}, {0, "", -1}} {
		req := offsetsOf(protocol.OffsetCommit, who.version, "frozen", "frozen").(*kmsg.OffsetCommitRequest)
		req.MemberID, req.Generation = who.member, who.generation
		c.Do(req)
	}
	c.Write(fakebroker.AppendRequest(nil, protocol.OffsetCommit, 2, 77, nil, []byte{0xff}))
	c.Next()
	if frames := r.broker.Conn(t, 0).WaitFrames(t, 5); len(frames) != 5 || rule.count() != 0 {
		t.Errorf("the broker got %d requests, %d changes were judged", len(frames), rule.count())
	}
}

// TestRefusalNamesTheGroup: no answer about groups has room for a text, so that the
// finding is all there is.
func TestRefusalNamesTheGroup(t *testing.T) {
	r, _ := protecting(t, blocking)
	r.dial().Do(offsetsOf(protocol.DeleteGroups, 2, "frozen", ""))
	eventually(t, "a finding", func() bool { return r.engine.Findings().Len() > 0 })
	if f := r.engine.Findings().Query(sink.Query{})[0]; f.Subject.Group != "frozen" || f.Subject.Topic != "" || !strings.Contains(f.Summary, "it is frozen") {
		t.Errorf("%+v", f)
	}
}

// TestDeletedRecordsMoveTheStartOfTheLog: rules about groups learn at once where a log
// begins.
func TestDeletedRecordsMoveTheStartOfTheLog(t *testing.T) {
	r, _ := protecting(t, nil)
	r.answerWith(protocol.DeleteRecords, func(int16) kmsg.Response {
		return &kmsg.DeleteRecordsResponse{Version: 2, Topics: []kmsg.DeleteRecordsResponseTopic{{Topic: "free", Partitions: []kmsg.DeleteRecordsResponseTopicPartition{
			{Partition: 1, LowWatermark: 7}, {Partition: 2, LowWatermark: -1, ErrorCode: 1},
		}}}}
	})
	r.dial().Do(offsetsOf(protocol.DeleteRecords, 2, "", "free"))
	ends, known := r.logs.Find(rules.TopicPartition{Topic: "free", Partition: 1})
	if _, failed := r.logs.Find(rules.TopicPartition{Topic: "free", Partition: 2}); !known || ends.LogStartOffset != 7 || ends.HighWatermark != -1 || failed {
		t.Errorf("%v %+v, %v", known, ends, failed)
	}
}

// TestSettingsAreAskedFor: a rule that needs to know how a topic keeps its records is
// told, also where the policy is known already, and again when they were altered.
func TestSettingsAreAskedFor(t *testing.T) {
	rule := &changing{judge: func(*rules.Case, *rules.Change) {}}
	spec := rule.spec()
	spec.Needs = rules.NeedTopicSettings
	r := newRigWith(t, []rules.Spec{spec}, nil)
	r.topics.LearnConfig("orders", "delete", r.now())
	r.answerWith(protocol.DescribeConfigs, func(int16) kmsg.Response {
		entry := func(name, value string) kmsg.DescribeConfigsResponseResourceConfig {
			return kmsg.DescribeConfigsResponseResourceConfig{Name: name, Value: &value}
		}
		resp := kmsg.NewPtrDescribeConfigsResponse()
		resp.Resources = []kmsg.DescribeConfigsResponseResource{{ResourceType: 2, ResourceName: "orders", Configs: []kmsg.DescribeConfigsResponseResourceConfig{
			entry("cleanup.policy", "delete"), entry("retention.ms", "3600000"), entry("retention.bytes", "-1"), entry("min.insync.replicas", "2"),
			entry("unclean.leader.election.enable", "true"),
		}}}
		return resp
	})
	r.answerWith(protocol.IncrementalAlterConfigs, func(int16) kmsg.Response { return kmsg.NewPtrIncrementalAlterConfigsResponse() })
	want := rules.TopicSettings{Known: true, RetentionMs: 3_600_000, RetentionBytes: -1, MinInsync: 2, Unclean: true}
	c := r.dial()
	for i := range 2 {
		req := changeOf(protocol.IncrementalAlterConfigs, 1, "orders").(*kmsg.IncrementalAlterConfigsRequest)
		req.Resources[1].Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: new("1")}}
		c.Do(req)
		if got := rule.shown(t, i).Topic.Settings; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		eventually(t, "the settings to be forgotten", func() bool { return !r.topics.Find([]byte("orders")).Settings.Known })
	}
}
