package state_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"

	"warder/rules/state"
)

func TestDistinctIsCloseAtEverySize(t *testing.T) {
	var d state.Distinct
	if d.Count() != 0 {
		t.Errorf("empty: %d", d.Count())
	}
	next := 1
	for n := 1; n <= 1_000_000; n++ {
		for range 2 { // what was there before does not count
			d.Add(xxhash.Sum64String("key-" + strconv.Itoa(n)))
		}
		if n < next {
			continue
		}
		next += next/3 + 1
		allowed := max(2, 0.1*float64(n)) // three standard errors
		if got := d.Count(); math.Abs(float64(got-n)) > allowed {
			t.Errorf("%d things: %d", n, got)
		}
	}
	d.Reset()
	if d.Count() != 0 {
		t.Errorf("after Reset: %d", d.Count())
	}
}

// Merging is the same as having been shown both: nothing is counted twice.
func TestMergedDistinctIsTheUnion(t *testing.T) {
	var one, two, both state.Distinct
	for i := range 30_000 {
		h := xxhash.Sum64String("key-" + strconv.Itoa(i))
		if i < 20_000 {
			one.Add(h)
		}
		if i >= 10_000 {
			two.Add(h)
		}
		both.Add(h)
	}
	before := two
	one.Merge(&two)
	if one != both {
		t.Errorf("merged %d, shown both %d", one.Count(), both.Count())
	}
	if two != before {
		t.Error("the other one was changed")
	}
	one.Merge(&state.Distinct{})
	if one != both {
		t.Error("nothing was added by an empty one")
	}
}
