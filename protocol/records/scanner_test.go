package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scan reads everything in a blob: headers, and per batch copies of records.
func scan(blob []byte, lim Limits) (heads []Header, records [][]Record, s *Scanner) {
	s = new(Scanner)
	s.Reset(blob, lim)
	for {
		h, ok := s.NextBatch()
		if !ok {
			return heads, records, s
		}
		var batch []Record
		for {
			r, ok := s.NextRecord()
			if !ok {
				break
			}
			c := *r
			c.Key, c.Value, c.Headers = slices.Clone(r.Key), slices.Clone(r.Value), slices.Clone(r.Headers)
			batch = append(batch, c)
		}
		heads, records = append(heads, *h), append(records, batch)
	}
}

// mustBatch encodes, or ends the test.
func mustBatch(tb testing.TB, b *Builder) []byte {
	tb.Helper()
	out, err := b.AppendBatch(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestHeaderFields(t *testing.T) {
	b := &Builder{
		Codec: LZ4, BaseOffset: 1 << 40, PartitionLeaderEpoch: 7, TimestampType: LogAppendTime, BaseTimestamp: 1000,
		Transactional: true, Control: true, DeleteHorizon: true, ProducerID: 1 << 33, ProducerEpoch: 3, BaseSequence: 42,
	}
	b.Add([]byte("k"), []byte("v")).Add(nil, nil)
	b.Records[1].OffsetDelta, b.Records[1].TimestampDelta = 9, 500
	batch := mustBatch(t, b)
	heads, records, s := scan(batch, Limits{})
	if s.Err() != nil || len(heads) != 1 {
		t.Fatal(len(heads), s.Err())
	}
	want := Header{
		BaseOffset: 1 << 40, Length: int32(len(batch) - 12), PartitionLeaderEpoch: 7, Magic: 2, CRC: binary.BigEndian.Uint32(batch[17:]),
		Codec: LZ4, TimestampType: LogAppendTime, Transactional: true, Control: true, DeleteHorizon: true,
		LastOffsetDelta: 9, BaseTimestamp: 1000, MaxTimestamp: 1500, ProducerID: 1 << 33, ProducerEpoch: 3, BaseSequence: 42,
		NumRecords: 2, Size: len(batch),
	}
	h := heads[0]
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	last := &records[0][1]
	if h.LastOffset() != 1<<40+9 || h.Offset(last) != 1<<40+9 || h.Timestamp(last) != 1500 {
		t.Errorf("last offset %d, offset %d, timestamp %d", h.LastOffset(), h.Offset(last), h.Timestamp(last))
	}
	h.TimestampType = CreateTime
	if got := h.Timestamp(&records[0][0]); got != 1000 {
		t.Errorf("create time %d", got)
	}
}

func TestUserDataBatchIsNotControl(t *testing.T) {
	heads, _, _ := scan(mustBatch(t, NewBuilder(None).Add(nil, []byte("v"))), Limits{})
	h := heads[0]
	if h.Control || h.Transactional || h.DeleteHorizon || h.ProducerID != -1 || h.ProducerEpoch != -1 || h.BaseSequence != -1 {
		t.Errorf("%+v", h)
	}
}

func TestTruncatedTailIsKept(t *testing.T) {
	for _, codec := range allCodecs {
		one := mustBatch(t, NewBuilder(codec).Add([]byte("k"), []byte("v")))
		blob := append(slices.Clone(one), one...)
		for n := range blob {
			heads, records, s := scan(blob[:n], Limits{})
			whole := n / len(one)
			if len(heads) != whole || s.Err() != nil || s.Truncated() != (n%len(one) != 0) {
				t.Fatalf("%s, %d of %d bytes: %d batches, truncated %v, %v", codec, n, len(blob), len(heads), s.Truncated(), s.Err())
			}
			for _, r := range records {
				if len(r) != 1 {
					t.Fatalf("%s, %d bytes: %d records", codec, n, len(r))
				}
			}
		}
	}
}

// TestShortenedRecordsErr cuts the records of a batch, with a Length that
// agrees, at every byte.
func TestShortenedRecordsErr(t *testing.T) {
	b := NewBuilder(None)
	b.Add([]byte("key"), []byte("value"), RecordHeader{Key: []byte("h"), Value: []byte("v")}).Add(nil, make([]byte, 200)).Add([]byte("k"), nil)
	for _, codec := range allCodecs {
		b.Codec = codec
		batch := mustBatch(t, b)
		for n := headerSizeV2; n < len(batch); n++ {
			cut := slices.Clone(batch[:n])
			binary.BigEndian.PutUint32(cut[8:], uint32(n-logOverhead))
			for name, read := range map[string]func(*Scanner) (*Record, bool){"NextRecord": (*Scanner).NextRecord, "NextNullValue": (*Scanner).NextNullValue} {
				var s Scanner
				s.Reset(cut, Limits{})
				if _, ok := s.NextBatch(); !ok {
					t.Fatalf("%s, %d bytes: no batch", codec, n)
				}
				for ok := true; ok; {
					_, ok = read(&s)
				}
				if s.Err() == nil {
					t.Fatalf("%s, %s: %d of %d bytes pass", name, codec, n, len(batch))
				}
			}
		}
	}
}

func TestBrokenFraming(t *testing.T) {
	batch := mustBatch(t, NewBuilder(None).Add([]byte("k"), []byte("v")))
	with := func(at int, b ...byte) []byte {
		out := slices.Clone(batch)
		copy(out[at:], b)
		return out
	}
	for _, c := range []struct {
		name, field string
		blob        []byte
	}{
		{"negative length", "Length", with(8, 0xff, 0xff, 0xff, 0xff)},
		{"length below any header", "Length", with(8, 0, 0, 0, 13)},
		{"length below the header of magic 2", "Length", with(8, 0, 0, 0, 48)},
		{"length below the header of magic 1", "Length", append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 1}, make([]byte, 9)...)},
		{"magic 3", "Magic", with(16, 3)},
		{"magic -1", "Magic", with(16, 0xff)},
		{"negative count", "NumRecords", with(57, 0x80, 0, 0, 0)},
	} {
		heads, _, s := scan(append(slices.Clone(batch), c.blob...), Limits{})
		var m *MalformedError
		if len(heads) != 1 || !errors.As(s.Err(), &m) || m.Field != c.field || m.Record != -1 || m.Offset < len(batch) {
			t.Errorf("%s: %d batches, %v", c.name, len(heads), s.Err())
		}
		if _, ok := s.NextBatch(); ok {
			t.Errorf("%s: the scan goes on", c.name)
		}
	}
}

// rawBatch wraps record bytes as they are.
func rawBatch(count int32, body []byte) []byte {
	b := NewBuilder(None).appendHeader(nil)
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-logOverhead))
	return b
}

func TestBrokenRecords(t *testing.T) {
	good := "\x10\x00\x00\x00\x02k\x02v\x00" // length 8
	for _, c := range []struct {
		name  string
		count int32
		body  string
		field string
		read  int // records before the fault
	}{
		{"count above what fits", 1 << 30, good, "NumRecords", 0},
		{"count above what is there", 3, good + good, "NumRecords", 0},
		{"one record less than counted", 2, "\x1e\x00\x00\x00\x02k\x10valueval\x00", "Length", 1},
		{"bytes left over", 1, good + good, "NumRecords", 1},
		{"negative record length", 1, "\x01" + good, "Length", 0},
		{"record length beyond the batch", 1, "\x20" + good[1:], "Length", 0},
		{"record shorter than its fields", 1, "\x0a\x00\x00\x00\x00\x00\x00", "Length", 0},
		{"endless length", 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", "Length", 0},
		{"endless timestamp delta", 1, "\x18\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "TimestampDelta", 0},
		{"endless offset delta", 1, "\x14\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", "OffsetDelta", 0},
		{"key beyond the record", 1, "\x10\x00\x00\x00\x20k\x02v\x00", "Key", 0},
		{"value beyond the record", 1, "\x10\x00\x00\x00\x02k\x20v\x00", "Value", 0},
		{"huge value length", 1, "\x18\x00\x00\x00\x01\xfe\xff\xff\xff\x0f\x00\x00\x00", "Value", 0},
		{"bytes after the headers", 1, "\x12\x00\x00\x00\x02k\x02v\x00\x00", "Headers", 0},
		{"negative header count", 1, "\x10\x00\x00\x00\x02k\x02v\x01", "Headers", 0},
		{"header count beyond the record", 1, "\x10\x00\x00\x00\x02k\x02v\x02", "Headers", 0},
		{"value length missing", 1, "\x0c\x00\x00\x00\x04kk", "Value", 0},
		{"header count missing", 1, "\x0e\x00\x00\x00\x02k\x02v", "Headers", 0},
	} {
		blob := rawBatch(c.count, []byte(c.body))
		after := mustBatch(t, NewBuilder(None).Add(nil, nil))
		heads, records, s := scan(append(blob, after...), Limits{})
		var m *MalformedError
		if !errors.As(s.Err(), &m) || m.Field != c.field {
			t.Errorf("%s: %v", c.name, s.Err())
			continue
		}
		if len(heads) != 2 || len(records[0]) != c.read || len(records[1]) != 1 {
			t.Errorf("%s: %d batches, the broken one with %d records", c.name, len(heads), len(records[0]))
		}
		if s.BatchErr() != nil {
			t.Errorf("%s: the error sticks to the batch after it", c.name)
		}
	}
}

// TestAnyNegativeLengthIsNull guards against tombstones in disguise: Kafka
// reads every negative length as null (Utils.readBytes).
func TestAnyNegativeLengthIsNull(t *testing.T) {
	for _, length := range []string{"\x01", "\x03", "\x7f", "\x81\x01", "\xff\xff\xff\xff\x0f", "\x81\x00"} {
		body := []byte{0, 0, 0, 0, 2, 'k'}
		body = append(append(body, length...), 0)
		body[0] = byte(2 * (len(body) - 1))
		_, records, s := scan(rawBatch(1, body), Limits{})
		if s.Err() != nil || len(records[0]) != 1 || !records[0][0].ValueNull {
			t.Errorf("%x: %v %+v", length, s.Err(), records[0])
		}
		var n Scanner
		n.Reset(rawBatch(1, body), Limits{})
		n.NextBatch()
		if r, ok := n.NextNullValue(); !ok || string(r.Key) != "k" {
			t.Errorf("%x: NextNullValue misses it", length)
		}
	}
}

func TestNextNullValueFindsWhatNextRecordFinds(t *testing.T) {
	b := NewBuilder(None)
	for i := range 2000 {
		var key, value []byte
		if i%7 != 0 {
			key = make([]byte, i%90)
		}
		if i%13 != 0 && i%14 != 0 {
			value = make([]byte, i*i%9000)
		}
		b.Add(key, value)
		if i%5 == 0 {
			b.Records[i].Headers = []RecordHeader{{Key: []byte("h")}}
		}
		b.Records[i].TimestampDelta = int64(i * i * i)
	}
	for _, codec := range allCodecs {
		b.Codec = codec
		batch := mustBatch(t, b)
		var want, got []string
		lim := Limits{MaxRatio: 10_000}
		_, records, s := scan(batch, lim)
		for _, r := range records[0] {
			if r.ValueNull {
				want = append(want, fmt.Sprintf("%+v", r))
			}
		}
		if s.Err() != nil || len(want) < 200 {
			t.Fatal(len(want), s.Err())
		}
		s.Reset(batch, lim)
		s.NextBatch()
		for {
			r, ok := s.NextNullValue()
			if !ok {
				break
			}
			got = append(got, fmt.Sprintf("%+v", *r))
		}
		if diff := cmp.Diff(want, got); diff != "" || s.Err() != nil {
			t.Errorf("%s: %v\n%s", codec, s.Err(), diff)
		}
	}
}

// TestBatchCanBeLeftEarly skips the rest of a batch and whole batches.
func TestBatchCanBeLeftEarly(t *testing.T) {
	one := mustBatch(t, NewBuilder(Zstd).Add(nil, []byte("a")).Add(nil, []byte("b")))
	blob := slices.Concat(one, one, one)
	var s Scanner
	s.Reset(blob, Limits{})
	s.NextBatch()
	s.NextBatch()
	if r, ok := s.NextRecord(); !ok || string(r.Value) != "a" {
		t.Fatal(ok)
	}
	s.NextBatch()
	if r, ok := s.NextRecord(); !ok || string(r.Value) != "a" || r.Index != 0 {
		t.Fatal(ok)
	}
	if _, ok := s.NextBatch(); ok || s.Err() != nil || s.Truncated() {
		t.Fatal(ok, s.Err())
	}
	if _, ok := s.NextRecord(); ok {
		t.Fatal("a record after the last batch")
	}
}

func TestHeaderIter(t *testing.T) {
	headers := []RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte{}, Value: nil}, {Key: []byte("a"), Value: []byte{}}}
	_, records, s := scan(mustBatch(t, NewBuilder(Gzip).Add(nil, nil, headers...)), Limits{})
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	var got []RecordHeader
	it := records[0][0].HeaderIter()
	for h := (RecordHeader{}); it.Next(&h); {
		got = append(got, h)
	}
	if diff := cmp.Diff(headers, got); diff != "" || it.Malformed() {
		t.Error(it.Malformed(), diff)
	}
	for _, r := range []Record{
		{Headers: []byte{}, NumHeaders: 1},
		{Headers: []byte{2, 'k'}, NumHeaders: 1},
		{Headers: []byte{1, 1}, NumHeaders: 1},           // null key
		{Headers: []byte{2, 'k', 4, 'v'}, NumHeaders: 1}, // value too long
		{Headers: []byte{2, 'k', 1, 0}, NumHeaders: 1},   // a byte left
	} {
		it := r.HeaderIter()
		for h := (RecordHeader{}); it.Next(&h); {
		}
		if !it.Malformed() {
			t.Errorf("%x passes", r.Headers)
		}
	}
}

func TestCRC(t *testing.T) {
	b := NewBuilder(None).Add([]byte("k"), []byte("v"))
	v1, err := b.AppendMessageSet(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range [][]byte{mustBatch(t, b), v1} {
		batch = append(batch, 1, 2, 3) // what follows does not matter
		if err := VerifyCRC(batch); err != nil {
			t.Error(err)
		}
		for _, at := range []int{16 + 6, len(batch) - 4} {
			batch[at] ^= 1
			if err := VerifyCRC(batch); !errors.Is(err, ErrCRC) {
				t.Errorf("byte %d changed: %v", at, err)
			}
		}
		if err := SetCRC(batch); err != nil || VerifyCRC(batch) != nil {
			t.Error(err, VerifyCRC(batch))
		}
		for n := range len(batch) - 3 {
			if err := VerifyCRC(batch[:n]); err == nil || errors.Is(err, ErrCRC) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
}

// A record stays as it is until the next but one.
func TestRecordBeforeIsStillWhole(t *testing.T) {
	build := NewBuilder(Gzip)
	for i := range 9 {
		build.Add(fmt.Append(nil, "key-", i), bytes.Repeat([]byte{'v'}, i*2000)) // some of them for the slow path
	}
	batch, err := build.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := build.AppendMessageSet(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, blob := range map[string][]byte{"batch": batch, "message set": messages} {
		var s Scanner
		s.Reset(blob, Limits{})
		s.NextBatch()
		var before *Record
		n := 0
		for r, ok := s.NextRecord(); ok; r, ok = s.NextRecord() {
			if before != nil && (before.Index != n-1 || string(before.Key) != fmt.Sprint("key-", n-1) || len(before.Value) != (n-1)*2000) {
				t.Errorf("%s: before record %d: %+v", name, n, before)
			}
			before = r
			n++
		}
		if n != 9 || s.Err() != nil {
			t.Errorf("%s: %d records, %v", name, n, s.Err())
		}
	}
}

// Peek reads from the beginning of a batch what NextBatch reads of the whole.
func TestPeekAgreesWithNextBatch(t *testing.T) {
	build := NewBuilder(Gzip).Add([]byte("key"), make([]byte, 200)).Add(nil, nil)
	blobs := [][]byte{mustBatch(t, build), mustBatch(t, NewBuilder(None))}
	for magic := range int8(2) {
		set, err := build.AppendMessageSet(nil, magic)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, set)
	}
	bad, short := slices.Clone(blobs[0]), slices.Clone(blobs[0])
	bad[magicAt], short[11], short[8], short[9], short[10] = 9, minLength-1, 0, 0, 0
	for i, blob := range append(blobs, bad, short) {
		var s Scanner
		s.Reset(blob, Limits{})
		want, ok := s.NextBatch()
		for n := range len(blob) + 1 {
			var h Header
			got, err := h.Peek(blob[:n])
			switch {
			case n >= min(len(blob), PeekSize) && (got != ok || (err == nil) != (s.Err() == nil) || ok && h != *want):
				t.Fatalf("blob %d, %d bytes: %v %v, header %+v, want %v %v, %+v", i, n, got, err, h, ok, s.Err(), want)
			case n < logOverhead && (got || err != nil):
				t.Fatalf("blob %d: %d bytes are %v %v", i, n, got, err)
			}
		}
	}
}

func TestExpandedIsTheCostOfLooking(t *testing.T) {
	var s Scanner
	s.Reset(mustBatch(t, NewBuilder(Zstd).Add(nil, make([]byte, 10_000))), Limits{})
	s.NextBatch()
	if n := s.Expanded(); n != 0 {
		t.Errorf("%d bytes before anything was decompressed", n)
	}
	for _, ok := s.NextRecord(); ok; _, ok = s.NextRecord() {
	}
	if n := s.Expanded(); n < 10_000 || n > 10_100 {
		t.Errorf("%d bytes", n)
	}
	s.Release()
	if n := s.Expanded(); n != 0 {
		t.Errorf("%d bytes after Release", n)
	}
}
