package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// stuckPartition finds partitions that a group does not get on with, though there
// are records to read: nothing is committed any more, or the same offset again and
// again, or less than is written. The total lag of a group hides such a partition
// for hours.
//
// The way the committed offset went decides, and no threshold of lag, as in
// Burrow (state.Status). Burrow cannot tell a dead consumer from a stuck one; here
// heartbeats say whether the owner lives. Only partitions whose owner is known are
// judged, and those of members elsewhere that were seen to get on when warder asked
// the cluster: any other may be read by nobody any more on purpose.
//
// What goes on in most of a group at once is told once for the group.
type stuckPartition struct{ stuckKnobs }

// stuckKnobs are the keys below `rules.stuck-partition` that only it knows.
type stuckKnobs struct {
	// A lag of up to so many records is none.
	AllowedLag int64 `yaml:"allowed_lag" min:"0" max:"1000000000"`
	// How long a partition must stand still, by its window of commits, before it
	// is reported, and go on before it is well again.
	Hold time.Duration `yaml:"hold" min:"1s" max:"1h"`
	// How long the lag of a partition that moves must grow before it is reported.
	SlowHold time.Duration `yaml:"slow_hold" min:"1s" max:"1d"`
	// How long a partition must stand still to be critical; twelve times as long
	// when it looks paused.
	CriticalAfter time.Duration `yaml:"critical_after" min:"1s" max:"1d"`
	// How long a group may have no members while records wait; twice its longest
	// pause so far when that is longer, as in batch jobs.
	EmptyAfter time.Duration `yaml:"empty_after" min:"1s" max:"30d"`
	// How long a record may wait without any commit while too few commits are
	// known to judge by.
	LearningAfter time.Duration `yaml:"learning_after" min:"1s" max:"7d"`
	// When so many percent of a group's partitions that lag, and at least four,
	// are stuck, the group is reported and not each of them.
	GroupPercent int `yaml:"group_percent" min:"1" max:"100"`
}

const (
	// stuckFewest partitions make a finding about their group.
	stuckFewest = 4
	// stuckPaused times longer may a partition that looks paused stand still.
	stuckPaused = 12
	// stuckUnread is how long nobody fetches a partition that is not read.
	stuckUnread = 30 * time.Second
)

func stuckPartitionSpec() rules.Spec {
	return rules.Spec{
		ID:       "stuck-partition",
		Summary:  "a partition that its group does not get on with, and whether its consumer is dead or alive",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/stuck-partition.md",
		Example:  "stuck-partition:\n  allowed_lag: 10\n  critical_after: 15m\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic | rules.FieldPartition,
		Watches:  offsetEvents(),
		New:      newStuckPartition,
	}
}

func newStuckPartition(decode func(any) error) (rules.Rule, error) {
	r := &stuckPartition{stuckKnobs{
		Hold: 30 * time.Second, SlowHold: 5 * time.Minute, CriticalAfter: 5 * time.Minute,
		EmptyAfter: 10 * time.Minute, LearningAfter: 2 * time.Hour, GroupPercent: 50,
	}}
	if err := decode(&r.stuckKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// trouble is what ails a partition, from least to most.
type trouble uint8

const (
	fine     trouble = iota
	slipping         // it moves, and falls behind or goes back
	stuck            // it does not move
)

// ailing is one partition, or the group as a whole, that was not fine lately.
type ailing struct {
	trouble trouble
	since   time.Time
	lag     int64     // at since
	well    time.Time // since when it is fine again; zero while it is not
	told    rules.Severity
	toldAs  trouble
	toldAt  time.Time
}

// follow notes how it does now.
func (a *ailing) follow(t trouble, lag int64, now time.Time) {
	switch {
	case t == fine && a.well.IsZero():
		a.well = now
	case t != fine:
		a.well = time.Time{}
		if t != a.trouble {
			a.trouble, a.since, a.lag = t, now, lag
		}
	}
}

// stuckGroup is the state of one group. A partition that ails takes 150 bytes; the
// model bounds how many there are.
type stuckGroup struct {
	partitions map[rules.TopicPartition]*ailing
	whole      ailing
	empty      emptiness
	due        []stuckDue // of one tick
}

// stuckDue is a partition that has ailed for long enough.
type stuckDue struct {
	p        *state.GroupPartition
	a        *ailing
	severity rules.Severity
}

// Watch begins the state of a group.
func (r *stuckPartition) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &stuckGroup{partitions: map[rules.TopicPartition]*ailing{}}
	}
}

// Tick judges all partitions of the group.
func (r *stuckPartition) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*stuckGroup)
	if !judgeable(g, w.Now) {
		return
	}
	if withoutMembers(g, w.Now) {
		r.lookAtEmpty(w, g, &s.empty)
		return
	}
	r.lookAtReturn(w, g, &s.empty)
	if rebalancing(g) {
		return
	}
	lagging := 0
	s.due = s.due[:0]
	g.EachPartition(func(p *state.GroupPartition) {
		t, lag := r.judge(g, p, w.Now)
		if lag > 0 {
			lagging++
		}
		r.follow(w, g, s, p, verdict{t, lag})
	})
	r.tell(w, g, s, lagging)
}

// verdict is how a partition does, and its lag; 0 when it is not judged.
type verdict struct {
	trouble trouble
	lag     int64
}

// judge says how a partition does now.
func (r *stuckPartition) judge(g *state.Group, p *state.GroupPartition, now time.Time) (trouble, int64) {
	lag, ok := p.Lag()
	if !ok || lag <= r.AllowedLag || !readBySomebody(g, p, now) || readToEnd(p) {
		return fine, 0
	}
	switch p.Status(now, r.AllowedLag) {
	case state.StatusStop, state.StatusStall:
		return stuck, lag
	case state.StatusWarn, state.StatusRewind:
		return slipping, lag
	case state.StatusLearning:
		if r.silentWhileLearning(g, p, now) {
			return stuck, lag
		}
	case state.StatusOK:
	}
	return fine, lag
}

// readBySomebody says that a member is known to read the partition, or one that does
// not come through warder has been; consumers that choose their partitions
// themselves are never members.
func readBySomebody(g *state.Group, p *state.GroupPartition, now time.Time) bool {
	return g.Owner(p) != nil || g.Type == "" || readElsewhere(g, now) && !p.RoseAt.IsZero()
}

// silentWhileLearning says that a partition is not moving, though less is known of
// it than a full window: a record waits and nothing was committed for very long.
func (r *stuckPartition) silentWhileLearning(g *state.Group, p *state.GroupPartition, now time.Time) bool {
	moved := p.RoseAt
	for _, at := range []time.Time{g.Followed, p.OwnedSince} {
		if at.After(moved) {
			moved = at
		}
	}
	return (g.Owner(p) != nil || readElsewhere(g, now)) && p.Waiting(now) > r.LearningAfter && now.Sub(moved) > r.LearningAfter
}

// follow notes how a partition does, tells when it is well again, and collects it
// if it has ailed for long enough.
func (r *stuckPartition) follow(w *rules.Watch, g *state.Group, s *stuckGroup, p *state.GroupPartition, v verdict) {
	a := s.partitions[p.TopicPartition]
	if a == nil {
		if v.trouble == fine {
			return
		}
		a = &ailing{}
		s.partitions[p.TopicPartition] = a
	}
	a.follow(v.trouble, v.lag, w.Now)
	well := !a.well.IsZero() && w.Now.Sub(a.well) >= r.Hold
	if a.told != 0 && (well || a.toldAs == stuck && a.trouble == slipping && w.Now.Sub(a.since) >= r.Hold) {
		w.Report(r.wellAgain(g, p, w.Now))
		a.told = 0
	}
	if well {
		delete(s.partitions, p.TopicPartition)
		return
	}
	if severity := r.severity(g, p, a, v); severity != 0 {
		s.due = append(s.due, stuckDue{p, a, severity})
	}
}

// severity says how bad a partition is by now; 0 while it is too early to say.
func (r *stuckPartition) severity(g *state.Group, p *state.GroupPartition, a *ailing, v verdict) rules.Severity {
	now := g.Refreshed
	lasts := now.Sub(a.since)
	switch {
	case v.trouble == fine || now.Sub(p.OwnedSince) < r.Hold:
		return 0
	case v.trouble == slipping:
		if lasts < r.SlowHold || v.lag <= a.lag && p.Status(now, r.AllowedLag) == state.StatusWarn {
			return 0
		}
		return rules.Warning
	case lasts < r.Hold:
		return 0
	}
	limit := r.CriticalAfter
	if looksPaused(g, p, now) {
		limit *= stuckPaused
	}
	if lasts < limit || g.Owner(p) == nil {
		return rules.Warning
	}
	return rules.Critical
}

// looksPaused says that the owner reads, but not this partition: its consumer has
// paused it, or has its hands full.
func looksPaused(g *state.Group, p *state.GroupPartition, now time.Time) bool {
	owner := g.Owner(p)
	return owner != nil && !p.PositionAt.IsZero() && now.Sub(p.PositionAt) > stuckUnread && now.Sub(owner.Fetched) <= stuckUnread
}

// tell reports what has ailed for long enough: the group when that is most of it,
// else each partition.
func (r *stuckPartition) tell(w *rules.Watch, g *state.Group, s *stuckGroup, lagging int) {
	n, whole := len(s.due), &s.whole
	enough := func(fewest, percent int) bool { return n >= fewest && n*100 >= percent*lagging }
	switch {
	case enough(stuckFewest, r.GroupPercent):
		worst := fine
		for i := range s.due {
			worst = max(worst, s.due[i].a.trouble)
		}
		whole.follow(worst, 1, w.Now)
	case whole.told != 0 && enough(1, r.GroupPercent/2): // not yet
	default:
		if whole.told != 0 {
			w.Report(groupWell(g))
		}
		*whole = ailing{}
	}
	if whole.trouble != fine {
		severity := rules.Warning
		if whole.trouble == stuck && w.Now.Sub(whole.since) >= r.CriticalAfter {
			severity = rules.Critical
		}
		if whole.news(severity, w.Now) {
			w.Report(r.reportGroup(g, s.due, severity, w.Now))
		}
		return
	}
	for i := range s.due {
		if d := &s.due[i]; d.a.news(d.severity, w.Now) {
			w.Report(r.report(g, d, w.Now))
		}
	}
}

// news says whether there is something to tell, and notes that it is told.
func (a *ailing) news(severity rules.Severity, now time.Time) bool {
	if severity <= a.told && a.trouble <= a.toldAs && now.Sub(a.toldAt) < offsetRepeat {
		return false
	}
	a.told, a.toldAs, a.toldAt = max(severity, a.told), a.trouble, now
	return true
}
