package proxy

import (
	"hash/maphash"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
)

// JoinGroup (11), Heartbeat (12), LeaveGroup (13), SyncGroup (14).
//
// Behaviour: all pass unchanged. What the coordinator answers is told to those who
// follow groups; a JoinGroup is told already when it is asked, since the coordinator
// holds it until the whole group has joined. Which member a client is, and what it was
// assigned, is remembered, so that a Fetch can be told to its group.
//
// Version notes: RebalanceTimeout exists from JoinGroup 1 on, group.instance.id from 5 (3 of the others), the
// reason from 8. With version 4 the first JoinGroup of a dynamic member is answered
// MEMBER_ID_REQUIRED and an id to come back with (KIP-394). LeaveGroup names several members
// from version 3 on, and reasons from 5 (KIP-800).

// memberKinds are the events that these APIs are read for.
var memberKinds = []rules.Kind{
	rules.KindJoinRequested, rules.KindJoined, rules.KindSynced, rules.KindHeartbeat, rules.KindLeft,
	rules.KindMemberGone, rules.KindMemberFetched, rules.KindMemberPolled, rules.KindOffsetsListed, rules.KindSubscribed,
}

// metadataSeed is fixed, so that one process compares like with like; hashes are never shown.
var metadataSeed = maphash.MakeSeed()

// onJoinGroup tells of the request before it goes on.
func onJoinGroup(s *session, rq *request) error {
	if !s.srv.wantsAny(memberKinds) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, func(version int16, body []byte, lim messages.Limits) (rules.JoinRequested, error) {
		asked, err := parseJoinGroup(version, body, lim)
		if err == nil {
			asked.At, asked.Client = s.in.readAt, s.identity.Load()
			s.emit(asked)
			s.tellSubscription(&messages.Subscription{Group: asked.Group, Topics: asked.Topics, Said: asked.Topics != nil})
		}
		return asked, err
	}, func(s *session, ex *exchange, asked rules.JoinRequested, body []byte) error {
		got, err := parseJoined(ex.version, body, s.srv.decodeLimits())
		if err == nil {
			s.joined(ex, asked.Membership, got)
		}
		return err
	})
}

var (
	parseJoined   = messages.Response(kmsg.NewPtrJoinGroupResponse())
	parseJoinBody = messages.Request(kmsg.NewPtrJoinGroupRequest())
)

// parseJoinGroup reads all of the request, metadata included, while its bytes are there.
func parseJoinGroup(version int16, body []byte, lim messages.Limits) (rules.JoinRequested, error) {
	rq, err := parseJoinBody(version, body, lim)
	if err != nil {
		return rules.JoinRequested{}, err
	}
	ev := rules.JoinRequested{
		Membership: rules.Membership{
			Group: rq.Group, MemberID: rq.MemberID, InstanceID: text(rq.InstanceID), Generation: -1,
		},
		SessionTimeout: millis(rq.SessionTimeoutMillis), RebalanceTimeout: millis(rq.RebalanceTimeoutMillis),
		ProtocolType: rq.ProtocolType, Reason: text(rq.Reason),
	}
	if version == 0 {
		ev.RebalanceTimeout = 0 // kmsg fills in the session timeout
	}
	var h maphash.Hash
	h.SetSeed(metadataSeed)
	for i := range rq.Protocols {
		p := &rq.Protocols[i]
		ev.Protocols = append(ev.Protocols, p.Name)
		if rq.ProtocolType != "consumer" || ev.Topics != nil {
			continue
		}
		if m, ok := messages.ParseMemberMetadata(p.Metadata); ok {
			ev.Topics, ev.Owned = m.Topics, partitionsOf(m.Owned)
			for _, topic := range m.Topics {
				h.WriteString(topic)
				h.WriteByte(0)
			}
		}
	}
	ev.Metadata = h.Sum64()
	return ev, nil
}

func (s *session) joined(ex *exchange, m rules.Membership, got *kmsg.JoinGroupResponse) {
	ev := rules.Joined{
		At: s.out.readAt, Client: s.identity.Load(), Membership: m, Requested: ex.readAt, RequestedID: m.MemberID,
		Protocol: text(got.Protocol), Leader: got.LeaderID, ErrorCode: got.ErrorCode,
	}
	ev.MemberID, ev.Generation = got.MemberID, got.Generation
	for i := range got.Members {
		ev.Members = append(ev.Members, rules.GroupMember{MemberID: got.Members[i].MemberID, InstanceID: text(got.Members[i].InstanceID)})
	}
	if got.ErrorCode == 0 {
		s.profile.speaksFor(ev.Membership)
	}
	s.emit(ev)
}

func onSynced(s *session, ex *exchange, asked *kmsg.SyncGroupRequest, got *kmsg.SyncGroupResponse) {
	ev := rules.Synced{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt, ErrorCode: got.ErrorCode,
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.Generation},
	}
	if got.ErrorCode == 0 {
		list, whole, ok := messages.ParseAssignment(got.MemberAssignment)
		ev.Assigned, ev.Readable = partitionsOf(list), ok && whole
		s.srv.members.Assigned(ev.Client, ev.Membership, ev.Assigned, ev.Readable)
		s.profile.speaksFor(ev.Membership)
	}
	s.emit(ev)
}

func onHeartbeat(s *session, ex *exchange, asked *kmsg.HeartbeatRequest, got *kmsg.HeartbeatResponse) {
	s.emit(rules.Heartbeat{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt, ErrorCode: got.ErrorCode,
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.Generation},
	})
}

func onLeft(s *session, ex *exchange, asked *kmsg.LeaveGroupRequest, got *kmsg.LeaveGroupResponse) {
	ev := rules.Left{At: s.out.readAt, Client: s.identity.Load(), Group: asked.Group, Requested: ex.readAt, ErrorCode: got.ErrorCode}
	if ex.version < leaveSeveral {
		ev.Members = []rules.LeavingMember{{MemberID: asked.MemberID, ErrorCode: got.ErrorCode}}
	}
	for i := range asked.Members {
		m := rules.LeavingMember{MemberID: asked.Members[i].MemberID, InstanceID: text(asked.Members[i].InstanceID), Reason: text(asked.Members[i].Reason)}
		if i < len(got.Members) { // the coordinator answers in order
			m.ErrorCode = got.Members[i].ErrorCode
		}
		ev.Members = append(ev.Members, m)
	}
	for i := range ev.Members {
		if m := &ev.Members[i]; ev.ErrorCode == 0 && m.ErrorCode == 0 {
			s.srv.members.Left(ev.Group, m.MemberID)
		}
	}
	s.emit(ev)
}

// leaveSeveral is the first version of LeaveGroup that names several members.
const leaveSeveral = 3

// maxSpeaksFor bounds the groups that one connection is remembered to speak for;
// consumers are in one.
const maxSpeaksFor = 16

// membersGone tells the groups of a session that has ended that a member is no
// longer heard, or that one which had left, perhaps over another connection, is
// closed. Both loops have ended.
func (s *session) membersGone(cause error) {
	now := s.srv.now()
	for _, m := range s.profile.groups {
		s.emit(rules.MemberGone{
			At: now, Client: s.identity.Load(), Membership: m, ByClient: reasonOf(cause) == ReasonClientGone,
			Left: !s.srv.members.Knows(m.Group, m.MemberID),
		})
	}
}
