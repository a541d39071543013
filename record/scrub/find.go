package scrub

import "warder/protocol/wire"

// Versions in which the bodies differ (ProduceRequest.json, FetchResponse.json).
const (
	produceTransactional, produceFlexible, produceTopicID      = 3, 9, 13
	fetchThrottle, fetchIsolation, fetchLogStart, fetchSession = 1, 4, 5, 7
	fetchReadReplica, fetchFlexible, fetchTopicID              = 11, 12, 13
	abortedSize                                                = 8 + 8
)

// produceHead gives the length of what comes before the topics of a Produce request;
// 0 when that cannot be read.
func produceHead(version int16, body []byte) int {
	r := wire.NewReader(body)
	skipProduceHead(&r, version)
	if r.Err() != nil {
		return 0
	}
	return r.Offset()
}

func skipProduceHead(r *wire.Reader, version int16) {
	if version >= produceTransactional {
		r.FlexNullableString(version >= produceFlexible)
	}
	r.Int16()
	r.Int32()
}

// walk reads a body that has records in arrays of partitions in an array of topics.
type walk struct {
	wire.Reader

	flexible bool
	byID     bool
	spans    []span
}

// topics walks the array of topics; partition reads one partition without its tags.
func (w *walk) topics(partition func(*walk)) {
	for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
		if w.byID {
			w.UUID()
		} else {
			w.FlexString(w.flexible)
		}
		for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
			partition(w)
			w.tags()
		}
		w.tags()
	}
}

func (w *walk) tags() {
	if w.flexible {
		w.SkipTags()
	}
}

// records reads the records of a partition and notes where they stand.
func (w *walk) records() {
	head := w.Offset()
	b, _ := w.FlexNullableBytes(w.flexible)
	if w.Err() == nil && len(b) > 0 {
		w.spans = append(w.spans, span{head, w.Offset() - len(b), w.Offset(), w.flexible})
	}
}

func produceRecords(spans []span, version int16, body []byte) ([]span, bool) {
	w := walk{Reader: wire.NewReader(body), flexible: version >= produceFlexible, byID: version >= produceTopicID, spans: spans}
	skipProduceHead(&w.Reader, version)
	w.topics(func(w *walk) {
		w.Int32()
		w.records()
	})
	return w.spans, w.Err() == nil
}

func fetchRecords(spans []span, version int16, body []byte) ([]span, bool) {
	w := walk{Reader: wire.NewReader(body), flexible: version >= fetchFlexible, byID: version >= fetchTopicID, spans: spans}
	if version >= fetchThrottle {
		w.Int32()
	}
	if version >= fetchSession {
		w.Int16()
		w.Int32()
	}
	w.topics(func(w *walk) {
		w.Span(4 + 2 + 8) // PartitionIndex, ErrorCode, HighWatermark
		if version >= fetchIsolation {
			w.Int64() // LastStableOffset
		}
		if version >= fetchLogStart {
			w.Int64() // LogStartOffset
		}
		if version >= fetchIsolation {
			for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
				w.Span(abortedSize)
				w.tags()
			}
		}
		if version >= fetchReadReplica {
			w.Int32()
		}
		w.records()
	})
	return w.spans, w.Err() == nil
}

// shareFetchRecords reads versions 1 and 2, which are flexible (ShareFetchResponse.json).
func shareFetchRecords(spans []span, _ int16, body []byte) ([]span, bool) {
	w := walk{Reader: wire.NewReader(body), flexible: true, byID: true, spans: spans}
	w.Int32() // ThrottleTimeMs
	w.Int16() // ErrorCode
	w.NullableCompactString()
	w.Int32() // AcquisitionLockTimeoutMs
	w.topics(func(w *walk) {
		w.Int32() // PartitionIndex
		w.Int16() // ErrorCode
		w.NullableCompactString()
		w.Int16() // AcknowledgeErrorCode
		w.NullableCompactString()
		w.Span(4 + 4) // CurrentLeader
		w.tags()
		w.records()
		for n := w.ArrayLen(true); n > 0 && w.Err() == nil; n-- {
			w.Span(8 + 8 + 2) // FirstOffset, LastOffset, DeliveryCount
			w.tags()
		}
	})
	return w.spans, w.Err() == nil
}

// appendLength appends the length of n bytes of records.
func (at *span) appendLength(dst []byte, n int) []byte {
	if at.flexible {
		return wire.AppendUvarint(dst, uint32(n)+1)
	}
	return wire.AppendInt32(dst, int32(n))
}
