package state_test

import (
	"testing"
	"time"

	"warder/rules/state"
)

// TestStatus follows Burrow: how the committed offset goes decides, and not how
// large the lag is.
func TestStatus(t *testing.T) {
	// step is one commit every five seconds, or none when the offset is -1.
	type step struct{ end, offset int64 }
	steps := func(n int64, of func(i int64) step) (list []step) {
		for i := range n {
			list = append(list, of(i))
		}
		return list
	}
	for name, c := range map[string]struct {
		steps []step
		want  state.Status
	}{
		"keeps up":           {steps(20, func(i int64) step { return step{100 * i, 100 * i} }), state.StatusOK},
		"too few commits":    {steps(9, func(i int64) step { return step{100 * i, 10} }), state.StatusLearning},
		"no lag, few commit": {steps(3, func(int64) step { return step{10, 10} }), state.StatusOK},
		"catches up":         {steps(20, func(i int64) step { return step{10_000 + i, 100 * i} }), state.StatusOK},
		"same offset again":  {steps(20, func(i int64) step { return step{1000 + 100*i, 500} }), state.StatusStall},
		"falls behind":       {steps(20, func(i int64) step { return step{1000 + 100*i, 10 * i} }), state.StatusWarn},
		"lag stays the same": {steps(20, func(i int64) step { return step{1000 + 10*i, 10 * i} }), state.StatusWarn},
		"was at the end": {append(steps(12, func(i int64) step { return step{10 * i, 10 * i} }),
			steps(8, func(i int64) step { return step{200 + 10*i, 120} })...), state.StatusOK},
		"no commit any more": {append(steps(12, func(i int64) step { return step{10 * i, 10 * i} }),
			steps(12, func(i int64) step { return step{200 + 10*i, -1} })...), state.StatusStop},
		"nothing to commit until lately": {append(append(steps(12, func(i int64) step { return step{10 * i, 10 * i} }),
			steps(50, func(int64) step { return step{110, -1} })...), steps(5, func(i int64) step { return step{200 + i, -1} })...), state.StatusOK},
		"went back": {append(steps(12, func(i int64) step { return step{1000 + 10*i, 100 + 10*i} }),
			steps(3, func(i int64) step { return step{1200, 10 * i} })...), state.StatusRewind},
		"went back and came again": {append(append(steps(12, func(i int64) step { return step{1000 + 10*i, 100 + 10*i} }),
			step{1200, 0}), step{1200, 900}), state.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			s := consuming(t)
			for _, st := range c.steps {
				s.end(0, st.end)
				s.wait(time.Second)
				if st.offset >= 0 {
					s.commit("m1", 0, st.offset)
				}
				s.wait(4 * time.Second)
			}
			if got := s.partition().Status(s.now, 0); got != c.want {
				t.Errorf("%v, want %v; lag is %v", got, c.want, s.partition().Commits())
			}
		})
	}
}

func TestLagThatIsAllowedIsNone(t *testing.T) {
	s := consuming(t)
	for i := range int64(20) {
		s.end(0, 1000+i)
		s.wait(5 * time.Second)
		s.commit("m1", 0, 990)
	}
	if p := s.partition(); p.Status(s.now, 0) != state.StatusStall || p.Status(s.now, 50) != state.StatusOK {
		t.Errorf("%v, %v", p.Status(s.now, 0), p.Status(s.now, 50))
	}
}

func TestUsualTimeBetweenCommits(t *testing.T) {
	s := consuming(t)
	if s.partition().CommitInterval() != 0 {
		t.Error("there are none")
	}
	for _, d := range []time.Duration{0, time.Minute, time.Minute, 10 * time.Minute, time.Minute} {
		s.wait(d)
		s.commit("m1", 0, 1)
	}
	if got := s.partition().CommitInterval(); got != time.Minute {
		t.Errorf("%v", got)
	}
}
