package proxy

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
	"warder/rules/state"
)

// ListOffsets (2), OffsetCommit (8), OffsetFetch (9), TxnOffsetCommit (28), DeleteGroups (42), OffsetDelete (47).
//
// Behaviour: all pass unchanged, unless a rule refuses that somebody deletes a group or its offsets, or sets them
// without being a member, see changes.go. What a group commits, goes on from, and loses is told
// to those who follow it; ListOffsets only when the client is known to be a member of
// a group, since others (tools, exporters, Kafka Streams while it restores) ask all the time. Which groups
// a transaction has offsets of is noted, since its end does not say (EndTxn).
//
// Version notes: topics are named by id in OffsetCommit and OffsetFetch from version 10 on and in TxnOffsetCommit
// from 6 on; those whose name nobody knows are left out. OffsetFetch asks for several groups from version 8 on; an
// error of the whole stands in the body from version 2 to 7.

var (
	commitKinds  = []rules.Kind{rules.KindCommitted}
	fetchedKinds = []rules.Kind{rules.KindOffsetsFetched}
	deletedKinds = []rules.Kind{rules.KindOffsetsDeleted}
	listedKinds  = []rules.Kind{rules.KindOffsetsListed}
)

// name gives the name of a topic by name or, when that is empty, by id; "" when it is not known.
func (s *session) name(topic string, id [16]byte) string {
	if topic != "" {
		return topic
	}
	if t := s.srv.topics.FindID(id); t != nil {
		return t.Name
	}
	s.srv.lookups.wantNames(s, [][16]byte{id})
	return ""
}

func onCommitted(s *session, ex *exchange, asked *kmsg.OffsetCommitRequest, got *kmsg.OffsetCommitResponse) {
	s.emit(rules.Committed{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt,
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.Generation},
		Offsets: commits(s, asked.Topics, got.Topics,
			func(t *kmsg.OffsetCommitRequestTopic, a *kmsg.OffsetCommitResponseTopic) (string, [16]byte, []kmsg.OffsetCommitRequestTopicPartition, []kmsg.OffsetCommitResponseTopicPartition) {
				return t.Topic, t.TopicID, t.Partitions, a.Partitions
			},
			func(p *kmsg.OffsetCommitRequestTopicPartition, a *kmsg.OffsetCommitResponseTopicPartition) (int32, int64, int16) {
				return p.Partition, p.Offset, a.ErrorCode
			}),
	})
}

func onTxnCommitted(s *session, ex *exchange, asked *kmsg.TxnOffsetCommitRequest, got *kmsg.TxnOffsetCommitResponse) {
	s.emit(rules.Committed{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt,
		TransactionalID: asked.TransactionalID, TransactionTimeout: s.srv.transactions.Joined(asked.TransactionalID, asked.Group),
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.Generation},
		Offsets: commits(s, asked.Topics, got.Topics,
			func(t *kmsg.TxnOffsetCommitRequestTopic, a *kmsg.TxnOffsetCommitResponseTopic) (string, [16]byte, []kmsg.TxnOffsetCommitRequestTopicPartition, []kmsg.TxnOffsetCommitResponseTopicPartition) {
				return t.Topic, t.TopicID, t.Partitions, a.Partitions
			},
			func(p *kmsg.TxnOffsetCommitRequestTopicPartition, a *kmsg.TxnOffsetCommitResponseTopicPartition) (int32, int64, int16) {
				return p.Partition, p.Offset, a.ErrorCode
			}),
	})
}

// commits pairs what was asked with what was answered, which the coordinator does in the same order. OffsetCommit and
// TxnOffsetCommit say it in types of their own, which topic and offset take apart.
func commits[Q, P, A, R any](s *session, asked []Q, got []A,
	topic func(*Q, *A) (name string, id [16]byte, asked []P, got []R), offset func(*P, *R) (partition int32, offset int64, code int16),
) (list []rules.PartitionOffset) {
	for i := range min(len(asked), len(got)) {
		name, id, asked, got := topic(&asked[i], &got[i])
		if name = s.name(name, id); name == "" {
			continue
		}
		for j := range min(len(asked), len(got)) {
			partition, at, code := offset(&asked[j], &got[j])
			list = append(list, offsetOf(name, partition, at, code))
		}
	}
	return list
}

func offsetOf(topic string, partition int32, offset int64, code int16) rules.PartitionOffset {
	return rules.PartitionOffset{TopicPartition: rules.TopicPartition{Topic: topic, Partition: partition}, Offset: offset, ErrorCode: code}
}

func onOffsetsFetched(s *session, ex *exchange, asked *kmsg.OffsetFetchRequest, got *kmsg.OffsetFetchResponse) {
	if ex.version < offsetFetchSeveral {
		ev := rules.OffsetsFetched{At: s.out.readAt, Client: s.identity.Load(), Group: asked.Group}
		if got.ErrorCode != 0 {
			return
		}
		for i := range got.Topics {
			for _, p := range got.Topics[i].Partitions {
				ev.Offsets = append(ev.Offsets, offsetOf(got.Topics[i].Topic, p.Partition, p.Offset, p.ErrorCode))
			}
		}
		s.emit(ev)
		return
	}
	for i := range got.Groups {
		g := &got.Groups[i]
		if g.ErrorCode != 0 {
			continue
		}
		ev := rules.OffsetsFetched{At: s.out.readAt, Client: s.identity.Load(), Group: g.Group}
		for j := range g.Topics {
			name := s.name(g.Topics[j].Topic, g.Topics[j].TopicID)
			for _, p := range g.Topics[j].Partitions {
				if name != "" {
					ev.Offsets = append(ev.Offsets, offsetOf(name, p.Partition, p.Offset, p.ErrorCode))
				}
			}
		}
		s.emit(ev)
	}
}

// offsetFetchSeveral is the first version of OffsetFetch that asks for several groups.
const offsetFetchSeveral = 8

func onOffsetsDeleted(s *session, _ *exchange, asked *kmsg.OffsetDeleteRequest, got *kmsg.OffsetDeleteResponse) {
	ev := rules.OffsetsDeleted{At: s.out.readAt, Client: s.identity.Load(), Group: asked.Group}
	for i := range got.Topics {
		for _, p := range got.Topics[i].Partitions {
			if p.ErrorCode == 0 {
				ev.Partitions = append(ev.Partitions, rules.TopicPartition{Topic: got.Topics[i].Topic, Partition: p.Partition})
			}
		}
	}
	if got.ErrorCode == 0 && len(ev.Partitions) > 0 {
		s.emit(ev)
	}
}

func onGroupsDeleted(s *session, _ *exchange, _ *kmsg.DeleteGroupsRequest, got *kmsg.DeleteGroupsResponse) {
	for i := range got.Groups {
		if got.Groups[i].ErrorCode == 0 {
			s.emit(rules.OffsetsDeleted{At: s.out.readAt, Client: s.identity.Load(), Group: got.Groups[i].Group})
		}
	}
}

// onOffsetsListed tells the group of a member that asks where a partition begins or
// ends. A broker answers partitions in an order of its own.
func onOffsetsListed(s *session, _ *exchange, asked *kmsg.ListOffsetsRequest, got *kmsg.ListOffsetsResponse) {
	timestamps := make(map[rules.TopicPartition]int64)
	for i := range asked.Topics {
		for _, p := range asked.Topics[i].Partitions {
			timestamps[rules.TopicPartition{Topic: asked.Topics[i].Topic, Partition: p.Partition}] = p.Timestamp
		}
	}
	for i := range got.Topics {
		for j := range got.Topics[i].Partitions {
			answer := &got.Topics[i].Partitions[j]
			tp := rules.TopicPartition{Topic: got.Topics[i].Topic, Partition: answer.Partition}
			if timestamp, ok := timestamps[tp]; ok {
				s.tellListed(tp, timestamp, answer, asked.IsolationLevel == readCommitted)
			}
		}
	}
}

// tellListed takes over what an answer says of a log, and tells the group of the
// member that asks.
func (s *session) tellListed(tp rules.TopicPartition, timestamp int64, answer *kmsg.ListOffsetsResponseTopicPartition, stable bool) {
	offset := listedOffset(answer)
	if ends, ok := state.ListedEnds(timestamp, offset, answer.ErrorCode, stable, s.out.readAt); ok {
		s.srv.logs.Learn(tp, ends)
	}
	id := s.identity.Load()
	m, ok := s.srv.members.Find(id, tp)
	if !ok {
		return
	}
	s.emit(rules.OffsetsListed{
		At: s.out.readAt, Client: id, Membership: m.Membership, TopicPartition: tp,
		Timestamp: timestamp, Offset: offset, ErrorCode: answer.ErrorCode,
	})
}
