package protocol_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/fixture"
)

// fixtureCase is one run of forFixtures.
type fixtureCase struct {
	*testing.T
	version int16
	body    []byte
}

// forFixtures runs a test with the Produce and Fetch messages that were encoded
// from Apache Kafka's own definitions, without any help of kmsg.
func forFixtures(t *testing.T, key int16, response bool, test func(fixtureCase)) {
	t.Helper()
	all, err := fixture.Load("testdata/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[int16]bool)
	for _, m := range all {
		if m.Key == key && m.Response == response {
			versions[m.Version] = true
			t.Run(m.String(), func(t *testing.T) { test(fixtureCase{t, m.Version, m.Body}) })
		}
	}
	if want := int(protocol.LookupAPI(key).Max) + 1; len(versions) != want {
		t.Errorf("fixtures of %d versions, want %d", len(versions), want)
	}
}

func readWithKmsg[T interface {
	SetVersion(int16)
	ReadFrom([]byte) error
}](t *testing.T, m T, version int16, body []byte) T {
	t.Helper()
	m.SetVersion(version)
	if err := m.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestProduceRequestsOfKafka(t *testing.T) {
	forFixtures(t, protocol.Produce, false, func(run fixtureCase) {
		t, version, body := run.T, run.version, run.body
		p, err := protocol.ParseProduceRequest(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkProduceRequest(t, &p, readWithKmsg(t, kmsg.NewPtrProduceRequest(), version, body))
		checkDropping(t, &p, version)
		if acks, err := protocol.PeekProduceAcks(version, body); err != nil || acks != p.Acks {
			t.Errorf("peeked acks %d (%v), parsed %d", acks, err, p.Acks)
		}
		checkPrefixes(t, body, func(b []byte) error { _, err := protocol.ParseProduceRequest(version, b); return err })
	})
}

func TestProduceResponsesOfKafka(t *testing.T) {
	forFixtures(t, protocol.Produce, true, func(run fixtureCase) {
		t, version, body := run.T, run.version, run.body
		p, err := protocol.ParseProduceResponse(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkProduceResponse(t, &p, readWithKmsg(t, kmsg.NewPtrProduceResponse(), version, body))
		merged, err := protocol.AppendDeniedProduceResponse(nil, version, body, nil)
		if err != nil || !bytes.Equal(merged, body) {
			t.Errorf("nothing merged, yet bytes differ (%v)", err)
		}
		checkPrefixes(t, body, func(b []byte) error { _, err := protocol.ParseProduceResponse(version, b); return err })
	})
}

func TestFetchRequestsOfKafka(t *testing.T) {
	forFixtures(t, protocol.Fetch, false, func(run fixtureCase) {
		t, version, body := run.T, run.version, run.body
		f, err := protocol.ParseFetchRequest(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkFetchRequest(t, &f, readWithKmsg(t, kmsg.NewPtrFetchRequest(), version, body))
		checkPrefixes(t, body, func(b []byte) error { _, err := protocol.ParseFetchRequest(version, b); return err })
	})
}

func TestFetchResponsesOfKafka(t *testing.T) {
	forFixtures(t, protocol.Fetch, true, func(run fixtureCase) {
		t, version, body := run.T, run.version, run.body
		f, err := protocol.ParseFetchResponse(version, body)
		if err != nil {
			t.Fatal(err)
		}
		resp := readWithKmsg(t, kmsg.NewPtrFetchResponse(), version, body)
		it := f.Partitions()
		checkFetchPartitionsOf(t, &it, resp, false)
		var stream protocol.FetchResponseStream
		if err := stream.Reset(version, newWindowCursor(t, body)); err != nil {
			t.Fatal(err)
		}
		checkFetchPartitionsOf(t, &stream, resp, true)
		checkFetchHead(t, resp, f.ThrottleMs, f.ErrorCode, f.SessionID)
		checkFetchHead(t, resp, stream.ThrottleMs, stream.ErrorCode, stream.SessionID)
		checkPrefixes(t, body, func(b []byte) error { _, err := protocol.ParseFetchResponse(version, b); return err })
	})
}

// Endpoints as Kafka writes them are mapped, and nothing else changes.
func TestEndpointsOfKafka(t *testing.T) {
	mapped := 0
	forFixtures(t, protocol.Fetch, true, func(run fixtureCase) {
		t, version, body := run.T, run.version, run.body
		out, changed, err := protocol.RewriteFetchEndpoints(nil, version, body, shout)
		if err != nil {
			t.Fatal(err)
		}
		patched := applyPatch(t, version, body, shout)
		if !changed {
			out = body
		} else {
			mapped++
		}
		if !bytes.Equal(patched, out) || changed == bytes.Equal(out, body) {
			t.Errorf("changed %v, patched % x, rewritten % x", changed, patched, out)
		}
		var malformed *protocol.MalformedError
		if _, _, err := protocol.RewriteFetchEndpoints(nil, version, body[:len(body)-1], shout); !errors.As(err, &malformed) {
			t.Errorf("cut short: %v", err)
		}
	})
	if mapped == 0 {
		t.Error("no fixture has endpoints")
	}
}
