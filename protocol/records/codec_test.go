package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// plain is compressible text of n bytes with matches near and far.
func plain(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	out := make([]byte, 0, n+64)
	for len(out) < n {
		if len(out) > 100 && rng.IntN(3) > 0 {
			at := rng.IntN(len(out) - 64)
			out = append(out, out[at:at+4+rng.IntN(60)]...)
		} else {
			out = append(out, byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()))
		}
	}
	return out[:n]
}

func gzipped(tb testing.TB, b []byte) []byte {
	tb.Helper()
	out, err := appendCompressed(nil, Gzip, 2, b)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func lz4Framed(tb testing.TB, b []byte, options ...lz4.Option) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// lz4Linked makes a frame whose blocks refer to the blocks before them, with
// a stored block among them and a checksum behind each.
func lz4Linked(tb testing.TB, b []byte) []byte {
	tb.Helper()
	out := []byte{0x04, 0x22, 0x4d, 0x18, lz4Version | lz4BlockSumBit, 4 << 4, 0}
	block := func(word int, data []byte) {
		out = binary.LittleEndian.AppendUint32(out, uint32(word))
		out = append(append(out, data...), "sum."...)
	}
	var half = len(b) / 2
	if half > 64<<10 || !bytes.Equal(b[:half], b[half:2*half]) {
		tb.Fatal("want a block of up to 64 KiB and its copy")
	}
	block(half|lz4UncompressedBit, b[:half])
	// no literal, one match of the whole block at distance half, then the
	// last five bytes as literals, as the format asks
	match := half - 5 - 4
	seq := []byte{0x0f, byte(half), byte(half >> 8)}
	for match -= 15; match >= 255; match -= 255 {
		seq = append(seq, 255)
	}
	seq = append(seq, byte(match), 5<<4)
	seq = append(seq, b[2*half-5:]...)
	block(len(seq), seq)
	return append(out, 0, 0, 0, 0)
}

func zstdFramed(tb testing.TB, b []byte, options ...zstd.EOption) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func zstdStreamed(tb testing.TB, b []byte, options ...zstd.EOption) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, options...)
	if err != nil {
		tb.Fatal(err)
	}
	for part := range slices.Chunk(b, 10_000) {
		if _, err := w.Write(part); err != nil {
			tb.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

type framing struct {
	name  string
	codec Codec
	src   []byte
	want  []byte
}

// framings are the ways in which clients frame each codec, and a few more
// that the formats allow.
func framings(tb testing.TB) []framing {
	tb.Helper()
	small, large := plain(500), plain(300_000)
	twice := bytes.Repeat(plain(40_000), 2)
	javaXerial := appendXerial(nil, large)
	skippable := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "abc"...)
	member := gzipped(tb, small)
	return []framing{
		{"gzip", Gzip, gzipped(tb, large), large},
		{"gzip of nothing", Gzip, gzipped(tb, nil), nil},
		{"gzip of two members", Gzip, slices.Concat(member, gzipped(tb, large)), slices.Concat(small, large)},
		{"gzip, large member first", Gzip, slices.Concat(gzipped(tb, large), member), slices.Concat(large, small)},
		{"gzip with bytes behind", Gzip, slices.Concat(member, []byte("scrap that Java ignores")), small},
		{"snappy xerial", Snappy, javaXerial, large},
		{"snappy xerial of nothing", Snappy, appendXerial(nil, nil), nil},
		{"snappy xerial, two streams", Snappy, slices.Concat(javaXerial, appendXerial(nil, small)), slices.Concat(large, small)},
		{"snappy raw", Snappy, s2.EncodeSnappy(nil, large), large},
		{"snappy raw of nothing", Snappy, s2.EncodeSnappy(nil, nil), nil},
		{"lz4 as franz-go and sarama", LZ4, lz4Framed(tb, large), large},
		{"lz4 small, in a block of 4 MiB", LZ4, lz4Framed(tb, small), small},
		{"lz4 of nothing", LZ4, lz4Framed(tb, nil), nil},
		{"lz4 as Java", LZ4, lz4Framed(tb, large, lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)), large},
		{"lz4 with every checksum and size", LZ4, lz4Framed(tb, large, lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true), lz4.SizeOption(300_000)), large},
		{"lz4 stored", LZ4, lz4Framed(tb, small[:3]), small[:3]},
		{"lz4 at ratio 250", LZ4, lz4Framed(tb, make([]byte, 3<<20)), make([]byte, 3<<20)},
		{"lz4 linked blocks", LZ4, lz4Linked(tb, twice), twice},
		{"lz4 with bytes behind", LZ4, append(lz4Framed(tb, small), "scrap that Java ignores"...), small},
		{"zstd as franz-go", Zstd, zstdFramed(tb, large), large},
		{"zstd single segment", Zstd, zstdFramed(tb, small, zstd.WithSingleSegment(true)), small},
		{"zstd tiny", Zstd, zstdFramed(tb, small[:9], zstd.WithSingleSegment(true)), small[:9]},
		{"zstd of nothing", Zstd, zstdStreamed(tb, nil), nil},
		{"zstd without content size", Zstd, zstdStreamed(tb, large), large},
		{"zstd window of 1 KiB", Zstd, zstdStreamed(tb, large, zstd.WithWindowSize(1<<10)), large},
		{"zstd window of 128 MiB", Zstd, zstdStreamed(tb, small, zstd.WithWindowSize(128<<20)), small},
		{"zstd best", Zstd, zstdStreamed(tb, large, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), large},
		{"zstd of three frames", Zstd, slices.Concat(zstdFramed(tb, small), skippable, zstdStreamed(tb, large)), slices.Concat(small, large)},
		{"zstd run", Zstd, zstdStreamed(tb, make([]byte, 200_000)), make([]byte, 200_000)},
	}
}

func TestDecompressesEveryFraming(t *testing.T) {
	var o output
	for _, f := range framings(t) {
		for _, limit := range []int{DefaultMaxDecompressed, max(len(f.want), 1)} {
			o.limit = limit
			for range 2 {
				got, err := o.decode(f.codec, f.src)
				if err != nil || !bytes.Equal(got, f.want) {
					t.Errorf("%s, limit %d: %d of %d bytes, %v", f.name, limit, len(got), len(f.want), err)
				}
			}
			o.release()
		}
		if len(f.want) > 0 {
			o.limit = len(f.want) - 1
			if got, err := o.decode(f.codec, f.src); !errors.Is(err, errBomb) {
				t.Errorf("%s, limit one byte short: %d bytes, %v", f.name, len(got), err)
			}
			o.release()
		}
	}
}

func TestPrefixesOfCompressedBytesErr(t *testing.T) {
	for _, f := range framings(t) {
		if len(f.want) == 300_500 || len(f.src) > 20_000 {
			continue // the same formats again, only longer
		}
		var o output
		o.limit = DefaultMaxDecompressed
		for n := range len(f.src) {
			got, err := o.decode(f.codec, f.src[:n])
			// what stops at the end of a member, frame or block is whole
			if err == nil && (len(got) > len(f.want) || !bytes.Equal(got, f.want[:len(got)])) {
				t.Fatalf("%s: prefix of %d bytes gives other bytes", f.name, n)
			}
			if err == nil && f.codec != Snappy && len(got) != len(f.want) && f.name != "zstd of three frames" && n > 0 {
				t.Fatalf("%s: prefix of %d bytes gives %d of %d bytes and no error", f.name, n, len(got), len(f.want))
			}
		}
		o.release()
	}
}

func TestCorruptCompressedBytes(t *testing.T) {
	small := plain(500)
	framed := lz4Framed(t, small)
	edit := func(b []byte, at int, c byte) []byte {
		out := slices.Clone(b)
		out[at] = c
		return out
	}
	for _, c := range []struct {
		name  string
		codec Codec
		src   []byte
	}{
		{"unknown codec", 5, small},
		{"unknown codec", 7, small},
		{"not gzip", Gzip, small},
		{"gzip checksum", Gzip, edit(gzipped(t, small), len(gzipped(t, small))-6, 'x')},
		{"not snappy", Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"snappy claims more than a block can hold", Snappy, []byte{0xff, 0xff, 0xff, 0x7f, 0, 'x'}},
		{"xerial block longer than the rest", Snappy, append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1)},
		{"xerial block with a corrupt size", Snappy, append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff)},
		{"xerial block with a corrupt body", Snappy, append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 4, 0xfe)},
		{"not lz4", LZ4, small},
		{"lz4 version 2", LZ4, edit(framed, 4, 0x80)},
		{"lz4 dictionary", LZ4, edit(framed, 4, framed[4]|lz4DictionaryBit)},
		{"lz4 block size that does not exist", LZ4, edit(framed, 5, 3<<4)},
		{"lz4 block above its size", LZ4, append(slices.Clone(framed[:7]), 1, 0, 0x40, 0)},
		{"lz4 match before the start", LZ4, append([]byte{4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, 9, 0, 0, 0, 0x10, 'x', 9, 0, 0x50, 1, 2, 3, 4, 5}, 0, 0, 0, 0)},
		{"not zstd", Zstd, small},
		{"zstd reserved block", Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 7, 0, 0}},
		{"zstd content size above its blocks", Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 200, 9, 0, 0, 'x'}},
		{"zstd skippable frame too long", Zstd, []byte{0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1}},
		{"zstd dictionary", Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 77, 1, 9, 0, 0, 'x'}},
	} {
		blob := rawBatch(1, c.src)
		binary.BigEndian.PutUint16(blob[attributesV2:], uint16(c.codec))
		heads, records, s := scan(blob, Limits{})
		var ce *CodecError
		if !errors.As(s.Err(), &ce) || ce.Codec != c.codec || ce.Err == nil || len(heads) != 1 || len(records[0]) != 0 {
			t.Errorf("%s: %v", c.name, s.Err())
		}
		s.Release()
	}
}
