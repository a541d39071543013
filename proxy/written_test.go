package proxy

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// Where a log ends is known from the number of records in the request, whatever the
// order of the partitions in the answer.
func TestLogsEndBehindWhatWasWritten(t *testing.T) {
	for _, version := range []int16{2, 9, 13} {
		l := &listening{}
		r := newRigWith(t, []rules.Spec{forbidden, l.spec(rules.ByGroup, rules.KindMemberFetched)}, nil)
		r.topics.Learn("orders", topicID("orders"), 3)
		r.broker.Handle(protocol.Produce, func(f *fakebroker.Frame) []byte {
			rq, err := f.Request()
			if err != nil {
				t.Error(err)
				return nil
			}
			resp := kmsg.NewPtrProduceResponse()
			resp.Version = version
			for _, topic := range rq.(*kmsg.ProduceRequest).Topics {
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
				for _, p := range slices.Backward(topic.Partitions) {
					rp := kmsg.NewProduceResponseTopicPartition()
					rp.Partition, rp.BaseOffset = p.Partition, int64(p.Partition)*100
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp.AppendTo(nil)
		})
		r.dial().Do(produce(version, -1, "orders", []string{"a"}, []string{"b", "c", "d"}, []string{"e", "f"}))
		want := []int64{1, 103, 202}
		if version < 3 { // what a message set holds is not counted
			want = []int64{1, 101, 201}
		}
		for p, end := range want {
			if got, _ := r.logs.Find(rules.TopicPartition{Topic: "orders", Partition: int32(p)}); got.HighWatermark != end {
				t.Errorf("v%d: partition %d ends at %d, not %d", version, p, got.HighWatermark, end)
			}
		}
	}
}
