package proxy

import (
	"encoding/binary"

	"warder/protocol"
	"warder/protocol/messages"
)

// Broker addresses in answers: FindCoordinator (10), DescribeCluster (60),
// ShareAcknowledge (79) here, Metadata (3), Produce (0), Fetch (1) and ShareFetch (78)
// in their own files. These seven are all that a client-facing broker
// listener sends.
//
// Behaviour: every address of a broker becomes the address of the port that
// stands for it, which is bound before the answer goes out. Node ids stay. A
// broker that cannot be given a port is left out; of FindCoordinator it becomes
// COORDINATOR_NOT_AVAILABLE, so that the client asks again. Application addresses
// (user endpoints of Streams, hosts of group members) are not touched.

// rewriter rewrites the broker addresses of one answer's body.
type rewriter func(dst []byte, version int16, body []byte, m protocol.MapEndpoint) (out []byte, changed bool, err error)

func onEndpoints(s *session, ex *exchange, a *answer) error {
	key := ex.key
	return s.rewriteEndpoints(ex, a, func(dst []byte, version int16, body []byte, m protocol.MapEndpoint) ([]byte, bool, error) {
		return messages.RewriteEndpoints(dst, key, version, body, m)
	})
}

// rewriteEndpoints reads the answer as a whole and sends it on with the addresses
// that clients of this listener use. An answer that cannot be read goes on as it is, unless the operator
// wants nothing through that was not inspected.
func (s *session) rewriteEndpoints(ex *exchange, a *answer, rewrite rewriter) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	out, changed, err := rewrite(nil, ex.version, body, s.mapEndpoint)
	switch {
	case err != nil:
		return s.unreadableAnswer(ex, a, err)
	case !changed:
		return s.relay(a)
	}
	return s.replace(a, out)
}

// unreadableAnswer decides about an answer that may carry addresses that could not be rewritten.
func (s *session) unreadableAnswer(ex *exchange, a *answer, cause error) error {
	s.srv.metrics.skipped("unreadable_answer", a.size)
	s.srv.noise.Error().Err(cause).Str("api", protocol.APIName(ex.key)).Int16("version", ex.version).Uint64("conn_id", s.id).
		Msg("an answer that may carry broker addresses could not be read: clients may be sent round warder")
	if s.srv.settings().refuse {
		return closing(ReasonUndecodable, cause)
	}
	return s.relay(a)
}

// mapEndpoint learns a broker's address and gives the one that clients use.
func (s *session) mapEndpoint(e protocol.Endpoint) (protocol.Endpoint, bool) {
	if !s.srv.topology.learn(e.NodeID, e.Host, e.Port, s.srv.now()) {
		return e, false
	}
	if s.srv.passive {
		return e, true
	}
	host, port, ok := s.listener.advertised(e.NodeID)
	return protocol.Endpoint{NodeID: e.NodeID, Host: host, Port: port}, ok
}

// withLength fills in the length prefix, for which frame begins with four bytes of room.
func withLength(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}
