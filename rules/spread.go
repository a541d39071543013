package rules

import "math/bits"

// Spread counts whole numbers by their size: each below 8 for itself, and larger
// ones in four steps to each power of two, up to 131,071, where what is larger is
// counted too. So a quantile is less than a fifth too low. Its size is fixed, so
// that it can be kept for each client; the zero value is empty.
type Spread [spreadSteps]uint32

const (
	spreadExact = 8 // 1<<3
	spreadSteps = spreadExact + 14*4
)

// Add counts n, which is 0 if negative.
func (s *Spread) Add(n int64) { s[min(spreadStep(max(n, 0)), spreadSteps-1)]++ }

func spreadStep(n int64) int {
	if n < spreadExact {
		return int(n)
	}
	power := bits.Len64(uint64(n)) - 1 // 3 for 8 to 15
	return spreadExact + (power-3)*4 + int(n>>(power-2))&3
}

// spreadFloor is the least number of a step.
func spreadFloor(step int) int64 {
	if step < spreadExact {
		return int64(step)
	}
	power := (step-spreadExact)/4 + 3
	return 1<<power + int64(step-spreadExact)%4<<(power-2)
}

// Merge adds what another one has counted.
func (s *Spread) Merge(o *Spread) {
	for i, n := range o {
		s[i] += n
	}
}

// Count is how many numbers were counted.
func (s *Spread) Count() (n int) {
	for _, c := range s {
		n += int(c)
	}
	return n
}

// Quantile is what the share q of the numbers does not exceed, rounded down to the
// step it is in: 0.5 is the median, 1 the largest. Without numbers it is 0.
func (s *Spread) Quantile(q float64) int64 {
	rank := int(q*float64(s.Count())+0.999999) - 1
	for i, c := range s {
		if rank < int(c) {
			return spreadFloor(i)
		}
		rank -= int(c)
	}
	return 0
}
