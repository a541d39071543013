package proxy

import (
	"warder/protocol/messages"
	"warder/rules"
)

// Metadata (key 3).
//
// Behaviour: the request passes unchanged; it is read, for the names that it
// asks for, only while a rule follows topics. The answer is where brokers, topic names, ids and partition counts
// are learnt, and where broker addresses are rewritten. When it names topics that
// the client asked for, their configuration is looked up, so that the first
// Produce already finds it. The partition counts are also what the client chooses
// partitions by from now on.
//
// Version notes: topic ids exist from version 10 on. An answer that lists more
// topics than maxTopicsPerQuestion is a listing of the cluster: nothing is asked.

// maxTold bounds the events that one answer makes of each kind. Clients ask for a
// few topics by name; what is beyond the bound is told by tellTopics, or at the
// next question.
const maxTold = 1000

func onMetadata(s *session, rq *request) error {
	if !s.srv.engine.Wants(rules.KindTopicAsked) && !s.srv.engine.Wants(rules.KindTopicAppeared) {
		return s.forward(rq, s.exchange(rq, onMetadataAnswer))
	}
	asked, ok, err := glance(s, rq, messages.ParseMetadataRequest)
	if err != nil {
		return err
	}
	ex := s.exchange(rq, onMetadataAnswer)
	if ok && !asked.All {
		ex.state = asked
	}
	return s.forward(rq, ex)
}

func onMetadataAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	meta, err := messages.ParseMetadata(ex.version, body, s.srv.decodeLimits())
	if err != nil {
		return s.unreadableAnswer(ex, a, err)
	}
	s.srv.topology.learnCluster(meta.ClusterID)
	s.sawPartitions(meta.Topics)
	s.srv.learnTopics(meta.Topics)
	if asked, ok := ex.state.(messages.MetadataAsked); ok {
		s.tellAsked(asked, meta.Topics)
	}
	if names := meta.TopicNames(); len(names) <= maxTopicsPerQuestion {
		s.srv.lookups.wantConfigs(s, names)
	}
	return onEndpoints(s, ex, a)
}

// tellAsked tells rules what became of the topics that a client has asked for by
// name: there is an error, or the topic is seen for the first time.
func (s *session) tellAsked(asked messages.MetadataAsked, topics []messages.TopicFacts) {
	failed, appeared := 0, 0
	for i := range topics {
		t := &topics[i]
		switch {
		case t.Name == "" || len(asked.Topics) == 0:
		case t.ErrorCode != 0 && failed < maxTold:
			failed++
			s.emit(rules.TopicAsked{
				At: s.out.readAt, Client: s.identity.Load(), Topic: t.Name, ErrorCode: t.ErrorCode, AutoCreate: asked.AutoCreate,
			})
		case t.ErrorCode == 0 && appeared < maxTold && s.srv.engine.Wants(rules.KindTopicAppeared) && s.srv.topics.Tell(t.Name):
			appeared++
			s.srv.engine.Emit(rules.TopicAppeared{
				At: s.out.readAt, Client: s.identity.Load(), Topic: t.Name, Partitions: int32(t.Partitions), Asked: true,
			})
		}
	}
}

// emit makes an event known to rules that follow its kind.
func (s *session) emit(ev rules.Event) {
	if s.srv.engine.Wants(ev.Kind()) {
		s.srv.engine.Emit(ev)
	}
}
