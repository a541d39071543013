package records_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"warder/protocol/records"
)

// What a trial says is what a batch of the same records takes when it is compressed.
func TestTrialAgreesWithBatches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 20_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, value := range map[string][]byte{"json": bytes.Repeat([]byte(`{"state":"shipped"},`), 1000), "noise": noise} {
		batch := func(codec records.Codec) []byte {
			blob, err := records.NewBuilder(codec).Add([]byte("k"), value).AppendBatch(nil)
			if err != nil {
				t.Fatal(err)
			}
			return blob
		}
		var s records.Scanner
		s.Reset(batch(records.None), records.Limits{})
		if _, ok := s.NextBatch(); !ok {
			t.Fatal(s.Err())
		}
		payload := s.Payload()
		for _, codec := range []records.Codec{records.None, records.Gzip, records.Snappy, records.LZ4, records.Zstd} {
			got, err := records.CompressedSize(codec, payload)
			if want := len(batch(codec)) - records.PeekSize; err != nil || got != want {
				t.Errorf("%s, %s: %d bytes, want %d (%v)", name, codec, got, want, err)
			}
		}
	}
	if _, err := records.CompressedSize(7, []byte("x")); err == nil {
		t.Error("codec 7 was tried")
	}
}

// An entry of a message set has no payload apart from its head.
func TestMessageSetsHaveNoPayload(t *testing.T) {
	blob, err := records.NewBuilder(records.None).Add([]byte("k"), []byte("v")).AppendMessageSet(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	var s records.Scanner
	s.Reset(blob, records.Limits{})
	if _, ok := s.NextBatch(); !ok || s.Payload() != nil {
		t.Errorf("payload %q", s.Payload())
	}
}
