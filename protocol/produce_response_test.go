package protocol_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// checkProduceResponse compares our view of a body with kmsg's.
func checkProduceResponse(t *testing.T, p *protocol.ProduceResponse, want *kmsg.ProduceResponse) {
	t.Helper()
	if p.NumTopics != len(want.Topics) || want.Version >= 1 && p.ThrottleMs != want.ThrottleMillis {
		t.Fatalf("head %+v, want %+v", p, want)
	}
	it, n := p.Partitions(), 0
	var got protocol.ProduceResponsePartition
	for i := range want.Topics {
		topic := &want.Topics[i]
		for j := range topic.Partitions {
			if !it.Next(&got) {
				t.Fatalf("partition %d is missing", n)
			}
			if want.Version < 13 && string(got.Topic) != topic.Topic || want.Version >= 13 && got.TopicID != topic.TopicID {
				t.Fatalf("partition %d is of topic %q %x, want %q %x", n, got.Topic, got.TopicID, topic.Topic, topic.TopicID)
			}
			checkProduceResponsePartition(t, want.Version, &got, &topic.Partitions[j])
			n++
		}
	}
	if it.Next(&got) || p.NumPartitions != n {
		t.Fatalf("%d partitions and more to come, want %d", p.NumPartitions, n)
	}
}

func checkProduceResponsePartition(t *testing.T, version int16, got *protocol.ProduceResponsePartition, want *kmsg.ProduceResponseTopicPartition) {
	t.Helper()
	ok := got.Partition == want.Partition && got.ErrorCode == want.ErrorCode && got.BaseOffset == want.BaseOffset
	ok = ok && got.LogAppendTimeMs == since(version, 2, want.LogAppendTime)
	ok = ok && got.LogStartOffset == since(version, 5, want.LogStartOffset)
	ok = ok && (version < 8 || string(got.ErrorMessage) == str(want.ErrorMessage))
	if !ok {
		t.Fatalf("partition reads %+v, want %+v", got, want)
	}
}

// since returns v if the version has the field, else its default -1.
func since[T int32 | int64](version, first int16, v T) T {
	if version < first {
		return -1
	}
	return v
}

func TestProduceResponseAgreesWithKmsg(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp := g.produceResponse(version)
		body := resp.AppendTo(nil)
		p, err := protocol.ParseProduceResponse(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkProduceResponse(t, &p, resp)
		if want := len(resp.Brokers) > 0; p.HasEndpoints != want {
			t.Fatalf("endpoints %v, want %v", p.HasEndpoints, want)
		}
		checkPrefixes(t, body, func(b []byte) error {
			_, err := protocol.ParseProduceResponse(version, b)
			return err
		})
	})
}

func TestProduceResponseWalkAllocatesNothing(t *testing.T) {
	for v := range produceMax + 1 {
		body := newGenerator(9).produceResponse(v).AppendTo(nil)
		if n := testing.AllocsPerRun(50, func() {
			p, err := protocol.ParseProduceResponse(v, body)
			if err != nil {
				t.Fatal(err)
			}
			it := p.Partitions()
			for part := (protocol.ProduceResponsePartition{}); it.Next(&part); {
			}
		}); n != 0 {
			t.Errorf("v%d: %v allocations, want none", v, n)
		}
	}
}

// FuzzProduceResponse holds every body that we accept against kmsg, but for
// what we do not look into: a known tag whose value is malformed.
func FuzzProduceResponse(f *testing.F) {
	for v := range produceMax + 1 {
		f.Add(v, newGenerator(uint64(v)).produceResponse(v).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if len(body) > 4096 {
			return
		}
		p, err := protocol.ParseProduceResponse(version, body)
		if err != nil || tagBomb(body) {
			return
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = version
		if err := resp.ReadFrom(body); err != nil {
			if version < 9 {
				t.Fatalf("kmsg refuses it: %v", err)
			}
			return
		}
		if oddLengths(body) {
			return
		}
		checkProduceResponse(t, &p, resp)
	})
}
