package state

import "time"

// Health is how a member does, in one word for people who look. Whether something is
// worth telling is for the rules heartbeat-gap and poll-gap, which can be tuned and
// know what was before.
type Health uint8

// What a member's health can be, the worst last.
const (
	HealthOK           Health = iota
	HealthJoining             // its JoinGroup waits in the coordinator
	HealthNotPolling          // it has records to read and shows no sign of a poll for half of max.poll.interval.ms
	HealthSilent              // no sign of life for half of its session timeout
	HealthDisconnected        // it has no connection to the coordinator, and has not left
	HealthExpired             // its session timeout is over: the coordinator must have removed it
)

var healthNames = [...]string{"ok", "joining", "not-polling", "silent", "disconnected", "expired"}

// String is the word in JSON.
func (h Health) String() string { return healthNames[h] }

// ailing is one part in so many of a timeout, after which without a sign a member is
// not well.
const ailing = 2

// Health judges a member now. Time in which warder itself may have missed what the
// member did counts for nothing.
func (g *Group) Health(m *Member, now time.Time) Health {
	silent := now.Sub(latest(m.Alive, g.Lost, g.Stalled))
	expires := m.Expires()
	switch {
	case !m.Waiting.IsZero():
		return HealthJoining
	case m.SessionKnown && !expires.IsZero() && silent > m.SessionTimeout:
		return HealthExpired
	case !m.Gone.IsZero():
		return HealthDisconnected
	case silent > max(2*m.HeartbeatInterval(), m.SessionTimeout/ailing):
		return HealthSilent
	}
	limit := m.PollLimit()
	if limit == 0 || now.Sub(latest(m.Progress, g.Lost, g.Stalled)) <= limit/ailing {
		return HealthOK
	}
	if _, behind := g.Behind(m); behind > 0 && g.ShowsPolls(m, limit) {
		return HealthNotPolling
	}
	return HealthOK
}

// defaultPollLimit stands for the max.poll.interval.ms of a member without one: the
// default of Java and librdkafka.
const defaultPollLimit = 5 * time.Minute

// PollLimit is the member's max.poll.interval.ms; 0 when it is not known or its
// library has none.
func (m *Member) PollLimit() time.Duration {
	if m.Client == nil || !m.Client.Library().PollInterval() {
		return 0
	}
	return m.RebalanceTimeout
}

// ShowsPolls says whether a poll of the member would have been seen. Its Fetch must
// have been, since it was given one of its partitions: what it keeps through a
// rebalance it goes on reading from what it fetched before. Of libraries that fetch
// ahead only commits show it, so these must have come regularly before, a few times
// within the limit.
func (g *Group) ShowsPolls(m *Member, limit time.Duration) bool {
	fetches := m.Client != nil && !m.Client.Library().FetchesAhead()
	if fetches && m.Fetched.After(m.AssignedAt) {
		return true
	}
	for _, tp := range m.Assigned {
		p := g.partitions[tp]
		if p == nil {
			continue
		}
		if fetches && m.fetchedSince(p) {
			return true
		}
		if longest, n := longestBetween(p.Commits()); n >= 3 && longest <= limit/4 {
			return true
		}
	}
	return false
}

// longestBetween gives the longest time between two commits, and how many there
// are.
func longestBetween(commits []Commit) (longest time.Duration, n int) {
	for i := 1; i < len(commits); i++ {
		longest = max(longest, commits[i].At.Sub(commits[i-1].At))
	}
	return longest, len(commits)
}

// Stuck is for how long there has been something to read and nothing was committed
// that goes forward; 0 when there is nothing to read, or that is not known.
func (p *GroupPartition) Stuck(now time.Time) time.Duration {
	lag, ok := p.Lag()
	if !ok || lag == 0 {
		return 0
	}
	since := p.RoseAt
	if at, ok := p.past.passed(p.Committed); ok {
		since = latest(since, at)
	}
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since), 0)
}

// latest gives the latest of some times.
func latest(at time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.After(at) {
			at = o
		}
	}
	return at
}
