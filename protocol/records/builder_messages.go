package records

import (
	"encoding/binary"
	"errors"
)

var errNotInMessageSet = errors.New("record headers, zstd and magic 2 do not exist in message sets")

// AppendMessageSet appends the records as a message set of magic 0 or 1 with
// checksums set: one message after the other, or, with a codec, one wrapper
// around all of them (KIP-31 offsets in magic 1). Of the builder's fields only
// the codec, the base offset and the timestamps exist there. It fails when
// the records cannot be expressed.
func (b *Builder) AppendMessageSet(dst []byte, magic int8) ([]byte, error) {
	if magic < 0 || magic > 1 || b.Codec > LZ4 {
		return dst, errNotInMessageSet
	}
	base, raw := b.BaseOffset, dst
	if b.Codec != None {
		raw = nil
		if magic == 1 {
			base = 0
		}
	}
	latest := b.BaseTimestamp
	for _, r := range b.Records {
		if len(r.Headers) > 0 {
			return dst, errNotInMessageSet
		}
		at := b.BaseTimestamp + r.TimestampDelta
		latest = max(latest, at)
		m := message{offset: base + int64(r.OffsetDelta), magic: magic, timestamp: at, key: r.Key, value: r.Value}
		raw = b.appendMessage(raw, m)
	}
	if b.Codec == None {
		return raw, nil
	}
	value, err := appendCompressed(nil, b.Codec, magic, raw)
	if err != nil {
		return dst, err
	}
	wrapper := message{offset: b.BaseOffset, magic: magic, codec: b.Codec, timestamp: latest, value: value}
	if n := len(b.Records); n > 0 {
		wrapper.offset += int64(b.Records[n-1].OffsetDelta)
	}
	return b.appendMessage(dst, wrapper), nil
}

func (b *Builder) appendMessage(dst []byte, m message) []byte {
	start, be := len(dst), binary.BigEndian
	attributes := byte(m.codec)
	if m.magic == 1 && b.TimestampType == LogAppendTime {
		attributes |= logAppendTimeBit
	}
	dst = be.AppendUint64(dst, uint64(m.offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(m.magic), attributes)
	if m.magic == 1 {
		dst = be.AppendUint64(dst, uint64(m.timestamp))
	}
	for _, field := range [][]byte{m.key, m.value} {
		size := uint32(len(field))
		if field == nil {
			size = 1<<32 - 1
		}
		dst = append(be.AppendUint32(dst, size), field...)
	}
	be.PutUint32(dst[start+8:], uint32(len(dst)-start-logOverhead))
	if err := SetCRC(dst[start:]); err != nil {
		panic(err) // the entry was just written whole
	}
	return dst
}
