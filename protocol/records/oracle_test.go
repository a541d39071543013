package records

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kgoCodecs are the codecs as franz-go compresses them: lz4 in blocks of up
// to 4 MiB with a content checksum, snappy in one raw block, zstd with a
// content size.
var kgoCodecs = map[Codec]kgo.CompressionCodec{
	None: kgo.NoCompression(), Gzip: kgo.GzipCompression(), Snappy: kgo.SnappyCompression(),
	LZ4: kgo.Lz4Compression(), Zstd: kgo.ZstdCompression(),
}

// randomRecords makes records that use every shape of field.
func randomRecords(rng *rand.Rand, n int) []kmsg.Record {
	field := func() []byte {
		sizes := []int{0, 1, rng.IntN(64), 63, 64, rng.IntN(200), 8191, 8192, rng.IntN(70_000)}
		size := sizes[min(rng.IntN(12), rng.IntN(12), len(sizes)-1)]
		if rng.IntN(6) == 0 {
			return nil
		}
		b := make([]byte, size)
		for i := range b {
			b[i] = byte('a' + rng.IntN(4))
		}
		return b
	}
	out := make([]kmsg.Record, n)
	for i := range out {
		r := &out[i]
		r.OffsetDelta, r.Key, r.Value = int32(i), field(), field()
		r.TimestampDelta64 = []int64{0, 1, -1, int64(i), 1 << 20, math.MinInt64 >> 1, math.MaxInt64 >> 1}[rng.IntN(7)]
		r.TimestampDelta = int32(r.TimestampDelta64)
		if rng.IntN(20) == 0 {
			r.OffsetDelta = []int32{math.MaxInt32, math.MinInt32, -1, 1 << 20}[rng.IntN(4)]
		}
		for range rng.IntN(8) - 5 {
			r.Headers = append(r.Headers, kmsg.Header{Key: string(append([]byte{}, field()...)), Value: field()})
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // its own length is 0, one byte
	}
	return out
}

// kmsgBatch encodes records with franz-go alone.
func kmsgBatch(tb testing.TB, codec Codec, records []kmsg.Record) []byte {
	tb.Helper()
	var raw []byte
	for i := range records {
		raw = records[i].AppendTo(raw)
	}
	compressor, err := kgo.DefaultCompressor(kgoCodecs[codec])
	if err != nil {
		tb.Fatal(err)
	}
	if compressor != nil {
		var used kgo.CompressionCodecType
		if raw, used = compressor.Compress(new(bytes.Buffer), raw); int8(used) != int8(codec) {
			tb.Fatalf("franz-go used codec %d for %s", used, codec)
		}
	}
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(codec), FirstTimestamp: 1 << 40, LastOffsetDelta: int32(len(records) - 1),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(records)), Records: raw,
	}
	batch.Length = int32(len(raw) + headerSizeV2 - logOverhead)
	out := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}

// asKmsg translates what the scanner read.
func asKmsg(tb testing.TB, r *Record) kmsg.Record {
	tb.Helper()
	if r.KeyNull != (r.Key == nil) || r.ValueNull != (r.Value == nil) {
		tb.Fatalf("null flags disagree with %+v", r)
	}
	out := kmsg.Record{OffsetDelta: r.OffsetDelta, TimestampDelta64: r.TimestampDelta, TimestampDelta: int32(r.TimestampDelta), Key: r.Key, Value: r.Value}
	it := r.HeaderIter()
	for h := (RecordHeader{}); it.Next(&h); {
		out.Headers = append(out.Headers, kmsg.Header{Key: string(h.Key), Value: h.Value})
	}
	if it.Malformed() {
		tb.Fatalf("headers of %+v", r)
	}
	return out
}

func TestReadsWhatFranzWrites(t *testing.T) {
	for _, codec := range allCodecs {
		for seed := range uint64(8) {
			rng := rand.New(rand.NewPCG(seed, 1))
			want := randomRecords(rng, 1+rng.IntN(200))
			batch := kmsgBatch(t, codec, want)
			if err := VerifyCRC(batch); err != nil {
				t.Fatal(err)
			}
			var s Scanner
			s.Reset(batch, Limits{})
			if _, ok := s.NextBatch(); !ok {
				t.Fatal(codec, s.Err())
			}
			for i := range want {
				r, ok := s.NextRecord()
				if !ok || r.Index != i {
					t.Fatalf("%s, seed %d: record %d: %v", codec, seed, i, s.Err())
				}
				got := asKmsg(t, r)
				got.Length = want[i].Length
				if !reflect.DeepEqual(want[i], got) {
					t.Fatalf("%s, seed %d, record %d: %s", codec, seed, i, cmp.Diff(want[i], got))
				}
			}
			if _, ok := s.NextRecord(); ok || s.Err() != nil {
				t.Fatal(codec, seed, s.Err())
			}
		}
	}
}

// franzReads decodes a partition of a Fetch response with franz-go.
func franzReads(tb testing.TB, blob []byte, keepControl bool) []*kgo.Record {
	tb.Helper()
	fp, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: keepControl},
		&kmsg.FetchResponseTopicPartition{RecordBatches: blob}, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		tb.Fatal(fp.Err)
	}
	return fp.Records
}

func TestFranzReadsWhatBuilderWrites(t *testing.T) {
	for _, codec := range allCodecs {
		b := NewBuilder(codec)
		b.BaseOffset, b.BaseTimestamp = 100, 5000
		for i := range 3000 {
			b.Add([]byte{byte(i), byte(i >> 8)}, bytes.Repeat([]byte{byte(i)}, i%50), RecordHeader{Key: []byte("h"), Value: nil})
			b.Records[i].TimestampDelta = int64(i)
		}
		b.Add(nil, nil)
		b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, 9, 8, 7
		got := franzReads(t, mustBatch(t, b), false)
		if len(got) != len(b.Records) {
			t.Fatalf("%s: %d records", codec, len(got))
		}
		for i, r := range got {
			want := b.Records[i]
			// franz-go does not tell null from empty here; TestReadsWhatFranzWrites does
			if r.Offset != 100+int64(i) || !bytes.Equal(r.Key, want.Key) || !bytes.Equal(r.Value, want.Value) ||
				len(r.Headers) != len(want.Headers) || r.Timestamp.UnixMilli() != 5000+want.TimestampDelta ||
				r.ProducerID != 9 || r.ProducerEpoch != 8 || !r.Attrs.IsTransactional() {
				t.Fatalf("%s, record %d: %+v", codec, i, r)
			}
		}
	}
	control := NewBuilder(None).Add([]byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	control.Control = true
	if got := franzReads(t, mustBatch(t, control), true); len(got) != 1 || !got[0].Attrs.IsControl() {
		t.Error("control batch", got)
	}
}

func TestFranzReadsMessageSets(t *testing.T) {
	for magic := range int8(2) {
		for _, codec := range []Codec{None, Gzip, Snappy, LZ4} {
			b := NewBuilder(codec)
			b.BaseOffset, b.BaseTimestamp = 1000, 5000
			for i := range 50 {
				b.Add([]byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, i))
				b.Records[i].TimestampDelta = int64(i)
			}
			b.Add(nil, nil)
			blob, err := b.AppendMessageSet([]byte(nil), magic)
			if err != nil {
				t.Fatal(err)
			}
			var ours []*Record
			heads, records, s := scan(blob, Limits{})
			for i := range records {
				for j := range records[i] {
					ours = append(ours, &records[i][j])
				}
			}
			if magic == 0 && codec == LZ4 { // franz-go does not know KAFKA-3160
				fixed, err := appendCompressed(nil, LZ4, 1, s.body)
				if err != nil {
					t.Fatal(err)
				}
				blob = new(Builder).appendMessage(nil, message{offset: 1050, codec: LZ4, value: fixed})
			}
			theirs := franzReads(t, blob, false)
			if s.Err() != nil || len(ours) != 51 || len(theirs) != 51 {
				t.Fatalf("magic %d %s: %d and %d records, %v", magic, codec, len(ours), len(theirs), s.Err())
			}
			for i, r := range ours {
				h := &heads[min(i, len(heads)-1)]
				f := theirs[i]
				if h.Offset(r) != 1000+int64(i) || f.Offset != h.Offset(r) || !bytes.Equal(f.Key, r.Key) || !bytes.Equal(f.Value, r.Value) ||
					r.KeyNull != (i == 50) || r.ValueNull != (i == 50) {
					t.Fatalf("magic %d %s record %d: %+v, franz-go %+v", magic, codec, i, r, f)
				}
				want := int64(-1)
				if magic == 1 {
					want = 5000 + b.Records[i].TimestampDelta
				}
				if h.Timestamp(r) != want {
					t.Fatalf("magic %d %s record %d: timestamp %d, not %d", magic, codec, i, h.Timestamp(r), want)
				}
			}
		}
	}
}

// smallRecords have one header each.
func smallRecords(n int) []kmsg.Record {
	out := make([]kmsg.Record, n)
	for i := range out {
		r := &out[i]
		r.OffsetDelta, r.Key, r.Value = int32(i), []byte("some key"), []byte("some value that repeats")
		r.Headers = []kmsg.Header{{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
	}
	return out
}
