package proxy

import (
	"errors"

	"warder/protocol"
)

// Fetch (key 1).
//
// Behaviour: requests pass unread. Answers pass unread too, record bytes are
// never buffered; from version 16 on the NodeEndpoints that come with
// NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951) are rewritten.
//
// Version notes: NodeEndpoints is tagged field 0 at the very end of the body,
// while the frame's length stands at its beginning. An answer that fits the
// window is rewritten freely. A larger one is under way when its end comes into
// sight, so its tail is rewritten at equal length, see protocol.WalkFetchResponse.

// fetchEndpointsSince is the first version of Fetch whose answers can carry endpoints.
const fetchEndpointsSince = 16

func onFetchAnswer(s *session, ex *exchange, a *answer) error {
	switch {
	case ex.version < fetchEndpointsSince:
		return s.relay(a)
	case a.size <= windowSize:
		return s.rewriteEndpoints(ex, a, protocol.RewriteFetchEndpoints)
	}
	return s.streamFetchAnswer(ex, a)
}

// streamFetchAnswer walks a large answer while it passes. One that turns out to
// be malformed passes to its end: the bytes are as the broker sent them.
func (s *session) streamFetchAnswer(ex *exchange, a *answer) error {
	c := &frameCursor{w: s.out, left: a.size}
	head, err := c.Peek(min(a.size, protocol.MaxPeek))
	if err != nil {
		return s.brokerError(err)
	}
	n, err := protocol.ResponseHeaderSize(ex.key, ex.version, head[4:])
	if err != nil {
		return closing(ReasonMalformedResponse, err)
	}
	if err := c.Advance(4 + n); err != nil {
		return s.deliveryError(err)
	}
	patch, err := protocol.WalkFetchResponse(ex.version, c, s.mapEndpoint)
	var malformed *protocol.MalformedError
	switch {
	case errors.As(err, &malformed):
		s.srv.metrics.skipped("unreadable_answer", a.size)
		s.srv.noise.Error().Err(err).Uint64("conn_id", s.id).Msg("a Fetch answer could not be read: if it carries broker addresses, clients may be sent round warder")
	case err != nil:
		return s.deliveryError(err)
	case len(patch.Replace) > 0:
		if err := c.replace(patch.Replace); err != nil {
			return s.deliveryError(err)
		}
	}
	return s.deliveryError(c.Advance(c.left))
}
