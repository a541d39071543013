package protocol_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// checkFetchRequest compares our view of a body with kmsg's.
func checkFetchRequest(t *testing.T, f *protocol.FetchRequest, want *kmsg.FetchRequest) {
	t.Helper()
	v := want.Version
	replica := want.ReplicaID
	if v >= 15 {
		replica = want.ReplicaState.ID
	}
	ok := f.ReplicaID == replica && f.MaxWaitMs == want.MaxWaitMillis && f.MinBytes == want.MinBytes && f.NumTopics == len(want.Topics)
	ok = ok && (v < 3 || f.MaxBytes == want.MaxBytes) && (v < 4 || f.IsolationLevel == want.IsolationLevel)
	ok = ok && (v < 7 || f.SessionID == want.SessionID && f.SessionEpoch == want.SessionEpoch)
	ok = ok && (v < 11 || string(f.RackID) == want.Rack)
	if !ok {
		t.Fatalf("head %+v, want %+v", f, want)
	}
	checkFetchPartitions(t, f, want)
	checkForgotten(t, f, want)
}

func checkFetchPartitions(t *testing.T, f *protocol.FetchRequest, want *kmsg.FetchRequest) {
	t.Helper()
	v := want.Version
	it, n := f.Partitions(), 0
	var got protocol.FetchPartition
	for i := range want.Topics {
		topic := &want.Topics[i]
		for j := range topic.Partitions {
			part := &topic.Partitions[j]
			if !it.Next(&got) {
				t.Fatalf("partition %d is missing", n)
			}
			ok := got.Ordinal == n && got.Partition == part.Partition && got.FetchOffset == part.FetchOffset && got.MaxBytes == part.PartitionMaxBytes
			ok = ok && (v >= 13 || string(got.Topic) == topic.Topic) && (v < 13 || got.TopicID == topic.TopicID)
			ok = ok && got.CurrentLeaderEpoch == since(v, 9, part.CurrentLeaderEpoch)
			ok = ok && got.LastFetchedEpoch == since(v, 12, part.LastFetchedEpoch)
			ok = ok && got.LogStartOffset == since(v, 5, part.LogStartOffset)
			if !ok {
				t.Fatalf("partition %d reads %+v, want %+v", n, got, part)
			}
			n++
		}
	}
	if it.Next(&got) || f.NumPartitions != n {
		t.Fatalf("%d partitions and more to come, want %d", f.NumPartitions, n)
	}
}

func checkForgotten(t *testing.T, f *protocol.FetchRequest, want *kmsg.FetchRequest) {
	t.Helper()
	it := f.Forgotten()
	var got protocol.ForgottenPartition
	for _, topic := range want.ForgottenTopics {
		if want.Version < 7 {
			break
		}
		for _, part := range topic.Partitions {
			ok := it.Next(&got) && got.Partition == part
			if !ok || want.Version < 13 && string(got.Topic) != topic.Topic || want.Version >= 13 && got.TopicID != topic.TopicID {
				t.Fatalf("forgotten partition reads %+v, want %d of %+v", got, part, topic)
			}
		}
	}
	if it.Next(&got) {
		t.Fatalf("one forgotten partition too many: %+v", got)
	}
}

func TestFetchRequestAgreesWithKmsg(t *testing.T) {
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		req := g.fetchRequest(version)
		body := req.AppendTo(nil)
		f, err := protocol.ParseFetchRequest(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkFetchRequest(t, &f, req)
		if g.IntN(2) == 0 {
			if _, err := protocol.ParseFetchRequest(version, append(body, 1)); err != nil {
				t.Fatalf("a trailing byte: %v", err)
			}
		}
		checkPrefixes(t, body, func(b []byte) error {
			_, err := protocol.ParseFetchRequest(version, b)
			return err
		})
	})
}

// An incremental request of a session may name nothing at all.
func TestFetchRequestOfAnIdleSession(t *testing.T) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 13, 99, 4
	f, err := protocol.ParseFetchRequest(13, req.AppendTo(nil))
	if err != nil || f.SessionID != 99 || f.SessionEpoch != 4 || f.NumPartitions != 0 || f.ReplicaID != -1 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestFetchWalkAllocatesNothing(t *testing.T) {
	for v := range fetchMax + 1 {
		g := newGenerator(7)
		request, response := g.fetchRequest(v).AppendTo(nil), g.fetchResponse(v).AppendTo(nil)
		if n := testing.AllocsPerRun(50, func() {
			f, err := protocol.ParseFetchRequest(v, request)
			if err != nil {
				t.Fatal(err)
			}
			parts, gone := f.Partitions(), f.Forgotten()
			for part := (protocol.FetchPartition{}); parts.Next(&part); {
			}
			for part := (protocol.ForgottenPartition{}); gone.Next(&part); {
			}
			r, err := protocol.ParseFetchResponse(v, response)
			if err != nil {
				t.Fatal(err)
			}
			it := r.Partitions()
			for part := (protocol.FetchResponsePartition{}); it.Next(&part); {
			}
		}); n != 0 {
			t.Errorf("v%d: %v allocations, want none", v, n)
		}
	}
}

// FuzzFetchRequest holds every body that we accept against kmsg, but for a
// known tag whose value is malformed, which we do not always look into.
func FuzzFetchRequest(f *testing.F) {
	for v := range fetchMax + 1 {
		f.Add(v, newGenerator(uint64(v)).fetchRequest(v).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if len(body) > 4096 {
			return
		}
		p, err := protocol.ParseFetchRequest(version, body)
		if err != nil || tagBomb(body) {
			return
		}
		req := kmsg.NewPtrFetchRequest()
		req.Version = version
		if err := req.ReadFrom(body); err != nil {
			if version < 12 {
				t.Fatalf("kmsg refuses it: %v", err)
			}
			return
		}
		if oddLengths(body) {
			return
		}
		checkFetchRequest(t, &p, req)
	})
}
