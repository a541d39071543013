package proxy

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
	"warder/rules/state"
)

// DeleteRecords (21).
//
// Behaviour: it passes unchanged, unless a rule refuses it, see changes.go. Its answer
// says where the logs begin now.
//
// Version notes: none. No version has room for a text.

func onDeleteRecords(s *session, rq *request) error {
	parse, parseAnswer := messages.Request(kmsg.NewPtrDeleteRecordsRequest()), messages.Response(kmsg.NewPtrDeleteRecordsResponse())
	return observe(s, rq, parse, func(s *session, ex *exchange, _ *kmsg.DeleteRecordsRequest, body []byte) error {
		got, err := parseAnswer(ex.version, body, s.srv.decodeLimits())
		if err != nil {
			return err
		}
		for i := range got.Topics {
			for _, p := range got.Topics[i].Partitions {
				if p.ErrorCode == 0 && p.LowWatermark >= 0 {
					tp := rules.TopicPartition{Topic: got.Topics[i].Topic, Partition: p.Partition}
					s.srv.logs.Learn(tp, state.LogEnds{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: p.LowWatermark, StartAt: s.out.readAt})
				}
			}
		}
		return nil
	})
}
