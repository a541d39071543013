package proxy

import (
	"errors"

	"warder/protocol"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/state"
)

// Fetch (key 1).
//
// Behaviour: requests are read when a watcher wants to know who reads what, or how
// much comes with each answer; else they pass unread. Answers pass while they arrive: their structure is walked for
// what they say of partitions, and for the NodeEndpoints that come with
// NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951) from version 16 on,
// which are rewritten. Record bytes are never changed, and never held beyond the one
// batch that a rule is shown a sample of, see fetched.go; nothing waits for that.
// When no one wants any of it, answers below version 16 pass unread.
//
// Version notes: NodeEndpoints is tagged field 0 at the very end of the body,
// while the frame's length stands at its beginning. An answer that fits the
// window is rewritten freely. A larger one is under way when its end comes into
// sight, so its tail is rewritten at equal length, see protocol.WalkFetchResponse.
// From version 7 on requests and answers name only what changed, see reads.go; from
// version 13 on topics have ids.

// fetchEndpointsSince is the first version of Fetch whose answers can carry endpoints.
const fetchEndpointsSince = 16

func onFetch(s *session, rq *request) error {
	wanted, counted := s.srv.wantedOfReads(), s.srv.engine.Wants(rules.KindFetchAnswered)
	if wanted == (state.FetchNews{}) && !counted {
		return s.forward(rq, s.exchange(rq, onFetchAnswer))
	}
	if rq.size > s.srv.settings().maxMessage {
		s.srv.metrics.skipped("too_large", rq.size)
		return s.forward(rq, s.exchange(rq, onFetchAnswer))
	}
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	req, err := protocol.ParseFetchRequest(rq.Version, body)
	if err != nil {
		s.srv.metrics.skipped("malformed", rq.size) // the broker may judge it
		return s.forward(rq, s.exchange(rq, onFetchAnswer))
	}
	ex, reads, at := s.exchange(rq, onFetchAnswer), s.noteFetch(&req), s.in.readAt
	if reads == nil {
		return s.forward(rq, ex)
	}
	ex.state = reads
	s.profile.fetched(&req, reads.Partitions())
	if counted {
		ex.asked = askedOfFetch(&req, reads.Partitions())
	}
	if err := s.forward(rq, ex); err != nil {
		return err
	}
	s.tellAbandoned(reads, at, wanted)
	s.tellReads(reads, at, wanted)
	return nil
}

// onFetchAnswer sends the answer on. On the way it notes what the answer says of
// the partitions in reads and shows rules what they want of it.
func onFetchAnswer(s *session, ex *exchange, a *answer) error {
	reads, _ := ex.state.(*state.FetchSession)
	look := s.looksIntoFetched()
	if reads == nil && !look && ex.tap == nil && ex.version < fetchEndpointsSince {
		return s.relay(a)
	}
	s.uses.answerBytes = 0
	if ex.tap != nil {
		s.tapReader(ex.tap)
	}
	handle := s.streamFetchAnswer
	if a.size <= windowSize {
		handle = s.wholeFetchAnswer
	}
	if err := handle(ex, a, reads, look); err != nil {
		return err
	}
	if ex.asked.counted {
		s.noteFetchUse(ex)
	}
	return nil
}

// wholeFetchAnswer handles an answer that fits the window.
func (s *session) wholeFetchAnswer(ex *exchange, a *answer, reads *state.FetchSession, look bool) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	resp, err := protocol.ParseFetchResponse(ex.version, body)
	switch {
	case err != nil && ex.version >= fetchEndpointsSince:
		ex.tapOutcome(tap.OutcomeUnread)
		return s.unreadableAnswer(ex, a, err)
	case err != nil:
		ex.tapOutcome(tap.OutcomeUnread)
		s.srv.metrics.skipped("malformed_answer", a.size)
		return s.relay(a)
	}
	if reads != nil {
		s.noteFetched(reads, &resp)
	}
	s.tapFetched(ex, &resp)
	if resp.HasEndpoints {
		err = s.rewriteEndpoints(ex, a, protocol.RewriteFetchEndpoints)
	} else {
		err = s.relay(a)
	}
	if err != nil || !look || resp.NumPartitions == 0 {
		return err
	}
	return s.lookIntoWindow(&resp)
}

// streamFetchAnswer walks a large answer while it passes. One that turns out to
// be malformed passes to its end: the bytes are as the broker sent them.
func (s *session) streamFetchAnswer(ex *exchange, a *answer, reads *state.FetchSession, look bool) error {
	f := s.fetchingOf()
	f.cursor = frameCursor{w: s.out, left: a.size}
	c := &f.cursor
	if err := s.passResponseHeader(ex, c); err != nil {
		return err
	}
	var patch protocol.TailPatch
	var err error
	if reads == nil && !look && ex.tap == nil {
		patch, err = protocol.WalkFetchResponse(ex.version, c, f.mapEndpoint)
	} else {
		patch, err = s.walkFetchAnswer(ex, reads, look)
	}
	if err == nil && len(patch.Replace) > 0 {
		err = c.replace(patch.Replace)
	}
	if err != nil && !s.malformedFetchAnswer(ex, a, err) {
		return s.deliveryError(err)
	}
	return s.deliveryError(c.Advance(c.left))
}

// malformedFetchAnswer counts an answer that could not be read to its end, if
// that is what err says.
func (s *session) malformedFetchAnswer(ex *exchange, a *answer, err error) bool {
	_, malformed := errors.AsType[*protocol.MalformedError](err)
	if malformed {
		ex.tapOutcome(tap.OutcomeUnread)
	}
	switch {
	case !malformed:
		return false
	case ex.key == protocol.Fetch && ex.version < fetchEndpointsSince:
		s.srv.metrics.skipped("malformed_answer", a.size)
	default:
		s.srv.metrics.skipped("unreadable_answer", a.size)
		s.srv.noise.Error().Err(err).Str("api", protocol.APIName(ex.key)).Uint64("conn_id", s.id).
			Msg("an answer with records could not be read: if it carries broker addresses, clients may be sent round warder")
	}
	return true
}

// passResponseHeader passes the length and the response header of an answer.
func (s *session) passResponseHeader(ex *exchange, c *frameCursor) error {
	for want := protocol.FrameLengthSize + protocol.MinResponseHeader + 1; ; want *= 2 {
		want = min(want, c.left, protocol.MaxPeek)
		head, err := c.Peek(want)
		if err != nil {
			return s.brokerError(err)
		}
		n, err := protocol.ResponseHeaderSize(ex.key, ex.version, head[protocol.FrameLengthSize:])
		if err == nil {
			return s.deliveryError(c.Advance(protocol.FrameLengthSize + n))
		}
		if !errors.Is(err, protocol.ErrShort) || want == min(c.left, protocol.MaxPeek) {
			return closing(ReasonMalformedResponse, err)
		}
	}
}

// walkFetchAnswer is protocol.WalkFetchResponse for an answer of which somebody
// wants more than its endpoints.
func (s *session) walkFetchAnswer(ex *exchange, reads *state.FetchSession, look bool) (protocol.TailPatch, error) {
	f := s.fetching
	if err := f.stream.Reset(ex.version, &f.cursor); err != nil {
		return protocol.TailPatch{}, err
	}
	for f.stream.Next(&f.part) {
		if reads != nil {
			s.noteFetchedPartition(reads, &f.part)
		}
		if ex.tap != nil {
			s.tapPartition(ex.tap, &f.part)
		}
		if look {
			if err := f.lookWhilePassing(); err != nil {
				return protocol.TailPatch{}, err
			}
		}
	}
	if ex.tap != nil && f.stream.ErrorCode != 0 {
		ex.tapOutcome(errorName(f.stream.ErrorCode))
	}
	if reads != nil && f.stream.Err() == nil {
		s.noteFetchSession(reads, f.stream.SessionID, f.stream.ErrorCode)
	}
	if look {
		s.nameFetched()
	}
	return f.stream.PatchEndpoints(f.mapEndpoint)
}

// tapFetched shows what an answer says.
func (s *session) tapFetched(ex *exchange, resp *protocol.FetchResponse) {
	if ex.tap == nil {
		return
	}
	if resp.ErrorCode != 0 {
		ex.tapOutcome(errorName(resp.ErrorCode))
	}
	it := resp.Partitions()
	for p := (protocol.FetchResponsePartition{}); it.Next(&p); {
		s.tapPartition(ex.tap, &p)
	}
}

// tapReader shows the group that the client reads for. A client that is in several is
// told apart by what it reads, see tapPartition.
func (s *session) tapReader(x *tap.Exchange) {
	if group, ok := s.srv.members.Group(s.identity.Load()); ok {
		x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: group})
	}
}

// tapPartition shows one partition of an answer that brings something, an error or
// records, and the group of the member that reads it.
func (s *session) tapPartition(x *tap.Exchange, p *protocol.FetchResponsePartition) {
	if p.RecordsSize == 0 && p.ErrorCode == 0 {
		return
	}
	topic := s.shownTopic(p.Topic, p.TopicID)
	x.AddPartition(tap.Partition{Topic: topic, Partition: p.Partition, Bytes: p.RecordsSize})
	if p.ErrorCode != 0 {
		x.Failed(topic, p.Partition, errorName(p.ErrorCode))
	}
	if m, ok := s.srv.members.Find(s.identity.Load(), rules.TopicPartition{Topic: topic, Partition: p.Partition}); ok {
		x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: m.Group})
	}
}
