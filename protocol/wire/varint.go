package wire

// Limits of the encodings, in bytes (ByteUtils of Apache Kafka).
const (
	// MaxUvarintLen is the longest uvarint and varint.
	MaxUvarintLen = 5
	// MaxVarlongLen is the longest varlong.
	MaxVarlongLen = 10
)

// Uvarint reads an unsigned 32-bit varint of at most five bytes.
func (r *Reader) Uvarint() uint32 {
	if r.off < len(r.src) && r.src[r.off] < 0x80 {
		v := uint32(r.src[r.off])
		r.off++
		return v
	}
	return r.uvarintSlow()
}

func (r *Reader) uvarintSlow() uint32 {
	if r.err != nil {
		return 0
	}
	v, n, err := DecodeUvarint(r.src[r.off:])
	if err != nil {
		r.Fail(err)
		return 0
	}
	r.off += n
	return v
}

// DecodeUvarint decodes the unsigned varint at the start of b and returns it
// with the number of bytes it takes; ErrShort when b ends inside it, ErrVarint
// when it exceeds 32 bits. Encodings longer than needed are accepted, as
// Apache Kafka accepts them.
func DecodeUvarint(b []byte) (uint32, int, error) {
	var v uint32
	for i := range min(len(b), MaxUvarintLen) {
		c := b[i]
		if i == MaxUvarintLen-1 && c > 0x0f {
			return 0, 0, ErrVarint
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1, nil
		}
	}
	return 0, 0, ErrShort
}

// Varint reads a zigzag-encoded int32.
func (r *Reader) Varint() int32 {
	u := r.Uvarint()
	return int32(u>>1) ^ -int32(u&1)
}

// Varlong reads a zigzag-encoded int64 of at most ten bytes.
func (r *Reader) Varlong() int64 {
	u := r.uvarlong()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *Reader) uvarlong() uint64 {
	if r.err != nil {
		return 0
	}
	var v uint64
	b := r.src[r.off:]
	for i := range min(len(b), MaxVarlongLen) {
		c := b[i]
		if i == MaxVarlongLen-1 && c > 1 {
			r.Fail(ErrVarint)
			return 0
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.off += i + 1
			return v
		}
	}
	r.Fail(ErrShort)
	return 0
}
