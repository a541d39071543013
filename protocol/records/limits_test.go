package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/pierrec/lz4/v4"
)

const bombSize = 12 << 20

// bombs expand to bombSize zeros (gzip with a size that lies about it too).
func bombs(tb testing.TB) []framing {
	tb.Helper()
	zeros := make([]byte, bombSize)
	liar := gzipped(tb, zeros)
	binary.LittleEndian.PutUint32(liar[len(liar)-4:], 10)
	var xerial []byte
	for i := range 100 {
		block := appendXerial(nil, zeros[:bombSize/100])
		if i > 0 {
			block = block[xerialHeaderSize:]
		}
		xerial = append(xerial, block...)
	}
	// blocks that the headers say nothing about
	text := bytes.Repeat(plain(1000), bombSize/1000)
	return []framing{
		{name: "gzip", codec: Gzip, src: gzipped(tb, zeros)},
		{name: "gzip, lying", codec: Gzip, src: liar},
		{name: "gzip of many members", codec: Gzip, src: bytes.Repeat(gzipped(tb, zeros[:bombSize/100]), 100)},
		{name: "snappy raw", codec: Snappy, src: s2.EncodeSnappy(nil, zeros)},
		{name: "snappy xerial", codec: Snappy, src: xerial},
		{name: "lz4", codec: LZ4, src: lz4Framed(tb, zeros)},
		{name: "lz4 as Java", codec: LZ4, src: lz4Framed(tb, zeros, lz4.BlockSizeOption(lz4.Block64Kb))},
		{name: "zstd with its size", codec: Zstd, src: zstdFramed(tb, zeros)},
		{name: "zstd without its size", codec: Zstd, src: zstdStreamed(tb, text)},
		{name: "zstd of many frames", codec: Zstd, src: bytes.Repeat(zstdStreamed(tb, text[:bombSize/100]), 100)},
		{name: "zstd runs", codec: Zstd, src: zstdRuns(bombSize)},
	}
}

// zstdRuns makes a frame of n bytes in blocks of four bytes each.
func zstdRuns(n int) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}
	for ; n > 0; n -= zstdMaxBlock {
		head := zstdMaxBlock<<3 | 1<<1
		if n <= zstdMaxBlock {
			head |= 1
		}
		out = append(out, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return out
}

func bombBatch(f framing) []byte {
	b := rawBatch(1, f.src)
	binary.BigEndian.PutUint16(b[attributesV2:], uint16(f.codec))
	return b
}

// TestBombsStopAtTheLimit also measures what was allocated on the way.
func TestBombsStopAtTheLimit(t *testing.T) {
	const limit = 1 << 20
	for _, f := range bombs(t) {
		for _, c := range []struct {
			lim   Limits
			bound Bound
		}{
			{Limits{MaxDecompressed: limit, MaxRatio: 1 << 20}, BoundBytes},
			{Limits{MaxRatio: 1}, BoundRatio},
		} {
			if c.bound == BoundRatio && len(f.src) > bombSize/20 {
				continue // no bomb by ratio
			}
			batch := bombBatch(f)
			after := mustBatch(t, NewBuilder(f.codec).Add(nil, nil))
			blob := append(batch, after...)
			var s Scanner
			runtime.GC()
			var before, behind runtime.MemStats
			runtime.ReadMemStats(&before)
			s.Reset(blob, c.lim)
			s.NextBatch()
			_, ok := s.NextRecord()
			runtime.ReadMemStats(&behind)
			var bomb *BombError
			if ok || !errors.As(s.Err(), &bomb) || bomb.Bound != c.bound || bomb.Codec != f.codec || bomb.Compressed != len(f.src) {
				t.Errorf("%s, limit on %s: %v", f.name, c.bound, s.Err())
				continue
			}
			// the limit as a size class, what led up to it, and the decoders
			allocated := int(behind.TotalAlloc - before.TotalAlloc)
			if most := 4*bomb.Limit + 2<<20 + len(f.src); allocated > most {
				t.Errorf("%s, limit on %s: allocated %d bytes for a limit of %d", f.name, c.bound, allocated, bomb.Limit)
			}
			if len(s.out.buffer()) > mostBuffer(bomb.Limit) {
				t.Errorf("%s: holds a buffer of %d bytes for a limit of %d", f.name, len(s.out.buf.b), bomb.Limit)
			}
			if _, ok := s.NextBatch(); !ok {
				t.Errorf("%s: the batch behind it is lost", f.name)
			}
			if _, ok := s.NextRecord(); !ok || s.BatchErr() != nil {
				t.Errorf("%s: the batch behind it cannot be read: %v", f.name, s.BatchErr())
			}
			s.Release()
		}
	}
}

// TestRatioAddsUp sends many batches that are each small enough alone.
func TestRatioAddsUp(t *testing.T) {
	b := NewBuilder(Zstd).Add(nil, make([]byte, 100_000))
	batch := mustBatch(t, b)
	heads, records, s := scan(bytes.Repeat(batch, 200), Limits{})
	var bomb *BombError
	if !errors.As(s.Err(), &bomb) || bomb.Bound != BoundRatio || len(heads) != 200 {
		t.Fatal(len(heads), s.Err())
	}
	read := 0
	for _, r := range records {
		read += len(r)
	}
	if most := (RatioGrace + DefaultMaxRatio*200*len(batch)) / 100_000; read < 2 || read > most {
		t.Errorf("%d batches were read, at most %d fit", read, most)
	}
	if _, records, s = scan(batch, Limits{}); s.Err() != nil || len(records[0]) != 1 {
		t.Error("a single one must pass: ", s.Err())
	}
}

func TestZeroLimitsMeanDefaults(t *testing.T) {
	for _, lim := range []Limits{{}, {MaxDecompressed: -1, MaxRatio: -1}, {MaxRatio: 1<<63 - 1}} {
		var s Scanner
		s.Reset(nil, lim)
		if s.lim.MaxDecompressed != DefaultMaxDecompressed || s.lim.MaxRatio < DefaultMaxRatio || s.lim.MaxRatio > maxMaxRatio {
			t.Errorf("%+v became %+v", lim, s.lim)
		}
	}
}

// TestEmptyBatch is what compaction may leave of a batch: the header, which
// keeps the offsets (DefaultRecordBatch.writeEmptyHeader).
func TestEmptyBatch(t *testing.T) {
	for _, codec := range allCodecs {
		f := framing{codec: codec}
		blob := bombBatch(f)
		binary.BigEndian.PutUint32(blob[57:], 0)
		heads, records, s := scan(blob, Limits{})
		if s.Err() != nil || len(heads) != 1 || len(records[0]) != 0 {
			t.Errorf("%s: %v", codec, s.Err())
		}
		whole := mustBatch(t, NewBuilder(codec))
		if heads, _, s := scan(whole, Limits{}); s.Err() != nil || heads[0].NumRecords != 0 {
			t.Errorf("%s, compressed nothing: %v", codec, s.Err())
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	for _, codec := range allCodecs {
		sets := map[string][]byte{"v2": sampleBatch(t, codec, 64<<10), "franz-go": kmsgBatch(t, codec, smallRecords(500))}
		if codec != Zstd {
			b := NewBuilder(codec)
			for range 500 {
				b.Add([]byte("some key"), []byte("some value that repeats"))
			}
			sets["v1"] = mustSet(t, b, 1)
		}
		for name, blob := range sets {
			for _, release := range []bool{false, true} {
				var s Scanner
				read := func() {
					s.Reset(blob, Limits{})
					for _, ok := s.NextBatch(); ok; _, ok = s.NextBatch() {
						for r, ok := s.NextRecord(); ok; r, ok = s.NextRecord() {
							it := r.HeaderIter()
							for h := (RecordHeader{}); it.Next(&h); {
							}
						}
					}
					if s.Err() != nil {
						t.Fatal(s.Err())
					}
					if release {
						s.Release()
					}
				}
				read()
				if n := testing.AllocsPerRun(50, read); n != 0 && !raceEnabled {
					t.Errorf("%s %s, release %v: %v allocations", codec, name, release, n)
				}
			}
		}
	}
}

// TestScannersDoNotShareBuffers reads two batches at once.
func TestScannersDoNotShareBuffers(t *testing.T) {
	for _, codec := range allCodecs {
		a := mustBatch(t, NewBuilder(codec).Add(nil, bytes.Repeat([]byte("a"), 1000)))
		b := mustBatch(t, NewBuilder(codec).Add(nil, bytes.Repeat([]byte("b"), 1000)))
		var sa, sb Scanner
		for range 3 {
			sa.Reset(a, Limits{})
			sb.Reset(b, Limits{})
			sa.NextBatch()
			sb.NextBatch()
			ra, _ := sa.NextRecord()
			rb, _ := sb.NextRecord()
			if bytes.Count(ra.Value, []byte("a")) != 1000 || bytes.Count(rb.Value, []byte("b")) != 1000 {
				t.Fatalf("%s: %q, %q", codec, ra.Value, rb.Value)
			}
			sa.Release()
			sa.Release() // twice does no harm
			sb.Release()
		}
	}
}

// TestLargeBatch needs a buffer above the size classes.
func TestLargeBatch(t *testing.T) {
	value := plain(maxClass + 1)
	for _, codec := range allCodecs {
		_, records, s := scan(mustBatch(t, NewBuilder(codec).Add(nil, value)), Limits{})
		if s.Err() != nil || len(records[0]) != 1 || !bytes.Equal(records[0][0].Value, value) {
			t.Errorf("%s: %v", codec, s.Err())
		}
		s.Release()
	}
}

func TestErrorsName(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&MalformedError{Field: "Magic", Record: -1, Offset: 16, Reason: "unknown"}, "malformed record batch: Magic at byte 16: unknown"},
		{&MalformedError{Field: "Key", Record: 3, Offset: 9, Reason: "too long"}, "malformed record 3: Key at byte 9 of the records: too long"},
		{&CodecError{Codec: 6, Err: errUnknownCodec}, "decompress codec(6): unknown codec"},
		{&BombError{Codec: Zstd, Bound: BoundRatio, Compressed: 5, Limit: 500}, "zstd records of 5 bytes expand beyond 500 bytes (limit on ratio)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if !errors.Is(&CodecError{Err: errShortInput}, errShortInput) {
		t.Error("CodecError hides its cause")
	}
}

// TestInputStaysUntouched reads everything from bytes and compares them.
func TestInputStaysUntouched(t *testing.T) {
	for _, f := range append(framings(t), bombs(t)...) {
		blob := bombBatch(f)
		kept := slices.Clone(blob)
		_, _, s := scan(blob, Limits{MaxDecompressed: 1 << 18})
		s.Release()
		if !bytes.Equal(blob, kept) {
			t.Errorf("%s: the input was changed", f.name)
		}
	}
}

// TestRepetitiveBatchIsNoBomb: a few MiB of one letter shrink a thousandfold and are an ordinary batch.
func TestRepetitiveBatchIsNoBomb(t *testing.T) {
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		batch := mustBatch(t, NewBuilder(codec).Add([]byte("a"), bytes.Repeat([]byte("z"), 3<<20)).Add([]byte("b"), nil))
		if _, records, s := scan(batch, Limits{}); s.Err() != nil || len(records[0]) != 2 || !records[0][1].ValueNull {
			t.Errorf("%s: %v", codec, s.Err())
		}
	}
}
