package proxy

import (
	"sync"
	"sync/atomic"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/proxy/audit"
	"warder/rules"
)

// SaslHandshake (key 17) and SaslAuthenticate (key 36).
//
// Behaviour: both pass unchanged, for every mechanism; warder has no part in the
// exchange and keeps no token. It learns who the client is where the mechanism
// says so in clear (PLAIN, SCRAM, OAUTHBEARER) and the broker agrees.
//
// Version notes: after SaslHandshake version 0 come bare tokens without any Kafka
// header until the mechanism is content, which leaves nothing to follow: it is
// answered UNSUPPORTED_VERSION, and version 0 is not offered. Re-authentication
// (KIP-368) is the same exchange again, at any time.

// authentication follows a session's SASL exchange.
type authentication struct {
	open atomic.Bool // an exchange is under way; read by every request
	done atomic.Bool // an exchange has succeeded

	mu       sync.Mutex
	observer *messages.SASLObserver // guarded by mu; nil when no exchange is under way
}

// serving reports whether the connection may carry other requests now.
func (a *authentication) serving() bool { return !a.open.Load() }

// begin starts to follow an exchange, in place of one that did not come to an end.
func (a *authentication) begin(o *messages.SASLObserver) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observer = o
	a.open.Store(o != nil)
}

// observe lets f see the exchange that is under way and returns its observer when
// that has ended it, else nil.
func (a *authentication) observe(f func(*messages.SASLObserver)) (ended *messages.SASLObserver) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.observer
	if o == nil {
		return nil
	}
	f(o)
	if !o.Finished() {
		return nil
	}
	a.observer = nil
	a.open.Store(false)
	if o.Succeeded() {
		a.done.Store(true)
	}
	return o
}

// satisfied reports whether a request of this API ends the time in which a client
// must authenticate: it does once it is none of those that come before.
func (a *authentication) satisfied(key int16) bool {
	switch key {
	case protocol.ApiVersions, protocol.SaslHandshake, protocol.SaslAuthenticate:
		return a.done.Load()
	}
	return a.serving()
}

// frameLimit returns the largest request that is accepted now.
func (s *session) frameLimit() int {
	limit := s.listener.settings().frame
	if !s.auth.serving() {
		limit = min(limit, protocol.MaxUnauthenticatedFrame)
	}
	return limit
}

func onSaslHandshake(s *session, rq *request) error {
	if messages.HeaderlessTokens(rq.Version) {
		frame := messages.AppendUnsupportedSaslHandshake(make([]byte, 4), rq.CorrelationID)
		if err := s.answer(rq, s.exchange(rq, nil), withLength(frame)); err != nil {
			return err
		}
		return closingf(ReasonSASLHandshakeV0, "SaslHandshake version 0 is followed by tokens without Kafka headers; clients since 1.0 use version 1")
	}
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	mechanism, err := messages.ParseSaslHandshake(rq.Version, body)
	if err != nil {
		return closing(ReasonMalformedRequest, err)
	}
	ex := s.exchange(rq, onSaslHandshakeAnswer)
	ex.state = messages.NewSASLObserver(mechanism)
	return s.forward(rq, ex)
}

func onSaslHandshakeAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	if code, err := messages.SaslHandshakeError(ex.version, body); err == nil && code == 0 {
		observer, _ := ex.state.(*messages.SASLObserver)
		s.auth.begin(observer)
	}
	return s.relay(a)
}

func onSaslAuthenticate(s *session, rq *request) error {
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	s.followSASL(func(o *messages.SASLObserver) { o.Request(rq.Version, body) })
	return s.forward(rq, s.exchange(rq, onSaslAuthenticateAnswer))
}

func onSaslAuthenticateAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	s.followSASL(func(o *messages.SASLObserver) { o.Response(ex.version, body) })
	return s.relay(a)
}

// followSASL shows a step of the exchange to its observer and takes over whom it was for.
func (s *session) followSASL(step func(*messages.SASLObserver)) {
	ended := s.auth.observe(step)
	switch {
	case ended == nil:
	case ended.Succeeded():
		s.identify(func(id *rules.Identity) { id.Principal = userPrincipal(ended.Principal()) })
		s.srv.lookups.own.saslSeen.Store(true)
		s.audit(audit.LoggedIn, audit.Event{Time: s.srv.now(), Mechanism: ended.Mechanism()})
	default:
		s.audit(audit.LoginFailed, audit.Event{Time: s.srv.now(), Mechanism: ended.Mechanism(), Claimed: ended.Claimed()})
	}
}

// leftSASL notes that the client goes on with other requests, which a broker lets
// it do only after success: the end of some mechanisms cannot be told from their tokens.
func (s *session) leftSASL(key int16) {
	switch key {
	case protocol.SaslAuthenticate, protocol.SaslHandshake, protocol.ApiVersions:
	default:
		s.followSASL((*messages.SASLObserver).ClientMovedOn)
	}
}

// userPrincipal writes a name as Kafka writes principals (KafkaPrincipal.USER_TYPE); "" stays.
func userPrincipal(name string) string {
	if name == "" {
		return ""
	}
	return "User:" + name
}
