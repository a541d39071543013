package compare

import (
	"bytes"
	"slices"

	"warder/protocol"
)

// closed takes in the end of a connection.
func (s *session) closed(at side) {
	s.ends[at] = true
	if s.ends[atClient] && s.ends[atBroker] {
		s.finish()
	}
}

// finish takes in that nothing more comes. What has been under way is cut there; what the client has been answered must have had a reason.
func (s *session) finish() {
	if s.c.clients[s.client] == s {
		delete(s.c.clients, s.client)
	}
	switch {
	case s.done:
	case s.opened == nil:
		s.alone()
	case len(s.reached) > 0:
		s.differ(nil, "a request has reached the broker that the client has not sent", nil, &s.reached[0].request)
	default:
		s.cutOff()
	}
	s.drop()
}

// alone ends a session for which no connection to a broker was seen: the client was turned away, or the capture lacks it.
func (s *session) alone() {
	for _, x := range s.asked {
		if x.answer != nil {
			s.giveUp("the connection to the broker was not captured")
			return
		}
	}
	s.c.report.Alone++
}

// cutOff ends a session with what has been under way.
func (s *session) cutOff() {
	for _, x := range s.asked {
		if x.answer != nil {
			s.keep(x)
		}
	}
	for _, b := range s.open[atBroker] {
		if b.twin != nil && b.twin.answer != nil {
			s.differ(b, "the client was answered, and not by the broker", nil, b.twin.answer)
		}
	}
	s.c.report.Cut += len(s.open[atClient])
	s.requestTail()
	s.answerTail()
}

// requestTail wants what the end has cut of a request to be the beginning of one that was sent.
func (s *session) requestTail() {
	got := s.up[atBroker].buf
	if s.done || s.ours(got) || bytes.HasPrefix(s.up[atClient].buf, got) {
		return
	}
	if !slices.ContainsFunc(s.asked, func(x *exchange) bool { return bytes.HasPrefix(x.request.data, got) }) {
		s.differ(nil, "the beginning of a request has reached the broker that the client has not sent", nil, &frame{data: got, size: len(got)})
	}
}

// answerTail is the same of an answer that warder has nothing to change in.
func (s *session) answerTail() {
	if s.done || len(s.open[atClient]) == 0 {
		return
	}
	x, got, given := s.open[atClient][0], s.down[atClient].buf, s.down[atBroker].buf
	if x.twin == nil || len(x.cut) > 0 || x.Key == protocol.ApiVersions || carriesAddresses[x.Key] {
		return
	}
	if x.twin.answer != nil {
		given = x.twin.answer.data
	}
	if !bytes.HasPrefix(given, got) {
		s.differ(x, "the beginning of an answer has reached the client that the broker has not given", &frame{data: given, size: len(given)}, &frame{data: got, size: len(got)})
	}
}

// ours says whether the beginning of a request may be of one that warder has made: a question of its own, or what a verdict has left.
func (s *session) ours(beginning []byte) bool {
	if s.opened != nil && len(s.opened.verdicts) > 0 {
		return true
	}
	if len(beginning) < protocol.FrameLengthSize+protocol.MinRequestHeader {
		return true // nothing that could tell
	}
	h, err := protocol.ParseRequestHeader(beginning[protocol.FrameLengthSize:])
	return err != nil || string(h.ClientID) == ownClientID
}
