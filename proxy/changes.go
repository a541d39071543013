package proxy

import (
	"encoding/binary"
	"fmt"
	"slices"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
	"warder/rules/engine"
)

// What rules say of administrative requests. A request of which a rule on block
// has denied any part goes nowhere: a broker carries out the entries one by one,
// so that refusing the others as well does no harm, and half a request does.

// maxChanges bounds the entries of one request that are judged; each takes some
// 300 bytes, and as many in a refusal. A request with more counts as too large.
const maxChanges = 10_000

// judged lets the rules see what a request is about to change. It reports
// whether one of them refused it, and the request has thereby been answered.
func (s *session) judged(rq *request, body []byte, asked any) (answered bool, err error) {
	id := s.identity.Load()
	if !s.judges(rq.Key) {
		return false, nil
	}
	changes := s.changes(rq, asked)
	if len(changes) == 0 {
		return false, nil
	}
	if len(changes) > maxChanges {
		return true, s.unjudged(rq, "too_large", fmt.Errorf("more than %d entries", maxChanges))
	}
	if s.awaitChanged(id, changes) {
		changes = s.changes(rq, asked)
	}
	v := s.gate.Change(id, changes, s.in.readAt)
	if len(v.Denied) == 0 || s.srv.passive {
		return false, nil
	}
	return true, s.refuse(rq, body, &v)
}

// refuse answers a request in the place of the broker.
func (s *session) refuse(rq *request, body []byte, v *engine.ChangeVerdict) error {
	s.srv.log.Debug().Uint64("conn_id", s.id).Str("client_id", s.identity.Load().ClientID).Str("api", protocol.APIName(rq.Key)).
		Int("denied", len(v.Denied)).Msg("change denied")
	frame := protocol.AppendResponseHeader(make([]byte, protocol.FrameLengthSize, 512), rq.Key, rq.Version, rq.CorrelationID)
	frame, err := messages.AppendRefusal(frame, rq.Key, rq.Version, body, s.srv.decodeLimits(), func(ordinal int) string {
		if ordinal >= maxChanges { // only resources that are no topics can be so many
			return ""
		}
		return v.Message(ordinal)
	})
	if err != nil {
		return closing(ReasonInternal, err)
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-protocol.FrameLengthSize))
	ex := s.exchange(rq, nil)
	ex.tapDenied(v.Rules)
	return s.answer(rq, ex, frame)
}

// unjudged passes on a request that could not be looked into, unless a rule would
// have wanted to and the operator wants nothing through that was not inspected.
func (s *session) unjudged(rq *request, reason string, cause error) error {
	s.srv.metrics.skipped(reason, rq.size)
	// What members commit is never refused, so that of a commit which cannot be read neither is.
	if s.srv.settings().refuse && rq.Key != protocol.OffsetCommit && s.judges(rq.Key) {
		return closing(ReasonUndecodable, cause)
	}
	return s.forward(rq, s.exchange(rq, nil))
}

// judges reports whether rules would judge what a request of an API changes.
func (s *session) judges(key int16) bool {
	switch key {
	case protocol.CreateTopics, protocol.DeleteTopics, protocol.CreatePartitions, protocol.AlterConfigs, protocol.IncrementalAlterConfigs,
		protocol.DeleteRecords, protocol.DeleteGroups, protocol.OffsetDelete, protocol.OffsetCommit:
		return s.gate.NeedsChange(s.identity.Load())
	}
	return false
}

// changes lists what a request wants to change: at most one entry more than
// maxChanges, and nothing for a request of another kind.
func (s *session) changes(rq *request, asked any) (list []rules.Change) {
	add := func(ch rules.Change) {
		if len(list) <= maxChanges {
			ch.API, ch.Version = protocol.APIName(rq.Key), rq.Version
			list = append(list, ch)
		}
	}
	switch asked := asked.(type) {
	case messages.CreateTopics:
		for i := range asked.Topics {
			t := &asked.Topics[i]
			ch := rules.Change{
				Kind: rules.CreateTopic, Ordinal: i, ValidateOnly: asked.ValidateOnly, Topic: &rules.Topic{Name: t.Name},
				Partitions: int32(max(t.Partitions, 0)), Configs: configChanges(t.Configs),
			}
			if policy, ok := messages.ConfigValue(t.Configs, messages.CleanupPolicy); ok {
				ch.CleanupAfter = rules.ParseCleanupPolicy(policy)
			}
			add(ch)
		}
	case []messages.TopicRef:
		for i := range asked {
			add(rules.Change{Kind: rules.DeleteTopic, Ordinal: i, Topic: s.knownTopic(asked[i].Name, asked[i].ID)})
		}
	case messages.CreatePartitions:
		for i := range asked.Topics {
			t := &asked.Topics[i]
			add(rules.Change{
				Kind: rules.AddPartitions, Ordinal: i, ValidateOnly: asked.ValidateOnly,
				Topic: s.knownTopic(t.Name, [16]byte{}), Partitions: int32(t.Partitions),
			})
		}
	case messages.AlterConfigs:
		for i := range asked.Topics {
			add(s.alteration(&asked.Topics[i], asked.ValidateOnly))
		}
	default:
		s.offsetChanges(asked, add)
	}
	return list
}

// alteration is the change of one topic's configuration.
func (s *session) alteration(t *messages.AlteredTopic, validateOnly bool) rules.Change {
	topic := s.knownTopic(t.Topic, [16]byte{})
	ch := rules.Change{
		Kind: rules.AlterTopic, Ordinal: t.Ordinal, ValidateOnly: validateOnly, Topic: topic, Replaces: t.Replaces,
		CleanupBefore: topic.Cleanup, CleanupAfter: policyAfter(t, topic.Cleanup),
	}
	for i := range t.Changes {
		c := &t.Changes[i]
		op := rules.ConfigOp(c.Op)
		if c.Null && op == rules.ConfigSet {
			op = rules.ConfigDelete // null in AlterConfigs: back to the default
		}
		ch.Configs = append(ch.Configs, rules.ConfigChange{Name: c.Name, Op: op, Value: c.Value})
	}
	return ch
}

// policyAfter is the cleanup.policy of a topic once it is altered.
func policyAfter(t *messages.AlteredTopic, before rules.CleanupPolicy) rules.CleanupPolicy {
	text := ""
	if before.Known() {
		text = before.String()
	}
	if policy, known := t.CleanupPolicyAfter(text); known {
		return rules.ParseCleanupPolicy(policy)
	}
	return rules.CleanupUnknown
}

func configChanges(configs []messages.Config) (list []rules.ConfigChange) {
	for i := range configs {
		if !configs[i].Null {
			list = append(list, rules.ConfigChange{Name: configs[i].Name, Value: configs[i].Value})
		}
	}
	return list
}

// knownTopic returns what is known of a topic that is given by name or, when that
// is empty, by id; never nil.
func (s *session) knownTopic(name string, id [16]byte) *rules.Topic {
	if t := s.topic([]byte(name), id); t != nil {
		return t
	}
	return &rules.Topic{Name: name, ID: id}
}

// awaitChanged asks the cluster for what rules want to know of the topics that are
// about to change and warder does not, and waits as awaitTopics does. It reports
// whether it asked.
func (s *session) awaitChanged(id *rules.Identity, changes []rules.Change) bool {
	var ids [][16]byte
	var names []string
	for i := range changes {
		t := changes[i].Topic
		nameless := t.Name == "" && t.ID != rules.TopicID{}
		unconfigured := changes[i].Kind == rules.AlterTopic && s.gate.NeedsChangedConfig(id, t)
		switch {
		case nameless && !slices.Contains(ids, [16]byte(t.ID)):
			ids = append(ids, t.ID)
		case unconfigured && t.Name != "" && !slices.Contains(names, t.Name):
			names = append(names, t.Name)
		}
	}
	s.awaitNames(ids)
	s.awaitConfigs(names)
	return len(ids)+len(names) > 0
}
