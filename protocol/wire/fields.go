package wire

// String reads a classic string: an int16 length, then the bytes. Null fails.
func (r *Reader) String() []byte { return r.notNull(r.NullableString()) }

// NullableString reads a classic nullable string; any negative length is null.
func (r *Reader) NullableString() (s []byte, null bool) {
	return r.nullable(int32(r.Int16()))
}

// CompactString reads a compact string: uvarint length plus one, then the
// bytes. Null (0) fails.
func (r *Reader) CompactString() []byte { return r.notNull(r.NullableCompactString()) }

// NullableCompactString reads a compact nullable string.
func (r *Reader) NullableCompactString() (s []byte, null bool) { return r.nullable(r.compactLen()) }

// Bytes reads classic bytes: an int32 length, then the bytes. Null fails.
func (r *Reader) Bytes() []byte { return r.notNull(r.NullableBytes()) }

// NullableBytes reads classic nullable bytes; any negative length is null.
func (r *Reader) NullableBytes() (b []byte, null bool) { return r.nullable(r.Int32()) }

// CompactBytes reads compact bytes. Null fails.
func (r *Reader) CompactBytes() []byte { return r.notNull(r.NullableCompactBytes()) }

// NullableCompactBytes reads compact nullable bytes.
func (r *Reader) NullableCompactBytes() (b []byte, null bool) { return r.nullable(r.compactLen()) }

// FlexString reads a string in the encoding that flexible chooses. Null fails.
func (r *Reader) FlexString(flexible bool) []byte {
	if flexible {
		return r.CompactString()
	}
	return r.String()
}

// FlexNullableString reads a nullable string in the encoding that flexible
// chooses.
func (r *Reader) FlexNullableString(flexible bool) (s []byte, null bool) {
	if flexible {
		return r.NullableCompactString()
	}
	return r.NullableString()
}

// FlexNullableBytes reads nullable bytes in the encoding that flexible chooses.
func (r *Reader) FlexNullableBytes(flexible bool) (b []byte, null bool) {
	if flexible {
		return r.NullableCompactBytes()
	}
	return r.NullableBytes()
}

// ArrayLen reads the length of an array; -1 is null. An element takes at least
// one byte, hence a length above the bytes that remain fails with ErrShort:
// whoever allocates by it never allocates more elements than there are bytes.
func (r *Reader) ArrayLen(flexible bool) int {
	var n int32
	if flexible {
		n = r.compactLen()
	} else {
		n = r.Int32()
	}
	if r.err != nil {
		return 0
	}
	if n < 0 {
		return -1
	}
	if int(n) > len(r.src)-r.off {
		r.Fail(ErrShort)
		return 0
	}
	return int(n)
}

// SkipTags steps over a section of tagged fields.
func (r *Reader) SkipTags() {
	// Almost every section is empty: one zero byte.
	if r.off < len(r.src) && r.src[r.off] == 0 {
		r.off++
		return
	}
	for n := r.TagCount(); n > 0 && r.err == nil; n-- {
		r.Tag()
	}
}

// TagCount reads how many tagged fields follow. A count above the int32 range
// is none, as Apache Kafka counts in a signed int.
func (r *Reader) TagCount() int {
	n := int(int32(r.Uvarint()))
	if n > len(r.src)-r.off {
		r.Fail(ErrShort)
		return 0
	}
	return max(n, 0)
}

// Tag reads one tagged field: its number and its bytes.
func (r *Reader) Tag() (number uint32, value []byte) {
	number = r.Uvarint()
	value = r.Span(int(int32(r.Uvarint())))
	return number, value
}

// compactLen reads a compact length: 0 means null (-1). The subtraction is in
// int32, where Apache Kafka does it too.
func (r *Reader) compactLen() int32 { return int32(r.Uvarint()) - 1 }

func (r *Reader) nullable(n int32) ([]byte, bool) {
	if n < 0 {
		return nil, r.err == nil
	}
	return r.Span(int(n)), false
}

func (r *Reader) notNull(b []byte, null bool) []byte {
	if null {
		r.Fail(ErrNull)
	}
	return b
}
