package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// pollGapOf is how long a member has shown no sign of a poll.
type pollGapOf struct {
	level pollLevel
	// since the last sign, or since events were lost.
	since time.Time
	long  time.Duration
	limit time.Duration // max.poll.interval.ms, or what stands for it
	// heard says that limit is the member's own.
	heard bool
	// survived says that it has not left although it is long past its limit,
	// as it would if it did not poll.
	survived  bool
	partition rules.TopicPartition // with most left to read
	behind    int64
}

// gapOf judges a member now. It is silent about those of whom too little is known,
// that have nothing to read, wait in the coordinator, or send no heartbeats: that
// is heartbeat-gap's business, except for static members, see stopped.
func (r *pollGap) gapOf(m *state.Member, g *state.Group, now time.Time) (gap pollGapOf) {
	gap.limit, gap.since = r.StuckAfter, m.Progress
	if g.Lost.After(gap.since) {
		gap.since = g.Lost // it may have polled before
	}
	gap.long = now.Sub(gap.since)
	least := r.StuckAfter
	if m.RebalanceTimeout > 0 {
		least = min(least, m.RebalanceTimeout)
	}
	if gap.long <= part(r.WarnAfter, least) || !m.Waiting.IsZero() {
		return gap // as nearly all, without a look at the library
	}
	library := m.Client.Library()
	if limit := m.PollLimit(); limit > 0 {
		gap.limit, gap.heard = limit, true
	}
	if gap.long <= part(r.WarnAfter, gap.limit) {
		return gap
	}
	if gap.partition, gap.behind = g.Behind(m); gap.behind == 0 || !g.ShowsPolls(m, gap.limit) {
		return gap
	}
	heartbeat := m.HeartbeatInterval()
	switch {
	case m.InstanceID != "" && gap.heard && !m.Consumer() && stopped(m, gap.limit, now):
		gap.level = tooLate
	case now.Sub(m.Alive) > 2*heartbeat:
		return gap
	case gap.long > part(r.CriticalAfter, gap.limit) && (gap.heard || !library.PollInterval()):
		gap.level = nearlyTooLate
	default:
		gap.level = late
	}
	// It leaves within a heartbeat or two of its limit.
	gap.survived = gap.heard && gap.level < tooLate && gap.long > gap.limit+2*heartbeat+time.Second
	return gap
}

// stopped says that a static member has sent no heartbeats since it reached its
// max.poll.interval.ms: Java leaves the group only for dynamic members
// (AbstractCoordinator.shouldSendLeaveGroupRequest).
func stopped(m *state.Member, limit time.Duration, now time.Time) bool {
	return m.Alive.Sub(m.Progress) >= part(0.9, limit) && now.Sub(m.Alive) > 2*m.HeartbeatInterval()
}
