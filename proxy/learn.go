package proxy

import (
	"slices"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// glance reads a request that then goes on as it is. ok is false for one that is
// too large or cannot be read: it passes all the same. An error ends the session.
func glance[T any](s *session, rq *request, parse func(version int16, body []byte, limits messages.Limits) (T, error)) (asked T, ok bool, err error) {
	if rq.size > s.srv.settings().maxMessage {
		s.srv.metrics.skipped("too_large", rq.size)
		return asked, false, nil
	}
	body, err := s.body(rq)
	if err != nil {
		return asked, false, err
	}
	asked, err = parse(rq.Version, body, s.srv.decodeLimits())
	if err != nil {
		s.srv.metrics.skipped("malformed", rq.size)
		return asked, false, nil
	}
	return asked, true, nil
}

// learnTopics takes over what Metadata says of topics.
func (s *Server) learnTopics(topics []messages.TopicFacts) {
	news := false
	for i := range topics {
		if t := &topics[i]; t.ErrorCode == 0 && t.Name != "" {
			news = s.topics.Learn(t.Name, t.ID, t.Partitions) || news
		}
	}
	if news {
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

// awaitTopics lets the first Produce to topics wait for what a blocking rule
// must know of them, at most producePatience for names and as long for their
// configuration. Without that the accident which a rule was set up to stop could
// be the very first record. It returns at once, and allocates nothing, when all is known.
func (s *session) awaitTopics(id *rules.Identity, req *protocol.ProduceRequest) {
	s.awaitNames(s.nameless(id, req))
	s.awaitConfigs(s.unconfigured(id, req))
}

// awaitNames asks for the names of topic ids and waits for the answer.
func (s *session) awaitNames(ids [][16]byte) {
	if len(ids) == 0 {
		return
	}
	s.srv.lookups.wantNames(s, ids)
	keys := make([]topicKey, len(ids))
	for i := range ids {
		keys[i].id = ids[i]
	}
	s.srv.lookups.await(s.srv.hard, keys, producePatience)
}

// awaitConfigs asks for the configuration of topics and waits for the answer.
func (s *session) awaitConfigs(names []string) {
	if len(names) == 0 {
		return
	}
	s.srv.lookups.wantConfigs(s, names)
	s.srv.lookups.await(s.srv.hard, keysOf(names), producePatience)
}

// nameless returns the topic ids of a request that a blocking rule would need the names of.
func (s *session) nameless(id *rules.Identity, req *protocol.ProduceRequest) (ids [][16]byte) {
	it := req.Partitions()
	var p protocol.ProducePartition
	for it.Next(&p) {
		if len(p.Topic) == 0 && s.topic(nil, p.TopicID) == nil && !slices.Contains(ids, p.TopicID) && s.gate.NeedsNames(id) {
			ids = append(ids, p.TopicID)
		}
	}
	return ids
}

// unconfigured returns the topics of a request that a blocking rule would need the configuration of.
func (s *session) unconfigured(id *rules.Identity, req *protocol.ProduceRequest) (names []string) {
	it := req.Partitions()
	var p protocol.ProducePartition
	for it.Next(&p) {
		known, name := s.topic(p.Topic, p.TopicID), p.Topic
		switch {
		case known != nil && known.Cleanup.Known():
			continue
		case known != nil:
			name = []byte(known.Name)
		}
		if len(name) > 0 && !slices.Contains(names, string(name)) && s.gate.NeedsConfig(id, name) {
			names = append(names, string(name))
		}
	}
	return names
}

// topic returns what is known of a topic that is given by name or, when that is
// empty, by id; nil when nothing is.
func (s *session) topic(name []byte, id [16]byte) *rules.Topic {
	if len(name) > 0 {
		return s.srv.topics.Find(name)
	}
	return s.srv.topics.FindID(id)
}

// learnBroker takes over a broker that an answer to warder itself named, and serves it.
func (s *Server) learnBroker(id int32, host string, port int32) {
	if s.topology.learn(id, host, port, s.now()) {
		for _, l := range s.listeners {
			l.advertised(id)
		}
	}
}
