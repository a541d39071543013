package proxy

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"warder/protocol"
	"warder/rules"
	"warder/rules/state"
)

// Who reads what. A Fetch request names all partitions it asks for, or, inside a
// fetch session (KIP-227, version 7+), only those that changed since the last one,
// and the answer leaves out those without news. Sessions belong to a broker and go
// on over another connection, so the engine keeps them (state.FetchSessions). One
// that is not known, after a restart of warder or when there were too many, is
// learnt from what its requests name until the client begins anew; clients do that
// by themselves and are never made to.

// wantedOfReads says which events about reading somebody wants.
func (s *Server) wantedOfReads() state.FetchNews {
	return state.FetchNews{
		Reads:    s.engine.Wants(rules.KindTopicRead),
		Progress: s.engine.Wants(rules.KindFetched) || s.engine.Wants(rules.KindMemberFetched) || s.engine.Wants(rules.KindMemberPolled),
	}
}

// noteFetch takes over what a request asks for. It returns what the client reads
// by it, nil for a broker that replicates.
func (s *session) noteFetch(req *protocol.FetchRequest) *state.FetchSession {
	if req.ReplicaID >= 0 {
		return nil
	}
	// Epoch 0 begins a session and -1 does without one; either names everything,
	// and ends the session it comes from (FetchManager.newContext).
	full := req.SessionEpoch <= 0 || req.SessionID == 0
	s.readCommitted = req.IsolationLevel == readCommitted
	reads := s.readsOf(req.SessionID, full)
	reads.Begin(full, s.id)
	it := req.Partitions()
	for p := (protocol.FetchPartition{}); it.Next(&p); {
		reads.Ask(state.FetchTopic{Name: p.Topic, ID: p.TopicID}, p.Partition, p.FetchOffset)
	}
	forgotten := req.Forgotten()
	for p := (protocol.ForgottenPartition{}); !full && forgotten.Next(&p); {
		reads.Forget(state.FetchTopic{Name: p.Topic, ID: p.TopicID}, p.Partition)
	}
	reads.End(full)
	return reads
}

// readsOf gives the fetch session that a request belongs to.
func (s *session) readsOf(id int32, full bool) *state.FetchSession {
	sessions := s.srv.engine.FetchSessions()
	if !full {
		reads := sessions.Find(s.brokerAddress, id)
		if reads == nil {
			reads = sessions.Open()
			sessions.Keep(reads, s.brokerAddress, id)
		}
		return reads
	}
	if id != 0 {
		sessions.Forget(s.brokerAddress, id)
	}
	reads := s.reads.Load()
	if reads == nil {
		reads = sessions.Open()
		s.reads.Store(reads)
	}
	return reads
}

// noteFetched takes over what an answer says of the partitions asked for.
func (s *session) noteFetched(reads *state.FetchSession, resp *protocol.FetchResponse) {
	it := resp.Partitions()
	for p := (protocol.FetchResponsePartition{}); it.Next(&p); {
		s.noteFetchedPartition(reads, &p)
	}
	s.noteFetchSession(reads, resp.SessionID, resp.ErrorCode)
}

func (s *session) noteFetchedPartition(reads *state.FetchSession, p *protocol.FetchResponsePartition) {
	s.uses.answerBytes += int64(p.RecordsSize)
	asked := reads.Answer(state.FetchTopic{Name: p.Topic, ID: p.TopicID}, rules.FetchedPartition{
		Partition: p.Partition, ErrorCode: p.ErrorCode, Bytes: int64(p.RecordsSize),
		HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset, LogStartOffset: p.LogStartOffset,
	})
	if p.ErrorCode == kerr.OffsetOutOfRange.Code && asked >= 0 {
		s.tellOutOfRange(p, asked)
	}
}

// tellOutOfRange tells the group of the member at once: its next Fetch of the
// partition asks for another offset, and meanwhile it may ask for others without it.
func (s *session) tellOutOfRange(p *protocol.FetchResponsePartition, asked int64) {
	t := s.topic(p.Topic, p.TopicID)
	if t == nil || !s.srv.engine.Wants(rules.KindMemberFetched) {
		return
	}
	s.tellMember(s.identity.Load(), s.out.readAt, t.Name, &rules.FetchedPartition{
		Partition: p.Partition, FetchOffset: asked, HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset,
		LogStartOffset: p.LogStartOffset, ErrorCode: p.ErrorCode, ReadOffset: -1,
	}, false) // of an error nobody asks what it reads up to
}

// noteFetchSession takes over what an answer says of the session: that the broker
// has made one of a full request, or knows it no more.
func (s *session) noteFetchSession(reads *state.FetchSession, id int32, errorCode int16) {
	sessions := s.srv.engine.FetchSessions()
	switch errorCode {
	case kerr.FetchSessionIDNotFound.Code, kerr.InvalidFetchSessionEpoch.Code, kerr.FetchSessionTopicIDError.Code:
		sessions.End(reads)
	case 0:
		if id != 0 && s.reads.CompareAndSwap(reads, nil) {
			sessions.Keep(reads, s.brokerAddress, id)
		}
	}
}

// tellReads tells watchers what is due, and asks for the names of topics that
// cannot be told of without one.
func (s *session) tellReads(reads *state.FetchSession, at time.Time, wanted state.FetchNews) {
	events, unnamed := reads.News(at, s.identity.Load(), wanted)
	for _, ev := range events {
		s.srv.engine.Emit(ev)
		if f, ok := ev.(rules.Fetched); ok {
			s.tellMembers(&f)
		}
	}
	if len(unnamed) > 0 {
		s.srv.lookups.wantNames(s, unnamed)
	}
	if s.srv.engine.Wants(rules.KindMemberPolled) {
		s.tellPolled(reads, at)
	}
}

// tellAbandoned tells what the last answer said when the client begins a new fetch
// session with every Fetch, as franz-go does after each seek: nobody asks by the old
// one again. One a second is told, as of every session.
func (s *session) tellAbandoned(now *state.FetchSession, at time.Time, wanted state.FetchNews) {
	before := s.reading
	s.reading = now
	if before == nil || before == now || at.Sub(s.abandoned) < rules.FetchedEvery {
		return
	}
	s.abandoned = at
	s.tellReads(before, at, wanted)
}

// tellPolled tells the group of the member that reads that it does.
func (s *session) tellPolled(reads *state.FetchSession, at time.Time) {
	p, due := reads.Polled(at)
	if !due {
		return
	}
	client := s.identity.Load()
	if m, ok := s.srv.members.Find(client, p); ok {
		s.srv.engine.Emit(rules.MemberPolled{At: at, Client: client, Membership: m.Membership, Ambiguous: m.Ambiguous})
	}
}

// dropReads ends what this connection reads outside any session.
func (s *session) dropReads() {
	if reads := s.reads.Load(); reads != nil {
		s.srv.engine.FetchSessions().Drop(reads)
	}
}

// readCommitted is the isolation level of a Fetch that reads up to the last stable
// offset (IsolationLevel.java).
const readCommitted = 1

// tellMembers takes over where the logs of partitions are, and tells the groups
// whose members read them.
func (s *session) tellMembers(f *rules.Fetched) {
	wanted := s.srv.engine.Wants(rules.KindMemberFetched)
	for i := range f.Partitions {
		p := &f.Partitions[i]
		s.srv.logs.Learn(rules.TopicPartition{Topic: f.Topic, Partition: p.Partition}, state.LogEnds{
			HighWatermark: p.HighWatermark, At: f.At, LastStableOffset: p.LastStableOffset,
			LogStartOffset: p.LogStartOffset, StartAt: f.At,
		})
		if wanted && p.ErrorCode != kerr.OffsetOutOfRange.Code { // which was told when it came
			s.tellMember(f.Client, f.At, f.Topic, p, s.readCommitted)
		}
	}
}

// tellMember tells the group of the member that reads a partition, if one does.
func (s *session) tellMember(client *rules.Identity, at time.Time, topic string, p *rules.FetchedPartition, committed bool) {
	tp := rules.TopicPartition{Topic: topic, Partition: p.Partition}
	m, ok := s.srv.members.Find(client, tp)
	if !ok {
		return
	}
	s.srv.engine.Emit(rules.MemberFetched{
		At: at, Client: client, Membership: m.Membership, Ambiguous: m.Ambiguous, TopicPartition: tp,
		FetchOffset: p.FetchOffset, HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset,
		LogStartOffset: p.LogStartOffset, Bytes: p.Bytes, ReadOffset: p.ReadOffset, ErrorCode: p.ErrorCode, ReadCommitted: committed,
	})
}
