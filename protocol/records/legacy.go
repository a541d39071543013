package records

import (
	"encoding/binary"
	"math"
)

// message is one entry of a message set (LegacyRecord.java).
type message struct {
	offset    int64
	magic     int8
	codec     Codec
	timestamp int64 // -1 in magic 0
	key       []byte
	value     []byte
	size      int // of the entry
}

// parse reads the entry at the start of b. It names the field that does not
// fit, or "".
func (m *message) parse(b []byte) string {
	if len(b) < headerSizeV0 {
		return "Length"
	}
	m.offset = int64(binary.BigEndian.Uint64(b))
	size := int64(int32(binary.BigEndian.Uint32(b[8:])))
	if size < minLength || size > int64(len(b)-logOverhead) {
		return "Length"
	}
	b = b[:logOverhead+size]
	m.size, m.magic, m.codec, m.timestamp = len(b), int8(b[magicAt]), Codec(b[17]&codecMask), -1
	p := headerSizeV0
	switch m.magic {
	case 0:
	case 1:
		if p = headerSizeV1; len(b) < p {
			return "Length"
		}
		m.timestamp = int64(binary.BigEndian.Uint64(b[headerSizeV0:]))
	default:
		return "Magic"
	}
	if m.key, p = fixedSpan(b, p); p < 0 {
		return "Key"
	}
	if m.value, p = fixedSpan(b, p); p != len(b) {
		return "Value"
	}
	return ""
}

// fixedSpan reads bytes with an int32 length in front; null, any negative
// length, is nil. The position after them is -1 when they do not fit.
func fixedSpan(b []byte, p int) ([]byte, int) {
	if len(b)-p < 4 {
		return nil, -1
	}
	n := int32(binary.BigEndian.Uint32(b[p:]))
	p += 4
	if n < 0 {
		return nil, p
	}
	if int64(n) > int64(len(b)-p) {
		return nil, -1
	}
	end := p + int(n)
	return b[p:end:end], end
}

// openMessages prepares the walk over an entry of magic 0 or 1. A compressed
// one is a wrapper, its value a message set.
func (s *Scanner) openMessages() bool {
	var m message
	if field := m.parse(s.Batch()); field != "" {
		return s.failRecord(-1, field, s.start, "does not fit into its message")
	}
	if m.codec == None {
		s.body, s.count, s.state = s.Batch(), 1, inMessage
		return true
	}
	if m.value == nil {
		return s.failRecord(-1, "Value", s.start, "null in a compressed message")
	}
	if m.codec > LZ4 {
		return s.failBatch(&CodecError{Codec: m.codec, Err: errUnknownCodec})
	}
	body, err := s.decompress(m.value)
	if err != nil {
		return s.failBatch(err)
	}
	s.body = body
	return s.openWrapper(m.offset)
}

// openWrapper measures the messages inside a wrapper. Their offsets are
// absolute in magic 0. In magic 1 they count from a base that the wrapper,
// which carries the offset of the last one, tells indirectly (KIP-31); 0
// there is a producer that did not bother (AbstractLegacyRecordBatch.java).
func (s *Scanner) openWrapper(offset int64) bool {
	var m message
	var first, last int64
	n := 0
	for p := 0; p < len(s.body); n++ {
		if field := m.parse(s.body[p:]); field != "" {
			return s.failRecord(n, field, p, "does not fit into its message")
		}
		if m.codec != None {
			return s.failRecord(n, "Attributes", p, "compressed inside a compressed message")
		}
		if n == 0 {
			first = m.offset
		}
		last = m.offset
		p += m.size
	}
	if n == 0 {
		return s.failRecord(-1, "Value", s.start, "no message inside")
	}
	h := &s.header
	switch {
	case h.Magic == 0:
		h.BaseOffset = first
		last -= first
	case offset == 0:
		h.BaseOffset = 0
	case offset < last:
		return s.failRecord(-1, "Offset", s.start, "less than that of the last message inside")
	default:
		h.BaseOffset = offset - last
	}
	if last != int64(int32(last)) {
		return s.failRecord(n-1, "Offset", len(s.body)-m.size, "too far from that of the wrapper")
	}
	h.LastOffsetDelta, h.NumRecords = int32(last), int32(n)
	s.count, s.state = n, inMessage
	return true
}

// nextMessage moves on to the next message of the entry.
func (s *Scanner) nextMessage() (*Record, bool) {
	if s.index >= s.count {
		s.state = noBatch
		return nil, false
	}
	var m message
	if field := m.parse(s.body[s.pos:]); field != "" {
		return nil, s.failRecord(s.index, field, s.pos, "does not fit into its message")
	}
	delta := m.offset
	if s.header.Magic == 0 || s.header.Codec == None {
		delta -= s.header.BaseOffset
	}
	if delta < math.MinInt32 || delta > math.MaxInt32 {
		return nil, s.failRecord(s.index, "Offset", s.pos, "too far from that of the wrapper")
	}
	r := s.record()
	*r = Record{Index: s.index, OffsetDelta: int32(delta), Key: m.key, KeyNull: m.key == nil, Value: m.value, ValueNull: m.value == nil}
	if m.timestamp >= 0 && s.header.BaseTimestamp >= 0 {
		r.TimestampDelta = m.timestamp - s.header.BaseTimestamp
	}
	s.index++
	s.pos += m.size
	return r, true
}
