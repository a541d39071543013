package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/wire"
)

const (
	keyJoinGroup              = 11
	keyConsumerGroupHeartbeat = 68
	keyShareGroupHeartbeat    = 76
)

// consumerProtocol is the protocol type of groups of consumers, Kafka Streams
// among them (ConsumerProtocol.PROTOCOL_TYPE).
const consumerProtocol = "consumer"

// maxSubscribed bounds the topics of one subscription; what is listed behind
// them is left out.
const maxSubscribed = 5000

// Subscription is what a member of a group says of the topics it wants.
type Subscription struct {
	Group string
	// Topics by name, at most maxSubscribed of them.
	Topics []string
	// Pattern is a regular expression for more of them (KIP-848), "" without.
	Pattern string
	// Said is false when the request does not speak of topics: the
	// subscription stays as it was, or the group is none of consumers.
	Said bool
}

// ParseJoinGroupSubscription reads the subscription in the body of a JoinGroup
// request. All protocols that a member offers carry the same topics; the first
// that can be read counts.
//
// Errors of all Parse functions of this file: *VersionError, *LimitError,
// *MalformedError.
func ParseJoinGroupSubscription(version int16, body []byte, lim Limits) (Subscription, error) {
	rq, err := read[*kmsg.JoinGroupRequest](DecodeRequest(keyJoinGroup, version, body, lim))
	if err != nil {
		return Subscription{}, err
	}
	s := Subscription{Group: rq.Group}
	if rq.ProtocolType != consumerProtocol {
		return s, nil
	}
	for i := range rq.Protocols {
		if topics, ok := subscribedTopics(rq.Protocols[i].Metadata); ok {
			s.Topics, s.Said = topics, true
			break
		}
	}
	return s, nil
}

// subscribedTopics reads the topics of a ConsumerProtocolSubscription: a version
// and the list, whatever a version adds behind them. Versions of the future are
// read as well, as a group leader reads them
// (ConsumerProtocol.deserializeSubscription).
func subscribedTopics(metadata []byte) (topics []string, ok bool) {
	r := wire.NewReader(metadata)
	if r.Int16() < 0 {
		return nil, false
	}
	for range min(r.ArrayLen(false), maxSubscribed) {
		name := r.String()
		if r.Err() != nil {
			break
		}
		topics = append(topics, string(name))
	}
	return topics, r.Err() == nil
}

// ConsumerGroupHeartbeatSubscription gives the subscription in a
// ConsumerGroupHeartbeat request. Members send it when they join and when it
// changes.
func ConsumerGroupHeartbeatSubscription(rq *kmsg.ConsumerGroupHeartbeatRequest) Subscription {
	return Subscription{
		Group: rq.Group, Topics: rq.SubscribedTopicNames[:min(len(rq.SubscribedTopicNames), maxSubscribed)],
		Pattern: deref(rq.SubscribedTopicRegex), Said: rq.SubscribedTopicNames != nil || rq.SubscribedTopicRegex != nil,
	}
}

// ParseShareGroupHeartbeatSubscription is ParseConsumerGroupHeartbeatSubscription
// for share groups (KIP-932).
func ParseShareGroupHeartbeatSubscription(version int16, body []byte, lim Limits) (Subscription, error) {
	rq, err := read[*kmsg.ShareGroupHeartbeatRequest](DecodeRequest(keyShareGroupHeartbeat, version, body, lim))
	if err != nil {
		return Subscription{}, err
	}
	return Subscription{
		Group: rq.GroupID, Topics: rq.SubscribedTopicNames[:min(len(rq.SubscribedTopicNames), maxSubscribed)],
		Said: rq.SubscribedTopicNames != nil,
	}, nil
}
