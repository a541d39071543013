package rules_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warder/rules"
)

// A quantile is what a sorted list has at that place, or up to a fifth less.
func TestSpreadQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Int64Range(0, 131_071), 1, 50).Draw(t, "numbers")
		half := len(numbers) / 2
		var s, other rules.Spread
		for i, n := range numbers {
			if i < half {
				other.Add(n)
			} else {
				s.Add(n)
			}
		}
		s.Merge(&other)
		slices.Sort(numbers)
		if s.Count() != len(numbers) {
			t.Fatalf("counted %d of %d", s.Count(), len(numbers))
		}
		for place, n := range numbers {
			got := s.Quantile(float64(place+1) / float64(len(numbers)))
			if got > n || got < n-n/5-1 || n < 8 && got != n {
				t.Fatalf("place %d is %d, want at most %d", place+1, got, n)
			}
		}
	})
}

// The steps begin where thresholds lie: they must not be missed by rounding.
func TestSpreadSteps(t *testing.T) {
	for _, n := range []int64{0, 1, 7, 8, 10, 16, 64, 4096, 1 << 16} {
		var s rules.Spread
		s.Add(n)
		if got := s.Quantile(0.5); got != n {
			t.Errorf("%d is counted as %d", n, got)
		}
	}
	var s rules.Spread
	if s.Quantile(0.5) != 0 || s.Count() != 0 {
		t.Error("nothing is something")
	}
	s.Add(-5)
	s.Add(1 << 40)
	if s.Quantile(0) != 0 || s.Quantile(1) != 7<<14 || s.Count() != 2 {
		t.Errorf("ends at %d and %d", s.Quantile(0), s.Quantile(1))
	}
}
