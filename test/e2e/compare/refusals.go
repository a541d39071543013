package compare

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// verdict gives the next verdict of the log over this connection, or nothing if it is not over a request of that API.
func (s *session) verdict(api string) (v verdict) {
	if s.opened == nil {
		return v
	}
	if len(s.opened.verdicts) == 0 {
		s.c.readLogs()
	}
	if of := s.opened.verdicts; len(of) > 0 && of[0].api == api {
		v, s.opened.verdicts = of[0], of[1:]
	}
	return v
}

// refused wants a request that reached nobody to have been refused: by a verdict, or since its version is not known. answer is what the
// client was told; nil where there is no answer.
func (s *session) refused(x *exchange, answer *frame) {
	request := x.request
	why := s.whyKept(x, answer)
	if why != "" {
		s.differ(x, why, &request, answer)
		return
	}
	s.hold(-len(request.data))
	s.c.report.Refused++
	s.equal(x)
}

func (s *session) whyKept(x *exchange, answer *frame) (why string) {
	if x.Key == protocol.ApiVersions && x.API != nil && !x.API.Decodes(x.Version) {
		return notRefused(x, answer)
	}
	v := s.verdict(protocol.APIName(x.Key))
	switch {
	case v.denied == 0:
		return "the request has not reached the broker, and no verdict has refused it"
	case x.Key == protocol.Produce && v.denied != batches(x):
		return "the request has not reached the broker, and the verdict has not refused all of it"
	case answer == nil:
		return ""
	}
	return notRefused(x, answer)
}

// batches is how many partitions a Produce request has.
func batches(x *exchange) (n int) {
	m := kmsg.NewPtrProduceRequest()
	m.Version = x.Version
	if m.ReadFrom(x.request.content()[x.Size:]) == nil {
		for _, t := range m.Topics {
			n += len(t.Partitions)
		}
	}
	return n
}

// notRefused says what is wrong with an answer in which all entries should have an error.
func notRefused(x *exchange, answer *frame) (why string) {
	if answer == nil {
		return "the request has not reached the broker, and has no answer"
	}
	head, err := protocol.ResponseHeaderSize(x.Key, x.Version, answer.content())
	if err != nil || !answer.whole() {
		return "the answer of warder cannot be read"
	}
	body := answer.content()[head:]
	m := answerOf(x, body)
	if m == nil && x.Key == protocol.ApiVersions { // of a version that nobody knows
		m = kmsg.NewPtrApiVersionsResponse()
	}
	if m == nil || !reads(m, body) {
		return "the answer of warder cannot be read"
	}
	codes, zeros := 0, 0
	fields(reflect.ValueOf(m), func(name string, v reflect.Value) {
		if name == "ErrorCode" {
			codes++
			if v.Int() == 0 {
				zeros++
			}
		}
	})
	if codes == 0 || zeros > 0 {
		return "the request has not reached the broker, and its answer tells of no error"
	}
	return ""
}

// withoutRefused takes out of a Produce answer what a verdict has refused; false if the answer does not say so of each.
func withoutRefused(m kmsg.Response, cut map[part]bool) bool {
	answer, ok := m.(*kmsg.ProduceResponse)
	if !ok {
		return false
	}
	told := 0
	var topics []kmsg.ProduceResponseTopic
	for _, t := range answer.Topics {
		var partitions []kmsg.ProduceResponseTopicPartition
		for _, p := range t.Partitions {
			switch {
			case !cut[part{t.Topic, t.TopicID, p.Partition}]:
				partitions = append(partitions, p)
			case p.ErrorCode != 0:
				told++
			}
		}
		if t.Partitions = partitions; len(partitions) > 0 {
			topics = append(topics, t)
		}
	}
	answer.Topics = topics
	return told == len(cut)
}
