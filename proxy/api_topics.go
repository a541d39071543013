package proxy

import (
	"warder/protocol/messages"
	"warder/rules"
)

// CreateTopics (19), DeleteTopics (20), AlterConfigs (33), IncrementalAlterConfigs (44).
//
// Behaviour: all pass unchanged. What succeeds of them tells the configuration
// of topics at the moment it changes, earlier than any lookup could. Rules that
// follow topics are told of those that are created and deleted.
//
// Version notes: the answer to CreateTopics lists the effective configuration from
// version 5 on and the topic id from version 7 on. AlterConfigs replaces the whole
// set: a cleanup.policy that it does not name is back at the broker's default,
// which is asked for when needed. Topics are deleted by name or, from version 6 of
// DeleteTopics on, by id.

// observe reads the request for what its answer will have to be compared with.
// A request that cannot be read passes; what is known of its topics may then be stale until it expires.
func observe[T any](s *session, rq *request, parse func(version int16, body []byte, limits messages.Limits) (T, error),
	learn func(s *session, ex *exchange, asked T, answer []byte) error,
) error {
	asked, ok, err := glance(s, rq, parse)
	if err != nil {
		return err
	}
	if !ok {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return s.forward(rq, s.exchange(rq, func(s *session, ex *exchange, a *answer) error {
		body, err := s.read(ex, a)
		if err != nil {
			return err
		}
		if err := learn(s, ex, asked, body); err != nil {
			s.srv.metrics.skipped("unreadable_answer", a.size)
		}
		return s.relay(a)
	}))
}

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

func onCreateTopics(s *session, rq *request) error {
	return observe(s, rq, messages.ParseCreateTopicsRequest, func(s *session, ex *exchange, asked messages.CreateTopics, body []byte) error {
		created, err := messages.ParseCreateTopicsResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil || asked.ValidateOnly {
			return err
		}
		for i := range created {
			s.topicCreated(&created[i], asked.Topics)
		}
		return nil
	})
}

// topicCreated takes over what a new topic got: as the broker describes it, else
// as it was asked for.
func (s *session) topicCreated(t *messages.CreatedTopic, asked []messages.NewTopic) {
	if t.ErrorCode != 0 {
		return
	}
	configs, partitions := t.Configs, t.Partitions
	for i := range asked {
		if !t.Described && asked[i].Name == t.Name {
			configs, partitions = asked[i].Configs, asked[i].Partitions
		}
	}
	partitions = max(partitions, 0)
	topics := s.srv.topics
	topics.Delete(t.Name) // whatever had the name before
	topics.Learn(t.Name, t.ID, partitions)
	if s.srv.engine.Wants(rules.KindTopicAppeared) && topics.Tell(t.Name) {
		s.srv.engine.Emit(rules.TopicAppeared{
			At: s.out.readAt, Client: s.identity.Load(), Topic: t.Name, Partitions: int32(partitions), Created: true,
		})
	}
	if policy, ok := messages.ConfigValue(configs, messages.CleanupPolicy); ok {
		topics.LearnConfig(t.Name, policy, s.srv.now())
	}
	s.srv.changed()
}

func onDeleteTopics(s *session, rq *request) error {
	return observe(s, rq, messages.ParseDeleteTopicsRequest, func(s *session, ex *exchange, asked []messages.TopicRef, body []byte) error {
		deleted, err := messages.ParseDeleteTopicsResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil {
			return err
		}
		for i := range deleted {
			if name, ok := s.topicName([]byte(deleted[i].Name), deleted[i].ID); ok && deleted[i].ErrorCode == 0 {
				s.srv.topics.Delete(name)
				s.emit(rules.TopicDeleted{At: s.out.readAt, Client: s.identity.Load(), Topic: name})
			}
		}
		s.srv.changed()
		return nil
	})
}

func onAlterConfigs(s *session, rq *request) error {
	return observe(s, rq, messages.ParseAlterConfigsRequest, alteredBy(messages.ParseAlterConfigsResponse))
}

func onIncrementalAlterConfigs(s *session, rq *request) error {
	return observe(s, rq, messages.ParseIncrementalAlterConfigsRequest, alteredBy(messages.ParseIncrementalAlterConfigsResponse))
}

// alteredBy compares the answer to either API with what was asked.
func alteredBy(parse func(int16, []byte, messages.Limits) ([]messages.TopicResult, error)) func(*session, *exchange, messages.AlterConfigs, []byte) error {
	return func(s *session, ex *exchange, asked messages.AlterConfigs, body []byte) error {
		results, err := parse(ex.version, body, s.srv.decodeLimits())
		if err != nil || asked.ValidateOnly {
			return err
		}
		failed := make(map[string]bool)
		for _, r := range results {
			failed[r.Name] = r.ErrorCode != 0
		}
		for i := range asked.Topics {
			if t := &asked.Topics[i]; !failed[t.Topic] {
				s.srv.configAltered(t)
			}
		}
		s.srv.changed()
		return nil
	}
}

func (s *Server) configAltered(t *messages.AlteredTopic) {
	var before string
	if known, ok := s.topics.ByName([]byte(t.Topic)); ok && known.Cleanup.Known() {
		before = known.Cleanup.String()
	}
	if policy, known := t.CleanupPolicyAfter(before); known {
		s.topics.LearnConfig(t.Topic, policy, s.now())
	} else {
		s.topics.ForgetConfig(t.Topic)
	}
}
