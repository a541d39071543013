package proxy

import (
	"fmt"
	"slices"

	"warder/protocol/messages"
	"warder/rules"
)

// CreateTopics (19), DeleteTopics (20), AlterConfigs (33), IncrementalAlterConfigs (44).
//
// Behaviour: all pass unchanged, unless a rule refuses what they ask for, see
// changes.go. What succeeds of them tells the configuration of topics at the moment
// it changes, earlier than any lookup could. Rules that follow topics are told of
// those that are created, altered and deleted.
//
// Version notes: the answer to CreateTopics lists the effective configuration from
// version 5 on and the topic id from version 7 on. AlterConfigs replaces the whole
// set: a cleanup.policy that it does not name is back at the broker's default,
// which is asked for when needed. Topics are deleted by name or, from version 6 of
// DeleteTopics on, by id. A refusal has a text from version 1 of CreateTopics and
// version 5 of DeleteTopics on.

// observe reads the request for the rules that judge it, and for what its answer
// will have to be compared with. What is known of the topics of a request that
// cannot be read may be stale until it expires.
func observe[T any](s *session, rq *request, parse func(version int16, body []byte, limits messages.Limits) (T, error),
	learn func(s *session, ex *exchange, asked T, answer []byte) error,
) error {
	if limit := s.srv.settings().maxMessage; rq.size > limit {
		return s.unjudged(rq, "too_large", fmt.Errorf("%d bytes exceed the limit of %d (inspect.max_message)", rq.size, limit))
	}
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	asked, err := parse(rq.Version, body, s.srv.decodeLimits())
	if err != nil {
		return s.unjudged(rq, "malformed", err)
	}
	if answered, err := s.judged(rq, body, asked); answered || err != nil {
		return err
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
	s.srv.engine.Keys().Forget(t.Name)
	topics.Learn(t.Name, t.ID, partitions)
	if s.srv.engine.Wants(rules.KindTopicAppeared) && topics.Tell(t.Name) {
		s.srv.engine.Emit(rules.TopicAppeared{
			At: s.out.readAt, Client: s.identity.Load(), Topic: t.Name, Partitions: int32(partitions), Created: true,
		})
	}
	if policy, ok := messages.ConfigValue(configs, messages.CleanupPolicy); ok {
		topics.LearnConfig(t.Name, policy, s.srv.now())
	}
	if t.Described {
		topics.LearnSettings(t.Name, settingsOf(t.Configs))
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
				s.srv.engine.Keys().Forget(name)
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
				s.tellAltered(t, s.srv.configAltered(t))
			}
		}
		s.srv.changed()
		return nil
	}
}

// configAltered takes over a new configuration and returns the cleanup.policy before.
func (s *Server) configAltered(t *messages.AlteredTopic) (before rules.CleanupPolicy) {
	if known, ok := s.topics.ByName([]byte(t.Topic)); ok {
		before = known.Cleanup
	}
	if after := policyAfter(t, before); after.Known() {
		s.topics.LearnConfig(t.Topic, after.String(), s.now())
	} else {
		s.topics.ForgetConfig(t.Topic)
	}
	if t.Replaces || slices.ContainsFunc(rules.SettingNames(), t.Names) {
		s.topics.ForgetSettings(t.Topic)
	}
	return before
}

// tellAltered tells whoever follows topics that the cleanup.policy of one has
// changed: a request named it, or may have taken back what was known of it, and it
// is not the same as before.
func (s *session) tellAltered(t *messages.AlteredTopic, before rules.CleanupPolicy) {
	after := policyAfter(t, before)
	if before == after && (before.Known() || !t.Names(messages.CleanupPolicy)) || !s.srv.engine.Wants(rules.KindTopicAltered) {
		return
	}
	s.srv.engine.Emit(rules.TopicAltered{At: s.out.readAt, Client: s.identity.Load(), Topic: t.Topic, Before: before, After: after})
}
