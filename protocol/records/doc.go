// Package records reads Kafka record batches in place.
//
// It knows the record batch of KIP-98 (magic 2, DefaultRecordBatch.java) and
// the older message sets (magic 0 and 1, LegacyRecord.java), their checksums
// and the five codecs. It parses the bytes of one partition, as they stand in
// a Produce request or a Fetch response, and nothing around them.
//
// A [Scanner] belongs to one goroutine and is reused: after it has warmed up
// an inspected batch costs no allocation. What it hands out aliases either
// the caller's bytes or the scanner's own output buffer and is valid until
// the next call of NextBatch, Reset or Release, a [Record] until the next
// record but one. Decompression starts with the first record that is asked for, so a
// caller which is content with headers never pays for it.
//
// Memory: the scanner holds at most one output buffer, as large as the records
// need rounded up to a power of two, and returns it to a shared pool with
// Release. [Limits] bound it: a batch that would expand further is a
// [BombError]. Decoders are pooled too and are held only while they run.
//
// Nothing here verifies checksums unasked: the broker does so for every
// produced batch, and a proxy that forwards bytes untouched has no reason to.
// [VerifyCRC] and [SetCRC] serve those who rewrite a batch.
package records
