package records

import (
	"encoding/binary"
	"fmt"
)

// A Codec is how the records of a batch are compressed, bits 0-2 of its
// attributes (CompressionType.java).
type Codec int8

// The codecs of Kafka. Zstd exists only in magic 2 (KIP-110).
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String gives Kafka's name of the codec, as in compression.type.
func (c Codec) String() string {
	if c < 0 || int(c) >= len(codecNames) {
		return fmt.Sprintf("codec(%d)", int8(c))
	}
	return codecNames[c]
}

// A TimestampType says who set the timestamps of a batch (KIP-32).
type TimestampType int8

// The timestamp types of Kafka. Magic 0 has no timestamps at all.
const (
	NoTimestampType TimestampType = iota - 1
	CreateTime
	LogAppendTime
)

// Header is the head of one batch. For magic 0 and 1 it stands for one entry
// of a message set: a message, or a compressed wrapper with messages inside.
type Header struct {
	// BaseOffset is the offset that Record.OffsetDelta counts from. Of a
	// compressed wrapper of magic 0 or 1 it is known only after the first
	// call of NextRecord; until then it is the wrapper's own offset.
	BaseOffset int64
	// Length counts the bytes after this field, as on the wire.
	Length int32
	// PartitionLeaderEpoch is -1 in magic 0 and 1.
	PartitionLeaderEpoch int32
	Magic                int8
	// CRC is CRC-32C in magic 2 and CRC-32 before; it has not been verified.
	CRC           uint32
	Codec         Codec
	TimestampType TimestampType
	Transactional bool
	// Control batches hold transaction markers or raft records, never user
	// data (ControlRecordType.java).
	Control bool
	// DeleteHorizon says that BaseTimestamp is the delete horizon that the
	// log cleaner set (KIP-534).
	DeleteHorizon bool
	// LastOffsetDelta is the delta of the last record the batch was written
	// with; compaction may have removed it. In a compressed wrapper of magic
	// 0 or 1 it is known only after the first call of NextRecord.
	LastOffsetDelta int32
	// BaseTimestamp and MaxTimestamp are milliseconds since 1970, -1 when
	// unknown. In magic 1 both are the entry's own timestamp.
	BaseTimestamp int64
	MaxTimestamp  int64
	// ProducerID, ProducerEpoch and BaseSequence are -1 unless the producer
	// is idempotent, and in magic 0 and 1.
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	// NumRecords is what the batch claims until its first record was read;
	// from then on that many records are known to fit. It is -1 for a
	// compressed wrapper of magic 0 or 1 before that.
	NumRecords int32
	// Size is the length of the batch in bytes, Length + 12.
	Size int
}

// LastOffset is the offset of the last record the batch was written with.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// Offset is the absolute offset of a record of this batch. It means something
// in Fetch responses only: producers count from 0.
func (h *Header) Offset(r *Record) int64 { return h.BaseOffset + int64(r.OffsetDelta) }

// Timestamp is the time of a record of this batch in milliseconds since 1970,
// -1 when it has none. With LogAppendTime the batch's time counts for every
// record (DefaultRecordBatch.java).
func (h *Header) Timestamp(r *Record) int64 {
	switch {
	case h.TimestampType == LogAppendTime:
		return h.MaxTimestamp
	case h.TimestampType == NoTimestampType:
		return -1
	}
	return h.BaseTimestamp + r.TimestampDelta
}

// Sizes and positions of DefaultRecordBatch.java and LegacyRecord.java.
const (
	logOverhead  = 12 // BaseOffset and Length
	magicAt      = 16
	headerSizeV2 = 61
	headerSizeV0 = 18 // up to the key length
	headerSizeV1 = 26
	crcAtV2      = 17
	crcFromV2    = 21 // first byte that the checksum of magic 2 covers
	crcAtV01     = 12
	crcFromV01   = 16
	attributesV2 = 21
	minLength    = 14 // RECORD_OVERHEAD_V0, the least a Length may be
	minLengthV1  = 22 // RECORD_OVERHEAD_V1
	minRecordV2  = 7  // one byte for each field of a record of magic 2
)

// Bits of the attributes.
const (
	codecMask         = 0x07
	logAppendTimeBit  = 0x08
	transactionalBit  = 0x10
	controlBit        = 0x20
	deleteHorizonBit  = 0x40
	noSequence        = -1
	unknownNumRecords = -1
)

// PeekSize is how many bytes of a batch Peek asks for: all of its header.
const PeekSize = headerSizeV2

// Peek reads the header of the batch that b begins with, of which b need not
// hold more than PeekSize bytes: who sees a batch arrive learns from it how long
// the batch is and whether it is worth keeping. It returns false when b is too
// short for a header, as at the end of a Fetch response. The error is a
// *MalformedError; otherwise nothing is allocated.
func (h *Header) Peek(b []byte) (bool, error) {
	if len(b) < logOverhead {
		return false, nil
	}
	length := int32(binary.BigEndian.Uint32(b[8:]))
	if length < minLength {
		return false, &MalformedError{Field: "Length", Record: -1, Offset: 8, Reason: "shorter than any batch"}
	}
	size := logOverhead + int(length)
	if len(b) < min(size, PeekSize) {
		return false, nil
	}
	if field, reason := h.parse(b[:min(len(b), size)], size); field != "" {
		return false, &MalformedError{Field: field, Record: -1, Offset: magicAt, Reason: reason}
	}
	return true, nil
}

// parse reads the header of an entry of size bytes, whose Length is at least
// minLength. b is its beginning: all of it or at least PeekSize bytes. It names
// the field that does not fit, or "".
func (h *Header) parse(b []byte, size int) (field, reason string) {
	h.BaseOffset = int64(binary.BigEndian.Uint64(b))
	h.Length = int32(size - logOverhead)
	h.Size = size
	h.Magic = int8(b[magicAt])
	switch h.Magic {
	case 2:
		return h.parseV2(b)
	case 0, 1:
		return h.parseV01(b)
	}
	return "Magic", "unknown message format"
}

func (h *Header) parseV2(b []byte) (field, reason string) {
	if len(b) < headerSizeV2 {
		return "Length", "shorter than the header of a batch"
	}
	b = b[:headerSizeV2]
	h.PartitionLeaderEpoch = int32(binary.BigEndian.Uint32(b[12:]))
	h.CRC = binary.BigEndian.Uint32(b[crcAtV2:])
	attributes := binary.BigEndian.Uint16(b[attributesV2:])
	h.Codec = Codec(attributes & codecMask)
	h.TimestampType = CreateTime
	if attributes&logAppendTimeBit != 0 {
		h.TimestampType = LogAppendTime
	}
	h.Transactional = attributes&transactionalBit != 0
	h.Control = attributes&controlBit != 0
	h.DeleteHorizon = attributes&deleteHorizonBit != 0
	h.LastOffsetDelta = int32(binary.BigEndian.Uint32(b[23:]))
	h.BaseTimestamp = int64(binary.BigEndian.Uint64(b[27:]))
	h.MaxTimestamp = int64(binary.BigEndian.Uint64(b[35:]))
	h.ProducerID = int64(binary.BigEndian.Uint64(b[43:]))
	h.ProducerEpoch = int16(binary.BigEndian.Uint16(b[51:]))
	h.BaseSequence = int32(binary.BigEndian.Uint32(b[53:]))
	h.NumRecords = int32(binary.BigEndian.Uint32(b[57:]))
	if h.NumRecords < 0 {
		return "NumRecords", "negative"
	}
	return "", ""
}

func (h *Header) parseV01(b []byte) (field, reason string) {
	if h.Magic == 1 && len(b) < logOverhead+minLengthV1 {
		return "Length", "shorter than the header of a message"
	}
	attributes := b[17]
	h.PartitionLeaderEpoch = -1
	h.CRC = binary.BigEndian.Uint32(b[crcAtV01:])
	h.Codec = Codec(attributes & codecMask)
	h.TimestampType = NoTimestampType
	h.BaseTimestamp = -1
	if h.Magic == 1 {
		h.TimestampType = CreateTime
		if attributes&logAppendTimeBit != 0 {
			h.TimestampType = LogAppendTime
		}
		h.BaseTimestamp = int64(binary.BigEndian.Uint64(b[18:]))
	}
	h.MaxTimestamp = h.BaseTimestamp
	h.Transactional, h.Control, h.DeleteHorizon = false, false, false
	h.LastOffsetDelta = 0
	h.ProducerID, h.ProducerEpoch, h.BaseSequence = -1, -1, noSequence
	h.NumRecords = 1
	if h.Codec != None {
		h.NumRecords = unknownNumRecords
	}
	return "", ""
}
