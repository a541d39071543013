package protocol

import "warder/protocol/wire"

// Cursor is a position in a frame that is still arriving. It lets a walker see
// the structure of a message whose record bytes pass by without being held.
type Cursor interface {
	// Peek returns the next n bytes, valid until the next call of any method.
	// n is at most MaxPeek and at most Remaining. The error is that of reading.
	Peek(n int) ([]byte, error)
	// Advance passes the next n bytes on, 0 <= n <= Remaining; they may be more
	// than what is buffered. The error is that of reading or of writing.
	Advance(n int) error
	// Remaining returns how many bytes of the frame are left.
	Remaining() int
}

// MemoryCursor is a Cursor over bytes in memory. It never fails.
type MemoryCursor struct{ rest []byte }

// NewMemoryCursor returns a Cursor at the start of b.
func NewMemoryCursor(b []byte) *MemoryCursor { return &MemoryCursor{rest: b} }

// Peek implements Cursor.
func (c *MemoryCursor) Peek(n int) ([]byte, error) {
	if n > len(c.rest) {
		return nil, ErrShort
	}
	return c.rest[:n:n], nil
}

// Advance implements Cursor.
func (c *MemoryCursor) Advance(n int) error {
	if n < 0 || n > len(c.rest) {
		return ErrShort
	}
	c.rest = c.rest[n:]
	return nil
}

// Remaining implements Cursor.
func (c *MemoryCursor) Remaining() int { return len(c.rest) }

// streamReader reads primitives from a Cursor; like wire.Reader it is sticky.
// Errors of the Cursor itself are kept apart from those of the bytes, because
// only the latter are the peer's fault.
type streamReader struct {
	c    Cursor
	err  error // what is wrong with the bytes
	fail error // what the Cursor said
}

func (s *streamReader) ok() bool { return s.err == nil && s.fail == nil }

func (s *streamReader) malformed(err error) {
	if s.ok() {
		s.err = err
	}
}

// peek returns the next n bytes, or nil after a failure.
func (s *streamReader) peek(n int) []byte {
	if !s.ok() {
		return nil
	}
	if n > s.c.Remaining() {
		s.err = ErrShort
		return nil
	}
	b, err := s.c.Peek(n)
	if err != nil {
		s.fail = err
		return nil
	}
	return b
}

// skip steps over n bytes.
func (s *streamReader) skip(n int) {
	if n < 0 {
		s.malformed(wire.ErrLength)
		return
	}
	if !s.ok() || n == 0 {
		return
	}
	if n > s.c.Remaining() {
		s.err = ErrShort
		return
	}
	s.fail = s.c.Advance(n)
}

func (s *streamReader) int16() int16 {
	r := wire.NewReader(s.peek(2))
	v := r.Int16()
	s.skip(2)
	return v
}

func (s *streamReader) int32() int32 {
	r := wire.NewReader(s.peek(4))
	v := r.Int32()
	s.skip(4)
	return v
}

func (s *streamReader) uvarint() uint32 {
	if !s.ok() {
		return 0
	}
	v, n, err := wire.DecodeUvarint(s.peek(min(wire.MaxUvarintLen, s.c.Remaining())))
	if err != nil {
		s.malformed(err)
		return 0
	}
	s.skip(n)
	return v
}

// compactLen reads a compact length; -1 and below are null.
func (s *streamReader) compactLen() int { return int(int32(s.uvarint()) - 1) }

// arrayLen reads the length of an array, null counting as empty. As in
// wire.Reader it never exceeds the bytes that remain.
func (s *streamReader) arrayLen(flexible bool) int {
	var n int
	if flexible {
		n = s.compactLen()
	} else {
		n = int(s.int32())
	}
	if s.ok() && n > s.c.Remaining() {
		s.err = ErrShort
	}
	if !s.ok() {
		return 0
	}
	return max(n, 0)
}

// skipCompact steps over a compact string or compact bytes, null or not.
func (s *streamReader) skipCompact() { s.skip(max(s.compactLen(), 0)) }

// result is what ended a walk over a body of size bytes early: an error of the
// Cursor as it is, a *MalformedError for the bytes, or nil.
func (s *streamReader) result(key APIKey, version int16, field string, size int) error {
	if s.fail != nil {
		return s.fail
	}
	if s.err != nil {
		return &MalformedError{Key: key, Version: version, Field: field, Offset: size - s.c.Remaining(), Err: s.err}
	}
	return nil
}

// skipTags steps over a section of tagged fields.
func (s *streamReader) skipTags() {
	for n := int32(s.uvarint()); n > 0 && s.ok(); n-- {
		s.uvarint()
		s.skip(int(int32(s.uvarint())))
	}
}
