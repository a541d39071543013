package messages

import (
	"bytes"
	"math"
	"time"
)

// MaxPrincipal bounds the name of a principal, in bytes. A longer one is not
// reported.
const MaxPrincipal = 1024

// maxMechanism is where the name of a mechanism is cut; those that are registered have at most 20 bytes (RFC 4422).
const maxMechanism = 64

// SASLObserver follows one SASL exchange, from the handshake to the broker's
// last word, and learns who the client is where the mechanism says so in clear
// and the broker agrees: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER. Other
// mechanisms (GSSAPI) stay opaque: only their outcome is seen.
//
// It keeps the name that the client claims, and no byte of any token beside it.
// It is not safe for concurrent use. Every re-authentication (KIP-368) needs an
// observer of its own.
type SASLObserver struct {
	name      string // of the mechanism, at most maxMechanism bytes
	mechanism mechanism
	claimed   string // the name in the client's first token; "" when there is none that counts
	round     int    // tokens of the client seen
	finished  bool
	succeeded bool
	lifetime  time.Duration
}

// mechanism says what an observer understands of the tokens.
type mechanism uint8

const (
	mechanismOpaque mechanism = iota
	mechanismPlain
	mechanismScram
	mechanismOAuthBearer
)

// NewSASLObserver returns an observer of an exchange by the mechanism that the
// client named in its SaslHandshake.
func NewSASLObserver(name string) *SASLObserver {
	o := &SASLObserver{name: name[:min(len(name), maxMechanism)]}
	switch name {
	case "PLAIN":
		o.mechanism = mechanismPlain
	case "SCRAM-SHA-256", "SCRAM-SHA-512":
		o.mechanism = mechanismScram
	case "OAUTHBEARER":
		o.mechanism = mechanismOAuthBearer
	}
	return o
}

// Request sees the body of a SaslAuthenticate request. It is not kept.
func (o *SASLObserver) Request(version int16, body []byte) {
	if token, err := saslToken(version, body); err == nil {
		o.clientToken(token)
	} else {
		o.claimed = ""
		o.round++
	}
}

func (o *SASLObserver) clientToken(token []byte) {
	if o.round++; o.round > 1 || o.finished {
		return // the name stands in the first token
	}
	switch o.mechanism {
	case mechanismOpaque:
	case mechanismPlain:
		o.claimed = plainName(token)
	case mechanismScram:
		o.claimed = scramName(token)
	case mechanismOAuthBearer:
		o.claimed = oauthBearerName(token)
	}
	if len(o.claimed) > MaxPrincipal {
		o.claimed = ""
	}
}

// Response sees the body of a SaslAuthenticate response. It is not kept. One that
// cannot be read ends the exchange as if it had failed.
func (o *SASLObserver) Response(version int16, body []byte) {
	a, err := parseSaslAnswer(version, body)
	switch {
	case o.finished:
	case err != nil || a.errorCode != 0:
		o.finished = true
	case o.final(a):
		o.finished, o.succeeded = true, true
		o.lifetime = time.Duration(min(max(a.lifetimeMs, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
}

// final reports whether a response without error is the last of the exchange.
// Only the last carries a session lifetime. SCRAM ends with the server's
// signature in answer to the client's second token (RFC 5802). All others of
// Kafka's own end with an empty token; until then the answer is a challenge,
// which of OAUTHBEARER is the bad news itself, without an error code: the next
// response has that (RFC 7628, OAuthBearerSaslServer).
func (o *SASLObserver) final(a saslAnswer) bool {
	if o.round == 0 {
		return false
	}
	if o.mechanism == mechanismScram {
		return o.round >= 2 && bytes.HasPrefix(a.token, []byte("v="))
	}
	return len(a.token) == 0 || o.mechanism == mechanismOpaque && a.lifetimeMs > 0
}

// ClientMovedOn tells that the client sent another request than
// SaslAuthenticate, which it does only when it holds the exchange complete. That
// settles exchanges by mechanisms whose last token cannot be told from the others;
// it changes nothing for those that the observer understands.
func (o *SASLObserver) ClientMovedOn() {
	if o.mechanism == mechanismOpaque && !o.finished && o.round > 0 {
		o.finished, o.succeeded = true, true
	}
}

// Finished reports whether the exchange is over, one way or the other.
func (o *SASLObserver) Finished() bool { return o.finished }

// Succeeded reports whether the broker has accepted the client.
func (o *SASLObserver) Succeeded() bool { return o.succeeded }

// Principal returns the name of the client's KafkaPrincipal, without "User:",
// once the exchange has succeeded. It is "" before, and where the name is not on
// the wire: opaque mechanisms, SCRAM with a delegation token (whose owner only
// the broker knows), tokens without a readable sub claim. It is the broker's view
// as long as that uses its default principal builder and the claim sub.
func (o *SASLObserver) Principal() string {
	if !o.succeeded {
		return ""
	}
	return o.claimed
}

// Mechanism returns the name of the mechanism.
func (o *SASLObserver) Mechanism() string { return o.name }

// Claimed returns the name that the client claims, whether the broker has agreed or
// not; "" where Principal is never known. It is not to be trusted.
func (o *SASLObserver) Claimed() string { return o.claimed }

// SessionLifetime returns how long the session may last until the client has to
// authenticate anew (KIP-368, connections.max.reauth.ms); 0 means for ever.
func (o *SASLObserver) SessionLifetime() time.Duration { return o.lifetime }
