package proxy

import (
	"encoding/binary"
	"errors"
	"slices"

	"warder/protocol"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/engine"
)

// Produce (key 0).
//
// Behaviour: a request is read as a whole only when a rule may want its records;
// else only its acks are looked at. Denied partitions are taken out of the
// request, the broker's answer gets them back with their error, so a client finds
// every partition it asked for. When all are denied nothing goes upstream. Answers
// from version 10 on may carry NodeEndpoints, which are rewritten (KIP-951).
//
// Version notes: acks=0 has no answer at any version and takes no place among the
// open exchanges; a denial then closes the connection, as a broker does on an
// error, or drops the batch where the rule says so. Topics have ids from version 13
// on. The text of an error exists from version 8 on.

// produceEndpointsSince is the first version of Produce whose answers can carry endpoints.
const produceEndpointsSince = 10

// outOfOrderSequence is OUT_OF_ORDER_SEQUENCE_NUMBER.
const outOfOrderSequence = 45

// produceState is what the answer to a Produce request needs to know of it.
type produceState struct {
	denied     []protocol.Denial
	producerID int64 // of the first batch when this session had a batch refused before, else -1
}

func onProduce(s *session, rq *request) error {
	if !s.gate.NeedsProduce(s.identity.Load()) && rq.tap == nil {
		acks, err := s.peekAcks(rq)
		if err != nil {
			return err
		}
		s.profile.acks(acks, s.in.readAt)
		return s.forwardProduce(rq, acks, s.exchange(rq, onProduceAnswer))
	}
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	req, err := protocol.ParseProduceRequest(rq.Version, body)
	if err != nil {
		return s.undecodableProduce(rq, err)
	}
	id := s.identity.Load()
	s.profile.produced(&req, s.in.readAt)
	s.noteTransactional(&req)
	s.awaitTopics(id, &req)
	verdict := s.gate.Produce(id, &req, s.in.readAt)
	ex := s.exchange(rq, onProduceAnswer)
	if s.srv.engine.Wants(rules.KindMemberFetched) {
		ex.noteWritten(&req)
	}
	if ex.tap != nil {
		s.tapProduce(ex.tap, &req, verdict.Denied)
	}
	s.hadRefusal = s.hadRefusal || len(verdict.Denied) > 0
	if len(verdict.Denied) == 0 || s.srv.passive {
		if s.hadRefusal {
			ex.state = &produceState{denied: slices.Clone(verdict.Denied), producerID: producerOf(&req)}
		}
		return s.forwardProduce(rq, req.Acks, ex)
	}
	return s.denyProduce(rq, &req, ex, verdict)
}

// peekAcks finds the request's acks without reading its records.
func (s *session) peekAcks(rq *request) (int16, error) {
	for want := min(rq.size, 4+rq.Size+16); ; want = min(rq.size, 2*want) {
		if want > windowSize {
			return 0, closingf(ReasonMalformedRequest, "the transactional id of a Produce request exceeds %d bytes", windowSize)
		}
		b, err := s.in.peek(want)
		if err != nil {
			return 0, s.clientError(err)
		}
		acks, err := protocol.PeekProduceAcks(rq.Version, b[4+rq.Size:])
		if err == nil {
			return acks, nil
		}
		if !errors.Is(err, protocol.ErrShort) || want == rq.size {
			return 0, closing(ReasonMalformedRequest, err)
		}
	}
}

// forwardProduce sends the request on; ex is dropped when acks=0.
func (s *session) forwardProduce(rq *request, acks int16, ex *exchange) error {
	switch {
	case acks == 0:
		s.unanswered(ex)
		ex = nil
	case s.srv.engine.Wants(rules.KindProduceAnswered):
		ex.asked = askedOf{counted: true, inFlight: s.inflight.unanswered() + 1}
	}
	return s.forward(rq, ex)
}

// unanswered ends the exchange of a request that nobody will answer (acks=0).
func (s *session) unanswered(ex *exchange) {
	s.complete(ex, 0, outcomeNone)
	s.inflight.put(ex)
}

// undecodableProduce decides about a request that is no Produce request: the
// broker may judge it, unless the operator wants nothing through that was not inspected.
func (s *session) undecodableProduce(rq *request, cause error) error {
	s.srv.metrics.skipped("malformed", rq.size)
	if rq.tap != nil {
		rq.tap.RequestUnread = true
	}
	s.srv.noise.Warn().Err(cause).Uint64("conn_id", s.id).Str("client_id", s.identity.Load().ClientID).
		Msg("a Produce request could not be decoded")
	if s.srv.settings().refuse {
		return closing(ReasonUndecodable, cause)
	}
	acks, err := protocol.PeekProduceAcks(rq.Version, rq.raw[4+rq.Size:])
	if err != nil {
		return closing(ReasonMalformedRequest, err)
	}
	return s.forwardProduce(rq, acks, s.exchange(rq, onProduceAnswer))
}

// denyProduce carries out a verdict that refuses partitions.
func (s *session) denyProduce(rq *request, req *protocol.ProduceRequest, ex *exchange, v engine.ProduceVerdict) error {
	id := s.identity.Load()
	s.srv.log.Debug().Uint64("conn_id", s.id).Str("client_id", id.ClientID).Int("denied", len(v.Denied)).Msg("produce denied")
	all := len(v.Denied) == req.NumPartitions
	if req.Acks == 0 && v.AcksZero == rules.CloseConnection {
		ex.tapDenied(v.Rules)
		return closingf(ReasonDenied, "a rule refused a batch that was sent with acks=0: there is no answer that could say so")
	}
	if all {
		if req.Acks == 0 {
			ex.tapDenied(v.Rules)
			s.unanswered(ex)
			return s.consume(rq)
		}
		frame, err := deniedFrame(rq, v.Denied)
		if err != nil {
			return closing(ReasonInternal, err)
		}
		ex.tapDenied(v.Rules)
		return s.answer(rq, ex, frame)
	}
	denied := make(map[int]bool, len(v.Denied))
	for _, d := range v.Denied {
		denied[d.Ordinal] = true
	}
	frame := protocol.NewFrame(rq.size)
	defer frame.Release()
	p := append(frame.Bytes()[:4], rq.header()...)
	p = req.AppendWithout(p, func(ordinal int) bool { return denied[ordinal] })
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	ex.tapDenied(v.Rules)
	if req.Acks == 0 {
		s.unanswered(ex)
		return s.substitute(rq, nil, p)
	}
	ex.state = &produceState{denied: slices.Clone(v.Denied), producerID: producerOf(req)}
	return s.substitute(rq, ex, p)
}

// deniedFrame is the whole answer to a request of which nothing was forwarded.
func deniedFrame(rq *request, denied []protocol.Denial) ([]byte, error) {
	frame := make([]byte, 4, 256)
	frame = protocol.AppendResponseHeader(frame, rq.Key, rq.Version, rq.CorrelationID)
	frame, err := protocol.AppendDeniedProduceResponse(frame, rq.Version, nil, denied)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame, err
}

func onProduceAnswer(s *session, ex *exchange, a *answer) error {
	st, _ := ex.state.(*produceState)
	follows := s.srv.engine.Wants(rules.KindMemberFetched)
	if ex.version < produceEndpointsSince && st == nil && ex.tap == nil && !follows && !ex.asked.counted && s.transactional.Load() == nil {
		return s.relay(a)
	}
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	resp, err := protocol.ParseProduceResponse(ex.version, body)
	if err != nil {
		s.srv.metrics.skipped("malformed_answer", a.size)
		return s.relay(a)
	}
	if st != nil || ex.tap != nil || s.srv.engine.Wants(rules.KindProduceFailed) {
		s.noteProduced(ex, st, &resp)
	}
	if follows {
		s.noteStored(ex, &resp)
	}
	if ex.asked.counted {
		s.noteProduceUse(ex, resp.ThrottleMs)
	}
	if st != nil && len(st.denied) > 0 && !s.srv.passive {
		return s.mergeDenied(ex, a, body, st.denied)
	}
	if !resp.HasEndpoints {
		return s.relay(a)
	}
	return s.rewriteEndpoints(ex, a, protocol.RewriteProduceEndpoints)
}

// mergeDenied gives the broker's answer back the partitions that it never saw.
func (s *session) mergeDenied(ex *exchange, a *answer, body []byte, denied []protocol.Denial) error {
	merged, err := protocol.AppendDeniedProduceResponse(nil, ex.version, body, denied)
	if err != nil {
		return closing(ReasonInternal, err)
	}
	rewritten, changed, err := protocol.RewriteProduceEndpoints(nil, ex.version, merged, s.mapEndpoint)
	if err != nil {
		return closing(ReasonInternal, err)
	}
	if changed {
		merged = rewritten
	}
	return s.replace(a, merged)
}

// denies reports whether an error in the answer is that of a rule: then the answer is
// of the past, since brokers never see what is denied.
func (st *produceState) denies(p *protocol.ProduceResponsePartition) bool {
	return st != nil && slices.ContainsFunc(st.denied, func(d protocol.Denial) bool {
		return d.Partition == p.Partition && d.TopicID == p.TopicID && d.Topic == string(p.Topic) && d.Code == p.ErrorCode
	})
}

// noteProduced tells of the errors in an answer, except an
// OUT_OF_ORDER_SEQUENCE_NUMBER that follows from a batch that a rule refused: the
// producer's sequence has a hole there, and the client's retries close it. It is no
// failure of its own.
func (s *session) noteProduced(ex *exchange, st *produceState, resp *protocol.ProduceResponse) {
	it := resp.Partitions()
	var p protocol.ProduceResponsePartition
	for it.Next(&p) {
		if p.ErrorCode == 0 || st.denies(&p) {
			continue
		}
		if ex.tap != nil {
			ex.tap.Failed(s.shownTopic(p.Topic, p.TopicID), p.Partition, errorName(p.ErrorCode))
		}
		topic, _ := s.topicName(p.Topic, p.TopicID)
		if st != nil && p.ErrorCode == outOfOrderSequence && s.srv.engine.Refusals().Explains(st.producerID, topic, p.Partition, s.srv.now()) {
			s.srv.metrics.consequences.Inc()
			s.srv.log.Debug().Uint64("conn_id", s.id).Str("topic", topic).Int32("partition", p.Partition).
				Msg("out of order sequence after a refused batch: the client will renumber and go on")
			continue
		}
		s.produceFailed(topic, &p)
	}
}

// tapProduce adds the request's partitions to its line on the tap.
func (s *session) tapProduce(x *tap.Exchange, req *protocol.ProduceRequest, denied []protocol.Denial) {
	acks := req.Acks
	x.Acks = &acks
	x.AddResource(tap.Resource{Type: "transactional_id", Name: string(req.TransactionalID)})
	refused := make(map[int]int16, len(denied))
	for _, d := range denied {
		refused[d.Ordinal] = d.Code
	}
	it := req.Partitions()
	var p protocol.ProducePartition
	for it.Next(&p) {
		line := tap.Partition{Topic: s.shownTopic(p.Topic, p.TopicID), Partition: p.Partition, Bytes: len(p.Records)}
		line.Records, line.Codec = countRecords(p.Records)
		if code, ok := refused[p.Ordinal]; ok {
			line.Error = errorName(code)
		}
		x.AddPartition(line)
	}
}
