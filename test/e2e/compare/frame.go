package compare

import (
	"bytes"
	"hash/maphash"

	"warder/protocol"
)

const (
	// maxWhole is how large a frame may be to be kept whole until its counterpart is there. Of larger ones the beginning is kept, and a hash.
	maxWhole = 4 << 20
	// headSize is how much is kept of those.
	headSize = protocol.MaxRequestHeader
	// maxFrame is how large a frame may say to be.
	maxFrame = 512 << 20
	// maxHeld bounds what waits for its counterpart on all connections together; beyond it one is given up.
	maxHeld = 128 << 20
)

var seed = maphash.MakeSeed()

// frame is a request or an answer with its length. data is all of it, or the beginning.
type frame struct {
	data []byte
	size int
	sum  uint64 // of a frame that is not whole
}

func (f *frame) whole() bool { return len(f.data) == f.size }

// same says whether two frames have the same bytes.
func (f *frame) same(g *frame) bool {
	return f.size == g.size && f.sum == g.sum && bytes.Equal(f.data, g.data)
}

// content is a frame without its length.
func (f *frame) content() []byte { return f.data[protocol.FrameLengthSize:] }

// splitter finds the frames in the bytes of one direction.
type splitter struct {
	least int // that a frame holds
	buf   []byte
	size  int // of the frame under way with its length, once that is known
	got   int
	hash  maphash.Hash
}

// feed takes the next bytes, and gives each frame that is complete, until that says no. The error is of a length that cannot be.
func (s *splitter) feed(b []byte, each func(frame) bool) error {
	for len(b) > 0 {
		if s.size == 0 {
			n := min(len(b), protocol.FrameLengthSize-len(s.buf))
			s.buf, b = append(s.buf, b[:n]...), b[n:]
			if len(s.buf) < protocol.FrameLengthSize {
				return nil
			}
			size, err := protocol.FrameSize(s.buf, s.least, maxFrame)
			if err != nil {
				return err
			}
			s.size, s.got = protocol.FrameLengthSize+size, len(s.buf)
			s.hash.SetSeed(seed)
		}
		n := min(len(b), s.size-s.got)
		s.keep(b[:n])
		b = b[n:]
		if s.got == s.size && !each(s.take()) {
			return nil
		}
	}
	return nil
}

func (s *splitter) keep(b []byte) {
	s.got += len(b)
	if s.size <= maxWhole {
		s.buf = append(s.buf, b...)
		return
	}
	s.hash.Write(b)
	s.buf = append(s.buf, b[:min(len(b), max(headSize-len(s.buf), 0))]...)
}

// take gives the frame that is complete.
func (s *splitter) take() frame {
	f := frame{data: s.buf, size: s.size}
	if !f.whole() {
		f.sum = s.hash.Sum64()
	}
	*s = splitter{least: s.least}
	return f
}
