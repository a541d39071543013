package records

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

func mustSet(tb testing.TB, b *Builder, magic int8) []byte {
	tb.Helper()
	out, err := b.AppendMessageSet(nil, magic)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestMessageSetHeaders(t *testing.T) {
	b := NewBuilder(None)
	b.BaseOffset, b.BaseTimestamp, b.TimestampType = 7, 99, LogAppendTime
	b.Add([]byte("k"), []byte("v")).Add([]byte("k"), nil)
	heads, records, s := scan(mustSet(t, b, 1), Limits{})
	if s.Err() != nil || len(heads) != 2 || len(records[1]) != 1 {
		t.Fatal(len(heads), s.Err())
	}
	h := heads[1]
	if h.Magic != 1 || h.BaseOffset != 8 || h.NumRecords != 1 || h.TimestampType != LogAppendTime || h.BaseTimestamp != 99 ||
		h.ProducerID != -1 || h.PartitionLeaderEpoch != -1 || h.Control || h.Codec != None || h.Size != int(h.Length)+12 {
		t.Errorf("%+v", h)
	}
	if r := records[1][0]; !r.ValueNull || r.KeyNull || r.Index != 0 || r.OffsetDelta != 0 {
		t.Errorf("%+v", r)
	}
	b.Codec = Gzip
	s.Reset(mustSet(t, b, 0), Limits{})
	w, ok := s.NextBatch()
	if !ok || w.NumRecords != -1 || w.BaseOffset != 8 || w.TimestampType != NoTimestampType {
		t.Fatalf("wrapper before its records are read: %+v", w)
	}
	s.NextRecord()
	if w.NumRecords != 2 || w.BaseOffset != 7 || w.LastOffsetDelta != 1 {
		t.Fatalf("wrapper after its records are read: %+v", w)
	}
}

// TestWrapperOffsets checks the base that the offset of a wrapper implies.
func TestWrapperOffsets(t *testing.T) {
	b := NewBuilder(Snappy).Add(nil, []byte("a")).Add(nil, []byte("b")).Add(nil, []byte("c"))
	b.Records[1].OffsetDelta, b.Records[2].OffsetDelta = 4, 9 // compacted
	for _, c := range []struct{ wrapper, base int64 }{{509, 500}, {9, 0}, {0, 0}} {
		set := mustSet(t, b, 1)
		binary.BigEndian.PutUint64(set, uint64(c.wrapper))
		heads, records, s := scan(set, Limits{})
		if s.Err() != nil || heads[0].BaseOffset != c.base || heads[0].LastOffsetDelta != 9 || len(records[0]) != 3 {
			t.Fatal(s.Err())
		}
		s.Reset(set, Limits{})
		h, _ := s.NextBatch()
		var got []int64
		for r, ok := s.NextRecord(); ok; r, ok = s.NextRecord() {
			got = append(got, h.Offset(r))
		}
		if want := []int64{c.base, c.base + 4, c.base + 9}; !slices.Equal(got, want) {
			t.Errorf("wrapper at %d: offsets %v, want %v", c.wrapper, got, want)
		}
	}
}

func TestBrokenMessageSets(t *testing.T) {
	inner := mustSet(t, NewBuilder(None).Add([]byte("k"), []byte("v")), 1)
	nested := mustSet(t, NewBuilder(Gzip).Add([]byte("k"), []byte("v")), 1)
	// wrap puts bytes into a compressed wrapper of magic 1 at an offset.
	wrap := func(offset int64, body []byte) []byte {
		value, err := appendCompressed(nil, Gzip, 1, body)
		if err != nil {
			t.Fatal(err)
		}
		return new(Builder).appendMessage(nil, message{offset: offset, magic: 1, codec: Gzip, value: value})
	}
	far := slices.Clone(inner)
	binary.BigEndian.PutUint64(far, 1<<40)
	edit := func(at int, b ...byte) []byte {
		out := slices.Clone(inner)
		copy(out[at:], b)
		return out
	}
	for _, c := range []struct {
		name, field string
		blob        []byte
	}{
		{"key beyond the message", "Key", edit(26, 0, 0, 1, 0)},
		{"value beyond the message", "Value", edit(31, 0, 0, 1, 0)},
		{"bytes after the value", "Value", edit(31, 0, 0, 0, 0)},
		{"null value in a wrapper", "Value", new(Builder).appendMessage(nil, message{magic: 1, codec: Gzip})},
		{"empty wrapper", "Value", wrap(3, nil)},
		{"wrapper in a wrapper", "Attributes", wrap(3, nested)},
		{"message cut short in a wrapper", "Length", wrap(3, inner[:len(inner)-1])},
		{"scrap in a wrapper", "Length", wrap(3, []byte{1, 2, 3})},
		{"negative size in a wrapper", "Length", wrap(3, edit(8, 0xff))},
		{"magic 2 in a wrapper", "Magic", wrap(3, edit(16, 2))},
		{"offset below the last message inside", "Offset", wrap(3, edit(7, 4))},
		{"offsets too far apart", "Offset", wrap(1<<41, slices.Concat(inner, far))},
	} {
		after := mustBatch(t, NewBuilder(None).Add(nil, nil))
		heads, records, s := scan(append(c.blob, after...), Limits{})
		var m *MalformedError
		if !errors.As(s.Err(), &m) || m.Field != c.field || len(heads) != 2 || len(records[0]) != 0 || len(records[1]) != 1 {
			t.Errorf("%s: %d batches, %v", c.name, len(heads), s.Err())
		}
	}
	zstd := new(Builder).appendMessage(nil, message{magic: 1, codec: Zstd, value: []byte("x")})
	var codec *CodecError
	if _, _, s := scan(zstd, Limits{}); !errors.As(s.Err(), &codec) || codec.Codec != Zstd {
		t.Errorf("zstd exists in magic 2 only: %v", s.Err())
	}
}

func TestBuilderRefusesWhatMessageSetsLack(t *testing.T) {
	for _, c := range []struct {
		b     *Builder
		magic int8
	}{
		{NewBuilder(Zstd).Add(nil, nil), 1},
		{NewBuilder(None).Add(nil, nil, RecordHeader{Key: []byte("h")}), 1},
		{NewBuilder(None).Add(nil, nil), 2},
	} {
		if out, err := c.b.AppendMessageSet([]byte("kept"), c.magic); err == nil || string(out) != "kept" {
			t.Errorf("%+v: %q, %v", c.b, out, err)
		}
	}
	if out, err := NewBuilder(5).Add(nil, nil).AppendBatch([]byte("kept")); err == nil || string(out) != "kept" {
		t.Errorf("codec 5: %q, %v", out, err)
	}
}

// TestLZ4HeaderChecksumOfMagic0 holds the broken checksum against KAFKA-3160
// and the right one against an independent implementation.
func TestLZ4HeaderChecksumOfMagic0(t *testing.T) {
	frames := map[int8][]byte{}
	for magic := range int8(2) {
		set := mustSet(t, NewBuilder(LZ4).Add([]byte("k"), []byte("v")), magic)
		frames[magic] = set[slices.Index(set, 0x04):] // the frame begins 04 22 4d 18
		if _, records, s := scan(set, Limits{}); s.Err() != nil || len(records[0]) != 1 {
			t.Fatalf("magic %d: %v", magic, s.Err())
		}
	}
	if f := frames[1]; byte(xxh32(f[4:6])>>8) != f[6] {
		t.Errorf("magic 1: % x, our checksum of the descriptor differs from pierrec/lz4's", f[:7])
	}
	if f := frames[0]; byte(xxh32(f[0:6])>>8) != f[6] || f[6] == frames[1][6] {
		t.Errorf("magic 0: % x", f[:7])
	}
}
