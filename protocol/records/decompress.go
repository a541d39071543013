package records

import "errors"

// errBomb is how a decoder says that its output would exceed output.limit.
var errBomb = errors.New("output exceeds the limit")

// output is where a decoder writes. Its buffer never grows beyond limit
// rounded up to a size class (for zstd 9/8 of it plus zstdOverrun); while it
// grows the old buffer, at most a quarter as large, is held as well.
type output struct {
	buf   *buffer
	limit int
}

// reserve makes room for size bytes, at most limit, and forgets what is there.
func (o *output) reserve(size int) []byte {
	if o.buf == nil || len(o.buf.b) < size+slack {
		o.release()
		o.buf = newBuffer(size)
	}
	return o.buf.b
}

// grow makes the buffer four times as large, as far as most, the size that is
// certain to suffice, and the limit allow, and keeps the first n bytes.
func (o *output) grow(n, most int) []byte {
	old := o.buf
	o.buf = newBuffer(min(4*len(old.b), most, o.limit))
	copy(o.buf.b, old.b[:n])
	old.release()
	return o.buf.b
}

func (o *output) release() {
	if o.buf != nil {
		o.buf.release()
		o.buf = nil
	}
}

// decompress gives the records of the current batch, compressed with its
// codec in src. The result aliases src or the scanner's output buffer.
func (s *Scanner) decompress(src []byte) ([]byte, error) {
	codec := s.header.Codec
	if codec == None || len(src) == 0 { // compaction leaves batches empty
		return src, nil
	}
	bound, budget := BoundBytes, s.grace+s.lim.MaxRatio*len(src)
	s.out.limit = s.lim.MaxDecompressed
	if budget < s.out.limit {
		bound, s.out.limit = BoundRatio, budget
	}
	body, err := s.out.decode(codec, src)
	if errors.Is(err, errBomb) {
		return nil, &BombError{Codec: codec, Bound: bound, Compressed: len(src), Limit: s.out.limit}
	}
	if err != nil {
		return nil, &CodecError{Codec: codec, Err: err}
	}
	s.grace = budget - len(body)
	return body, nil
}

// decode decompresses src into the buffer of o, which the result aliases.
// errBomb says that the limit would have been exceeded.
func (o *output) decode(codec Codec, src []byte) ([]byte, error) {
	switch codec {
	case Gzip:
		return o.gzip(src)
	case Snappy:
		return o.snappy(src)
	case LZ4:
		return o.lz4(src)
	case Zstd:
		return o.zstd(src)
	case None:
	}
	return nil, errUnknownCodec
}
