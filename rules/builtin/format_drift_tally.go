package builtin

import (
	"math/bits"

	"warder/rules/format"
)

// formatTally counts what the last samples were: between half a window and a whole one,
// in a block that fills and the full one before it. It takes 150 bytes.
type formatTally struct {
	filling, full classCounts
}

// classCounts says how many of n samples may be of a class, and how many pass
// for it.
type classCounts struct {
	n           uint16
	maybe, fits [format.NumClasses]uint16
}

// add counts a sample and says whether a block is full, so that the next begins.
func (t *formatTally) add(k format.Kind, window int) (turned bool) {
	f := &t.filling
	f.n++
	for s := k.Maybe; s != 0; s &= s - 1 {
		f.maybe[bits.TrailingZeros32(uint32(s))]++
	}
	for s := k.Fits; s != 0; s &= s - 1 {
		f.fits[bits.TrailingZeros32(uint32(s))]++
	}
	if int(f.n) < window/2 {
		return false
	}
	t.full, t.filling = t.filling, classCounts{}
	return true
}

// n is how many samples are counted.
func (t *formatTally) n() int { return int(t.filling.n) + int(t.full.n) }

// maybe is how many of them may be of the class.
func (t *formatTally) maybe(c format.Class) int {
	return int(t.filling.maybe[c]) + int(t.full.maybe[c])
}

// fits is how many of them pass for it.
func (t *formatTally) fits(c format.Class) int { return int(t.filling.fits[c]) + int(t.full.fits[c]) }

// usual gives the classes that 95 % of the samples pass for and half of them
// may be of. There is more than one only where every sample could be either; there is
// none where formats are mixed.
func (t *formatTally) usual() format.Set {
	var s format.Set
	n := t.n()
	for c := range format.NumClasses {
		if t.fits(c)*100 >= n*95 && t.maybe(c)*2 >= n && n > 0 {
			s |= format.Of(c)
		}
	}
	return s
}

// above gives the classes outside norm that at least this share of the samples
// may be of.
func (t *formatTally) above(norm format.Set, share float64) format.Set {
	var s format.Set
	for c := range format.NumClasses {
		if n := t.maybe(c); n > 0 && !norm.Has(c) && float64(n) >= share*float64(t.n()) {
			s |= format.Of(c)
		}
	}
	return s
}
