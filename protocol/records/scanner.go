package records

import "encoding/binary"

// Limits bound what a batch may expand to when it is decompressed.
type Limits struct {
	// MaxDecompressed bounds the records of one batch in bytes; 0 means
	// DefaultMaxDecompressed.
	MaxDecompressed int
	// MaxRatio bounds the sum of all decompressed bytes since Reset to
	// MaxRatio times the sum of the compressed bytes, plus RatioGrace; 0
	// means DefaultMaxRatio.
	MaxRatio int
}

// What Limits mean when they are left at zero, and the expansion that is free
// of the ratio: repetitive logs and JSON legitimately shrink a hundredfold, and
// what stays below a few MiB harms nobody.
const (
	DefaultMaxDecompressed = 64 << 20
	DefaultMaxRatio        = 100
	RatioGrace             = 8 << 20

	maxMaxRatio = 1 << 24 // keeps products with a blob's size within an int
)

// Record is a view of one record. Its slices alias the scanned bytes or the
// scanner's output buffer and die with the next record but one.
type Record struct {
	// Index counts the records of the batch from 0, as record_errors of a
	// Produce response do (KIP-467).
	Index int
	// OffsetDelta and TimestampDelta count from the header's base; see
	// Header.Offset and Header.Timestamp. TimestampDelta is in milliseconds.
	OffsetDelta    int32
	TimestampDelta int64
	// Key and Value are nil when null, and empty but not nil when empty. Any
	// negative length is null, as it is for Kafka (Utils.readBytes).
	Key, Value         []byte
	KeyNull, ValueNull bool
	// Headers are the raw record headers, NumHeaders of them, not yet
	// validated; walk them with a HeaderIter.
	Headers    []byte
	NumHeaders int
}

// states of a Scanner
const (
	noBatch   = iota // before the first batch, after the last, after a bad one
	unopened         // a header was read, its records were not
	inBatch          // walking records of magic 2
	inMessage        // walking messages of magic 0 or 1
)

// Scanner walks the batches of one partition and the records inside them.
// The zero value is ready for Reset. It must not be used by two goroutines at
// once. See the package documentation for the lifetime of what it returns.
type Scanner struct {
	// set by Reset
	blob []byte
	lim  Limits

	// of the blob
	next      int // where the next batch starts
	truncated bool
	err       error // first error since Reset
	grace     int   // bytes that may still be decompressed under MaxRatio

	// of the batch
	state    int
	start    int // where the batch starts
	batchErr error
	header   Header
	body     []byte // decompressed records
	pos      int    // in body
	index    int    // of the next record
	count    int    // records in the batch

	recs [2]Record // in turn, so that the one before is still whole
	out  output    // what body aliases when the batch was compressed
}

// Reset prepares the scanner for the record bytes of another partition. The
// scanner reads blob until Release or the next Reset and never writes to it.
func (s *Scanner) Reset(blob []byte, lim Limits) {
	if lim.MaxDecompressed <= 0 {
		lim.MaxDecompressed = DefaultMaxDecompressed
	}
	if lim.MaxRatio <= 0 {
		lim.MaxRatio = DefaultMaxRatio
	}
	lim.MaxRatio = min(lim.MaxRatio, maxMaxRatio)
	s.blob, s.lim = blob, lim
	s.next, s.start, s.truncated, s.grace = 0, 0, false, RatioGrace
	s.err, s.batchErr, s.state = nil, nil, noBatch
	s.body, s.recs = nil, [2]Record{}
}

// Release returns the output buffer to the pool and forgets the blob. The
// scanner can be Reset again afterwards.
func (s *Scanner) Release() {
	s.Reset(nil, s.lim)
	s.out.release()
}

// NextBatch moves on to the next batch, whether or not all records of this
// one were read, and reports whether there is one. At the end, and when the
// framing is broken, it returns false: see Err and Truncated. The header is
// overwritten by the next call.
func (s *Scanner) NextBatch() (*Header, bool) {
	s.state, s.batchErr = noBatch, nil
	rest := s.blob[s.next:]
	s.start = s.next
	if len(rest) < logOverhead {
		s.truncated = len(rest) > 0
		return nil, false
	}
	length := int32(binary.BigEndian.Uint32(rest[8:]))
	if length < minLength {
		return nil, s.fail("Length", 8, "shorter than any batch")
	}
	if int64(length) > int64(len(rest)-logOverhead) {
		s.truncated = true
		return nil, false
	}
	size := logOverhead + int(length)
	if field, reason := s.header.parse(rest[:size], size); field != "" {
		return nil, s.fail(field, magicAt, reason)
	}
	s.next += size
	s.state = unopened
	return &s.header, true
}

// record is where the next record goes.
func (s *Scanner) record() *Record { return &s.recs[s.index&1] }

// Batch gives the bytes of the current batch, a part of the blob.
func (s *Scanner) Batch() []byte { return s.blob[s.start:s.next] }

// Payload gives the records of the current batch as they travel, a part of the
// blob; nil for an entry of magic 0 or 1, whose head and record are one.
func (s *Scanner) Payload() []byte {
	if s.header.Magic < 2 {
		return nil
	}
	return s.blob[s.start+headerSizeV2 : s.next]
}

// Expanded is how many bytes the records of the batch take that was opened last
// since Reset, decompressed; 0 before. It is what looking into it costs.
func (s *Scanner) Expanded() int { return len(s.body) }

// Err is the first error since Reset, nil when everything that was asked for
// could be read. A truncated tail is not an error.
func (s *Scanner) Err() error { return s.err }

// BatchErr is the error that ended the records of the current batch, if any.
// The batches after it can still be read.
func (s *Scanner) BatchErr() error { return s.batchErr }

// Truncated says, once NextBatch has returned false, that the blob ends inside
// a batch. In Fetch responses that is normal (ByteBufferLogInputStream.java),
// in Produce requests it is an error.
func (s *Scanner) Truncated() bool { return s.truncated }

// fail ends the scan with a malformed field of the batch at s.start.
func (s *Scanner) fail(field string, at int, reason string) bool {
	s.next = len(s.blob)
	return s.failBatch(&MalformedError{Field: field, Record: -1, Offset: s.start + at, Reason: reason})
}

// failRecord ends the batch with a malformed field of a record, or of the
// batch when record is -1.
func (s *Scanner) failRecord(record int, field string, at int, reason string) bool {
	return s.failBatch(&MalformedError{Field: field, Record: record, Offset: at, Reason: reason})
}

func (s *Scanner) failBatch(err error) bool {
	s.state, s.batchErr = noBatch, err
	if s.err == nil {
		s.err = err
	}
	return false
}
