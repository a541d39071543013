package ruletest

import "warder/protocol/wire"

// Body is the body of a Produce request to be encoded, for tests.
type Body struct {
	Version         int16
	TransactionalID string // null when empty
	Acks            int16
	Parts           []Part
}

// Part is one partition of a Body, under a topic entry of its own.
type Part struct {
	Topic     string   // below version 13
	ID        [16]byte // from version 13 on
	Partition int32
	Records   []byte
}

// Append appends the body to dst.
func (q *Body) Append(dst []byte) []byte {
	flexible := q.Version >= 9
	if q.Version >= 3 {
		dst = wire.AppendFlexNullableString(dst, q.TransactionalID, q.TransactionalID == "", flexible)
	}
	dst = wire.AppendInt32(wire.AppendInt16(dst, q.Acks), 30_000)
	dst = wire.AppendArrayLen(dst, len(q.Parts), flexible)
	for _, p := range q.Parts {
		if q.Version >= 13 {
			dst = append(dst, p.ID[:]...)
		} else {
			dst = wire.AppendFlexString(dst, p.Topic, flexible)
		}
		dst = wire.AppendInt32(wire.AppendArrayLen(dst, 1, flexible), p.Partition)
		if flexible {
			dst = append(wire.AppendNullableCompactBytes(dst, p.Records, false), 0, 0)
		} else {
			dst = wire.AppendNullableBytes(dst, p.Records, false)
		}
	}
	if flexible {
		dst = append(dst, 0)
	}
	return dst
}
