package builtin

import (
	"time"

	"warder/rules/state"
)

// stormSurvey is what a window shows of a group.
type stormSurvey struct {
	now     time.Time
	window  time.Duration
	counted []*state.Rebalance // oldest first
	count   int                // of them, with those that were not seen
	planned int                // deployments and scalings, each counted as one
	unseen  int
	burst   int // of count, in the short window
	members int // most there were at a time: some may be out just now
	causes  [state.NumCauses]int
	first   time.Time // of counted
	last    time.Time
	// stopped is how long the group stood still, and unplanned the part of it
	// that is owed to no deployment.
	stopped, unplanned time.Duration
	raging             bool
}

// causePatience is how long after its end the cause of a rebalance may come to
// light that is told of.
const causePatience = 3 * time.Second

// survey counts the rebalances of the window.
func (r *rebalanceStorm) survey(g *state.Group, now time.Time) *stormSurvey {
	s := &stormSurvey{now: now, window: r.Window, members: stormMembers(g)}
	runs := plannedRuns{pause: r.PlannedPause}
	excused := false // the last one, whose second half may follow
	list := r.inWindow(g, now)
	for _, b := range list {
		runs.take(g, b)
	}
	for _, b := range list {
		run := runs.of[b]
		s.members = max(s.members, b.Members)
		if !b.Followup {
			excused = b.Cause == state.CauseCoordinator || run != nil && !run.flaps
		}
		s.stopped += b.Standstill()
		if !excused {
			s.unplanned += b.Standstill()
		}
		switch {
		case b.Followup || b.Cause == state.CauseCoordinator:
		case !excused:
			s.add(b, r.Burst)
		case run.last == b && run.elsewhere:
			s.add(b, 0)
		case run.last == b:
			s.planned++
			s.add(b, r.Burst)
		}
	}
	s.raging = s.burst >= r.BurstLimit || s.count >= r.Limit || float64(s.unplanned)*100 >= r.StoppedPercent*float64(r.Window)
	return s
}

// inWindow gives the rebalances that are over and count by their time.
func (r *rebalanceStorm) inWindow(g *state.Group, now time.Time) (list []*state.Rebalance) {
	for _, b := range g.Rebalances() {
		if b.Formed() && !b.Open() && now.Sub(b.End) >= causePatience && now.Sub(b.Start) <= r.Window && r.settled(g, b.Start) {
			list = append(list, b)
		}
	}
	return list
}

// settled says that the group was not just being met at a time, for the first time or
// after a restart of warder.
func (r *rebalanceStorm) settled(g *state.Group, at time.Time) bool {
	return at.Sub(g.Since) >= r.Settle && (at.Before(g.Followed) || at.Sub(g.Followed) >= r.Settle)
}

// add counts a rebalance, also in the short window if it is within burst.
func (s *stormSurvey) add(b *state.Rebalance, burst time.Duration) {
	s.counted = append(s.counted, b)
	s.causes[b.Cause]++
	s.causes[state.CauseUnknown] += int(b.Unseen)
	s.unseen += int(b.Unseen)
	n := 1 + int(b.Unseen)
	s.count += n
	if s.now.Sub(b.Start) <= burst {
		s.burst += n
	}
	if s.first.IsZero() {
		s.first = b.Start
	}
	s.last = b.Start
}

// main is the cause of most, the one that explains more of several.
func (s *stormSurvey) main() state.Cause {
	most := state.CauseUnknown
	for c := state.CauseUnknown + 1; c < state.NumCauses; c++ {
		if s.causes[c] > s.causes[most] || s.causes[c] == s.causes[most] && most == state.CauseUnknown {
			most = c
		}
	}
	return most
}

// plannedRuns finds deployments and scalings: runs of rebalances in which members
// leave and join in good order, whatever their number. A run in which somebody
// leaves who had joined in it is none: that is a member that comes and goes.
//
// Where members do not come through here, nobody says why the group rebalances. That
// may be a deployment too, so what comes within one pause counts as one, and never as a
// burst.
type plannedRuns struct {
	pause     time.Duration
	of        map[*state.Rebalance]*plannedRun
	open      *plannedRun
	elsewhere *plannedRun
}

type plannedRun struct {
	first, last *state.Rebalance
	flaps       bool
	elsewhere   bool
}

func (p *plannedRuns) take(g *state.Group, b *state.Rebalance) {
	if p.of == nil {
		p.of = map[*state.Rebalance]*plannedRun{}
	}
	switch {
	case b.Followup:
	case b.Cause == state.CauseMemberLeft || b.Cause == state.CauseMemberJoined:
		if p.open == nil || b.Start.Sub(p.open.last.End) > p.pause {
			p.open = &plannedRun{first: b}
		}
		p.open.last = b
		p.open.flaps = p.open.flaps || comesAndGoes(g, p.open)
		p.of[b] = p.open
	case b.Cause == state.CauseUnknown && b.Unseen == 0 && (g.Partial() || g.Protocol.Epochs()):
		if p.elsewhere == nil || b.Start.Sub(p.elsewhere.first.Start) >= p.pause {
			p.elsewhere = &plannedRun{first: b, elsewhere: true}
		}
		p.elsewhere.last = b
		p.of[b] = p.elsewhere
	}
}

// comesAndGoes says whether a member has left in a run that had joined in it.
func comesAndGoes(g *state.Group, run *plannedRun) bool {
	from, to := run.first.Start, run.last.End
	for _, d := range g.Departures() {
		if d.Cause == state.CauseMemberLeft && !d.At.Before(from) && !d.At.After(to) && !d.Joined.IsZero() && !d.Joined.Before(from) {
			return true
		}
	}
	return false
}
