package proxy

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
)

// ConsumerGroupHeartbeat (68), KIP-848.
//
// Behaviour: passes unchanged; each request is told with its answer. Which member a
// client is, and what it was assigned, is remembered as for classic groups.
//
// Version notes: null fields mean unchanged on either side. The member id is the
// coordinator's in version 0 and the client's own from version 1 on. Assignments
// name topics by id; those whose name nobody knows are left out.

// consumerGroupKinds are the events that the API is read for.
var consumerGroupKinds = []rules.Kind{
	rules.KindConsumerHeartbeat, rules.KindMemberGone, rules.KindMemberFetched, rules.KindMemberPolled, rules.KindOffsetsListed, rules.KindSubscribed,
}

// noteConsumerSubscription tells of topics that a member says it subscribes to.
func noteConsumerSubscription(s *session, asked *kmsg.ConsumerGroupHeartbeatRequest) {
	sub := messages.ConsumerGroupHeartbeatSubscription(asked)
	s.tellSubscription(&sub)
}

// Epochs by which a member leaves (ConsumerGroupHeartbeatRequest.java).
const (
	leaveEpoch       = -1
	leaveStaticEpoch = -2
)

func onConsumerHeartbeat(s *session, ex *exchange, asked *kmsg.ConsumerGroupHeartbeatRequest, got *kmsg.ConsumerGroupHeartbeatResponse) {
	ev := rules.ConsumerHeartbeat{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt,
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.MemberEpoch},
		Topics:     asked.SubscribedTopicNames, Pattern: text(asked.SubscribedTopicRegex),
		Said:              asked.SubscribedTopicNames != nil || asked.SubscribedTopicRegex != nil,
		RebalanceTimeout:  millis(asked.RebalanceTimeoutMillis),
		HeartbeatInterval: time.Duration(got.HeartbeatIntervalMillis) * time.Millisecond,
		Epoch:             got.MemberEpoch, ErrorCode: got.ErrorCode,
	}
	if got.MemberID != nil {
		ev.MemberID = *got.MemberID
	}
	if asked.Topics != nil {
		ev.OwnedSaid = true
		for i := range asked.Topics {
			ev.Owned = s.partitionsByID(ev.Owned, asked.Topics[i].TopicID, asked.Topics[i].Partitions)
		}
	}
	if got.Assignment != nil {
		ev.AssignedSaid = true
		for i := range got.Assignment.Topics {
			ev.Assigned = s.partitionsByID(ev.Assigned, got.Assignment.Topics[i].TopicID, got.Assignment.Topics[i].Partitions)
		}
	}
	s.noteConsumer(&ev)
	s.emit(ev)
	if ev.ErrorCode == 0 && s.srv.engine.Wants(rules.KindGroupConfigured) {
		s.srv.lookups.wantSession(s, ev.Group)
	}
}

// noteConsumer remembers which member the client is.
func (s *session) noteConsumer(ev *rules.ConsumerHeartbeat) {
	m := ev.Membership
	switch {
	case ev.ErrorCode != 0:
	case m.Generation == leaveEpoch || m.Generation == leaveStaticEpoch:
		s.srv.members.Left(m.Group, m.MemberID)
	default:
		m.Generation = ev.Epoch
		switch {
		case !ev.AssignedSaid:
		case ev.Protocol == rules.ShareEpochs: // it fetches none of it with Fetch
			s.srv.members.Assigned(ev.Client, m, nil, true)
		default:
			s.srv.members.Assigned(ev.Client, m, ev.Assigned, !ev.Unreadable)
		}
		s.profile.speaksFor(m)
	}
}

// partitionsByID appends partitions of a topic that is given by id, if its name
// is known; if not, it is asked for.
func (s *session) partitionsByID(list []rules.TopicPartition, id [16]byte, partitions []int32) []rules.TopicPartition {
	t := s.srv.topics.FindID(id)
	if t == nil {
		s.srv.lookups.wantNames(s, [][16]byte{id})
		return list
	}
	for _, p := range partitions {
		list = append(list, rules.TopicPartition{Topic: t.Name, Partition: p})
	}
	return list
}
