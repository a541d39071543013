package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
)

// Frame is the content of one length-prefixed message (without the length) in
// a pooled buffer. Whoever holds it calls Release exactly once; everything that
// was decoded from it dies with it. A Frame belongs to one goroutine at a time.
type Frame struct {
	buf      []byte // len is the size of the frame
	released bool
}

// Buffers are pooled by powers of two from 4 KiB to 4 MiB; larger ones are
// left to the garbage collector. The pools shrink with each collection, so what
// they hold is bounded by the frames in use between two of them.
const (
	minFrameClass = 12
	maxFrameClass = 22
)

var framePools [maxFrameClass - minFrameClass + 1]sync.Pool

// frameClass returns the exponent of the smallest buffer that holds size bytes.
func frameClass(size int) int {
	return max(bits.Len(uint(max(size, 1)-1)), minFrameClass)
}

// NewFrame returns a Frame of size bytes, whose content is undefined. The
// caller has checked size against its limit.
func NewFrame(size int) *Frame {
	class := frameClass(size)
	if class > maxFrameClass {
		return &Frame{buf: make([]byte, size)}
	}
	f, _ := framePools[class-minFrameClass].Get().(*Frame)
	if f == nil {
		f = &Frame{buf: make([]byte, 1<<class)}
	}
	f.buf = f.buf[:size]
	f.released = false
	return f
}

// ReadFrame reads a frame of size bytes from r. A frame above 256 KiB is given
// memory as its bytes arrive, so that a claimed length alone costs little.
// The error is that of r: io.ErrUnexpectedEOF when it ends early.
func ReadFrame(r io.Reader, size int) (*Frame, error) {
	f := NewFrame(min(size, frameMemoryStep))
	for read := 0; ; {
		if _, err := io.ReadFull(r, f.buf[read:]); err != nil {
			f.Release()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		read = len(f.buf)
		if read == size {
			return f, nil
		}
		larger := NewFrame(min(size, 4*read))
		copy(larger.buf, f.buf)
		f.Release()
		f = larger
	}
}

// Bytes returns the content of the frame, valid until Release.
func (f *Frame) Bytes() []byte { return f.buf }

// Release gives the buffer back. Releasing a Frame twice is a mistake that
// would let two holders share one buffer; it panics where it can be seen.
func (f *Frame) Release() {
	if f.released {
		panic("protocol: Frame released twice")
	}
	f.released = true
	// Only whole classes go back; a buffer above the largest is dropped.
	if class := frameClass(cap(f.buf)); class <= maxFrameClass && cap(f.buf) == 1<<class {
		framePools[class-minFrameClass].Put(f)
	}
}

// FrameSize reads the length in the first four bytes of b and checks it:
// ErrShort for fewer bytes, a *MalformedError for a length that cannot hold
// minSize bytes (negative ones included), a *LimitError above maxSize.
func FrameSize(b []byte, minSize, maxSize int) (int, error) {
	if len(b) < FrameLengthSize {
		return 0, ErrShort
	}
	size := int(int32(binary.BigEndian.Uint32(b)))
	if size < minSize {
		return 0, &MalformedError{Key: -1, Field: "frame length", Err: fmt.Errorf("%d is below %d", size, minSize)}
	}
	if size > maxSize {
		return 0, &LimitError{What: "frame size", Got: int64(size), Max: int64(maxSize)}
	}
	return size, nil
}

// LooksLikeTLS reports whether the first bytes of a connection (three are
// enough) are a TLS record instead of a Kafka frame: a handshake (22), or the
// alert (21) of a server that was spoken to in plaintext (RFC 8446 section 5.1).
// Read as a length they would claim 335 MiB or more.
func LooksLikeTLS(b []byte) bool {
	return len(b) >= 3 && (b[0] == 0x16 || b[0] == 0x15) && b[1] == 3 && b[2] <= 4
}

// LooksLikeGSSAPI reports whether what reads as the API key of the first frame of
// a connection is the start of a GSSAPI token without any Kafka header, as clients
// of Kafka 0.9 send it and brokers up to 3.x take it (SaslServerAuthenticator.java).
func LooksLikeGSSAPI(key APIKey) bool { return key>>8 == 0x60 }
