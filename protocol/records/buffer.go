package records

import (
	"math/bits"
	"sync"
)

// Output buffers come in size classes of powers of two from minClass to
// maxClass bytes, each with slack bytes more, because zstd decodes faster
// when it may write a little past the end. Larger ones are made to measure
// and left to the garbage collector. The pools hold no more than what was in
// use at once, and the collector empties them.
const (
	minClassBits = 14
	maxClassBits = 24
	minClass     = 1 << minClassBits
	maxClass     = 1 << maxClassBits
	slack        = 64
)

var bufferPools [maxClassBits - minClassBits + 1]sync.Pool

// buffer is an output buffer; b has its full capacity as length.
type buffer struct {
	b     []byte
	class int // index into bufferPools, -1 for none
}

// newBuffer gives a buffer of at least size+slack bytes.
func newBuffer(size int) *buffer {
	if size > maxClass {
		return &buffer{b: make([]byte, size+slack), class: -1}
	}
	class := 0
	if size > minClass {
		class = bits.Len(uint(size-1)) - minClassBits
	}
	if f, ok := bufferPools[class].Get().(*buffer); ok {
		return f
	}
	return &buffer{b: make([]byte, minClass<<class+slack), class: class}
}

// release gives the buffer back; the caller must not use it any more.
func (f *buffer) release() {
	if f.class >= 0 {
		bufferPools[f.class].Put(f)
	}
}
