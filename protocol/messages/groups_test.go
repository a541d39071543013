package messages

import (
	"errors"
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

// TestMemberMetadataIsBounded: what a client claims costs no more than what it sends, and no more than the bound.
func TestMemberMetadataIsBounded(t *testing.T) {
	names := slices.Repeat([]string{"t"}, 3*maxMemberTopics)
	if m, ok := ParseMemberMetadata(subscription(1, names...)); !ok || m.Whole || len(m.Topics) != maxMemberTopics {
		t.Errorf("%d topics, %v", len(m.Topics), ok)
	}
	whole := subscription(0, "orders")
	for n := range 2 + 4 + 2 + len("orders") { // up to the end of the list; what follows does not matter
		if m, ok := ParseMemberMetadata(whole[:n]); ok {
			t.Errorf("cut to %d: %+v", n, m)
		}
	}
	for _, hostile := range [][]byte{{0, 0, 0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 0xff, 0xff}} {
		if m, ok := ParseMemberMetadata(hostile); ok {
			t.Errorf("% x: %+v", hostile, m)
		}
	}
	if m, ok := ParseMemberMetadata([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); !ok || m.Topics != nil { // null is no topic
		t.Errorf("null: %+v, %v", m, ok)
	}
}

func TestParseGroupHeartbeatSubscription(t *testing.T) {
	for version := range int16(2) {
		rq := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		rq.Group, rq.MemberID = "billing", "m-1"
		want := Subscription{Group: "billing"}
		check1(t, "unchanged", version, ConsumerGroupHeartbeatSubscription(rq), nil, want)
		rq.SubscribedTopicNames = []string{"orders"}
		want.Topics, want.Said = []string{"orders"}, true
		check1(t, "names", version, ConsumerGroupHeartbeatSubscription(rq), nil, want)
		if version == 0 {
			continue
		}
		rq.SubscribedTopicNames, rq.SubscribedTopicRegex = nil, str("orders-.*")
		want.Topics, want.Pattern = nil, "orders-.*"
		check1(t, "pattern", version, ConsumerGroupHeartbeatSubscription(rq), nil, want)
	}
	share := kmsg.NewPtrShareGroupHeartbeatRequest()
	share.GroupID, share.SubscribedTopicNames = "workers", []string{"jobs"}
	check1(t, "share group", 1, ShareGroupHeartbeatSubscription(share), nil, Subscription{Group: "workers", Topics: []string{"jobs"}, Said: true})
	share.SubscribedTopicNames = nil
	check1(t, "share group, unchanged", 1, ShareGroupHeartbeatSubscription(share), nil, Subscription{Group: "workers"})
}

// What a Streams application reads: what its topology is given, and what it makes to repartition; no changelogs.
func TestStreamsHeartbeatSubscription(t *testing.T) {
	rq := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	rq.Group = "app"
	check1(t, "unchanged", 0, StreamsGroupHeartbeatSubscription(rq), nil, Subscription{Group: "app"})
	rq.Topology = &kmsg.StreamsGroupHeartbeatRequestTopology{Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
		{SubtopologyID: "0", SourceTopics: []string{"orders", "users"}, RepartitionSinkTopics: []string{"app-by-user-repartition"}},
		{
			SubtopologyID: "1", SourceTopics: []string{"users"}, SourceTopicRegex: []string{"eu-.*", "us-.*"},
			RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "app-by-user-repartition"}}, StateChangelogTopics: []kmsg.TopicInfo{{Topic: "app-counts-changelog"}},
		},
	}}
	check1(t, "topology", 0, StreamsGroupHeartbeatSubscription(rq), nil, Subscription{
		Group: "app", Topics: []string{"app-by-user-repartition", "orders", "users"}, Pattern: "eu-.*|us-.*", Said: true,
	})
}
