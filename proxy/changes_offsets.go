package proxy

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
)

// offsetChanges lists what a request wants to change of the records of topics and
// of the offsets of groups.
func (s *session) offsetChanges(asked any, add func(rules.Change)) {
	switch asked := asked.(type) {
	case *kmsg.DeleteRecordsRequest:
		for i := range asked.Topics {
			t := &asked.Topics[i]
			ch := rules.Change{Kind: rules.DeleteRecords, Ordinal: i, Topic: s.knownTopic(t.Topic, [16]byte{})}
			for _, p := range t.Partitions {
				ch.Offsets = append(ch.Offsets, offsetOf(t.Topic, p.Partition, p.Offset, 0))
			}
			add(ch)
		}
	case *kmsg.DeleteGroupsRequest:
		for i, group := range asked.Groups {
			add(rules.Change{Kind: rules.DeleteGroup, Ordinal: i, Topic: &rules.Topic{}, Group: group})
		}
	case *kmsg.OffsetDeleteRequest:
		for i := range asked.Topics {
			t := &asked.Topics[i]
			ch := rules.Change{Kind: rules.DeleteOffsets, Ordinal: i, Topic: s.knownTopic(t.Topic, [16]byte{}), Group: asked.Group}
			for _, p := range t.Partitions {
				ch.Offsets = append(ch.Offsets, offsetOf(t.Topic, p.Partition, -1, 0))
			}
			add(ch)
		}
	case *kmsg.OffsetCommitRequest:
		s.offsetsSet(asked, add)
	}
}

// offsetsSet lists the offsets that are set for no member. Before version 1 there
// were neither members nor generations in the request.
func (s *session) offsetsSet(asked *kmsg.OffsetCommitRequest, add func(rules.Change)) {
	if asked.Version < 1 || asked.MemberID != "" || asked.Generation >= 0 {
		return
	}
	for i := range asked.Topics {
		t := &asked.Topics[i]
		ch := rules.Change{Kind: rules.SetOffsets, Ordinal: i, Topic: s.knownTopic(t.Topic, t.TopicID), Group: asked.Group}
		for _, p := range t.Partitions {
			ch.Offsets = append(ch.Offsets, offsetOf(ch.Topic.Name, p.Partition, p.Offset, 0))
		}
		add(ch)
	}
}
