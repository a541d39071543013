package rules

import "warder/protocol/records"

// CompressionTrial is what compressing the records of a batch would make of them.
type CompressionTrial struct {
	// Bytes of the records as they were sent, and with either codec.
	Bytes, LZ4, Zstd int
}

// TryCompression compresses a copy of a Batch.Payload that was not compressed. It is
// for Watchers: half a millisecond for 64 KiB is too much for the path of traffic.
func TryCompression(payload []byte) (t CompressionTrial, err error) {
	t.Bytes = len(payload)
	if t.LZ4, err = records.CompressedSize(records.LZ4, payload); err == nil {
		t.Zstd, err = records.CompressedSize(records.Zstd, payload)
	}
	return t, err
}
