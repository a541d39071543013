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
	t := s.srv.topics.FindID(id)
	if t == nil {
		return "", false
	}
	return t.Name, t.Name != ""
}

// awaitTopics lets the first Produce to a topic wait for what a blocking rule
// must know of it, at most producePatience. Without that the accident which a
// rule was set up to stop could be the very first record. Where the cluster does
// not answer, or refuses to, later requests do not wait again.
func (s *session) awaitTopics(id *rules.Identity, req *protocol.ProduceRequest) {
	it := req.Partitions()
	var p, last protocol.ProducePartition
	for it.Next(&p) {
		if p.Ordinal > 0 && string(p.Topic) == string(last.Topic) && p.TopicID == last.TopicID {
			continue // one topic's partitions come together
		}
		last = p
		s.awaitTopic(id, &p)
	}
}

// awaitTopic returns at once, and allocates nothing, for a topic whose configuration is known.
func (s *session) awaitTopic(id *rules.Identity, p *protocol.ProducePartition) {
	known := s.topic(p.Topic, p.TopicID)
	if known == nil && len(p.Topic) == 0 && s.gate.NeedsNames(id) {
		s.awaitName(p.TopicID)
		known = s.topic(nil, p.TopicID)
	}
	name := p.Topic
	switch {
	case known != nil && known.Cleanup.Known():
		return
	case known != nil:
		name = []byte(known.Name)
	}
	if len(name) > 0 && s.gate.NeedsConfig(id, name) {
		s.awaitConfig(string(name))
	}
}

// topic returns what is known of a topic that is given by name or, when that is
// empty, by id; nil when nothing is.
func (s *session) topic(name []byte, id [16]byte) *rules.Topic {
	if len(name) > 0 {
		return s.srv.topics.Find(name)
	}
	return s.srv.topics.FindID(id)
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
