package records

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipDecoder keeps a reader with the source it reads from; both are reset
// for each batch, so that nothing is allocated.
type gzipDecoder struct {
	r   gzip.Reader
	src bytes.Reader
}

var gzipDecoders = sync.Pool{New: func() any { return new(gzipDecoder) }}

// No deflate stream expands further than this (zlib's technical notes).
const deflateMaxRatio = 1032

// gzip decompresses the members of src one after the other. As Java's
// GZIPInputStream does it ignores what follows the last whole member.
func (o *output) gzip(src []byte) ([]byte, error) {
	d := gzipDecoders.Get().(*gzipDecoder)
	out, err := o.gzipMembers(d, src)
	d.src.Reset(nil)
	gzipDecoders.Put(d)
	return out, err
}

func (o *output) gzipMembers(d *gzipDecoder, src []byte) (out []byte, err error) {
	d.src.Reset(src)
	b, n := o.reserve(min(gzipSize(src), deflateMaxRatio*len(src), o.limit)), 0
	for member := 0; member == 0 || d.src.Len() > 0; member++ {
		if err = d.r.Reset(&d.src); err != nil {
			if member > 0 {
				return b[:n], nil
			}
			return nil, unexpectedEOF(err)
		}
		d.r.Multistream(false)
		for err == nil {
			// One byte above the limit tells a bomb from a full buffer.
			room := b[n:min(len(b), o.limit+1)]
			if len(room) == 0 {
				if n > o.limit {
					return nil, errBomb
				}
				b = o.grow(n, o.limit)
				continue
			}
			var m int
			m, err = d.r.Read(room)
			n += m
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if n > o.limit {
			return nil, errBomb
		}
	}
	return b[:n], nil
}

// gzipSize is the size that the trailer of the last member claims (ISIZE, RFC
// 1952), a hint only.
func gzipSize(src []byte) int {
	if len(src) < 4 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(src[len(src)-4:]))
}

// unexpectedEOF turns io.EOF, which is no error to a reader, into one.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
