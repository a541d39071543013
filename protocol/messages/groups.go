package messages

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Subscription is what a member of a group says of the topics it wants.
type Subscription struct {
	Group string
	// Topics by name, at most maxMemberTopics of them.
	Topics []string
	// Pattern is a regular expression for more of them (KIP-848), "" without.
	Pattern string
	// Said is false when the request does not speak of topics: the
	// subscription stays as it was, or the group is none of consumers.
	Said bool
}

// ConsumerGroupHeartbeatSubscription gives the subscription in a
// ConsumerGroupHeartbeat request. Members send it when they join and when it
// changes.
func ConsumerGroupHeartbeatSubscription(rq *kmsg.ConsumerGroupHeartbeatRequest) Subscription {
	return Subscription{
		Group: rq.Group, Topics: rq.SubscribedTopicNames[:min(len(rq.SubscribedTopicNames), maxMemberTopics)],
		Pattern: deref(rq.SubscribedTopicRegex), Said: rq.SubscribedTopicNames != nil || rq.SubscribedTopicRegex != nil,
	}
}

// ShareGroupHeartbeatSubscription gives the subscription in a ShareGroupHeartbeat
// request (KIP-932).
func ShareGroupHeartbeatSubscription(rq *kmsg.ShareGroupHeartbeatRequest) Subscription {
	return Subscription{
		Group: rq.GroupID, Topics: rq.SubscribedTopicNames[:min(len(rq.SubscribedTopicNames), maxMemberTopics)],
		Said: rq.SubscribedTopicNames != nil,
	}
}

// StreamsGroupHeartbeatSubscription gives what the topology in a
// StreamsGroupHeartbeat request reads (KIP-1071), without changelogs. Members tell it
// when they join.
func StreamsGroupHeartbeatSubscription(rq *kmsg.StreamsGroupHeartbeatRequest) Subscription {
	sub := Subscription{Group: rq.Group, Said: rq.Topology != nil}
	if !sub.Said {
		return sub
	}
	var patterns []string
	for i := range rq.Topology.Subtopologies {
		t := &rq.Topology.Subtopologies[i]
		sub.Topics = append(sub.Topics, SubtopologySources(t)...)
		patterns = append(patterns, t.SourceTopicRegex...)
	}
	slices.Sort(sub.Topics)
	sub.Topics = slices.Compact(sub.Topics)
	sub.Topics = sub.Topics[:min(len(sub.Topics), maxMemberTopics)]
	sub.Pattern = strings.Join(patterns, "|")
	return sub
}

// SubtopologySources gives the topics that a subtopology reads by name: those that it
// is given, and those that Streams makes to repartition.
func SubtopologySources(t *kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) []string {
	topics := slices.Clone(t.SourceTopics)
	for i := range t.RepartitionSourceTopics {
		topics = append(topics, t.RepartitionSourceTopics[i].Topic)
	}
	return topics
}
