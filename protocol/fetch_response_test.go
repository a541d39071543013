package protocol_test

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// fetchResponseWalk is either way to read the partitions of a response.
type fetchResponseWalk interface {
	Next(*protocol.FetchResponsePartition) bool
}

// checkFetchPartitionsOf compares the partitions of a walk with kmsg's. From a
// stream there are no records but their size.
func checkFetchPartitionsOf(t *testing.T, it fetchResponseWalk, want *kmsg.FetchResponse, streamed bool) (n int) {
	t.Helper()
	v := want.Version
	var got protocol.FetchResponsePartition
	for i := range want.Topics {
		topic := &want.Topics[i]
		for j := range topic.Partitions {
			part := &topic.Partitions[j]
			if !it.Next(&got) {
				t.Fatalf("partition %d is missing", n)
			}
			ok := got.Partition == part.Partition && got.ErrorCode == part.ErrorCode && got.HighWatermark == part.HighWatermark
			ok = ok && (v >= 13 || string(got.Topic) == topic.Topic) && (v < 13 || got.TopicID == topic.TopicID)
			ok = ok && got.LastStableOffset == since(v, 4, part.LastStableOffset)
			ok = ok && got.LogStartOffset == since(v, 5, part.LogStartOffset)
			ok = ok && got.PreferredReadReplica == since(v, 11, part.PreferredReadReplica)
			ok = ok && (v < 4 || got.AbortedTransactions == len(part.AbortedTransactions))
			ok = ok && got.RecordsSize == len(part.RecordBatches) && got.RecordsNull == (part.RecordBatches == nil)
			ok = ok && (streamed && got.Records == nil || bytes.Equal(got.Records, part.RecordBatches))
			if !ok {
				t.Fatalf("partition %d reads %+v, want %+v", n, got, part)
			}
			n++
		}
	}
	if it.Next(&got) {
		t.Fatalf("partition %d is one too many", n)
	}
	return n
}

func checkFetchHead(t *testing.T, want *kmsg.FetchResponse, throttle int32, code int16, session int32) {
	t.Helper()
	if want.Version >= 1 && throttle != want.ThrottleMillis ||
		want.Version >= 7 && (code != want.ErrorCode || session != want.SessionID) {
		t.Fatalf("throttle %d, error %d, session %d, want %d, %d, %d",
			throttle, code, session, want.ThrottleMillis, want.ErrorCode, want.SessionID)
	}
}

func TestFetchResponseAgreesWithKmsg(t *testing.T) {
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp := g.fetchResponse(version)
		body := resp.AppendTo(nil)
		f, err := protocol.ParseFetchResponse(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkFetchHead(t, resp, f.ThrottleMs, f.ErrorCode, f.SessionID)
		it := f.Partitions()
		if n := checkFetchPartitionsOf(t, &it, resp, false); n != f.NumPartitions || f.NumTopics != len(resp.Topics) {
			t.Fatalf("%d partitions, counted %d", n, f.NumPartitions)
		}
		if want := len(resp.Brokers) > 0; f.HasEndpoints != want {
			t.Fatalf("endpoints %v, want %v", f.HasEndpoints, want)
		}
		checkPrefixes(t, body, func(b []byte) error {
			_, err := protocol.ParseFetchResponse(version, b)
			return err
		})
	})
}

// FuzzFetchResponse holds every body that we accept against kmsg, as
// FuzzFetchRequest does, and the stream against the view in memory.
func FuzzFetchResponse(f *testing.F) {
	for v := range fetchMax + 1 {
		f.Add(v, newGenerator(uint64(v)).fetchResponse(v).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if len(body) > 4096 || version < 0 || version > fetchMax {
			return
		}
		p, err := protocol.ParseFetchResponse(version, body)
		compareStream(t, version, body, &p, err)
		if err != nil || oddLengths(body) || tagBomb(body) {
			return
		}
		resp := kmsg.NewPtrFetchResponse()
		resp.Version = version
		if err := resp.ReadFrom(body); err != nil {
			if version < 12 {
				t.Fatalf("kmsg refuses it: %v", err)
			}
			return
		}
		checkFetchHead(t, resp, p.ThrottleMs, p.ErrorCode, p.SessionID)
		it := p.Partitions()
		checkFetchPartitionsOf(t, &it, resp, false)
	})
}

// compareStream walks body as a stream and compares with the view in memory,
// which also reads the tags that the stream stops at.
func compareStream(t *testing.T, version int16, body []byte, p *protocol.FetchResponse, parseErr error) {
	t.Helper()
	var stream protocol.FetchResponseStream
	if err := stream.Reset(version, newWindowCursor(t, body)); err != nil {
		t.Fatal(err)
	}
	var got, want protocol.FetchResponsePartition
	if parseErr != nil {
		for stream.Next(&got) {
		}
		return
	}
	it, n := p.Partitions(), 0
	longName := false
	for it.Next(&want) {
		if longName = len(want.Topic) > 249; longName {
			break // the stream holds no such names
		}
		if !stream.Next(&got) {
			t.Fatalf("the stream ends at partition %d: %v", n, stream.Err())
		}
		if !bytes.Equal(got.Topic, want.Topic) || got.TopicID != want.TopicID || got.Partition != want.Partition || got.RecordsSize != want.RecordsSize {
			t.Fatalf("partition %d streams as %+v, want %+v", n, got, want)
		}
		n++
	}
	if !longName && stream.Next(&got) {
		t.Fatalf("partition %d is one too many", n)
	}
}
