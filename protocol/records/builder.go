package records

import "encoding/binary"

// Builder makes batches, for tests, tools and everything that speaks for
// itself; the proxy never re-encodes what passes through it. Set the fields,
// Add records, then call AppendBatch or AppendMessageSet. NewBuilder gives a
// producer that is not idempotent.
type Builder struct {
	Codec                Codec
	BaseOffset           int64
	PartitionLeaderEpoch int32
	TimestampType        TimestampType // NoTimestampType counts as CreateTime
	BaseTimestamp        int64         // milliseconds since 1970
	Transactional        bool
	Control              bool
	DeleteHorizon        bool
	ProducerID           int64 // -1: not idempotent
	ProducerEpoch        int16
	BaseSequence         int32
	Records              []BuilderRecord
}

// BuilderRecord is a record to be encoded. A nil Key or Value is null.
type BuilderRecord struct {
	OffsetDelta    int32
	TimestampDelta int64 // milliseconds after Builder.BaseTimestamp
	Key, Value     []byte
	Headers        []RecordHeader
}

// NewBuilder gives an empty builder without producer id.
func NewBuilder(codec Codec) *Builder {
	return &Builder{Codec: codec, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: noSequence}
}

// Add appends a record with the next offset and the base timestamp. Nil is
// null. It returns the builder.
func (b *Builder) Add(key, value []byte, headers ...RecordHeader) *Builder {
	next := int32(0)
	if n := len(b.Records); n > 0 {
		next = b.Records[n-1].OffsetDelta + 1
	}
	b.Records = append(b.Records, BuilderRecord{OffsetDelta: next, Key: key, Value: value, Headers: headers})
	return b
}

// AppendBatch appends the records as one batch of magic 2 with its checksum
// set, framed as the Java producer frames each codec. It fails only for a
// codec that does not exist.
func (b *Builder) AppendBatch(dst []byte) ([]byte, error) {
	var raw []byte
	for i := range b.Records {
		raw = b.Records[i].append(raw)
	}
	start := len(dst)
	dst = b.appendHeader(dst)
	dst, err := appendCompressed(dst, b.Codec, 2, raw)
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-logOverhead))
	return dst, SetCRC(dst[start:])
}

// appendHeader appends a header of magic 2 with Length and CRC left at zero.
func (b *Builder) appendHeader(dst []byte) []byte {
	attributes := uint16(b.Codec) & codecMask
	set := func(bit uint16, on bool) {
		if on {
			attributes |= bit
		}
	}
	set(logAppendTimeBit, b.TimestampType == LogAppendTime)
	set(transactionalBit, b.Transactional)
	set(controlBit, b.Control)
	set(deleteHorizonBit, b.DeleteHorizon)
	var lastDelta int32
	maxTimestamp := b.BaseTimestamp
	for i := range b.Records {
		lastDelta = b.Records[i].OffsetDelta
		maxTimestamp = max(maxTimestamp, b.BaseTimestamp+b.Records[i].TimestampDelta)
	}
	be := binary.BigEndian
	dst = be.AppendUint64(dst, uint64(b.BaseOffset))
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, uint32(b.PartitionLeaderEpoch))
	dst = append(dst, 2)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint16(dst, attributes)
	dst = be.AppendUint32(dst, uint32(lastDelta))
	dst = be.AppendUint64(dst, uint64(b.BaseTimestamp))
	dst = be.AppendUint64(dst, uint64(maxTimestamp))
	dst = be.AppendUint64(dst, uint64(b.ProducerID))
	dst = be.AppendUint16(dst, uint16(b.ProducerEpoch))
	dst = be.AppendUint32(dst, uint32(b.BaseSequence))
	return be.AppendUint32(dst, uint32(len(b.Records)))
}

// append appends the record with its length in front.
func (r *BuilderRecord) append(dst []byte) []byte {
	body := append([]byte(nil), 0)
	body = appendVarlong(body, r.TimestampDelta)
	body = appendVarlong(body, int64(r.OffsetDelta))
	body = appendVarBytes(body, r.Key)
	body = appendVarBytes(body, r.Value)
	body = appendVarlong(body, int64(len(r.Headers)))
	for _, h := range r.Headers {
		body = appendVarlong(body, int64(len(h.Key)))
		body = append(body, h.Key...)
		body = appendVarBytes(body, h.Value)
	}
	return appendVarBytes(dst, body)
}
