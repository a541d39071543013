package records

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzScan reads arbitrary bytes as a partition and checks what the scanner
// promises whatever it is given.
func FuzzScan(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, codec := range allCodecs {
		f.Add(kmsgBatch(f, codec, randomRecords(rng, 3)))
		f.Add(mustBatch(f, NewBuilder(codec).Add(nil, nil).Add([]byte("k"), []byte("v"), RecordHeader{Key: []byte("h")})))
		if codec != Zstd {
			f.Add(mustSet(f, NewBuilder(codec).Add(nil, nil).Add([]byte("k"), []byte("v")), 0))
			f.Add(mustSet(f, NewBuilder(codec).Add(nil, nil).Add([]byte("k"), []byte("v")), 1))
		}
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		kept := bytes.Clone(blob)
		lim := Limits{MaxDecompressed: 1 << 18}
		var s, nulls Scanner
		s.Reset(blob, lim)
		nulls.Reset(blob, lim)
		size := 0
		for {
			h, ok := s.NextBatch()
			if _, also := nulls.NextBatch(); ok != also {
				t.Fatal("two scanners disagree about the number of batches")
			}
			if !ok {
				break
			}
			size += h.Size
			checkBatch(t, &s, &nulls, h)
		}
		if s.Err() == nil && !s.Truncated() && size != len(blob) {
			t.Fatalf("%d of %d bytes read without a word", size, len(blob))
		}
		if len(s.out.buffer()) > mostBuffer(lim.MaxDecompressed) {
			t.Fatalf("a buffer of %d bytes", len(s.out.buffer()))
		}
		s.Release()
		nulls.Release()
		if !bytes.Equal(kept, blob) {
			t.Fatal("the input was changed")
		}
	})
}

// checkBatch reads a batch record by record with s and by null values with
// nulls, and compares.
func checkBatch(t *testing.T, s, nulls *Scanner, h *Header) {
	t.Helper()
	if h.Magic < 0 || h.Magic > 2 || h.Size != len(s.Batch()) || h.Size != int(h.Length)+logOverhead {
		t.Fatalf("%+v of %d bytes", h, len(s.Batch()))
	}
	n := 0
	for r, ok := s.NextRecord(); ok; r, ok = s.NextRecord() {
		if r.Index != n || r.KeyNull != (r.Key == nil) || r.ValueNull != (r.Value == nil) || r.NumHeaders > len(r.Headers) {
			t.Fatalf("record %d: %+v", n, r)
		}
		n++
		if !r.ValueNull {
			continue
		}
		got, ok := nulls.NextNullValue()
		if !ok || !cmp.Equal(*r, *got) {
			t.Fatalf("null value in record %d: %+v, but %+v", r.Index, r, got)
		}
	}
	if s.BatchErr() == nil {
		if n != int(h.NumRecords) {
			t.Fatalf("%d of %d records and no error", n, h.NumRecords)
		}
		if r, ok := nulls.NextNullValue(); ok || nulls.BatchErr() != nil {
			t.Fatalf("one null value more: %+v, %v", r, nulls.BatchErr())
		}
	}
}

// FuzzRecords reads arbitrary bytes as the records of a batch, with kmsg as
// the oracle.
func FuzzRecords(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		records := randomRecords(rng, 1+rng.IntN(3))
		var raw []byte
		for i := range records {
			raw = records[i].AppendTo(raw)
		}
		if len(raw) < 400 {
			f.Add(uint8(len(records)), raw)
		}
	}
	f.Add(uint8(2), []byte("\x10\x00\x00\x00\x02k\x02v\x00\x0c\x00\x00\x00\x01\x01\x00"))
	f.Fuzz(func(t *testing.T, count uint8, body []byte) {
		var s Scanner
		s.Reset(rawBatch(int32(count), body), Limits{})
		s.NextBatch()
		rest := body
		for i := range int(count) {
			want, size, canonical := kmsgRecord(rest)
			r, ok := s.NextRecord()
			if !ok {
				// kmsg reads ahead without seeing that the count is a lie
				if canonical && len(body) >= minRecordV2*int(count) {
					t.Fatalf("record %d: kmsg reads %+v, the scanner %v", i, want, s.Err())
				}
				return
			}
			if it := r.HeaderIter(); !canonical || iterMalformed(it) {
				return // overlong varints and broken headers are read by nobody else
			}
			got := asKmsg(t, r)
			got.Length, got.Attributes = want.Length, want.Attributes
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("record %d: %s", i, diff)
			}
			rest = rest[size:]
		}
		if _, ok := s.NextRecord(); ok || (s.Err() == nil) != (len(rest) == 0) {
			t.Fatalf("%d bytes left, %v", len(rest), s.Err())
		}
	})
}

func iterMalformed(it HeaderIter) bool {
	for h := (RecordHeader{}); it.Next(&h); {
	}
	return it.Malformed()
}

// kmsgRecord reads a record with kmsg. It is canonical when kmsg would write
// the same bytes.
func kmsgRecord(b []byte) (r kmsg.Record, size int, canonical bool) {
	u, p := uvarint(b, 0, 5)
	if p < 0 || u&1 != 0 || int(uint32(u)>>1) > len(b)-p {
		return r, 0, false
	}
	size = p + int(uint32(u)>>1)
	if r.ReadFrom(b[:size]) != nil {
		return r, size, false
	}
	return r, size, bytes.Equal(r.AppendTo(nil), b[:size])
}

// FuzzDecompress compares our use of the decoders with franz-go's.
func FuzzDecompress(f *testing.F) {
	for _, c := range framings(f) {
		if len(c.src) < 2000 {
			f.Add(uint8(c.codec), c.src)
		}
	}
	reference := kgo.DefaultDecompressor()
	f.Fuzz(func(t *testing.T, codec uint8, src []byte) {
		const limit = 1 << 18
		c := Codec(codec % 5)
		if c == None || len(src) > 4000 {
			return
		}
		o := output{limit: limit}
		defer o.release()
		ours, err := o.decode(c, src)
		if len(ours) > limit || len(o.buffer()) > mostBuffer(limit) {
			t.Fatalf("%s: %d bytes in a buffer of %d, limit %d", c, len(ours), len(o.buffer()), limit)
		}
		if errors.Is(err, errBomb) || c == Zstd && !zstdModest(src) {
			return
		}
		theirs, theirErr := reference.Decompress(src, kgo.CompressionCodecType(c))
		switch {
		case err == nil && theirErr == nil && !bytes.HasPrefix(theirs, ours):
			t.Fatalf("%s: %d bytes, franz-go has %d", c, len(ours), len(theirs))
		case err == nil && theirErr == nil && c != LZ4 && len(ours) != len(theirs): // we stop after one lz4 frame, as Java does
			t.Fatalf("%s: %d bytes, franz-go has %d", c, len(ours), len(theirs))
		case err != nil && theirErr == nil && (c == Gzip || c == Zstd):
			t.Fatalf("%s: %v, franz-go has %d bytes", c, err, len(theirs))
		}
	})
}

// zstdModest keeps the reference from allocating what a frame claims.
func zstdModest(src []byte) bool {
	for len(src) > 0 {
		f, err := measureZstd(src)
		if err != nil || f.most > 1<<24 {
			return false
		}
		src = src[f.size:]
	}
	return true
}

// buffer is all that o holds.
func (o *output) buffer() []byte {
	if o.buf == nil {
		return nil
	}
	return o.buf.b
}

// mostBuffer is the largest buffer that a limit allows.
func mostBuffer(limit int) int { return 2*(limit+limit/8+zstdOverrun) + slack }
