package proxy

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
)

// follows makes the handler of an API that passes unchanged in both directions,
// while the engine is told what was asked and answered. note, unless nil, is given
// the request in the request loop; tell runs in the response loop: what it is given of the request is no longer backed by its bytes, so byte
// fields must not be read. Without anybody who wants one of kinds, and without a rule that would judge the request,
// nothing is read.
func follows[Q kmsg.Request, A kmsg.Response](kinds []rules.Kind, like Q, answer A,
	note func(s *session, asked Q), tell func(s *session, ex *exchange, asked Q, got A),
) func(*session, *request) error {
	parse, parseAnswer := messages.Request(like), messages.Response(answer)
	return func(s *session, rq *request) error {
		if !s.srv.wantsAny(kinds) && !s.judges(rq.Key) {
			return s.forward(rq, s.exchange(rq, nil))
		}
		read := func(version int16, body []byte, lim messages.Limits) (Q, error) {
			asked, err := parse(version, body, lim)
			if err == nil && note != nil {
				note(s, asked)
			}
			return asked, err
		}
		return observe(s, rq, read, func(s *session, ex *exchange, asked Q, body []byte) error {
			got, err := parseAnswer(ex.version, body, s.srv.decodeLimits())
			if err == nil {
				tell(s, ex, asked, got)
			}
			return err
		})
	}
}

func (s *Server) wantsAny(kinds []rules.Kind) bool {
	return slices.ContainsFunc(kinds, s.engine.Wants)
}

func millis(n int32) time.Duration { return time.Duration(max(n, 0)) * time.Millisecond }

func partitionsOf(list []messages.Partition) []rules.TopicPartition {
	if list == nil {
		return nil
	}
	out := make([]rules.TopicPartition, len(list))
	for i, p := range list {
		out[i] = rules.TopicPartition{Topic: p.Topic, Partition: p.Partition}
	}
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
