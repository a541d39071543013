package proxy

import (
	"context"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// learnTopics takes over what Metadata says of topics.
func (s *Server) learnTopics(topics []messages.TopicFacts) {
	for i := range topics {
		if t := &topics[i]; t.ErrorCode == 0 && t.Name != "" {
			s.topics.Learn(t.Name, t.ID, t.Partitions)
		}
	}
	if len(topics) > 0 {
		s.changed()
	}
}

// topicName returns the name of a topic that is given by name or, when that is empty, by id.
func (s *session) topicName(name []byte, id [16]byte) (string, bool) {
	if len(name) > 0 {
		return string(name), true
	}
	t, ok := s.srv.topics.ByID(id)
	return t.Name, ok && t.Name != ""
}

// awaitTopics lets the first Produce to a topic wait for what a blocking rule
// must know of it, at most producePatience. Without that the accident which a
// rule was set up to stop could be the very first record. Where the cluster does
// not answer, or refuses to, later requests do not wait again.
func (s *session) awaitTopics(id *rules.Identity, req *protocol.ProduceRequest) {
	it := req.Partitions()
	var p protocol.ProducePartition
	var seen []byte
	var seenID [16]byte
	for it.Next(&p) {
		if string(p.Topic) == string(seen) && p.TopicID == seenID && p.Ordinal > 0 {
			continue
		}
		seen, seenID = p.Topic, p.TopicID
		if _, ok := s.topicName(p.Topic, p.TopicID); !ok && s.gate.NeedsNames(id) {
			s.awaitName(p.TopicID)
		}
		if name, ok := s.topicName(p.Topic, p.TopicID); ok && s.gate.NeedsConfig(id, []byte(name)) {
			s.awaitConfig(name)
		}
	}
}

func (s *session) awaitName(id [16]byte) {
	s.srv.lookups.wantNames(s, [][16]byte{id})
	s.srv.lookups.await(s.lifetime(), topicKey{id: id}, producePatience)
}

func (s *session) awaitConfig(name string) {
	s.srv.lookups.wantConfigs(s, []string{name})
	s.srv.lookups.await(s.lifetime(), topicKey{name: name}, producePatience)
}

// lifetime is the context of side work for this session.
func (s *session) lifetime() context.Context { return s.srv.hard }

// learnBroker takes over a broker that an answer to warder itself named, and serves it.
func (s *Server) learnBroker(id int32, host string, port int32) {
	if s.topology.learn(id, host, port, s.now()) {
		for _, l := range s.listeners {
			l.advertised(id)
		}
	}
}
