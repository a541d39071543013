package records

import (
	"encoding/binary"
	"errors"

	"github.com/pierrec/lz4/v4"
)

// The lz4 frame format (lz4_Frame_format.md), as far as Kafka uses it
// (Lz4BlockInputStream.java): one frame, no dictionary. Linked blocks, which
// the Java client refuses, are read too. The checksums of header, blocks and
// content are skipped: the batch has its own. That also makes the header
// checksum of magic 0 harmless, which old clients computed over the wrong
// bytes (KAFKA-3160).
const (
	lz4Magic           = 0x184D2204
	lz4VersionMask     = 0xC0
	lz4Version         = 0x40
	lz4IndependentBit  = 0x20
	lz4BlockSumBit     = 0x10
	lz4ContentSizeBit  = 0x08
	lz4ContentSumBit   = 0x04
	lz4DictionaryBit   = 0x01
	lz4UncompressedBit = 1 << 31
	lz4Window          = 64 << 10
	// A byte of a match length stands for 255 bytes of output at most.
	lz4MaxRatio = 255
	// The first guess of the output size: clients declare blocks of up to
	// 4 MiB, whatever little they put in.
	lz4UsualRatio = 8
)

var (
	errLZ4Frame = errors.New("not an lz4 frame that Kafka knows")
	errLZ4Block = errors.New("lz4 block exceeds the frame's block size")
)

type lz4Frame struct {
	maxBlock    int
	blockSum    int // bytes of checksum after each block
	contentSum  int
	independent bool
}

// parseLZ4Frame reads the frame header and gives the bytes after it.
func parseLZ4Frame(b []byte) (f lz4Frame, rest []byte, err error) {
	if len(b) < 7 {
		return f, nil, errShortInput
	}
	flags, size := b[4], b[5]>>4&7
	if binary.LittleEndian.Uint32(b) != lz4Magic || flags&lz4VersionMask != lz4Version ||
		flags&lz4DictionaryBit != 0 || size < 4 {
		return f, nil, errLZ4Frame
	}
	f.maxBlock = 1 << (8 + 2*size)
	f.independent = flags&lz4IndependentBit != 0
	if flags&lz4BlockSumBit != 0 {
		f.blockSum = 4
	}
	if flags&lz4ContentSumBit != 0 {
		f.contentSum = 4
	}
	head := 7
	if flags&lz4ContentSizeBit != 0 {
		head += 8
	}
	if len(b) < head {
		return f, nil, errShortInput
	}
	return f, b[head:], nil
}

// next takes a block off; raw says that it is not compressed. An empty block
// is the end mark.
func (f *lz4Frame) next(b []byte) (block, rest []byte, raw bool, err error) {
	if len(b) < 4 {
		return nil, nil, false, errShortInput
	}
	word := binary.LittleEndian.Uint32(b)
	size := int(word &^ lz4UncompressedBit)
	b = b[4:]
	if size == 0 {
		if len(b) < f.contentSum {
			return nil, nil, false, errShortInput
		}
		return nil, nil, false, nil
	}
	if size > f.maxBlock {
		return nil, nil, false, errLZ4Block
	}
	if size+f.blockSum > len(b) {
		return nil, nil, false, errShortInput
	}
	return b[:size], b[size+f.blockSum:], word&lz4UncompressedBit != 0, nil
}

// most is what a block can expand to.
func (f *lz4Frame) most(block []byte, raw bool) int {
	if raw {
		return len(block)
	}
	return min(f.maxBlock, lz4MaxRatio*len(block))
}

func (o *output) lz4(src []byte) ([]byte, error) {
	f, blocks, err := parseLZ4Frame(src)
	if err != nil {
		return nil, err
	}
	most, usual := 0, 0
	for rest := blocks; ; {
		block, after, raw, err := f.next(rest)
		if err != nil {
			return nil, err
		}
		if len(block) == 0 {
			break
		}
		rest = after
		blockMost := f.most(block, raw)
		most += blockMost
		usual += min(blockMost, lz4UsualRatio*len(block))
	}
	o.reserve(min(usual, o.limit))
	n := 0
	for rest := blocks; ; {
		block, after, raw, _ := f.next(rest)
		if len(block) == 0 {
			return o.buf.b[:n], nil
		}
		rest = after
		m, err := o.lz4Block(&f, block, n, most, raw)
		if err != nil {
			return nil, err
		}
		n += m
	}
}

// lz4Block decompresses a block behind the n bytes that are there already.
// lz4 does not say how large a block will be: when the room was not known to
// suffice, a failure means that more is needed.
func (o *output) lz4Block(f *lz4Frame, block []byte, n, most int, raw bool) (int, error) {
	need := f.most(block, raw)
	for {
		b := o.buf.b
		room := b[n:min(len(b), o.limit, n+need)]
		m, err := len(block), error(nil)
		switch {
		case raw && len(room) >= len(block):
			copy(room, block)
		case raw:
			err = lz4.ErrInvalidSourceShortBuffer
		case f.independent || n == 0:
			m, err = lz4.UncompressBlock(block, room)
		default:
			m, err = lz4.UncompressBlockWithDict(block, room, b[max(0, n-lz4Window):n])
		}
		switch {
		case err == nil:
			return m, nil
		case len(room) == need:
			return 0, err
		case n+len(room) == o.limit:
			return 0, errBomb
		}
		o.grow(n, most)
	}
}
