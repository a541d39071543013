package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyShareGroupHeartbeat = 76
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

// ParseShareGroupHeartbeatSubscription reads the subscription in the body of a
// ShareGroupHeartbeat request (KIP-932).
//
// Errors: *VersionError, *LimitError, *MalformedError.
func ParseShareGroupHeartbeatSubscription(version int16, body []byte, lim Limits) (Subscription, error) {
	rq, err := read[*kmsg.ShareGroupHeartbeatRequest](DecodeRequest(keyShareGroupHeartbeat, version, body, lim))
	if err != nil {
		return Subscription{}, err
	}
	return Subscription{
		Group: rq.GroupID, Topics: rq.SubscribedTopicNames[:min(len(rq.SubscribedTopicNames), maxMemberTopics)],
		Said: rq.SubscribedTopicNames != nil,
	}, nil
}
