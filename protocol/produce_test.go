package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// The highest versions of the table: a new row is tested without a new test.
var (
	produceMax = protocol.LookupAPI(protocol.Produce).Max
	fetchMax   = protocol.LookupAPI(protocol.Fetch).Max
)

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// checkProduceRequest compares our view of a body with kmsg's.
func checkProduceRequest(t *testing.T, p *protocol.ProduceRequest, want *kmsg.ProduceRequest) {
	t.Helper()
	if p.Acks != want.Acks || p.TimeoutMs != want.TimeoutMillis || p.NumTopics != len(want.Topics) {
		t.Fatalf("head %+v, want %+v", p, want)
	}
	if want.Version >= 3 && (p.TransactionalIDNull != (want.TransactionID == nil) || string(p.TransactionalID) != str(want.TransactionID)) {
		t.Fatalf("transactional id %q (null %v)", p.TransactionalID, p.TransactionalIDNull)
	}
	it, ordinal := p.Partitions(), 0
	var got protocol.ProducePartition
	for i := range want.Topics {
		topic := &want.Topics[i]
		for j := range topic.Partitions {
			part := &topic.Partitions[j]
			if !it.Next(&got) {
				t.Fatalf("partition %d is missing", ordinal)
			}
			if want.Version < 13 && string(got.Topic) != topic.Topic || want.Version >= 13 && got.TopicID != topic.TopicID {
				t.Fatalf("partition %d is of topic %q %x, want %q %x", ordinal, got.Topic, got.TopicID, topic.Topic, topic.TopicID)
			}
			if got.Ordinal != ordinal || got.Partition != part.Partition || !bytes.Equal(got.Records, part.Records) || got.RecordsNull != (part.Records == nil) {
				t.Fatalf("partition %d reads %+v, want %+v", ordinal, got, part)
			}
			ordinal++
		}
	}
	if it.Next(&got) || p.NumPartitions != ordinal {
		t.Fatalf("%d partitions and more to come, want %d", p.NumPartitions, ordinal)
	}
}

func TestProduceRequestAgreesWithKmsg(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		req := g.produceRequest(version)
		body := req.AppendTo(nil)
		p, err := protocol.ParseProduceRequest(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkProduceRequest(t, &p, req)
		checkPrefixes(t, body, func(b []byte) error {
			_, err := protocol.ParseProduceRequest(version, b)
			return err
		})
	})
}

// checkPrefixes requires every strict prefix of body to be malformed.
func checkPrefixes(t *testing.T, body []byte, parse func([]byte) error) {
	t.Helper()
	step := max(len(body)/200, 1)
	for n := 0; n < len(body); n += step {
		var malformed *protocol.MalformedError
		if err := parse(body[:n:n]); !errors.As(err, &malformed) {
			t.Fatalf("%d of %d bytes: error %v, want malformed", n, len(body), err)
		} else if malformed.Offset > n {
			t.Fatalf("malformed at %d of %d", malformed.Offset, n)
		}
	}
}

func TestProduceRequestToleratesTrailingBytes(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		req := g.produceRequest(version)
		body := append(req.AppendTo(nil), 1, 2, 3)
		p, err := protocol.ParseProduceRequest(version, body)
		if err != nil {
			t.Fatal(err)
		}
		checkProduceRequest(t, &p, req)
		if got := p.AppendWithout(nil, func(int) bool { return false }); !bytes.Equal(got, body) {
			t.Fatal("nothing dropped, yet bytes differ")
		}
		if got := p.AppendWithout(nil, func(int) bool { return true }); !bytes.HasSuffix(got, []byte{1, 2, 3}) {
			t.Fatal("trailing bytes are lost")
		}
	})
}

func TestVersionsOutsideTheTableAreRefused(t *testing.T) {
	for name, parse := range map[string]func(int16) error{
		"produce request":  func(v int16) error { _, err := protocol.ParseProduceRequest(v, nil); return err },
		"produce response": func(v int16) error { _, err := protocol.ParseProduceResponse(v, nil); return err },
		"acks":             func(v int16) error { _, err := protocol.PeekProduceAcks(v, nil); return err },
		"denied":           func(v int16) error { _, err := protocol.AppendDeniedProduceResponse(nil, v, nil, nil); return err },
		"fetch request":    func(v int16) error { _, err := protocol.ParseFetchRequest(v, nil); return err },
		"fetch response":   func(v int16) error { _, err := protocol.ParseFetchResponse(v, nil); return err },
		"fetch stream": func(v int16) error {
			_, err := protocol.WalkFetchResponse(v, protocol.NewMemoryCursor(nil), nil)
			return err
		},
	} {
		above := produceMax + 1
		if strings.HasPrefix(name, "fetch") {
			above = fetchMax + 1
		}
		for _, v := range []int16{-1, above, 99} {
			var version *protocol.VersionError
			if err := parse(v); !errors.As(err, &version) || version.Version != v {
				t.Errorf("%s v%d: error %v, want a VersionError", name, v, err)
			}
		}
	}
}

// Without the dropped partitions the body is what kmsg writes of the same
// request without them: tags at every level stay.
func TestAppendWithoutAgreesWithKmsg(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		req := g.produceRequest(version)
		p, err := protocol.ParseProduceRequest(version, req.AppendTo(nil))
		if err != nil {
			t.Fatal(err)
		}
		dropped := make([]bool, p.NumPartitions)
		for i := range dropped {
			dropped[i] = g.IntN(2) == 0
		}
		got := p.AppendWithout([]byte("before"), func(ordinal int) bool { return dropped[ordinal] })
		if want := append([]byte("before"), without(req, dropped).AppendTo(nil)...); !bytes.Equal(got, want) {
			t.Fatalf("dropped %v:\n got % x\nwant % x", dropped, got, want)
		}
	})
}

// without returns req less the dropped partitions and the topics they empty.
func without(req *kmsg.ProduceRequest, dropped []bool) *kmsg.ProduceRequest {
	out, ordinal := *req, 0
	out.Topics = nil
	for _, topic := range req.Topics {
		all := topic.Partitions
		topic.Partitions = nil
		for _, part := range all {
			if !dropped[ordinal] {
				topic.Partitions = append(topic.Partitions, part)
			}
			ordinal++
		}
		if len(topic.Partitions) > 0 || len(all) == 0 {
			out.Topics = append(out.Topics, topic)
		}
	}
	return &out
}

// The place of acks moves with the client's transactional id and its encoding;
// nothing behind acks is needed.
func TestPeekProduceAcksNeedsNoMoreThanTheHead(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		req := g.produceRequest(version)
		body := req.AppendTo(nil)
		end := 2
		if version >= 3 {
			end += len(str(req.TransactionID)) + 2
			if version >= 9 {
				end-- // one byte of length is enough here
			}
		}
		for n := range end {
			if _, err := protocol.PeekProduceAcks(version, body[:n]); !errors.Is(err, protocol.ErrShort) {
				t.Fatalf("%d bytes: %v, want ErrShort", n, err)
			}
		}
		if acks, err := protocol.PeekProduceAcks(version, body[:end]); err != nil || acks != req.Acks {
			t.Fatalf("acks %d (%v), want %d", acks, err, req.Acks)
		}
	})
}

// A request header with tags and a transactional id shifts acks; readers that
// take v9 for the older layout get acks=0 wrong here.
func TestPeekProduceAcksBehindTaggedHeader(t *testing.T) {
	header := protocol.AppendRequestHeader(nil, protocol.Produce, 9, 7, "producer-1")
	frame := append(header[:len(header)-1], 1, 30, 4, 'a', 'b', 'c', 'd')
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.TransactionID, req.Acks = 9, new("orders"), 0
	frame = req.AppendTo(frame)
	h, err := protocol.ParseRequestHeader(frame)
	if err != nil {
		t.Fatal(err)
	}
	if acks, err := protocol.PeekProduceAcks(h.Version, frame[h.Size:]); acks != 0 || err != nil {
		t.Errorf("acks %d (%v), want 0", acks, err)
	}
}

// hostileBodies are small bodies that claim large arrays, strings or records.
func hostileBodies(version int16, flexibleFrom int16) [][]byte {
	var all [][]byte
	for _, n := range []uint32{1 << 31, 1<<31 - 1, 1 << 24, 1 << 16, 0xffffffff} {
		for at := range 60 {
			body := make([]byte, at, 2048)
			if version >= flexibleFrom {
				body = binary.AppendUvarint(body, uint64(n))
			} else {
				body = binary.BigEndian.AppendUint32(body, n)
			}
			all = append(all, append(body, bytes.Repeat([]byte{1}, 1000)...))
		}
	}
	return all
}

// A small frame that claims much must not cost much, whether it parses or not.
func TestHostileCountsCostLittle(t *testing.T) {
	const allowed = 64 << 10 // for errors and the runtime; a claimed count is 1<<16 and more
	check := func(name string, version, flexibleFrom int16, parse func(body []byte)) {
		t.Helper()
		for _, body := range hostileBodies(version, flexibleFrom) {
			if n := allocatedBytes(func() { parse(body) }); n > allowed {
				t.Fatalf("%s v%d: %d bytes allocated for a body of %d:\n% x", name, version, n, len(body), body[:64])
			}
		}
	}
	keep := func(e protocol.Endpoint) (protocol.Endpoint, bool) { return e, true }
	for v := range produceMax + 1 {
		check("produce", v, 9, func(b []byte) {
			if p, err := protocol.ParseProduceRequest(v, b); err == nil {
				p.AppendWithout(make([]byte, 0, 2048), func(int) bool { return true })
			}
			_, _, _ = protocol.RewriteProduceEndpoints(nil, v, b, keep)
			_, _ = protocol.AppendDeniedProduceResponse(nil, v, b, nil)
		})
	}
	for v := range fetchMax + 1 {
		check("fetch", v, 12, func(b []byte) {
			_, _ = protocol.ParseFetchRequest(v, b)
			_, _, _ = protocol.RewriteFetchEndpoints(nil, v, b, keep)
			_, _ = protocol.WalkFetchResponse(v, protocol.NewMemoryCursor(b), keep)
		})
	}
}

func TestProduceWalkAllocatesNothing(t *testing.T) {
	for v := range produceMax + 1 {
		req := newGenerator(4).produceRequest(v)
		body := req.AppendTo(nil)
		dst := make([]byte, 0, 2*len(body))
		if n := testing.AllocsPerRun(50, func() {
			p, err := protocol.ParseProduceRequest(v, body)
			if err != nil {
				t.Fatal(err)
			}
			it := p.Partitions()
			for part := (protocol.ProducePartition{}); it.Next(&part); {
			}
			p.AppendWithout(dst, func(ordinal int) bool { return ordinal == 0 })
			if _, err := protocol.PeekProduceAcks(v, body); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("v%d: %v allocations, want none", v, n)
		}
	}
}

// FuzzProduceRequest holds every body that we accept against kmsg. kmsg takes
// claimed counts at their word, so it sees only what has passed our checks,
// and sizes are bounded.
func FuzzProduceRequest(f *testing.F) {
	for v := range produceMax + 1 {
		f.Add(v, newGenerator(uint64(v)).produceRequest(v).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if len(body) > 4096 {
			return
		}
		p, err := protocol.ParseProduceRequest(version, body)
		if err != nil {
			return
		}
		req := kmsg.NewPtrProduceRequest()
		req.Version = version
		if err := req.ReadFrom(body); err != nil {
			if oddLengths(body) {
				return
			}
			t.Fatalf("kmsg refuses it: %v", err)
		}
		checkProduceRequest(t, &p, req)
		if acks, err := protocol.PeekProduceAcks(version, body); err != nil || acks != p.Acks {
			t.Fatalf("peeked acks %d (%v), parsed %d", acks, err, p.Acks)
		}
		checkDropping(t, &p, version)
	})
}

// checkDropping drops every other partition and reads the result back.
func checkDropping(t *testing.T, p *protocol.ProduceRequest, version int16) {
	t.Helper()
	odd := func(ordinal int) bool { return ordinal%2 == 1 }
	rest, err := protocol.ParseProduceRequest(version, p.AppendWithout(nil, odd))
	if err != nil || rest.NumPartitions != (p.NumPartitions+1)/2 {
		t.Fatalf("%d of %d partitions left (%v)", rest.NumPartitions, p.NumPartitions, err)
	}
	before, after := p.Partitions(), rest.Partitions()
	var want, got protocol.ProducePartition
	for after.Next(&got) {
		before.Next(&want)
		if !bytes.Equal(got.Records, want.Records) || !bytes.Equal(got.Topic, want.Topic) || got.Partition != want.Partition {
			t.Fatalf("partition %+v became %+v", want, got)
		}
		before.Next(&want) // the dropped one
	}
}
