package proxy

import "warder/record"

// record has the session recorded, if anybody records. What is recorded is what the
// client sends and what it gets, not what passes between warder and the broker: a
// request when it is decided what becomes of it, so that what was asked of the cluster
// for it stands before it, and before it goes on; an answer before the client has it,
// who may send the next request then.
func (s *session) record() {
	if s.srv.recorder == nil {
		return
	}
	s.recording = s.srv.recorder.Open(&record.Entry{
		At: s.srv.now(), Conn: s.id, Remote: s.remote, Broker: s.brokerAddress, Listener: s.listener.name, Node: s.node, Identity: s.identity.Load(),
	})
	s.in.seen = func(p []byte, begins bool) { s.recording.Request(p, s.in.readAt, begins, s.identity.Load()) }
	s.down.seen = func(p []byte, mid bool) { s.recording.Answer(p, s.srv.now(), mid) }
}

// recordRequest records a request that was read as a whole, and does not pass as it is.
func (s *session) recordRequest(rq *request) {
	if s.recording != nil && !rq.told {
		s.recording.Request(rq.raw, s.in.readAt, true, s.identity.Load())
	}
	rq.told = true
}

// recorded ends the recording. Both loops have ended.
func (s *session) recorded() {
	s.recording.Close(s.srv.now(), reasonOf(s.cause) != ReasonClientGone)
}
