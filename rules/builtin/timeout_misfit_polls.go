package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

const (
	// tightTimes is how often the time between two polls must have been long, and
	// tightPart of all times: the 99th percentile is long then.
	tightTimes = 3
	tightPart  = 100
	// pollsKept is how many times are counted before they weigh half.
	pollsKept = 10_000
	// usualCommits is how often libraries commit by themselves that show polls by
	// commits alone: auto.commit.interval.ms.
	usualCommits = 5 * time.Second
)

// pollTimes follows how long a member takes from one sign of a poll to the next, see
// state.Member.Progress. Times in which it had nothing to read do not count, nor those
// around a rebalance.
type pollTimes struct {
	from    time.Time // the last sign, or since when there has been something to read
	sign    time.Time // the last sign
	limit   time.Duration
	n, long int
	longest time.Duration
	// sparse says that the member went on past its limit without leaving: it polls
	// without a sign, as from what it has fetched before, and nothing can be measured.
	sparse bool
}

// measure brings the times of all members up to date.
func (s *misfits) measure(g *state.Group, share float64, now time.Time) {
	for id := range s.polls {
		if g.Member(id) == nil {
			delete(s.polls, id)
		}
	}
	g.EachMember(func(m *state.Member) {
		if m.RebalanceTimeout <= 0 || !m.Client.Library().PollInterval() {
			return
		}
		t := s.polls[m.ID]
		if t == nil || t.limit != m.RebalanceTimeout {
			t = &pollTimes{from: m.Progress, sign: m.Progress, limit: m.RebalanceTimeout}
			s.polls[m.ID] = t
		}
		t.look(g, m, share, now)
	})
}

// look takes in where a member is now.
func (t *pollTimes) look(g *state.Group, m *state.Member, share float64, now time.Time) {
	long := part(share, t.limit)
	if m.Client.Library().FetchesAhead() {
		long += usualCommits
	}
	switch {
	case !m.Waiting.IsZero() || m.AssignedAt.After(t.sign) || g.Lost.After(t.sign) || g.Stalled.After(t.sign):
		t.from, t.sign = m.Progress, latest(m.Progress, latest(m.AssignedAt, latest(g.Lost, g.Stalled)))
	case m.Progress.After(t.sign):
		t.count(m.Progress.Sub(t.from), long)
		t.from, t.sign = m.Progress, m.Progress
	case now.Sub(t.from) > t.limit/16: // nearly nobody comes so far
		if _, behind := g.Behind(m); behind == 0 {
			t.from = now
		}
		t.sparse = t.sparse || now.Sub(t.from) > t.limit+2*m.HeartbeatInterval()+time.Second && m.InstanceID == ""
	}
}

// count takes in how long the member took.
func (t *pollTimes) count(took, long time.Duration) {
	if t.n++; t.n >= pollsKept {
		t.n, t.long = t.n/2, t.long/2
	}
	if took > long {
		t.long++
	}
	t.longest = max(t.longest, took)
}

// tightness is the part of the limit that was used up at most, if it is used up again
// and again; 0 if not.
func (t *pollTimes) tightness() float64 {
	if t == nil || t.sparse || t.long < tightTimes || t.long*tightPart < t.n {
		return 0
	}
	return float64(t.longest) / float64(t.limit)
}

// pollsAdvice says what to do about it, with the numbers that were measured.
func (t *pollTimes) advice(l rules.Library) string {
	interval := setting(l, maxPollInterval)
	more := milliseconds((2 * t.longest).Truncate(time.Second) + time.Second)
	if l == rules.Librdkafka {
		return "Raise " + interval + " to " + more + " or more, or do less between two calls of poll or consume."
	}
	return "Raise " + interval + " to " + more + " or more, or lower " + setting(l, "max.poll.records") + ", so that a batch which takes twice as long is still in time."
}
