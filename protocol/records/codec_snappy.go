package records

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/s2"
)

// The header that snappy-java's SnappyOutputStream writes: magic, version and
// least compatible version. Java clients frame snappy this way ("xerial"),
// librdkafka and others send one raw block; Kafka reads both.
const (
	xerialMagic      = "\x82SNAPPY\x00"
	xerialHeaderSize = 16
)

// A copy element of three bytes yields 64 bytes at most, so that no honest
// block expands further than this (snappy format_description.txt).
const snappyMaxRatio = 64

var errSnappySize = errors.New("block claims more bytes than it can hold")

func (o *output) snappy(src []byte) ([]byte, error) {
	if len(src) < xerialHeaderSize || string(src[:len(xerialMagic)]) != xerialMagic {
		size, err := snappySize(src)
		if err != nil {
			return nil, err
		}
		if size > o.limit {
			return nil, errBomb
		}
		return snappyBlock(o.reserve(size), src)
	}
	total := 0
	for rest := src; len(rest) > 0; {
		var block []byte
		var err error
		if block, rest, err = xerialBlock(rest); err != nil {
			return nil, err
		}
		size, err := snappySize(block)
		if err != nil {
			return nil, err
		}
		if total += size; total > o.limit {
			return nil, errBomb
		}
	}
	b, n := o.reserve(total), 0
	for rest := src; len(rest) > 0; {
		var block []byte
		block, rest, _ = xerialBlock(rest)
		out, err := snappyBlock(b[n:], block)
		if err != nil {
			return nil, err
		}
		n += len(out)
	}
	return b[:n], nil
}

// xerialBlock takes the next block off, which may be empty. A header may
// stand before any block (SnappyInputStream.hasNextChunk).
func xerialBlock(b []byte) (block, rest []byte, err error) {
	if len(b) >= xerialHeaderSize && string(b[:len(xerialMagic)]) == xerialMagic {
		b = b[xerialHeaderSize:]
		if len(b) == 0 {
			return nil, nil, nil
		}
	}
	if len(b) < 4 {
		return nil, nil, errShortInput
	}
	size := binary.BigEndian.Uint32(b)
	if uint64(size) > uint64(len(b)-4) {
		return nil, nil, errShortInput
	}
	return b[4 : 4+size], b[4+size:], nil
}

// snappySize is the size that a block claims to have decompressed.
func snappySize(block []byte) (int, error) {
	if len(block) == 0 {
		return 0, nil
	}
	size, err := s2.DecodedLen(block)
	if err == nil && size > snappyMaxRatio*len(block) {
		err = errSnappySize
	}
	return size, err
}

// snappyBlock decompresses a block whose size is known to fit into dst.
func snappyBlock(dst, block []byte) ([]byte, error) {
	if len(block) == 0 {
		return nil, nil
	}
	return s2.Decode(dst, block)
}
