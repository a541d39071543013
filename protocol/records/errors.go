package records

import (
	"errors"
	"fmt"
)

// MalformedError reports bytes that break the format. Kafka answers them
// with CORRUPT_MESSAGE or INVALID_RECORD.
type MalformedError struct {
	// Field is what was being read, in Kafka's words: "Length", "Magic",
	// "NumRecords", "Key" and so on.
	Field string
	// Record is the index of the record inside its batch, or -1 when the
	// batch itself is broken.
	Record int
	// Offset counts bytes: from the start of the scanned blob when Record is
	// -1, otherwise from the start of the batch's decompressed records.
	Offset int
	// Reason says what is wrong with the field.
	Reason string
}

func (e *MalformedError) Error() string {
	if e.Record < 0 {
		return fmt.Sprintf("malformed record batch: %s at byte %d: %s", e.Field, e.Offset, e.Reason)
	}
	return fmt.Sprintf("malformed record %d: %s at byte %d of the records: %s", e.Record, e.Field, e.Offset, e.Reason)
}

// CodecError reports compressed bytes that cannot be decompressed: corrupt,
// cut short, or of a codec that does not exist (Kafka:
// UNSUPPORTED_COMPRESSION_TYPE).
type CodecError struct {
	Codec Codec
	Err   error // never nil
}

func (e *CodecError) Error() string { return fmt.Sprintf("decompress %s: %v", e.Codec, e.Err) }

// Unwrap gives the decoder's own error.
func (e *CodecError) Unwrap() error { return e.Err }

// A Bound names the limit that a [BombError] exceeds.
type Bound string

// The two bounds of [Limits].
const (
	BoundBytes Bound = "bytes" // Limits.MaxDecompressed
	BoundRatio Bound = "ratio" // Limits.MaxRatio
)

// BombError reports a batch whose records expand beyond [Limits]. The output
// buffer never grew beyond the limit, rounded up to a power of two.
type BombError struct {
	Codec      Codec
	Bound      Bound
	Compressed int // bytes of the compressed records
	Limit      int // bytes that this batch was allowed to expand to
}

func (e *BombError) Error() string {
	return fmt.Sprintf("%s records of %d bytes expand beyond %d bytes (limit on %s)", e.Codec, e.Compressed, e.Limit, e.Bound)
}

// ErrCRC reports a checksum that does not match its batch.
var ErrCRC = errors.New("record batch checksum mismatch")

var (
	errShortInput   = errors.New("input ends early")
	errUnknownCodec = errors.New("unknown codec")
)
