package records

// uvarint reads an unsigned varint of at most limit bytes at b[p:] and gives
// the position after it, or -1. Bits beyond the target width are dropped, as
// ByteUtils.readVarint does. It is the slow path: the walk reads varints of
// one and two bytes itself.
func uvarint(b []byte, p, limit int) (uint64, int) {
	var u uint64
	for shift := 0; limit > 0 && uint(p) < uint(len(b)); limit-- {
		c := b[p]
		p++
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return u, p
		}
		shift += 7
	}
	return 0, -1
}

// varint reads a zigzag coded int32 (at most 5 bytes).
func varint(b []byte, p int) (int32, int) {
	u, p := uvarint(b, p, 5)
	return int32(uint32(u)>>1) ^ -int32(u&1), p
}

// varlong reads a zigzag coded int64 (at most 10 bytes).
func varlong(b []byte, p int) (int64, int) {
	u, p := uvarint(b, p, 10)
	return int64(u>>1) ^ -int64(u&1), p
}

func appendVarlong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// appendVarBytes appends b with its length as a varint; nil is null, -1.
func appendVarBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1)
	}
	return append(appendVarlong(dst, int64(len(b))), b...)
}
