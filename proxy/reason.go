package proxy

import (
	"errors"
	"fmt"
)

// CloseReason says in one word why a client connection ended. It is the label of
// warder_connections_closed_total and the field "reason" of the log line, so
// the set is closed and a value never changes its meaning.
type CloseReason string

// The reasons, each with the side that caused it.
const (
	// ReasonClientGone: the client closed its connection, or it broke.
	ReasonClientGone CloseReason = "client_gone"
	// ReasonBrokerGone: the broker closed its connection, or it broke.
	ReasonBrokerGone CloseReason = "broker_gone"
	// ReasonBrokerUnreachable: no broker of the listener could be dialled.
	ReasonBrokerUnreachable CloseReason = "broker_unreachable"
	// ReasonBrokerTLS: the TLS handshake with the broker failed, or one side of it spoke plaintext.
	ReasonBrokerTLS CloseReason = "broker_tls"
	// ReasonClientTLS: the TLS handshake with the client failed.
	ReasonClientTLS CloseReason = "client_tls"
	// ReasonTLSOnPlaintext: the client spoke TLS to a plaintext listener.
	ReasonTLSOnPlaintext CloseReason = "tls_on_plaintext"
	// ReasonPlaintextOnTLS: the client spoke plaintext to a TLS listener.
	ReasonPlaintextOnTLS CloseReason = "plaintext_on_tls"
	// ReasonMalformedRequest: the client sent bytes that are no Kafka request.
	ReasonMalformedRequest CloseReason = "malformed_request"
	// ReasonMalformedResponse: the broker sent bytes that are no answer to the oldest open request.
	ReasonMalformedResponse CloseReason = "malformed_response"
	// ReasonUnsupportedAPI: an API key or version that warder does not know; a broker closes too.
	ReasonUnsupportedAPI CloseReason = "unsupported_api"
	// ReasonRefusedAPI: an API that warder keeps from clients (raft voters, controller-only).
	ReasonRefusedAPI CloseReason = "refused_api"
	// ReasonSASLHandshakeV0: SaslHandshake v0 or a bare GSSAPI token, which leave no Kafka header to follow.
	ReasonSASLHandshakeV0 CloseReason = "sasl_handshake_v0"
	// ReasonFrameLimit: a request larger than limits.frame.
	ReasonFrameLimit CloseReason = "frame_limit"
	// ReasonConnectionLimit: limits.connections or limits.connections_per_ip reached.
	ReasonConnectionLimit CloseReason = "connection_limit"
	// ReasonUnauthenticated: no request, or no finished authentication, within limits.unauthenticated.
	ReasonUnauthenticated CloseReason = "unauthenticated"
	// ReasonRequestStalled: a request that had begun, and of which nothing more came for a minute, or
	// not all in ten.
	ReasonRequestStalled CloseReason = "request_stalled"
	// ReasonDenied: a rule refused a Produce with acks=0, which has no answer to carry an error.
	ReasonDenied CloseReason = "denied"
	// ReasonUndecodable: traffic that could not be inspected, with inspect.on_undecodable: refuse.
	ReasonUndecodable CloseReason = "undecodable"
	// ReasonAudit: the audit trail cannot be written, and nothing is to be served without (audit.on_failure: stop).
	ReasonAudit CloseReason = "audit_unavailable"
	// ReasonShutdown: warder drained the connection and closed it.
	ReasonShutdown CloseReason = "shutdown"
	// ReasonDrainDeadline: the drain deadline passed with answers still open.
	ReasonDrainDeadline CloseReason = "drain_deadline"
	// ReasonInternal: a defect of warder.
	ReasonInternal CloseReason = "internal"
)

// closeReasons lists every reason, for metrics that exist from the start and for the reference page.
var closeReasons = []CloseReason{
	ReasonClientGone, ReasonBrokerGone, ReasonBrokerUnreachable, ReasonBrokerTLS, ReasonClientTLS,
	ReasonTLSOnPlaintext, ReasonPlaintextOnTLS, ReasonMalformedRequest, ReasonMalformedResponse,
	ReasonUnsupportedAPI, ReasonRefusedAPI, ReasonSASLHandshakeV0, ReasonFrameLimit, ReasonConnectionLimit,
	ReasonUnauthenticated, ReasonRequestStalled, ReasonDenied, ReasonUndecodable, ReasonAudit, ReasonShutdown, ReasonDrainDeadline, ReasonInternal,
}

// CloseError is the error with which a session ends: the reason for people who
// count, the cause for people who read.
type CloseError struct {
	Reason CloseReason
	Err    error // nil when the reason says it all
}

func (e *CloseError) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

func (e *CloseError) Unwrap() error { return e.Err }

// closing wraps err with reason; an error that already carries a reason keeps it,
// since the innermost place knew best.
func closing(reason CloseReason, err error) error {
	if _, ok := errors.AsType[*CloseError](err); ok {
		return err
	}
	return &CloseError{Reason: reason, Err: err}
}

func closingf(reason CloseReason, format string, args ...any) error {
	return &CloseError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// reasonOf gives the reason that an error carries.
func reasonOf(err error) CloseReason {
	if ce, ok := errors.AsType[*CloseError](err); ok {
		return ce.Reason
	}
	return ReasonInternal
}
