package protocol_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// denials makes denials of topics of g.produceResponse and of others.
func (g generator) denials() []protocol.Denial {
	var all []protocol.Denial
	for i := range g.IntN(6) {
		topic := g.IntN(6) // 0 to 3 may be in the broker's answer
		d := protocol.Denial{Ordinal: i, Topic: "topic-" + string(rune('0'+topic)), TopicID: [16]byte{byte(topic), 1},
			Partition: g.Int32(), Code: 44}
		if g.IntN(3) > 0 {
			d.Message = "refused by warder"
			d.RecordErrors = []protocol.RecordError{{BatchIndex: 3, Message: "null value"}, {BatchIndex: g.Int32()}}
		}
		all = append(all, d)
	}
	return all
}

func textPtr(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// mergeWithKmsg is the oracle: the broker's answer with the denials added.
func mergeWithKmsg(resp *kmsg.ProduceResponse, denied []protocol.Denial) *kmsg.ProduceResponse {
	for _, d := range denied {
		part := kmsg.NewProduceResponseTopicPartition()
		part.Partition, part.ErrorCode, part.BaseOffset, part.ErrorMessage = d.Partition, d.Code, -1, textPtr(d.Message)
		for _, e := range d.RecordErrors {
			rec := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			rec.RelativeOffset, rec.ErrorMessage = e.BatchIndex, textPtr(e.Message)
			part.ErrorRecords = append(part.ErrorRecords, rec)
		}
		into := -1
		for i := range resp.Topics {
			if resp.Topics[i].Topic == d.Topic {
				into = i
				break
			}
		}
		if into < 0 {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = d.Topic, d.TopicID
			resp.Topics = append(resp.Topics, topic)
			into = len(resp.Topics) - 1
		}
		resp.Topics[into].Partitions = append(resp.Topics[into].Partitions, part)
	}
	return resp
}

// The merged answer is, byte for byte, what kmsg writes of the broker's answer
// with the denied partitions added: throttle time, endpoints and unknown tags
// are still there.
func TestDeniedMergesIntoTheBrokersAnswer(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp, denied := g.produceResponse(version), g.denials()
		got, err := protocol.AppendDeniedProduceResponse([]byte("head"), version, resp.AppendTo(nil), denied)
		if err != nil {
			t.Fatal(err)
		}
		want := mergeWithKmsg(resp, denied).AppendTo([]byte("head"))
		if !bytes.Equal(got, want) {
			t.Fatalf("merged\n got % x\nwant % x", got, want)
		}
	})
}

func TestDeniedAloneIsAWholeAnswer(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		denied := g.denials()
		got, err := protocol.AppendDeniedProduceResponse(nil, version, nil, denied)
		if err != nil {
			t.Fatal(err)
		}
		empty := kmsg.NewPtrProduceResponse()
		empty.Version = version
		if want := mergeWithKmsg(empty, denied).AppendTo(nil); !bytes.Equal(got, want) {
			t.Fatalf("answer\n got % x\nwant % x", got, want)
		}
	})
}

// Each field appears from the version on that has it.
func TestDeniedFieldsByVersion(t *testing.T) {
	denied := []protocol.Denial{{Topic: "orders", TopicID: [16]byte{7}, Partition: 2, Code: 44, Message: "no tombstones",
		RecordErrors: []protocol.RecordError{{BatchIndex: 1, Message: "null value"}}}}
	for v := range produceMax + 1 {
		body, err := protocol.AppendDeniedProduceResponse(nil, v, nil, denied)
		if err != nil {
			t.Fatal(err)
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = v
		if err := resp.ReadFrom(body); err != nil {
			t.Fatalf("v%d: %v", v, err)
		}
		topic := resp.Topics[0]
		part := topic.Partitions[0]
		if part.ErrorCode != 44 || part.BaseOffset != -1 || part.LogAppendTime != -1 || part.LogStartOffset != -1 || part.CurrentLeader.LeaderID != -1 {
			t.Errorf("v%d: partition %+v", v, part)
		}
		if hasText := part.ErrorMessage != nil && len(part.ErrorRecords) == 1; hasText != (v >= 8) {
			t.Errorf("v%d: message %v, records %v", v, part.ErrorMessage, part.ErrorRecords)
		}
		if byID := topic.TopicID == [16]byte{7} && topic.Topic == ""; byID != (v >= 13) {
			t.Errorf("v%d: topic %q %x", v, topic.Topic, topic.TopicID)
		}
	}
}

func TestDeniedKeepsTrailingBytes(t *testing.T) {
	resp := newGenerator(3).produceResponse(11)
	got, err := protocol.AppendDeniedProduceResponse(nil, 11, append(resp.AppendTo(nil), 0xaa, 0xbb), []protocol.Denial{{Topic: "x"}})
	if err != nil || !bytes.HasSuffix(got, []byte{0xaa, 0xbb}) {
		t.Errorf("error %v, answer ends % x", err, got[len(got)-2:])
	}
}

func TestDeniedRefusesABrokenAnswer(t *testing.T) {
	var malformed *protocol.MalformedError
	got, err := protocol.AppendDeniedProduceResponse([]byte("head"), 9, []byte{5}, []protocol.Denial{{Topic: "x"}})
	if !errors.As(err, &malformed) || string(got) != "head" {
		t.Errorf("%q, %v", got, err)
	}
}

// Clients reject strings above 32,767 bytes in either encoding.
func TestDeniedMessagesAreCut(t *testing.T) {
	denied := []protocol.Denial{{Topic: "x", Message: strings.Repeat("ß", 20000)}}
	for _, v := range []int16{8, 9} {
		body, err := protocol.AppendDeniedProduceResponse(nil, v, nil, denied)
		if err != nil {
			t.Fatal(err)
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = v
		if err := resp.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		text := str(resp.Topics[0].Partitions[0].ErrorMessage)
		if len(text) > 32767 || len(text) < 32760 || !utf8.ValidString(text) {
			t.Errorf("v%d: %d bytes, valid %v", v, len(text), utf8.ValidString(text))
		}
	}
}

// FuzzDenied merges into arbitrary answers: every partition of the broker is
// still there, as it was, and every denial is.
func FuzzDenied(f *testing.F) {
	for v := range produceMax + 1 {
		g := newGenerator(uint64(v))
		f.Add(v, g.produceResponse(v).AppendTo(nil), "topic-1", "topic-9")
	}
	f.Fuzz(func(t *testing.T, version int16, answered []byte, topic1, topic2 string) {
		if len(answered) > 4096 || len(topic1) > 249 || len(topic2) > 249 {
			return
		}
		denied := []protocol.Denial{{Topic: topic1, Partition: 1, Code: 44}, {Topic: topic2, TopicID: [16]byte{2}, Partition: 2, Code: 44}}
		before, err := protocol.ParseProduceResponse(version, answered)
		if err != nil {
			return
		}
		merged, err := protocol.AppendDeniedProduceResponse(nil, version, answered, denied)
		if err != nil {
			t.Fatal(err)
		}
		after, err := protocol.ParseProduceResponse(version, merged)
		if err != nil {
			t.Fatal(err)
		}
		if after.NumPartitions != before.NumPartitions+2 || after.ThrottleMs != before.ThrottleMs || after.HasEndpoints != before.HasEndpoints {
			t.Fatalf("merged %+v into %+v", before, after)
		}
		if len(missingFrom(&before, &after)) > 0 {
			t.Fatalf("partitions %+v were lost", missingFrom(&before, &after))
		}
	})
}

// missingFrom returns the partitions of before that are not, in their order, in
// after.
func missingFrom(before, after *protocol.ProduceResponse) (missing []protocol.ProduceResponsePartition) {
	a, b := before.Partitions(), after.Partitions()
	var want, got protocol.ProduceResponsePartition
next:
	for a.Next(&want) {
		for b.Next(&got) {
			if reflect.DeepEqual(got, want) {
				continue next
			}
		}
		missing = append(missing, want)
	}
	return missing
}
