package records

import "testing"

func TestScannerReadsBatches(t *testing.T) {
	b := NewBuilder(None).Add([]byte("k"), []byte("v")).Add(nil, []byte{}).
		Add([]byte("gone"), nil, RecordHeader{Key: []byte("h"), Value: []byte("1")})
	blob, err := b.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	blob, _ = b.AppendBatch(blob)
	var s Scanner
	s.Reset(append(blob, blob[:40]...), Limits{})
	batches, records := 0, 0
	for {
		h, ok := s.NextBatch()
		if !ok {
			break
		}
		batches++
		if h.NumRecords != 3 || VerifyCRC(s.Batch()) != nil {
			t.Fatalf("header %+v", h)
		}
		for {
			r, ok := s.NextRecord()
			if !ok {
				break
			}
			if r.KeyNull != (r.Index == 1) || r.ValueNull != (r.Index == 2) || int(r.OffsetDelta) != r.Index {
				t.Fatalf("record %+v", r)
			}
			records++
		}
	}
	if batches != 2 || records != 6 || s.Err() != nil || !s.Truncated() {
		t.Fatalf("%d batches, %d records, %v", batches, records, s.Err())
	}
}
