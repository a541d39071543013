package scrub

import (
	"encoding/binary"

	"warder/protocol/records"
)

// Where things stand in an entry of a log (DefaultRecordBatch.java, LegacyRecord.java).
const (
	logOverhead = 12 // BaseOffset and Length
	magicAt     = 16
	headV0      = 18
	headV1      = 26
	headV2      = 61
)

// headOf gives how many bytes of an entry are its header, as far as rest holds it, and
// the size of the entry, which may go beyond rest; of what is no entry all must go.
func headOf(rest []byte) (head, size int) {
	if len(rest) <= magicAt {
		return min(len(rest), magicAt), len(rest)
	}
	length := int32(binary.BigEndian.Uint32(rest[8:]))
	if length < magicAt+1-logOverhead {
		return 0, len(rest)
	}
	switch rest[magicAt] {
	case 0:
		head = headV0
	case 1:
		head = headV1
	case 2:
		head = headV2
	default:
		return 0, len(rest)
	}
	size = min(logOverhead+int(length), len(rest))
	return min(head, size), size
}

// blankBatches zeroes everything in a row of batches but their headers.
func blankBatches(b []byte) {
	for len(b) > 0 {
		head, size := headOf(b)
		clear(b[head:size])
		b = b[size:]
	}
}

// withoutValues appends a row of batches with their values zeroed: those of the records
// and of their headers. What was compressed is not any more, since zeros say nothing.
// A batch that cannot be read is blanked behind its header.
func (s *Scrubber) withoutValues(dst, b []byte) []byte {
	for len(b) > 0 {
		head, size := headOf(b)
		start := len(dst)
		var ok bool
		if dst, ok = s.withoutValuesOf(dst, b[:size], head); !ok {
			dst = append(dst[:start], b[:size]...)
			clear(dst[start+head:])
		}
		b = b[size:]
	}
	return dst
}

// withoutValuesOf does one batch; false when it cannot be read.
func (s *Scrubber) withoutValuesOf(dst, batch []byte, head int) ([]byte, bool) {
	start := len(dst)
	s.scan.Reset(batch, s.limits)
	defer s.scan.Release()
	h, ok := s.scan.NextBatch()
	if !ok || h.Magic < 2 && h.Codec != records.None {
		return dst, false
	}
	if h.Codec == records.None || h.Magic < 2 {
		dst = append(dst, batch...)
	} else if dst, ok = s.expanded(dst, batch, head); !ok {
		return dst, false
	}
	copied := dst[start:]
	s.scan.Reset(copied, s.limits)
	if h, ok = s.scan.NextBatch(); !ok || !clearValues(&s.scan, h) {
		return dst, false
	}
	return dst, records.SetCRC(copied) == nil
}

// codecMask are the bits of the attributes, the last two bytes before offset 23, that
// name the codec.
const (
	attributesAt = 22
	codecMask    = 0x07
)

// expanded appends the batch that the scanner is at, decompressed.
func (s *Scrubber) expanded(dst, batch []byte, head int) ([]byte, bool) {
	body, err := s.scan.Expand()
	if err != nil {
		return dst, false
	}
	start := len(dst)
	dst = append(append(dst, batch[:head]...), body...)
	binary.BigEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-logOverhead))
	dst[start+attributesAt] &^= codecMask
	return dst, true
}

// clearValues zeroes the values of the batch that the scanner is at, which lies in
// memory of ours. Those of control records are Kafka's own.
func clearValues(scan *records.Scanner, h *records.Header) bool {
	if h.Control {
		return true
	}
	for {
		r, ok := scan.NextRecord()
		if !ok {
			return scan.BatchErr() == nil
		}
		clear(r.Value)
		it := r.HeaderIter()
		for header := (records.RecordHeader{}); it.Next(&header); {
			clear(header.Value)
		}
		if it.Malformed() {
			return false
		}
	}
}
