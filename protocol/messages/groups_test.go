package messages

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestParseMetadataRequest(t *testing.T) {
	for version := range int16(14) {
		rq := kmsg.NewPtrMetadataRequest()
		rq.AllowAutoTopicCreation = false
		for _, name := range []*string{str("orders"), str("payments")} {
			rt := kmsg.NewMetadataRequestTopic()
			rt.Topic = name
			rq.Topics = append(rq.Topics, rt)
		}
		want := MetadataAsked{Topics: []string{"orders", "payments"}, AutoCreate: version < 4}
		if version >= 10 {
			byID := kmsg.NewMetadataRequestTopic()
			byID.TopicID = [16]byte{1}
			rq.Topics = append(rq.Topics, byID)
		}
		body := at(version, rq)
		got, err := ParseMetadataRequest(version, append(body, 0), Limits{}) // trailing bytes are forgiven
		check1(t, "Metadata request", version, got, err, want)
		_, err = ParseMetadataRequest(version, body[:len(body)-1], Limits{})
		if malformed := new(MalformedError); !errors.As(err, &malformed) {
			t.Errorf("v%d cut: %v", version, err)
		}

		rq.AllowAutoTopicCreation = true
		rq.Topics = []kmsg.MetadataRequestTopic{}
		none, err := ParseMetadataRequest(version, at(version, rq), Limits{})
		check1(t, "Metadata request for none", version, none, err, MetadataAsked{All: version == 0, AutoCreate: true})
		rq.Topics = nil
		all, err := ParseMetadataRequest(version, at(version, rq), Limits{})
		check1(t, "Metadata request for all", version, all, err, MetadataAsked{All: true, AutoCreate: true})
	}
}

// subscription is what a consumer of that version of the protocol sends.
func subscription(version int16, topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData, m.Rack = version, topics, []byte{1, 2, 3}, str("a")
	m.OwnedPartitions = []kmsg.ConsumerMemberMetadataOwnedPartition{{Topic: "orders", Partitions: []int32{1}}}
	return m.AppendTo(nil)
}

func TestParseJoinGroupSubscription(t *testing.T) {
	for version := range int16(10) {
		for of := range int16(5) { // 4 is of the future
			rq := kmsg.NewPtrJoinGroupRequest()
			rq.Group, rq.ProtocolType, rq.MemberID = "billing", "consumer", "m-1"
			rq.Protocols = []kmsg.JoinGroupRequestProtocol{
				{Name: "broken", Metadata: []byte{0, 0, 0}},
				{Name: "cooperative-sticky", Metadata: subscription(of, "orders", "payments")},
				{Name: "range", Metadata: subscription(0, "others")},
			}
			got, err := ParseJoinGroupSubscription(version, at(version, rq), Limits{})
			check1(t, fmt.Sprintf("JoinGroup with subscription v%d", of), version, got, err,
				Subscription{Group: "billing", Topics: []string{"orders", "payments"}, Said: true})
			rq.ProtocolType = "connect"
			got, err = ParseJoinGroupSubscription(version, at(version, rq), Limits{})
			check1(t, "JoinGroup of Connect", version, got, err, Subscription{Group: "billing"})
		}
	}
}

// TestSubscribedTopicsIsBounded: what a client claims costs no more than what it sends, and no more than the bound.
func TestSubscribedTopicsIsBounded(t *testing.T) {
	names := slices.Repeat([]string{"t"}, 3*maxSubscribed)
	if topics, ok := subscribedTopics(subscription(1, names...)); !ok || len(topics) != maxSubscribed {
		t.Errorf("%d topics, %v", len(topics), ok)
	}
	whole := subscription(0, "orders")
	for n := range 2 + 4 + 2 + len("orders") { // up to the end of the list; what follows does not matter
		if topics, ok := subscribedTopics(whole[:n]); ok {
			t.Errorf("cut to %d: %v", n, topics)
		}
	}
	for _, hostile := range [][]byte{{0, 0, 0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 0xff, 0xff}} {
		if topics, ok := subscribedTopics(hostile); ok {
			t.Errorf("% x: %v", hostile, topics)
		}
	}
	if topics, ok := subscribedTopics([]byte{0, 0, 0xff, 0xff, 0xff, 0xff}); !ok || topics != nil { // null is no topic
		t.Errorf("null: %v, %v", topics, ok)
	}
}

func TestParseGroupHeartbeatSubscription(t *testing.T) {
	for version := range int16(2) {
		rq := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		rq.Group, rq.MemberID = "billing", "m-1"
		want := Subscription{Group: "billing"}
		got, err := ParseConsumerGroupHeartbeatSubscription(version, at(version, rq), Limits{})
		check1(t, "unchanged", version, got, err, want)
		rq.SubscribedTopicNames = []string{"orders"}
		want.Topics, want.Said = []string{"orders"}, true
		got, err = ParseConsumerGroupHeartbeatSubscription(version, at(version, rq), Limits{})
		check1(t, "names", version, got, err, want)
		if version == 0 {
			continue
		}
		rq.SubscribedTopicNames, rq.SubscribedTopicRegex = nil, str("orders-.*")
		want.Topics, want.Pattern = nil, "orders-.*"
		got, err = ParseConsumerGroupHeartbeatSubscription(version, at(version, rq), Limits{})
		check1(t, "pattern", version, got, err, want)
	}
	share := kmsg.NewPtrShareGroupHeartbeatRequest()
	share.GroupID, share.SubscribedTopicNames = "workers", []string{"jobs"}
	got, err := ParseShareGroupHeartbeatSubscription(1, at(1, share), Limits{})
	check1(t, "share group", 1, got, err, Subscription{Group: "workers", Topics: []string{"jobs"}, Said: true})
	share.SubscribedTopicNames = nil
	got, err = ParseShareGroupHeartbeatSubscription(1, at(1, share), Limits{})
	check1(t, "share group, unchanged", 1, got, err, Subscription{Group: "workers"})
	if _, err := ParseShareGroupHeartbeatSubscription(0, nil, Limits{}); !reflect.DeepEqual(err, &VersionError{Key: 76, Version: 0}) {
		t.Errorf("version 0: %v", err)
	}
}
