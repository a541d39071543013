package compare

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// part is a partition of a Produce request or answer.
type part struct {
	topic     string
	id        [16]byte
	partition int32
}

// sameRequest wants a request to have reached the broker as it was sent, but for partitions of Produce that a verdict has refused.
func (s *session) sameRequest(x *exchange, reached *frame) {
	if x.request.same(reached) {
		return
	}
	if x.Key != protocol.Produce || !x.request.whole() || !reached.whole() {
		s.differ(x, "the request reaches the broker as another", &x.request, reached)
		return
	}
	x.cut = partsCut(x, reached)
	if len(x.cut) == 0 {
		s.differ(x, "the request reaches the broker as another", &x.request, reached)
		return
	}
	if v := s.verdict("Produce"); v.denied != len(x.cut) {
		s.differ(x, "batches are missing, and no verdict refused as many", &x.request, reached)
		return
	}
	s.c.report.Refused++
}

// partsCut gives the partitions that a Produce request lacks where it has reached the broker; none if it differs in anything else.
func partsCut(x *exchange, reached *frame) map[part]bool {
	head := x.Size
	sent, got := kmsg.NewPtrProduceRequest(), kmsg.NewPtrProduceRequest()
	sent.Version, got.Version = x.Version, x.Version
	body, rest := x.request.content()[head:], reached.content()
	if len(rest) < head || !bytes.Equal(rest[:head], x.request.content()[:head]) {
		return nil
	}
	rest = rest[head:]
	if !reads(sent, body) || !reads(got, rest) {
		return nil
	}
	left := map[part]bool{}
	for _, t := range got.Topics {
		for _, p := range t.Partitions {
			left[part{t.Topic, t.TopicID, p.Partition}] = true
		}
	}
	cut := map[part]bool{}
	var topics []kmsg.ProduceRequestTopic
	for _, t := range sent.Topics {
		var partitions []kmsg.ProduceRequestTopicPartition
		for _, p := range t.Partitions {
			if at := (part{t.Topic, t.TopicID, p.Partition}); left[at] {
				partitions = append(partitions, p)
			} else {
				cut[at] = true
			}
		}
		if t.Partitions = partitions; len(partitions) > 0 {
			topics = append(topics, t)
		}
	}
	sent.Topics = topics
	if !bytes.Equal(sent.AppendTo(nil), rest) {
		return nil
	}
	return cut
}

// message is a request or an answer of kmsg.
type message interface {
	ReadFrom([]byte) error
	AppendTo([]byte) []byte
}

// reads says whether kmsg reads a message, and so that it would write the same bytes again: then nothing of it is left out of sight.
func reads(m message, body []byte) bool {
	return m.ReadFrom(body) == nil && bytes.Equal(m.AppendTo(nil), body)
}
