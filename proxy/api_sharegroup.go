package proxy

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
)

// ShareGroupHeartbeat (76), DescribeShareGroupOffsets (90), AlterShareGroupOffsets (91), DeleteShareGroupOffsets (92), KIP-932.
//
// Behaviour: all pass unchanged; each request is told with its answer. Heartbeats are
// told as those of KIP-848 are. What a member is assigned is not remembered as what it
// fetches: ShareFetch says for itself which member sends it, see api_sharefetch.go.
//
// Version notes: null fields of a heartbeat mean unchanged on either side. Heartbeats name
// topics by id, the offsets by name.

var shareOffsetKinds = []rules.Kind{rules.KindShareOffsets}

func noteShareSubscription(s *session, asked *kmsg.ShareGroupHeartbeatRequest) {
	sub := messages.ShareGroupHeartbeatSubscription(asked)
	s.tellSubscription(&sub)
}

func onShareHeartbeat(s *session, ex *exchange, asked *kmsg.ShareGroupHeartbeatRequest, got *kmsg.ShareGroupHeartbeatResponse) {
	ev := rules.ConsumerHeartbeat{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt, Protocol: rules.ShareEpochs,
		Membership: rules.Membership{Group: asked.GroupID, MemberID: asked.MemberID, Generation: asked.MemberEpoch},
		Topics:     asked.SubscribedTopicNames, Said: asked.SubscribedTopicNames != nil,
		HeartbeatInterval: time.Duration(got.HeartbeatIntervalMillis) * time.Millisecond,
		Epoch:             got.MemberEpoch, ErrorCode: got.ErrorCode, AssignedSaid: got.Assignment != nil,
	}
	if got.Assignment != nil {
		for i := range got.Assignment.TopicPartitions {
			t := &got.Assignment.TopicPartitions[i]
			ev.Assigned = s.partitionsByID(ev.Assigned, t.TopicID, t.Partitions)
		}
	}
	s.noteConsumer(&ev)
	s.emit(ev)
}

func onShareOffsetsDescribed(s *session, _ *exchange, _ *kmsg.DescribeShareGroupOffsetsRequest, got *kmsg.DescribeShareGroupOffsetsResponse) {
	for i := range got.Groups {
		g := &got.Groups[i]
		if g.ErrorCode != 0 {
			continue
		}
		ev := rules.ShareOffsets{At: s.out.readAt, Client: s.identity.Load(), Group: g.GroupID}
		for j := range g.Topics {
			for _, p := range g.Topics[j].Partitions {
				ev.Offsets = append(ev.Offsets, offsetOf(g.Topics[j].Topic, p.Partition, p.StartOffset, p.ErrorCode))
			}
		}
		s.emit(ev)
	}
}

func onShareOffsetsAltered(s *session, _ *exchange, asked *kmsg.AlterShareGroupOffsetsRequest, got *kmsg.AlterShareGroupOffsetsResponse) {
	if got.ErrorCode != 0 {
		return
	}
	refused := map[rules.TopicPartition]int16{}
	for i := range got.Topics {
		for _, p := range got.Topics[i].Partitions {
			refused[rules.TopicPartition{Topic: got.Topics[i].Topic, Partition: p.Partition}] = p.ErrorCode
		}
	}
	ev := rules.ShareOffsets{At: s.out.readAt, Client: s.identity.Load(), Group: asked.GroupID, Set: true}
	for i := range asked.Topics {
		for _, p := range asked.Topics[i].Partitions {
			o := offsetOf(asked.Topics[i].Topic, p.Partition, p.StartOffset, 0)
			o.ErrorCode = refused[o.TopicPartition]
			ev.Offsets = append(ev.Offsets, o)
		}
	}
	s.emit(ev)
}

func onShareOffsetsDeleted(s *session, _ *exchange, asked *kmsg.DeleteShareGroupOffsetsRequest, got *kmsg.DeleteShareGroupOffsetsResponse) {
	ev := rules.ShareOffsets{At: s.out.readAt, Client: s.identity.Load(), Group: asked.GroupID, Set: true}
	for i := range got.Topics {
		if got.ErrorCode == 0 && got.Topics[i].ErrorCode == 0 {
			ev.Topics = append(ev.Topics, got.Topics[i].Topic)
		}
	}
	if len(ev.Topics) > 0 {
		s.emit(ev)
	}
}
