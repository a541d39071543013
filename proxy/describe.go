package proxy

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"warder/protocol"
	"warder/protocol/records"
)

// errorName is Kafka's name of an error code, as logs and the tap show it.
func errorName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return "NONE"
}

// countRecords says how many records a partition's batches claim and how the
// first batch is compressed; nothing is decompressed.
func countRecords(blob []byte) (n int, codec string) {
	var s records.Scanner
	s.Reset(blob, records.Limits{})
	defer s.Release()
	for {
		h, ok := s.NextBatch()
		if !ok {
			return n, codec
		}
		if codec == "" {
			codec = h.Codec.String()
		}
		n += int(h.NumRecords)
	}
}

// producerOf returns the producer id of the first batch of a request, -1 when it has none.
func producerOf(req *protocol.ProduceRequest) int64 {
	it := req.Partitions()
	var p protocol.ProducePartition
	if !it.Next(&p) {
		return -1
	}
	var s records.Scanner
	s.Reset(p.Records, records.Limits{})
	defer s.Release()
	if h, ok := s.NextBatch(); ok {
		return h.ProducerID
	}
	return -1
}
