package proxy

import (
	"errors"
	"io"

	"warder/protocol"
	"warder/proxy/tap"
	"warder/rules"
)

// request is the frame at hand in the request loop. It lives in the session and
// is valid until the loop turns to the next frame.
type request struct {
	protocol.RequestHeader
	size  int             // of the frame, length prefix included
	frame *protocol.Frame // the frame, when it did not fit the window
	raw   []byte          // the frame, once read
	taken bool            // the bytes left the window
	told  bool            // it is recorded, if anybody records

	tap     *tap.Exchange // what will be shown of it; nil while nobody looks
	audited int           // as in exchange
}

// readRequests is the loop from client to broker. It is the only reader of the
// client's socket, and returns why it ended at a frame boundary.
func (s *session) readRequests() error {
	for {
		if err := s.in.wait(); err != nil {
			return s.clientError(err)
		}
		if err := s.nextRequest(); err != nil {
			s.in.push() //nolint:errcheck // what was in order still goes out; the session ends with err in any case
			return err
		}
	}
}

// nextRequest reads one request's header and decides its way: on unread, or through the file of its API.
func (s *session) nextRequest() error {
	rq := &s.request
	*rq = request{}
	if err := s.readRequestHeader(rq); err != nil {
		return err
	}
	if err := s.admit(rq); err != nil {
		return err
	}
	s.recognise(rq)
	defer rq.release()
	if err := s.watch(rq); err != nil {
		return err
	}
	if err := s.handle(rq); err != nil {
		return err
	}
	if s.authDeadline && s.auth.satisfied(rq.Key) { // all of it has come: its header alone says nothing
		s.authenticated()
	}
	return nil
}

// handle lets the file of its API decide, which ends with the request read to its end.
func (s *session) handle(rq *request) error {
	h := handlerOf(rq.Key)
	if s.srv.passive && !rq.known() {
		h = &handler{}
	}
	if h.onRequest != nil {
		err := h.onRequest(s, rq)
		if err != nil && rq.raw != nil {
			s.recordRequest(rq) // which nothing has become of
		}
		return err
	}
	return s.forward(rq, s.exchange(rq, h.onAnswer))
}

func (s *session) readRequestHeader(rq *request) error {
	b, err := s.in.peek(protocol.FrameLengthSize)
	if err != nil {
		return s.clientError(err)
	}
	size, err := protocol.FrameSize(b, protocol.MinRequestHeader, s.frameLimit())
	if err != nil {
		return frameError(err)
	}
	rq.size = protocol.FrameLengthSize + size
	for want := protocol.FrameLengthSize + protocol.MinRequestHeader; ; want = s.in.buffered() + 1 {
		if _, err := s.in.peek(min(want, rq.size)); err != nil {
			return s.clientError(err)
		}
		have := min(s.in.buffered(), rq.size)
		b, _ := s.in.peek(have)
		rq.RequestHeader, err = protocol.ParseRequestHeader(b[4:])
		if err == nil {
			return nil
		}
		if !errors.Is(err, protocol.ErrShort) || have == rq.size || have >= windowSize {
			return closing(ReasonMalformedRequest, err)
		}
	}
}

// frameError gives an impossible length its reason.
func frameError(err error) error {
	if _, ok := errors.AsType[*protocol.LimitError](err); ok {
		return closingf(ReasonFrameLimit, "%w (limits.frame)", err)
	}
	return closing(ReasonMalformedRequest, err)
}

// admit refuses what a broker would refuse by closing the connection, and what
// warder keeps from clients.
func (s *session) admit(rq *request) error {
	switch {
	case s.srv.passive, rq.API == nil && s.srv.settings().passUnknownAPIs:
		return nil
	case rq.API == nil && s.requests.Load() == 0 && protocol.LooksLikeGSSAPI(rq.Key):
		return closingf(ReasonSASLHandshakeV0, "the client sends GSSAPI tokens without SaslHandshake (Kafka 0.9 style), which brokers since 4.0 refuse too")
	case rq.API == nil:
		return closingf(ReasonUnsupportedAPI, "API key %d is not known (pass_unknown_apis lets it through unread)", rq.Key)
	case rq.API.Treatment == protocol.TreatRefuse:
		return closingf(ReasonRefusedAPI, "%s (key %d) is not for clients", rq.API.Name, rq.Key)
	case rq.Key == protocol.ApiVersions:
		return nil // answered in version 0 when the version is too high
	case !rq.known():
		return closingf(ReasonUnsupportedAPI, "%s version %d; versions %d to %d are known", rq.API.Name, rq.Version, rq.API.Min, rq.API.Max)
	}
	return nil
}

// recognise keeps count and notices a client id that is new on this connection.
func (s *session) recognise(rq *request) {
	s.requests.Add(1)
	if rq.API != nil { // else anything at all
		s.profile.used(rq.Key, rq.Version)
	}
	if !s.auth.serving() {
		s.leftSASL(rq.Key)
	}
	if string(rq.ClientID) != string(s.clientName) {
		s.clientName = append(s.clientName[:0], rq.ClientID...)
		name := string(rq.ClientID)
		s.identify(func(id *rules.Identity) { id.ClientID = name })
	}
}

// exchange begins the exchange of rq, to be completed by the API's file and given to forward or answer.
func (s *session) exchange(rq *request, onAnswer func(*session, *exchange, *answer) error) *exchange {
	ex := s.inflight.get()
	ex.by, ex.key, ex.version, ex.correlationID = byBroker, rq.Key, rq.Version, rq.CorrelationID
	ex.requestBytes, ex.readAt, ex.onAnswer = rq.size, s.in.readAt, onAnswer
	ex.tap, ex.audited = rq.tap, rq.audited
	return ex
}

// body reads the whole request and returns what follows its header. The bytes
// alias the window or the request's frame and are valid until the request is forwarded or answered.
func (s *session) body(rq *request) ([]byte, error) {
	if rq.raw == nil {
		raw, frame, err := s.in.look(rq.size)
		if err != nil {
			return nil, s.clientError(err)
		}
		rq.raw, rq.frame, rq.taken = raw, frame, frame != nil
	}
	return rq.raw[4+rq.Size:], nil
}

// known reports whether the API is in the table, in this version.
func (rq *request) known() bool {
	return rq.API != nil && rq.API.Decodes(rq.Version)
}

// header returns the request's own header bytes; body must have been called.
func (rq *request) header() []byte { return rq.raw[4 : 4+rq.Size] }

// forward sends the request on as it is. A nil exchange means that no answer will come (acks=0).
func (s *session) forward(rq *request, ex *exchange) error {
	if ex != nil {
		if err := s.enqueue(ex); err != nil {
			return err
		}
	}
	var err error
	if rq.taken {
		s.recordRequest(rq)
		err = s.in.write(rq.raw, true)
	} else {
		rq.told = true
		err = s.in.pass(rq.size, true)
	}
	s.srv.metrics.request(rq.Key, rq.size)
	return s.relayError(err)
}

// substitute sends header and body upstream in place of the request, whose bytes it consumes.
func (s *session) substitute(rq *request, ex *exchange, frame []byte) error {
	if err := s.consume(rq); err != nil {
		return err
	}
	if ex != nil {
		if err := s.enqueue(ex); err != nil {
			return err
		}
	}
	s.srv.metrics.request(rq.Key, rq.size)
	return s.relayError(s.in.write(frame, true))
}

// answer answers the request here. The frame, with its length prefix, is written
// when every earlier request has been answered; the session owns it from now on.
func (s *session) answer(rq *request, ex *exchange, frame []byte) error {
	if err := s.consume(rq); err != nil {
		return err
	}
	ex.by, ex.answer, ex.onAnswer = byUs, frame, nil
	s.srv.metrics.request(rq.Key, rq.size)
	s.srv.metrics.answered(rq.Key, len(frame))
	s.complete(ex, len(frame), outcomeLocal)
	if err := s.enqueue(ex); err != nil {
		return err
	}
	return s.writeLocalAnswers()
}

// consume takes the request's bytes out of the window.
func (s *session) consume(rq *request) error {
	if !rq.taken {
		raw, frame, err := s.in.take(rq.size)
		if err != nil {
			return s.clientError(err)
		}
		rq.raw, rq.frame, rq.taken = raw, frame, true
	}
	s.recordRequest(rq)
	return nil
}

func (rq *request) release() {
	if rq.frame != nil {
		rq.frame.Release()
		rq.frame = nil
	}
}

// enqueue appends ex to the open exchanges. When there are limits.in_flight of
// them the client waits, as it would on a broker's muted channel.
func (s *session) enqueue(ex *exchange) error {
	if s.inflight.tryPush(ex) {
		return nil
	}
	if err := s.in.push(); err != nil {
		return s.relayError(err)
	}
	s.srv.metrics.inflightFull.Inc()
	if !s.inflight.push(ex) {
		return closing(ReasonClientGone, io.ErrClosedPipe) // the session has ended; its cause is already set
	}
	return nil
}

// relayError gives an error of passing bytes on its reason: either side may have broken.
func (s *session) relayError(err error) error {
	if err == nil {
		return nil
	}
	s.up.mu.Lock()
	broker := s.up.err
	s.up.mu.Unlock()
	if broker != nil {
		return closing(ReasonBrokerGone, broker)
	}
	return s.clientError(err)
}

// flushUp writes bytes to the broker; the window of the request loop calls it.
func (s *session) flushUp(p []byte, mid bool) error {
	s.up.mu.Lock()
	err := s.up.writeLocked(p, mid)
	s.up.mu.Unlock()
	if len(p) > 0 {
		s.srv.metrics.addedRequest.Observe(sinceSeconds(s.in.readAt))
	}
	if !mid {
		s.side.retry()
	}
	return err
}
