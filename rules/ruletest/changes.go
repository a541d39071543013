package ruletest

import (
	"fmt"
	"slices"
	"strings"

	"warder/rules"
	"warder/rules/engine"
)

// changes is an administrative request of a case.
type changes struct {
	client *client
	common rules.Change // what all entries have in common
	list   []rules.Change
}

// changeVerbs are what clients can ask for, and how Kafka calls it.
var changeVerbs = map[string]rules.Change{
	"create": {Kind: rules.CreateTopic, API: "CreateTopics"},
	"delete": {Kind: rules.DeleteTopic, API: "DeleteTopics"},
	"alter":  {Kind: rules.AlterTopic, API: "IncrementalAlterConfigs"},
	"grow":   {Kind: rules.AddPartitions, API: "CreatePartitions"},
	"purge":  {Kind: rules.DeleteRecords, API: "DeleteRecords"},
	"drop":   {Kind: rules.DeleteGroup, API: "DeleteGroups"},
	"forget": {Kind: rules.DeleteOffsets, API: "OffsetDelete"},
	"set":    {Kind: rules.SetOffsets, API: "OffsetCommit"},
}

// newChanges reads VERB (OPTIONS) TOPIC: ENTRIES.
func newChanges(s *stage, c *client, line string) *changes {
	s.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	common, known := changeVerbs[verb]
	if !known {
		s.t.Fatalf("nobody can ask to %s", verb)
	}
	if inside, after, ok := strings.Cut(strings.TrimPrefix(rest, "("), ")"); ok && strings.HasPrefix(rest, "(") {
		rest = strings.TrimSpace(after)
		for option := range strings.FieldsSeq(inside) {
			switch option {
			case "validate-only":
				common.ValidateOnly = true
			case "replaces":
				common.Replaces, common.API = true, "AlterConfigs"
			default:
				s.t.Fatalf("unknown option %q", option)
			}
		}
	}
	r := &changes{client: c, common: common}
	r.add(s, rest)
	return r
}

// add reads TOPIC: ENTRIES.
func (r *changes) add(s *stage, more string) {
	s.t.Helper()
	words := strings.Fields(more)
	name := s.named(words)
	ch := r.common
	ch.Ordinal = len(r.list)
	if ch.Kind.OfGroup() {
		ch.Group = name
		ch.Topic, ch.Offsets = s.offsetsToChange(&ch, words[1:])
		r.list = append(r.list, ch)
		return
	}
	ch.Topic = &rules.Topic{Name: name}
	if known := s.topics.Find([]byte(name)); known != nil && ch.Kind != rules.CreateTopic {
		ch.Topic = known
	}
	for _, word := range words[1:] {
		switch ch.Kind {
		case rules.AddPartitions:
			ch.Partitions = int32(s.number(word))
		case rules.DeleteRecords:
			ch.Offsets = append(ch.Offsets, s.offsets([]string{name + "/" + word})...)
		default:
			ch.Configs = append(ch.Configs, configChange(word))
		}
	}
	ch.CleanupBefore = ch.Topic.Cleanup
	ch.CleanupAfter = cleanupAfter(&ch)
	r.list = append(r.list, ch)
}

// offsetsToChange reads the partitions of one topic that a change of a group names.
func (s *stage) offsetsToChange(ch *rules.Change, words []string) (topic *rules.Topic, list []rules.PartitionOffset) {
	s.t.Helper()
	topic = &rules.Topic{}
	if ch.Kind == rules.SetOffsets {
		list = s.offsets(words)
	} else {
		for _, tp := range s.topicPartitions(words) {
			list = append(list, rules.PartitionOffset{TopicPartition: tp, Offset: -1})
		}
	}
	for _, o := range list {
		topic.Name = o.Topic
	}
	if known := s.topics.Find([]byte(topic.Name)); known != nil {
		topic = known
	}
	return topic, list
}

// changed is how a case calls what a change is about.
func changed(ch *rules.Change) string {
	if ch.Kind.OfGroup() {
		return ch.Group
	}
	return ch.Topic.Name
}

// configChange reads name=value, name+=value, name-=value or name.
func configChange(word string) rules.ConfigChange {
	name, value, ok := strings.Cut(word, "=")
	if !ok {
		return rules.ConfigChange{Name: word, Op: rules.ConfigDelete}
	}
	if list, ok := strings.CutSuffix(name, "+"); ok {
		return rules.ConfigChange{Name: list, Op: rules.ConfigAppend, Value: value}
	}
	if list, ok := strings.CutSuffix(name, "-"); ok {
		return rules.ConfigChange{Name: list, Op: rules.ConfigSubtract, Value: value}
	}
	return rules.ConfigChange{Name: name, Value: value}
}

// cleanupAfter is the cleanup.policy that a change leaves, as the proxy works it out.
func cleanupAfter(ch *rules.Change) rules.CleanupPolicy {
	before := ch.CleanupBefore
	entry := ch.Config("cleanup.policy")
	switch {
	case entry == nil && ch.Replaces:
		return rules.CleanupUnknown
	case entry == nil:
		return before
	case entry.Op == rules.ConfigSet:
		return rules.ParseCleanupPolicy(entry.Value)
	case entry.Op == rules.ConfigAppend && before.Known():
		return before&^rules.CleanupNone | rules.ParseCleanupPolicy(entry.Value)
	case entry.Op == rules.ConfigSubtract:
		return before &^ rules.ParseCleanupPolicy(entry.Value)
	}
	return rules.CleanupUnknown
}

// send lets the client's gate judge the request and compares what comes of it with
// what was wanted.
func (r *changes) send(s *stage, wants []string) {
	s.t.Helper()
	v := r.client.gate.Change(r.client.identity, r.list, s.now)
	if got, want := changesText(r.list, &v, wants), strings.Join(wants, "\n"); got != want {
		s.t.Errorf("%s asks to change %s…\n got: %s\nwant: %s", r.client.identity.ClientID, changed(&r.list[0]),
			strings.ReplaceAll(got, "\n", "\n      "), strings.ReplaceAll(want, "\n", "\n      "))
	}
}

// changesText puts a verdict into sentences. What errors say is left out unless
// wants has it.
func changesText(list []rules.Change, v *engine.ChangeVerdict, wants []string) string {
	if len(v.Denied) == 0 {
		return "allowed"
	}
	var said []string
	for i := range list {
		what, how := changed(&list[i]), "together"
		if slices.ContainsFunc(v.Denied, func(d engine.ChangeDenial) bool { return d.Ordinal == i }) {
			how = codeNames[44]
		}
		said = append(said, fmt.Sprintf("%s refused %s", what, how))
		if contains(wants, what+" says: ") {
			said = append(said, what+" says: "+v.Message(i))
		}
	}
	return strings.Join(said, "\n")
}
