package records

import "encoding/binary"

// NextRecord moves on to the next record of the current batch and reports
// whether there is one; at the first call it decompresses the batch. When it
// returns false, BatchErr tells the end of the batch from a broken one.
//
// The fast path knows a record of magic 2 whose key is shorter than 64 bytes,
// whose value is shorter than 8 KiB, whose deltas fit into two bytes and that
// has no headers. It takes the head of the record, at most eight bytes, with
// a single load. Everything else, every fault above all, is for slowRecord.
func (s *Scanner) NextRecord() (*Record, bool) {
	b, p := s.body, s.pos
	if s.state != inBatch || s.index >= s.count || len(b)-p < 8 {
		return s.slowRecord()
	}
	head := binary.LittleEndian.Uint64(b[p:])
	length := head & 0x7f
	if head&0x80 != 0 {
		length |= head >> 1 & 0x3f80
		if head&0x8000 != 0 {
			return s.slowRecord()
		}
		head >>= 8
		p++
	}
	end := p + 1 + int(length>>1)
	head >>= 16 // length and attributes
	timestamp := head & 0x7f
	if head&0x80 != 0 {
		timestamp |= head >> 1 & 0x3f80
		if head&0x8000 != 0 {
			return s.slowRecord()
		}
		head >>= 8
		p++
	}
	head >>= 8
	offset := head & 0x7f
	if head&0x80 != 0 {
		offset |= head >> 1 & 0x3f80
		if head&0x8000 != 0 {
			return s.slowRecord()
		}
		head >>= 8
		p++
	}
	key := head >> 8 & 0xff
	p += 5 // now behind the length of the key
	if length&1 != 0 || key&0x80 != 0 || end > len(b) {
		return s.slowRecord()
	}
	var keyBytes, valueBytes []byte
	if key&1 == 0 {
		q := p + int(key>>1)
		if q > end {
			return s.slowRecord()
		}
		keyBytes = b[p:q:q]
		p = q
	}
	if end-p < 2 {
		return s.slowRecord()
	}
	size := uint64(b[p])
	p++
	if size >= 0x80 {
		next := uint64(b[p])
		p++
		if next >= 0x80 {
			return s.slowRecord()
		}
		size = size&0x7f | next<<7
	}
	if size&1 == 0 {
		q := p + int(size>>1)
		if q >= end {
			return s.slowRecord()
		}
		valueBytes = b[p:q:q]
		p = q
	}
	if p+1 != end || b[p] != 0 {
		return s.slowRecord()
	}
	r := s.record()
	r.Key, r.Value, r.Headers = keyBytes, valueBytes, nil
	r.KeyNull, r.ValueNull, r.NumHeaders = key&1 != 0, size&1 != 0, 0
	r.TimestampDelta = int64(timestamp>>1) ^ -int64(timestamp&1)
	r.OffsetDelta = int32(offset>>1) ^ -int32(offset&1)
	r.Index = s.index
	s.index++
	s.pos = end
	return r, true
}

// slowRecord is NextRecord for whatever the fast path leaves aside.
func (s *Scanner) slowRecord() (*Record, bool) {
	if s.state != inBatch && !s.enter() {
		return nil, false
	}
	if s.state == inMessage {
		return s.nextMessage()
	}
	if s.index >= s.count {
		return nil, s.finish()
	}
	b := s.body
	u, p := uvarint(b, s.pos, 5)
	n := int(uint32(u) >> 1)
	if p < 0 || u&1 != 0 || n > len(b)-p {
		return nil, s.failRecord(s.index, "Length", s.pos, "outside of the batch")
	}
	r := s.record()
	if field := r.decode(b[p : p+n]); field != "" {
		return nil, s.failRecord(s.index, field, p, "does not fit into its record")
	}
	r.Index = s.index
	s.index++
	s.pos = p + n
	return r, true
}

// decode reads a record of magic 2 whose length has been taken off; b is
// exactly the record (DefaultRecord.readFrom). It names the field that does
// not fit, or "".
func (r *Record) decode(b []byte) string {
	if len(b) < minRecordV2-1 {
		return "Length"
	}
	p := 1 // attributes, unused
	if r.TimestampDelta, p = varlong(b, p); p < 0 {
		return "TimestampDelta"
	}
	if r.OffsetDelta, p = varint(b, p); p < 0 {
		return "OffsetDelta"
	}
	if r.Key, p = span(b, p); p < 0 {
		return "Key"
	}
	r.KeyNull = r.Key == nil
	if r.Value, p = span(b, p); p < 0 {
		return "Value"
	}
	r.ValueNull = r.Value == nil
	n, p := varint(b, p)
	if p < 0 || n < 0 || int(n) > len(b)-p || n == 0 && p != len(b) {
		return "Headers"
	}
	if r.Headers, r.NumHeaders = nil, int(n); n > 0 {
		r.Headers = b[p:]
	}
	return ""
}

// span reads bytes with a varint length in front; null is nil.
func span(b []byte, p int) ([]byte, int) {
	n, p := varint(b, p)
	if p < 0 || int(n) > len(b)-p {
		return nil, -1
	}
	if n < 0 {
		return nil, p
	}
	end := p + int(n)
	return b[p:end:end], end
}

// enter opens the batch whose header was read, and reports whether there are
// records to walk.
func (s *Scanner) enter() bool {
	if s.state == inMessage {
		return true
	}
	if s.state != unopened {
		return false
	}
	s.index, s.pos = 0, 0
	if s.header.Magic < 2 {
		return s.openMessages()
	}
	body, err := s.decompress(s.Batch()[headerSizeV2:])
	if err != nil {
		return s.failBatch(err)
	}
	if int64(s.header.NumRecords)*minRecordV2 > int64(len(body)) {
		return s.failRecord(-1, "NumRecords", s.start+57, "more than the batch can hold")
	}
	s.body, s.count, s.state = body, int(s.header.NumRecords), inBatch
	return true
}

// finish ends a batch of which every record was read. Bytes left over make it
// invalid (DefaultRecordBatch.RecordIterator).
func (s *Scanner) finish() bool {
	if s.pos != len(s.body) {
		return s.failRecord(s.index, "NumRecords", s.pos, "bytes left after the last record")
	}
	s.state = noBatch
	return false
}
