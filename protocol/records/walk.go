package records

// NextRecord moves on to the next record of the current batch and reports
// whether there is one; at the first call it decompresses the batch. When it
// returns false, BatchErr tells the end of the batch from a broken one.
func (s *Scanner) NextRecord() (*Record, bool) {
	if s.state != inBatch && !s.enter() {
		return nil, false
	}
	if s.state == inMessage {
		return s.nextMessage()
	}
	if s.index >= s.count {
		return nil, s.finish()
	}
	b, p := s.body, s.pos
	n, p := recordLength(b, p)
	if p < 0 {
		return nil, s.failRecord("Length", s.pos, "outside of the batch")
	}
	r := &s.rec
	if field := r.decode(b[p : p+n]); field != "" {
		return nil, s.failRecord(field, p, "does not fit into its record")
	}
	r.Index = s.index
	s.index++
	s.pos = p + n
	return r, true
}

// recordLength reads the length of a record at b[p:]. It gives the length and
// the position after it, or a position of -1 when the record does not fit.
func recordLength(b []byte, p int) (int, int) {
	u, q := uvarint(b, p, 5)
	n := int(uint32(u) >> 1)
	if q < 0 || u&1 != 0 || n > len(b)-q {
		return 0, -1
	}
	return n, q
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
	r.Headers, r.NumHeaders = b[p:], int(n)
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
		s.index = -1
		return s.failRecord("NumRecords", s.start+57, "more than the batch can hold")
	}
	s.body, s.count, s.state = body, int(s.header.NumRecords), inBatch
	return true
}

// finish ends a batch of which every record was read. Bytes left over make it
// invalid (DefaultRecordBatch.RecordIterator).
func (s *Scanner) finish() bool {
	if s.pos != len(s.body) {
		return s.failRecord("NumRecords", s.pos, "bytes left after the last record")
	}
	s.state = noBatch
	return false
}
