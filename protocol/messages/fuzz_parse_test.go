package messages

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/fixture"
)

// reader is a function that reads one kind of message into what warder knows of it.
type reader func(version int16, body []byte) error

func reads[M any](parse func(int16, []byte, Limits) (M, error)) reader {
	return func(version int16, body []byte) error {
		_, err := parse(version, body, Limits{})
		return err
	}
}

// requestReaders and responseReaders are by API key.
var requestReaders = map[int16]reader{
	3: reads(ParseMetadataRequest), 19: reads(ParseCreateTopicsRequest), 20: reads(ParseDeleteTopicsRequest), 22: reads(ParseInitProducerIdRequest),
	24: reads(ParseAddPartitionsToTxnRequest), 25: reads(ParseAddOffsetsToTxnRequest), 26: reads(ParseEndTxnRequest), 33: reads(ParseAlterConfigsRequest),
	37: reads(ParseCreatePartitionsRequest), 44: reads(ParseIncrementalAlterConfigsRequest),
	17: func(version int16, body []byte) error { _, err := ParseSaslHandshake(version, body); return err },
	18: func(version int16, body []byte) error { _, err := ParseApiVersionsRequest(version, body); return err },
}

var responseReaders = map[int16]reader{
	3: reads(ParseMetadata), 19: reads(ParseCreateTopicsResponse), 20: reads(ParseDeleteTopicsResponse), 22: reads(ParseInitProducerIdResponse),
	24: reads(ParseAddPartitionsToTxnResponse), 25: reads(ParseAddOffsetsToTxnResponse), 26: reads(ParseEndTxnResponse), 32: reads(ParseDescribeConfigsResponse),
	33: reads(ParseAlterConfigsResponse), 37: reads(ParseCreatePartitionsResponse), 44: reads(ParseIncrementalAlterConfigsResponse), 60: reads(ParseDescribeCluster),
	17: func(version int16, body []byte) error { _, err := SaslHandshakeError(version, body); return err },
}

// FuzzMessages: never a panic; what is read into warder's own words is a message as
// Kafka defines it.
func FuzzMessages(f *testing.F) {
	want := func(m *fixture.Message) bool {
		return m.Response && responseReaders[m.Key] != nil || !m.Response && requestReaders[m.Key] != nil
	}
	seed(f, 5, want, func(m *fixture.Message) { f.Add(m.Key, m.Version, m.Response, m.Body) })
	f.Fuzz(func(t *testing.T, key, version int16, response bool, body []byte) {
		readers := requestReaders
		if response {
			readers = responseReaders
		}
		read := readers[key]
		if read == nil {
			return
		}
		lone := key == 17 || key == 18 // read by hand, as far as they must be
		if err := read(version, body); err == nil && !lone {
			if m, err := decodeAny(key, version, response, body); m == nil {
				t.Fatalf("read, and is no message: %v", err)
			}
		}
	})
}

// FuzzRefusal: never a panic; the answer to what is refused is one that clients read.
func FuzzRefusal(f *testing.F) {
	keys := []int16{8, 19, 20, 21, 33, 37, 42, 44, 47}
	seed(f, 3, func(m *fixture.Message) bool { return !m.Response && slices.Contains(keys, m.Key) },
		func(m *fixture.Message) { f.Add(m.Key, m.Version, m.Body) })
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		out, err := AppendRefusal(nil, key, version, body, Limits{}, func(int) string { return "no" })
		if err != nil {
			return
		}
		resp := kmsg.ResponseForKey(key)
		resp.SetVersion(version)
		if err := resp.ReadFrom(out); err != nil {
			t.Fatalf("%v: % x for % x", err, out, body)
		}
	})
}
