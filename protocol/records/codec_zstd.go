package records

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The zstd format (RFC 8878). DecodeAll writes straight into our buffer and
// keeps no window of its own, however large a window the frame declares. It
// would let that buffer grow, so the frames are measured first: their block
// headers bound the output from above, and that much room is provided.
const (
	zstdMagic         = 0xFD2FB528
	zstdSkippable     = 0x184D2A50 // low four bits are free
	zstdMaxBlock      = 128 << 10
	zstdSingleSegment = 0x20
	zstdChecksum      = 0x04
	zstdOverrun       = 3 * zstdMaxBlock // beyond 9/8 of the limit, see zstdWithin
)

var errZstdFrame = errors.New("not a zstd frame")

func newZstdDecoder() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
}

// zstdLimited decoders have had their memory limit set and are kept apart.
var (
	zstdDecoders = sync.Pool{New: newZstdDecoder}
	zstdLimited  = sync.Pool{New: newZstdDecoder}
)

func (o *output) zstd(src []byte) ([]byte, error) {
	var least, most int
	for rest := src; len(rest) > 0; {
		f, err := measureZstd(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[f.size:]
		least, most = least+f.least, most+f.most
	}
	if least > o.limit {
		return nil, errBomb
	}
	if most > o.limit {
		return o.zstdGuarded(src)
	}
	d := zstdDecoders.Get().(*zstd.Decoder)
	out, err := d.DecodeAll(src, o.reserve(most)[:0])
	zstdDecoders.Put(d)
	return out, err
}

// zstdGuarded decompresses what may or may not exceed the limit, frame by
// frame.
func (o *output) zstdGuarded(src []byte) (out []byte, err error) {
	out = o.reserve(o.limit + o.limit/8 + zstdOverrun)[:0]
	for len(src) > 0 {
		f, err := measureZstd(src)
		if err != nil {
			return nil, err
		}
		if left := o.limit - len(out); f.most > left {
			out, err = zstdWithin(left, src[:f.size], out)
		} else {
			d := zstdDecoders.Get().(*zstd.Decoder)
			out, err = d.DecodeAll(src[:f.size], out)
			zstdDecoders.Put(d)
		}
		if err != nil {
			return nil, err
		}
		src = src[f.size:]
	}
	return out, nil
}

// zstdWithin appends a frame to dst that is allowed to yield left bytes and
// does not say how many it has. The decoder's own limit does the work: it is
// checked after each block, so that one block more must have room. But the
// decoder refuses frames whose window is larger than its limit. The window
// only promises how far back matches reach, and no match can reach back
// beyond the output, so a copy of the frame may declare a smaller one.
func zstdWithin(left int, frame, dst []byte) ([]byte, error) {
	window := byte(0)
	for zstdWindow(window) < max(int64(left), zstdMaxBlock) {
		window++
	}
	if zstdWindow(frame[5]) > zstdWindow(window) {
		patched := newBuffer(len(frame))
		defer patched.release()
		copy(patched.b, frame)
		frame = patched.b[:len(frame)]
		frame[5] = window
	}
	d := zstdLimited.Get().(*zstd.Decoder)
	defer zstdLimited.Put(d)
	if err := d.ResetWithOptions(nil, zstd.WithDecoderMaxMemory(uint64(zstdWindow(window)))); err != nil {
		return nil, err
	}
	out, err := d.DecodeAll(frame, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || err == nil && len(out)-len(dst) > left {
		return nil, errBomb
	}
	return out, err
}

// zstdFrame is what the headers of a frame tell about it, in bytes: its size
// and the least and most that it expands to.
type zstdFrame struct{ size, least, most int }

// measureZstd walks the frame at the start of b, which is not empty.
func measureZstd(b []byte) (f zstdFrame, err error) {
	if len(b) < 8 {
		return f, errShortInput
	}
	magic := binary.LittleEndian.Uint32(b)
	if magic&^0xF == zstdSkippable {
		f.size = 8 + int(binary.LittleEndian.Uint32(b[4:]))
		if f.size > len(b) {
			err = errShortInput
		}
		return f, err
	}
	if magic != zstdMagic {
		return f, errZstdFrame
	}
	content, window, p := zstdSizes(b)
	if p < 0 {
		return f, errShortInput
	}
	block := int(min(window, zstdMaxBlock))
	for last := false; !last; {
		if len(b)-p < 3 {
			return f, errShortInput
		}
		head := int(b[p]) | int(b[p+1])<<8 | int(b[p+2])<<16
		size := head >> 3
		last = head&1 != 0
		p += 3
		switch head >> 1 & 3 {
		case 0: // raw
			f.least, f.most = f.least+size, f.most+size
		case 1: // one byte, repeated
			f.least, f.most = f.least+size, f.most+size
			size = 1
		case 2: // compressed
			f.most += block
		default:
			return f, errZstdFrame
		}
		if p += size; p > len(b) {
			return f, errShortInput
		}
	}
	if b[4]&zstdChecksum != 0 {
		p += 4
	}
	if p > len(b) {
		return f, errShortInput
	}
	f.size = p
	if content >= 0 {
		if content < int64(f.least) || content > int64(f.most) {
			return f, errZstdFrame
		}
		f.least, f.most = int(content), int(content)
	}
	return f, nil
}

// zstdSizes reads the frame header: content size (-1 when not given), window
// size and where the first block starts (-1 when b is too short).
func zstdSizes(b []byte) (content, window int64, p int) {
	descriptor := b[4]
	p = 5
	if descriptor&zstdSingleSegment == 0 {
		window = zstdWindow(b[5])
		p = 6
	}
	p += [4]int{0, 1, 2, 4}[descriptor&3] // dictionary id
	size := [4]int{0, 2, 4, 8}[descriptor>>6]
	if size == 0 && window == 0 {
		size = 1
	}
	if len(b) < p+size {
		return 0, 0, -1
	}
	content = -1
	switch size {
	case 1:
		content = int64(b[p])
	case 2:
		content = int64(binary.LittleEndian.Uint16(b[p:])) + 256
	case 4:
		content = int64(binary.LittleEndian.Uint32(b[p:]))
	case 8:
		// A size with the top bit set is a lie that no frame fulfils.
		content = int64(binary.LittleEndian.Uint64(b[p:]) &^ (1 << 63))
	}
	if window == 0 {
		window = max(content, 1<<10)
	}
	return content, window, p + size
}

// zstdWindow is the window size that a window descriptor stands for. It grows
// with the descriptor, in steps of an eighth at most.
func zstdWindow(descriptor byte) int64 {
	base := int64(1) << (10 + descriptor>>3)
	return base + base/8*int64(descriptor&7)
}
