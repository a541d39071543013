package proxy

import (
	"warder/protocol/messages"
	"warder/rules"
)

// CreatePartitions (37).
//
// Behaviour: it passes unchanged, unless a rule refuses what it asks for, see
// changes.go. What succeeds of it tells that a topic has more partitions at the
// moment it gets them: clients hear of it minutes later, and then send keys
// elsewhere. If no rule wants either, the number is learnt from Metadata as ever.
//
// Version notes: none; every version says the number of partitions in all.

func onCreatePartitions(s *session, rq *request) error {
	if !s.gate.NeedsChange(s.identity.Load()) && !s.srv.engine.FollowsKeys() {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, messages.ParseCreatePartitionsRequest, func(s *session, ex *exchange, asked messages.CreatePartitions, body []byte) error {
		results, err := messages.ParseCreatePartitionsResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil || asked.ValidateOnly {
			return err
		}
		done := make(map[string]bool, len(results))
		for _, r := range results {
			done[r.Name] = r.ErrorCode == 0
		}
		id := s.identity.Load()
		for _, t := range asked.Topics {
			if n := int32(t.Partitions); done[t.Name] {
				added, ok := s.srv.engine.Keys().AddedPartitions(id, t.Name, n, s.out.readAt)
				s.srv.topics.Learn(t.Name, [16]byte{}, t.Partitions)
				s.srv.partitionsAdded(&added, ok)
			}
		}
		s.srv.changed()
		return nil
	})
}

// sawPartitions takes over how many partitions an answer to Metadata told this
// client. It must come before learnTopics, which overwrites what was known.
func (s *session) sawPartitions(topics []messages.TopicFacts) {
	if !s.srv.engine.FollowsKeys() {
		return
	}
	id := s.identity.Load()
	for i := range topics {
		if t := &topics[i]; t.ErrorCode == 0 {
			added, ok := s.srv.engine.Keys().SawPartitions(id, t.Name, t.ID, int32(t.Partitions), s.out.readAt)
			s.srv.partitionsAdded(&added, ok)
		}
	}
}

// partitionsAdded tells whoever wants to know.
func (s *Server) partitionsAdded(added *rules.PartitionsAdded, ok bool) {
	if ok && s.engine.Wants(rules.KindPartitionsAdded) {
		s.engine.Emit(*added)
	}
}
