package rules_test

import (
	"fmt"
	"testing"

	"warder/rules"
)

// jsonPayload is 64 KiB of JSON as batches carry it.
func jsonPayload() (payload []byte) {
	for i := 0; len(payload) < 64<<10; i++ {
		payload = fmt.Appendf(payload, `{"id":%d,"user":"u%06d","state":"shipped","amount":%d.%02d}`, i*7919, i*i%999983, i%1000, i%97)
	}
	return payload[:64<<10]
}

func TestCompressionIsTried(t *testing.T) {
	trial, err := rules.TryCompression(jsonPayload())
	if err != nil || trial.Bytes != 64<<10 || trial.LZ4 <= trial.Zstd || trial.Zstd <= 0 || trial.LZ4 > trial.Bytes/2 {
		t.Errorf("%+v, %v", trial, err)
	}
}

func BenchmarkTryCompression(b *testing.B) {
	payload := jsonPayload()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := rules.TryCompression(payload); err != nil {
			b.Fatal(err)
		}
	}
}
