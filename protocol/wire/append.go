package wire

import (
	"encoding/binary"
	"math/bits"
)

// Every Append function appends the encoding of its value to dst and returns
// the extended slice, as the append built-in does.

// AppendInt8 appends one byte.
func AppendInt8(dst []byte, v int8) []byte { return append(dst, byte(v)) }

// AppendBool appends 1 or 0.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendInt16 appends a big-endian int16.
func AppendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

// AppendInt32 appends a big-endian int32.
func AppendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

// AppendUint32 appends a big-endian uint32.
func AppendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// AppendInt64 appends a big-endian int64.
func AppendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// AppendUvarint appends an unsigned varint in its shortest form.
func AppendUvarint(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// UvarintLen returns how many bytes AppendUvarint takes for v (1..5).
func UvarintLen(v uint32) int { return (bits.Len32(v|1) + 6) / 7 }

// AppendUvarintWidth appends v in exactly width bytes, filling up with
// continuation bytes: a longer form that every Kafka decoder reads, for when a
// frame must keep its length. Width is at least UvarintLen(v) and at most 5.
func AppendUvarintWidth(dst []byte, v uint32, width int) []byte {
	for range width - 1 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// AppendVarint appends a zigzag-encoded int32.
func AppendVarint(dst []byte, v int32) []byte { return AppendUvarint(dst, uint32(v<<1)^uint32(v>>31)) }

// AppendVarlong appends a zigzag-encoded int64.
func AppendVarlong(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v<<1)^uint64(v>>63))
}

// AppendString appends a classic string; s has at most 32,767 bytes.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(AppendInt16(dst, int16(len(s))), s...)
}

// AppendNullableString appends a classic string, or null when null is set.
func AppendNullableString[T ~string | ~[]byte](dst []byte, s T, null bool) []byte {
	if null {
		return AppendInt16(dst, -1)
	}
	return AppendString(dst, s)
}

// AppendCompactString appends a compact string.
func AppendCompactString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(AppendUvarint(dst, uint32(len(s))+1), s...)
}

// AppendNullableCompactString appends a compact string, or null when null is
// set.
func AppendNullableCompactString[T ~string | ~[]byte](dst []byte, s T, null bool) []byte {
	if null {
		return append(dst, 0)
	}
	return AppendCompactString(dst, s)
}

// AppendFlexString appends a string in the encoding that flexible chooses.
func AppendFlexString[T ~string | ~[]byte](dst []byte, s T, flexible bool) []byte {
	if flexible {
		return AppendCompactString(dst, s)
	}
	return AppendString(dst, s)
}

// AppendFlexNullableString appends a nullable string in the encoding that
// flexible chooses.
func AppendFlexNullableString[T ~string | ~[]byte](dst []byte, s T, null, flexible bool) []byte {
	if flexible {
		return AppendNullableCompactString(dst, s, null)
	}
	return AppendNullableString(dst, s, null)
}

// AppendNullableBytes appends classic bytes, or null when null is set.
func AppendNullableBytes(dst, b []byte, null bool) []byte {
	if null {
		return AppendInt32(dst, -1)
	}
	return append(AppendInt32(dst, int32(len(b))), b...)
}

// AppendNullableCompactBytes appends compact bytes, or null when null is set.
func AppendNullableCompactBytes(dst, b []byte, null bool) []byte {
	if null {
		return append(dst, 0)
	}
	return append(AppendUvarint(dst, uint32(len(b))+1), b...)
}

// AppendArrayLen appends the length of an array (n >= 0, or -1 for null) in
// the encoding that flexible chooses.
func AppendArrayLen(dst []byte, n int, flexible bool) []byte {
	if flexible {
		return AppendUvarint(dst, uint32(n+1))
	}
	return AppendInt32(dst, int32(n))
}
