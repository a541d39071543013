package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"warder/protocol/wire"
)

// fields is one of each encoding, to be appended and read back.
func appendFields(flexible bool) []byte {
	b := wire.AppendInt8(nil, -3)
	b = wire.AppendBool(b, true)
	b = wire.AppendInt16(b, math.MinInt16)
	b = wire.AppendInt32(b, math.MaxInt32)
	b = wire.AppendUint32(b, math.MaxUint32)
	b = wire.AppendInt64(b, math.MinInt64)
	b = wire.AppendUvarint(b, math.MaxUint32)
	b = wire.AppendVarint(b, math.MinInt32)
	b = wire.AppendVarlong(b, math.MinInt64)
	b = wire.AppendFlexString(b, "topic", flexible)
	b = wire.AppendFlexNullableString(b, "", true, flexible)
	if flexible {
		b = wire.AppendNullableCompactBytes(b, []byte("rec"), false)
	} else {
		b = wire.AppendNullableBytes(b, []byte("rec"), false)
	}
	b = wire.AppendArrayLen(b, -1, flexible)
	b = wire.AppendArrayLen(b, 2, flexible)
	return append(b, 1, 9, 2, 'h', 'i') // one tag: number 9, two bytes
}

func TestReaderReadsWhatWasAppended(t *testing.T) {
	for _, flexible := range []bool{false, true} {
		r := wire.NewReader(appendFields(flexible))
		check := func(what string, ok bool) {
			t.Helper()
			if !ok {
				t.Errorf("flexible %v: %s read wrong", flexible, what)
			}
		}
		check("int8", r.Int8() == -3)
		check("bool", r.Bool())
		check("int16", r.Int16() == math.MinInt16)
		check("int32", r.Int32() == math.MaxInt32)
		check("uint32", r.Uint32() == math.MaxUint32)
		check("int64", r.Int64() == math.MinInt64)
		check("uvarint", r.Uvarint() == math.MaxUint32)
		check("varint", r.Varint() == math.MinInt32)
		check("varlong", r.Varlong() == math.MinInt64)
		check("string", string(r.FlexString(flexible)) == "topic")
		_, null := r.FlexNullableString(flexible)
		check("null string", null)
		rec, null := r.FlexNullableBytes(flexible)
		check("bytes", string(rec) == "rec" && !null)
		check("null array", r.ArrayLen(flexible) == -1)
		check("array", r.ArrayLen(flexible) == 2)
		r.SkipTags()
		check("end", r.Err() == nil && r.Remaining() == 0)
	}
}

// readAll reads the fields of appendFields.
func readAll(b []byte, flexible bool) error {
	r := wire.NewReader(b)
	r.Int8()
	r.Bool()
	r.Int16()
	r.Int32()
	r.Uint32()
	r.Int64()
	r.Uvarint()
	r.Varint()
	r.Varlong()
	r.FlexString(flexible)
	r.FlexNullableString(flexible)
	r.FlexNullableBytes(flexible)
	r.ArrayLen(flexible)
	r.ArrayLen(flexible)
	r.SkipTags()
	return r.Err()
}

func TestReaderEveryPrefixIsShort(t *testing.T) {
	for _, flexible := range []bool{false, true} {
		full := appendFields(flexible)
		for n := range full {
			if err := readAll(full[:n], flexible); !errors.Is(err, wire.ErrShort) {
				t.Errorf("flexible %v: %d of %d bytes: error %v, want ErrShort", flexible, n, len(full), err)
			}
		}
	}
}

func TestReaderStaysFailed(t *testing.T) {
	r := wire.NewReader([]byte{0, 1, 2})
	r.Int16()
	r.Int32() // one byte is left
	if r.Offset() != 2 {
		t.Errorf("offset of the failure is %d, want 2", r.Offset())
	}
	if v := r.Int8(); v != 0 {
		t.Errorf("a failed reader read %d", v)
	}
	if b := r.Span(0); b != nil {
		t.Errorf("a failed reader returned the span %v", b)
	}
	if id := r.UUID(); id != [16]byte{} {
		t.Errorf("a failed reader returned the id %v", id)
	}
	r.Fail(wire.ErrNull)
	if !errors.Is(r.Err(), wire.ErrShort) || r.Remaining() != 0 {
		t.Errorf("error %v with %d bytes left, want the first error and none", r.Err(), r.Remaining())
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		read func(*wire.Reader)
		want error
	}{
		{"null string", []byte{0xff, 0xff}, func(r *wire.Reader) { r.String() }, wire.ErrNull},
		{"null compact string", []byte{0}, func(r *wire.Reader) { r.CompactString() }, wire.ErrNull},
		{"null bytes", []byte{0xff, 0xff, 0xff, 0xff}, func(r *wire.Reader) { r.Bytes() }, wire.ErrNull},
		{"null compact bytes", []byte{0}, func(r *wire.Reader) { r.CompactBytes() }, wire.ErrNull},
		{"uvarint of six bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, func(r *wire.Reader) { r.Uvarint() }, wire.ErrVarint},
		{"uvarint of 33 bits", []byte{0x80, 0x80, 0x80, 0x80, 0x10}, func(r *wire.Reader) { r.Uvarint() }, wire.ErrVarint},
		{"varlong of 65 bits", bytes.Repeat([]byte{0xff}, 10), func(r *wire.Reader) { r.Varlong() }, wire.ErrVarint},
		{"more elements than bytes", []byte{0, 0, 0, 2, 1}, func(r *wire.Reader) { r.ArrayLen(false) }, wire.ErrShort},
		{"more tags than bytes", []byte{9, 1, 0}, func(r *wire.Reader) { r.SkipTags() }, wire.ErrShort},
		{"tag size above int32", []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, func(r *wire.Reader) { r.SkipTags() }, wire.ErrLength},
		{"negative span", []byte{1}, func(r *wire.Reader) { r.Span(-1) }, wire.ErrLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire.NewReader(c.in)
			c.read(&r)
			if !errors.Is(r.Err(), c.want) {
				t.Errorf("error %v, want %v", r.Err(), c.want)
			}
		})
	}
}

// Generated Java code reads any negative length of a nullable field as null,
// and computes compact lengths in a signed int.
func TestReaderTakesOddNullsAsJavaDoes(t *testing.T) {
	r := wire.NewReader([]byte{0xff, 0xfe})
	if _, null := r.NullableString(); !null || r.Err() != nil {
		t.Errorf("length -2 is not null (%v)", r.Err())
	}
	r = wire.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	if _, null := r.NullableCompactBytes(); !null || r.Err() != nil {
		t.Errorf("compact length 2^32-1 is not null (%v)", r.Err())
	}
	r = wire.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	if r.SkipTags(); r.Err() != nil {
		t.Errorf("2^32-1 tags are not none (%v)", r.Err())
	}
}

func TestTagCountNeverExceedsTheBytesLeft(t *testing.T) {
	r := wire.NewReader([]byte{3, 1, 0})
	if n := r.TagCount(); n != 0 || !errors.Is(r.Err(), wire.ErrShort) {
		t.Errorf("%d tags in two bytes, error %v", n, r.Err())
	}
}

func TestUvarintWidths(t *testing.T) {
	for _, v := range []uint32{0, 1, 127, 128, 16383, 16384, 1<<21 - 1, 1 << 21, 1<<28 - 1, 1 << 28, math.MaxUint32} {
		shortest := wire.AppendUvarint(nil, v)
		if len(shortest) != wire.UvarintLen(v) {
			t.Errorf("UvarintLen(%d) = %d, want %d", v, wire.UvarintLen(v), len(shortest))
		}
		for width := len(shortest); width <= wire.MaxUvarintLen; width++ {
			b := wire.AppendUvarintWidth(nil, v, width)
			got, n, err := wire.DecodeUvarint(b)
			if got != v || n != width || err != nil {
				t.Errorf("%d in %d bytes reads back as %d in %d (%v)", v, width, got, n, err)
			}
		}
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	full := appendFields(true)
	short := full[:len(full)-1]
	if n := testing.AllocsPerRun(100, func() {
		if readAll(full, true) != nil || readAll(short, true) == nil {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzVarints compares with encoding/binary, which reads the same encodings
// with wider limits.
func FuzzVarints(f *testing.F) {
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Add([]byte{0x96, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 11))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, n := binary.Uvarint(b)
		r := wire.NewReader(b)
		got := r.Uvarint()
		if ok := n > 0 && n <= wire.MaxUvarintLen && want <= math.MaxUint32; ok != (r.Err() == nil) {
			t.Fatalf("uvarint %x: %v, but binary reads %d in %d bytes", b, r.Err(), want, n)
		} else if ok && (uint64(got) != want || r.Offset() != n) {
			t.Fatalf("uvarint %x: %d in %d bytes, want %d in %d", b, got, r.Offset(), want, n)
		}
		wantLong, n := binary.Varint(b)
		r = wire.NewReader(b)
		gotLong := r.Varlong()
		if (n > 0) != (r.Err() == nil) || n > 0 && (gotLong != wantLong || r.Offset() != n) {
			t.Fatalf("varlong %x: %d in %d bytes (%v), want %d in %d", b, gotLong, r.Offset(), r.Err(), wantLong, n)
		}
	})
}

// FuzzReader runs a program of reads, one per byte of ops, over arbitrary
// bytes: no read panics, none goes beyond the source, and a failed reader never
// moves again.
func FuzzReader(f *testing.F) {
	ops := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	f.Add(ops, appendFields(true))
	f.Add(ops, appendFields(false))
	f.Fuzz(func(t *testing.T, ops, b []byte) {
		r := wire.NewReader(b)
		for _, op := range ops {
			failed, before := r.Err() != nil, r.Offset()
			var got []byte
			switch op % 13 {
			case 0:
				r.Int8()
			case 1:
				r.Int16()
			case 2:
				r.Int32()
			case 3:
				r.Int64()
			case 4:
				r.Uvarint()
			case 5:
				r.Varlong()
			case 6:
				got = r.String()
			case 7:
				got = r.CompactString()
			case 8:
				got, _ = r.NullableBytes()
			case 9:
				got, _ = r.NullableCompactBytes()
			case 10:
				if n := r.ArrayLen(op > 128); n > r.Remaining() {
					t.Fatalf("array of %d with %d bytes left", n, r.Remaining())
				}
			case 11:
				r.SkipTags()
			case 12:
				r.UUID()
			}
			if r.Offset() < before || r.Offset() > len(b) || failed && r.Offset() != before {
				t.Fatalf("op %d moved from %d to %d of %d", op%13, before, r.Offset(), len(b))
			}
			if len(got) > r.Offset()-before {
				t.Fatalf("op %d returned %d bytes for %d", op%13, len(got), r.Offset()-before)
			}
		}
	})
}
