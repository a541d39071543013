package proxy

import (
	"sync"

	"warder/protocol"
	"warder/protocol/messages"
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

// saslFrameLimit bounds a request while a client authenticates
// (sasl.server.max.receive.size, BrokerSecurityConfigs.java).
const saslFrameLimit = 512 << 10

// authentication follows a session's SASL exchange.
type authentication struct {
	mu       sync.Mutex
	observer *messages.SASLObserver // guarded by mu; nil when no exchange is under way
	done     bool                   // guarded by mu: an exchange has succeeded
}

// serving reports whether the connection may carry other requests now.
func (a *authentication) serving() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.observer == nil
}

// authenticated reports whether the client has authenticated by SASL.
func (a *authentication) authenticated() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// satisfied reports whether a request of this API ends the time in which a client
// must authenticate: it does once it is none of those that come before.
func (a *authentication) satisfied(key int16) bool {
	switch key {
	case protocol.ApiVersions, protocol.SaslHandshake, protocol.SaslAuthenticate:
		return a.authenticated()
	}
	return a.serving()
}

// frameLimit returns the largest request that is accepted now.
func (s *session) frameLimit() int64 {
	limit := s.listener.settings().frame
	if !s.auth.serving() {
		limit = min(limit, saslFrameLimit)
	}
	return limit
}

func onSaslHandshake(s *session, rq *request) error {
	if rq.Version == 0 {
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
		s.auth.mu.Lock()
		s.auth.observer = observer
		s.auth.mu.Unlock()
	}
	return s.relay(a)
}

func onSaslAuthenticate(s *session, rq *request) error {
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	s.auth.mu.Lock()
	if s.auth.observer != nil {
		s.auth.observer.Request(rq.Version, body)
	}
	s.auth.mu.Unlock()
	return s.forward(rq, s.exchange(rq, onSaslAuthenticateAnswer))
}

func onSaslAuthenticateAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	s.auth.mu.Lock()
	if o := s.auth.observer; o != nil {
		o.Response(ex.version, body)
		if o.Finished() {
			s.auth.observer = nil
			if o.Succeeded() {
				s.auth.done = true
				s.identify(func(id *rules.Identity) { id.Principal = userPrincipal(o.Principal()) })
				s.srv.lookups.own.saslSeen.Store(true)
			}
		}
	}
	s.auth.mu.Unlock()
	return s.relay(a)
}

// userPrincipal writes a name as Kafka writes principals (KafkaPrincipal.USER_TYPE); "" stays.
func userPrincipal(name string) string {
	if name == "" {
		return ""
	}
	return "User:" + name
}
