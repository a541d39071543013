package protocol

import (
	"unicode/utf8"

	"warder/protocol/wire"
)

// Denial is a partition of a Produce request that warder refused.
type Denial struct {
	Ordinal      int      // as in ProducePartition
	Topic        string   // v0-12
	TopicID      [16]byte // v13+
	Partition    int32
	Code         int16         // a Kafka error code
	Message      string        // shown by clients on v8+; null when empty
	RecordErrors []RecordError // v8+
}

// RecordError names a record as the reason of a denial (KIP-467).
type RecordError struct {
	BatchIndex int32  // the index of the record in its batch, from 0
	Message    string // null when empty
}

// maxText bounds a string on the wire, in bytes: clients reject longer ones in
// either encoding.
const maxText = 1<<15 - 1

// AppendDeniedProduceResponse appends the body of a Produce response that
// answers the denied partitions, beside those that the broker has answered.
// answered is the body of the broker's response, or nil when nothing was
// forwarded. Its partitions, throttle time, endpoints, tags and trailing bytes
// are copied as they are; a topic that it names already takes the denied
// partitions in, since clients may keep one entry per topic only.
//
// Denied partitions have base offset -1, no log append time, no log start
// offset, no current leader. Messages are cut at 32,767 bytes.
//
// Errors: *VersionError, *MalformedError for a broken answered.
func AppendDeniedProduceResponse(dst []byte, version int16, answered []byte, denied []Denial) ([]byte, error) {
	if version < 0 || version > produceMaxVersion {
		return dst, &VersionError{Key: Produce, Version: version}
	}
	a := deniedAppender{version: version, flexible: version >= produceFlexible}
	a.group(denied)
	if answered == nil {
		dst = wire.AppendArrayLen(dst, len(a.groups), a.flexible)
		dst = a.appendRest(dst)
		return a.appendEmptyTail(dst), nil
	}
	p, err := ParseProduceResponse(version, answered)
	if err != nil {
		return dst, err
	}
	dst = wire.AppendArrayLen(dst, p.NumTopics+len(a.groups)-a.countShared(&p), a.flexible)
	dst = a.appendAnswered(dst, &p)
	dst = a.appendRest(dst)
	return append(dst, answered[p.tail:]...), nil
}

// deniedTopic is what identifies a topic at the version in use.
type deniedTopic struct {
	name string
	id   [16]byte
}

// deniedGroup holds the denials of one topic in their order.
type deniedGroup struct {
	topic   deniedTopic
	denials []*Denial
	written bool // the group has been merged into a topic of the broker's
}

type deniedAppender struct {
	version  int16
	flexible bool
	groups   []*deniedGroup // in order of first appearance
	byTopic  map[deniedTopic]*deniedGroup
}

func (a *deniedAppender) group(denied []Denial) {
	a.byTopic = make(map[deniedTopic]*deniedGroup)
	for i := range denied {
		topic := deniedTopic{name: denied[i].Topic}
		if a.version >= produceTopicID {
			topic = deniedTopic{id: denied[i].TopicID}
		}
		g := a.byTopic[topic]
		if g == nil {
			g = &deniedGroup{topic: topic}
			a.byTopic[topic] = g
			a.groups = append(a.groups, g)
		}
		g.denials = append(g.denials, &denied[i])
	}
}

// countShared returns how many groups belong to topics of the broker's answer.
func (a *deniedAppender) countShared(p *ProduceResponse) int {
	shared := make(map[*deniedGroup]bool)
	it := p.Partitions()
	for it.w.nextTopic() {
		if g := a.byTopic[a.topicOf(&it.w)]; g != nil {
			shared[g] = true
		}
		it.skipPartitions()
	}
	return len(shared)
}

// topicOf returns the key of the topic that w has just opened.
func (a *deniedAppender) topicOf(w *topicWalk) deniedTopic {
	if w.byID {
		return deniedTopic{id: w.topicID}
	}
	return deniedTopic{name: string(w.topic)}
}

// skipPartitions steps over the partitions of the topic that is open.
func (it *ProduceResponsePartitions) skipPartitions() {
	for part := (ProduceResponsePartition{}); it.w.parts > 0 && it.Next(&part); {
	}
}

// appendAnswered appends the topics of the broker's answer, each with the
// denied partitions that belong to it.
func (a *deniedAppender) appendAnswered(dst []byte, p *ProduceResponse) []byte {
	it := p.Partitions()
	for it.w.nextTopic() {
		n := max(it.w.parts, 0)
		topic := a.topicOf(&it.w)
		start := it.w.r.Offset()
		it.skipPartitions()
		partitions := p.body[start:it.w.r.Offset()]
		tags := it.w.r // a copy: nextTopic steps over the tags by itself
		var extra []*Denial
		if g := a.byTopic[topic]; g != nil && !g.written {
			extra, g.written = g.denials, true
		}
		dst = a.appendTopicHead(dst, topic, n+len(extra))
		dst = append(dst, partitions...)
		dst = a.appendDenials(dst, extra)
		if a.flexible {
			start = tags.Offset()
			tags.SkipTags()
			dst = append(dst, p.body[start:tags.Offset()]...)
		}
	}
	return dst
}

// appendRest appends the topics of which the broker answered nothing.
func (a *deniedAppender) appendRest(dst []byte) []byte {
	for _, g := range a.groups {
		if g.written {
			continue
		}
		dst = a.appendTopicHead(dst, g.topic, len(g.denials))
		dst = a.appendDenials(dst, g.denials)
		if a.flexible {
			dst = append(dst, 0)
		}
	}
	return dst
}

func (a *deniedAppender) appendTopicHead(dst []byte, topic deniedTopic, partitions int) []byte {
	if a.version >= produceTopicID {
		dst = append(dst, topic.id[:]...)
	} else {
		dst = wire.AppendFlexString(dst, topic.name, a.flexible)
	}
	return wire.AppendArrayLen(dst, partitions, a.flexible)
}

func (a *deniedAppender) appendDenials(dst []byte, denials []*Denial) []byte {
	for _, d := range denials {
		dst = wire.AppendInt32(dst, d.Partition)
		dst = wire.AppendInt16(dst, d.Code)
		dst = wire.AppendInt64(dst, -1) // BaseOffset
		if a.version >= produceLogAppendTime {
			dst = wire.AppendInt64(dst, -1)
		}
		if a.version >= produceLogStart {
			dst = wire.AppendInt64(dst, -1)
		}
		if a.version >= produceRecordErrors {
			dst = a.appendRecordErrors(dst, d.RecordErrors)
			dst = a.appendText(dst, d.Message)
		}
		if a.flexible {
			dst = append(dst, 0) // CurrentLeader stays at its default
		}
	}
	return dst
}

func (a *deniedAppender) appendRecordErrors(dst []byte, errs []RecordError) []byte {
	dst = wire.AppendArrayLen(dst, len(errs), a.flexible)
	for i := range errs {
		dst = wire.AppendInt32(dst, errs[i].BatchIndex)
		dst = a.appendText(dst, errs[i].Message)
		if a.flexible {
			dst = append(dst, 0)
		}
	}
	return dst
}

// appendText appends a nullable message, cut at a character where it must be.
func (a *deniedAppender) appendText(dst []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		s = s[:max(len(s)-1, 0)] // the start of the character that was cut
	}
	return wire.AppendFlexNullableString(dst, s, s == "", a.flexible)
}

// appendEmptyTail appends what follows the topics in an answer all our own.
func (a *deniedAppender) appendEmptyTail(dst []byte) []byte {
	if a.version >= produceThrottle {
		dst = wire.AppendInt32(dst, 0)
	}
	if a.flexible {
		dst = append(dst, 0)
	}
	return dst
}
