package records

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var allCodecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

// sampleBatch makes a batch of roughly size bytes of uncompressed records
// with 16-byte keys and JSON values of about 100 bytes.
func sampleBatch(tb testing.TB, codec Codec, size int) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	b := NewBuilder(codec)
	b.BaseTimestamp = 1_700_000_000_000
	words := []string{"shipped", "pending", "cancelled", "returned", "delivered", "packed"}
	for n := range size / 126 {
		key := fmt.Sprintf("order-%010d", rng.IntN(1e9))
		value := fmt.Sprintf(`{"id":%d,"user":"u%06d","state":%q,"amount":%.2f,"ts":%d,"note":"item %d"}`,
			rng.IntN(1e9), rng.IntN(1e6), words[rng.IntN(len(words))], rng.Float64()*1000, 1_700_000_000_000+n, rng.IntN(1e5))
		b.Add([]byte(key), []byte(value))
		b.Records[n].TimestampDelta = int64(n / 10)
	}
	batch, err := b.AppendBatch(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return batch
}

func BenchmarkScan(b *testing.B) {
	for _, codec := range allCodecs {
		for _, size := range []int{16 << 10, 64 << 10, 256 << 10} {
			batch := sampleBatch(b, codec, size)
			b.Run(fmt.Sprintf("%s/%dKB", codec, size>>10), func(b *testing.B) {
				benchScan(b, batch, func(s *Scanner) (sum int) {
					for {
						r, ok := s.NextRecord()
						if !ok {
							return sum
						}
						sum += len(r.Key) + len(r.Value)
					}
				})
			})
		}
	}
}

// BenchmarkScanNulls walks for null values only.
func BenchmarkScanNulls(b *testing.B) {
	for _, codec := range allCodecs {
		batch := sampleBatch(b, codec, 64<<10)
		b.Run(codec.String(), func(b *testing.B) {
			benchScan(b, batch, func(s *Scanner) (sum int) {
				for {
					r, ok := s.NextNullValue()
					if !ok {
						return sum
					}
					sum += r.Index
				}
			})
		})
	}
}

// BenchmarkKmsg decodes the same batch with kmsg, for comparison.
func BenchmarkKmsg(b *testing.B) {
	batch := sampleBatch(b, None, 64<<10)
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		var decoded kmsg.RecordBatch
		if err := decoded.ReadFrom(batch); err != nil {
			b.Fatal(err)
		}
		out := make([]kmsg.Record, decoded.NumRecords)
		rest := decoded.Records
		for i := range out {
			_, p := uvarint(rest, 0, 5)
			if err := out[i].ReadFrom(rest); err != nil {
				b.Fatal(err)
			}
			rest = rest[p+int(out[i].Length):]
		}
		records += len(out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}

func benchScan(b *testing.B, batch []byte, walk func(*Scanner) int) {
	var s Scanner
	b.ReportAllocs()
	b.SetBytes(int64(len(batch)))
	records, sum := 0, 0
	for b.Loop() {
		s.Reset(batch, Limits{})
		h, _ := s.NextBatch()
		records += int(h.NumRecords)
		sum += walk(&s)
		if s.Err() != nil {
			b.Fatal(s.Err())
		}
	}
	s.Release()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
	benchSink = sum
}

var benchSink int
