package wire

import (
	"encoding/binary"
	"errors"
)

// Reasons for which a read fails. They are plain values, so that failing costs
// no allocation either; the decoder adds which message and field it was.
var (
	// ErrShort says that the message goes on beyond the bytes at hand.
	ErrShort = errors.New("more bytes are needed")
	// ErrVarint says that a varint is longer or larger than its type allows
	// (ByteUtils.readUnsignedVarint stops at five bytes, readVarlong at ten).
	ErrVarint = errors.New("varint too long")
	// ErrNull says that a null stands where the protocol allows none.
	ErrNull = errors.New("null where none is allowed")
	// ErrLength says that a length is negative where only sizes make sense.
	ErrLength = errors.New("negative length")
)

// Reader walks over one message. The zero Reader reads an empty message.
// It is a value: copying it forks the position.
type Reader struct {
	src []byte
	off int
	err error
}

// NewReader returns a Reader at the start of b. The Reader and all that it
// returns alias b.
func NewReader(b []byte) Reader { return Reader{src: b} }

// NewReaderAt returns a Reader of b that starts at offset off (0..len(b)).
func NewReaderAt(b []byte, off int) Reader { return Reader{src: b, off: off} }

// Err returns the first failure, or nil.
func (r *Reader) Err() error { return r.err }

// Offset returns how many bytes have been consumed. After a failure it is the
// place of the failure.
func (r *Reader) Offset() int { return r.off }

// Remaining returns how many bytes are left; 0 after a failure.
func (r *Reader) Remaining() int { return max(len(r.src)-r.off, 0) }

// Fail makes the Reader fail with err from here on, unless it failed before:
// for what a decoder finds wrong by itself.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
		r.src = nil // every later read now finds too few bytes
	}
}

// Int8 reads one signed byte.
func (r *Reader) Int8() int8 {
	if len(r.src)-r.off < 1 {
		r.Fail(ErrShort)
		return 0
	}
	v := int8(r.src[r.off])
	r.off++
	return v
}

// Bool reads one byte; every value but 0 is true.
func (r *Reader) Bool() bool { return r.Int8() != 0 }

// Int16 reads a big-endian int16.
func (r *Reader) Int16() int16 {
	if len(r.src)-r.off < 2 {
		r.Fail(ErrShort)
		return 0
	}
	v := int16(binary.BigEndian.Uint16(r.src[r.off:]))
	r.off += 2
	return v
}

// Int32 reads a big-endian int32.
func (r *Reader) Int32() int32 { return int32(r.Uint32()) }

// Uint32 reads a big-endian uint32.
func (r *Reader) Uint32() uint32 {
	if len(r.src)-r.off < 4 {
		r.Fail(ErrShort)
		return 0
	}
	v := binary.BigEndian.Uint32(r.src[r.off:])
	r.off += 4
	return v
}

// Int64 reads a big-endian int64.
func (r *Reader) Int64() int64 {
	if len(r.src)-r.off < 8 {
		r.Fail(ErrShort)
		return 0
	}
	v := int64(binary.BigEndian.Uint64(r.src[r.off:]))
	r.off += 8
	return v
}

// UUID reads the 16 bytes of a topic, directory or member id.
func (r *Reader) UUID() (id [16]byte) {
	copy(id[:], r.Span(16))
	return id
}

// Span returns the next n bytes, aliasing the source. A negative n fails with
// ErrLength.
func (r *Reader) Span(n int) []byte {
	if uint(n) > uint(len(r.src)-r.off) || r.err != nil {
		r.failSpan(n)
		return nil
	}
	b := r.src[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

func (r *Reader) failSpan(n int) {
	if n < 0 {
		r.Fail(ErrLength)
		return
	}
	r.Fail(ErrShort)
}
