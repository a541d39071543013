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
