package format

// protobuf says whether b reads as a Protobuf message: tags, each with a value
// of its wire type, that cover the whole buffer. Of a long one the beginning
// decides. That is little proof: many a random payload reads so as well.
func protobuf(b []byte) bool {
	groups := 0
	for i := 0; i < len(b); {
		if i > scanned {
			return true
		}
		tag, n := varint(b[i:])
		if n == 0 || tag>>3 == 0 || tag>>3 >= 1<<29 {
			return false
		}
		i += n
		switch tag & 7 {
		case 0:
			_, n = varint(b[i:])
			if n == 0 {
				return false
			}
		case 1:
			n = 8
		case 2:
			size, m := varint(b[i:])
			if m == 0 || size > uint64(len(b)) {
				return false
			}
			n = m + int(size)
		case 3:
			groups, n = groups+1, 0
		case 4:
			if groups, n = groups-1, 0; groups < 0 {
				return false
			}
		case 5:
			n = 4
		default:
			return false
		}
		if i += n; i > len(b) {
			return false
		}
	}
	return groups == 0
}

// varint reads a varint and says how many bytes it takes; 0 if it is none.
func varint(b []byte) (value uint64, n int) {
	for n < len(b) && n < 10 {
		c := b[n]
		value |= uint64(c&0x7f) << (7 * n)
		n++
		if c < 0x80 {
			return value, n
		}
	}
	return 0, 0
}
