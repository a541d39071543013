package records

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The block size of the Java client's SnappyOutputStream.
const xerialBlockSize = 32 << 10

// level3Window is the window of level 3, at which producers compress by default (zstd's
// ZSTD_defaultCParameters). The library's own would take 16 MiB for a batch of 64 KiB.
const level3Window = 2 << 20

// zstdEncoders keeps encoders: a new one clears megabytes of tables and history.
var zstdEncoders = sync.Pool{New: func() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(level3Window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return z
}}

// appendCompressed appends raw compressed as the Java producer does it: gzip
// and zstd at their default levels, zstd as a stream without content size,
// lz4 as a frame of independent 64 KiB blocks, snappy in xerial blocks.
func appendCompressed(dst []byte, codec Codec, magic int8, raw []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, raw...), nil
	case Gzip:
		w := bytes.NewBuffer(dst)
		z := gzip.NewWriter(w)
		return encode(w, func() error { _, err := z.Write(raw); return err }, z.Close)
	case Snappy:
		return appendXerial(dst, raw), nil
	case LZ4:
		return appendLZ4(dst, magic, raw)
	case Zstd:
		w := bytes.NewBuffer(dst)
		z, _ := zstdEncoders.Get().(*zstd.Encoder)
		defer zstdEncoders.Put(z)
		z.Reset(w)
		// Flush before Close keeps the encoder from adding a content size.
		return encode(w, func() error { _, err := z.Write(raw); return err }, z.Flush, z.Close)
	}
	return dst, fmt.Errorf("compress %s: %w", codec, errUnknownCodec)
}

// encode runs the steps of a stream encoder and gives what it wrote.
func encode(w *bytes.Buffer, steps ...func() error) ([]byte, error) {
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return w.Bytes(), nil
}

func appendXerial(dst, raw []byte) []byte {
	dst = append(dst, xerialMagic...)
	dst = append(dst, 0, 0, 0, 1, 0, 0, 0, 1)
	for len(raw) > 0 {
		n := min(len(raw), xerialBlockSize)
		block := s2.EncodeSnappy(nil, raw[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		dst, raw = append(dst, block...), raw[n:]
	}
	return dst
}

func appendLZ4(dst []byte, magic int8, raw []byte) ([]byte, error) {
	start := len(dst)
	w := bytes.NewBuffer(dst)
	z := lz4.NewWriter(w)
	options := func() error {
		return z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1))
	}
	dst, err := encode(w, options, func() error { _, err := z.Write(raw); return err }, z.Close)
	if err == nil && magic == 0 {
		// Clients of magic 0 checksum the magic number as well (KAFKA-3160).
		dst[start+6] = byte(xxh32(dst[start:start+6]) >> 8)
	}
	return dst, err
}

// xxh32 is the checksum of lz4 frames with seed 0 for less than 16 bytes
// (xxhash_spec.md).
func xxh32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(p5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h += binary.LittleEndian.Uint32(b) * p3
		h = (h<<17 | h>>15) * p4
	}
	for _, c := range b {
		h += uint32(c) * p5
		h = (h<<11 | h>>21) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}
