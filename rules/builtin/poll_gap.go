package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// pollGap follows whether the applications of members go on taking records. A
// member that does not poll within max.poll.interval.ms gives up its partitions by
// itself although its process is well, and the work that it was at is done again by
// others; libraries without such an interval keep their partitions for ever.
//
// No request says that poll was called. What shows it instead differs from library to
// library, see judge and state.Member.Progress.
//
// Of its own it keeps what it told of members, about 500 bytes for each, until they
// have polled in time for a while, and 64 departures that it has told of.
type pollGap struct{ pollGapKnobs }

// pollGapKnobs are the keys below `rules.poll-gap` that only it knows.
type pollGapKnobs struct {
	// Part of max.poll.interval.ms without a poll that is worth a warning.
	// 0.1-0.9.
	WarnAfter float64 `yaml:"warn_after" min:"0.1" max:"0.9"`
	// Part of it that is critical. 0.2-0.95.
	CriticalAfter float64 `yaml:"critical_after" min:"0.2" max:"0.95"`
	// What stands for max.poll.interval.ms where the library has none or warder
	// has not heard it. 1s-24h.
	StuckAfter time.Duration `yaml:"stuck_after" min:"1s" max:"24h"`
	// How long a member must poll in time for it to be over. 1s-24h.
	CalmFor time.Duration `yaml:"calm_for" min:"1s" max:"24h"`
}

func pollGapSpec() rules.Spec {
	return rules.Spec{
		ID:       "poll-gap",
		Summary:  "a consumer that does not poll in time, before and when it loses its partitions for it",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/poll-gap.md",
		Example:  "poll-gap:\n  action: alert\n  warn_after: 0.7\n",
		FoldBy:   rules.FieldGroup | rules.FieldMember,
		Watches:  memberEvents(),
		New:      newPollGap,
	}
}

func newPollGap(decode func(any) error) (rules.Rule, error) {
	r := &pollGap{pollGapKnobs{WarnAfter: 0.5, CriticalAfter: 0.8, StuckAfter: 5 * time.Minute, CalmFor: 10 * time.Minute}}
	if err := decode(&r.pollGapKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// pollLevel is how far it has come with a member.
type pollLevel uint8

const (
	polls pollLevel = iota
	late
	nearlyTooLate
	tooLate // a static member that has stopped its heartbeats
	given   // it has left, or was removed
)

// pollStory is what was told of one member, until it is over.
type pollStory struct {
	level   pollLevel
	subject rules.Subject
	name    string
	calm    time.Time // since when it polls again, or has gone; zero before
	longest time.Duration
	limit   time.Duration // max.poll.interval.ms, or what stood for it
	library rules.Library
	left    time.Time // when it left; zero when it has not
	back    bool      // and came back
	// excused says that it went on past its limit without leaving: it does poll
	// and shows no sign of it, as when all its partitions are paused.
	excused bool
}

// pollStories is the state of one group.
type pollStories struct {
	members map[string]*pollStory // by member id
	told    map[leaving]bool      // departures that were told of
}

// leaving names a departure.
type leaving struct {
	member string
	at     int64
}

// Watch keeps the group's state, so that time is looked at.
func (r *pollGap) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &pollStories{members: map[string]*pollStory{}, told: map[leaving]bool{}}
	}
}

// Tick looks how long each member has not polled, and who has left for it.
func (r *pollGap) Tick(w *rules.Watch) {
	g, ok := w.Model.(*state.Group)
	told, _ := w.State.(*pollStories)
	if !ok || told == nil {
		w.State = nil
		return
	}
	r.departures(w, g, told)
	var list []*state.Member
	g.EachMember(func(m *state.Member) {
		if told.members[m.ID] != nil || r.gapOf(m, g, w.Now).level > polls {
			list = append(list, m)
		}
	})
	slices.SortFunc(list, func(a, b *state.Member) int { return cmp.Compare(a.ID, b.ID) })
	for _, m := range list {
		r.look(w, g, told, m)
	}
	for _, id := range sortedKeys(told.members) {
		if s := told.members[id]; g.Member(id) == nil {
			r.gone(w, g, told, id, s)
		}
	}
	if g.Members() == 0 && len(told.members) == 0 && len(g.Departures()) == 0 {
		w.State = nil
	}
}

// look judges one member.
func (r *pollGap) look(w *rules.Watch, g *state.Group, told *pollStories, m *state.Member) {
	gap, s := r.gapOf(m, g, w.Now), told.members[m.ID]
	if s == nil {
		s = &pollStory{subject: memberSubject(g, m), name: memberText(m), limit: gap.limit, library: m.Client.Library()}
		told.members[m.ID] = s
	}
	if s.excused && gap.level < tooLate {
		gap.level = polls
	}
	if gap.level > polls {
		s.calm, s.limit, s.longest = time.Time{}, gap.limit, max(s.longest, gap.long)
	} else if s.calm.IsZero() {
		s.calm, s.level = w.Now, polls
	}
	switch {
	case gap.survived && gap.level > polls:
		s.excused = true
		w.Report(pausedReport(g, s, gap))
		s.level, s.longest = polls, 0
	case gap.level > s.level:
		s.level = gap.level
		w.Report(pollReport(g, m, s, gap))
	case gap.level > polls || w.Now.Sub(s.calm) < r.CalmFor:
	case !s.excused:
		w.Report(pollsAgainReport(g, s))
		delete(told.members, m.ID)
	}
}

// gone ends the story of somebody who is a member no longer, unless it comes back.
func (r *pollGap) gone(w *rules.Watch, g *state.Group, told *pollStories, id string, s *pollStory) {
	d := departureOf(g, id)
	switch {
	case d != nil && d.Cause == state.CauseUnknown: // it is not yet clear whether it was closed
		return
	case s.level == given && d != nil && w.Now.Sub(d.At) < r.CalmFor:
		return
	case !s.excused:
		w.Report(pollGoneReport(g, s, d != nil))
	}
	delete(told.members, id)
}

// tellWithin is how old a departure may be that is told of: the rule may have been
// switched on long after it.
const tellWithin = time.Minute

// departures tells of members that left for want of a poll, and of those that came
// back.
func (r *pollGap) departures(w *rules.Watch, g *state.Group, told *pollStories) {
	if len(g.Departures()) == 0 {
		return
	}
	known := make(map[leaving]bool, len(g.Departures()))
	for _, d := range g.Departures() {
		if d.Cause != state.CausePollTimeout {
			continue
		}
		key := leaving{d.MemberID, d.At.UnixNano()}
		known[key] = true
		s := told.members[d.MemberID]
		switch {
		case !told.told[key] && w.Now.Sub(d.At) <= max(tellWithin, 2*d.SessionTimeout+time.Second):
			if s == nil {
				s = &pollStory{subject: goneSubject(g, d), name: idText(d.MemberID, d.InstanceID, d.Client), library: d.Client.Library()}
				told.members[d.MemberID] = s
			}
			s.level, s.calm, s.left, s.back, s.limit, s.excused = given, w.Now, d.At, false, d.RebalanceTimeout, false
			s.longest = max(s.longest, d.At.Sub(d.LastProgress))
			w.Report(givenReport(g, d, s))
		case s != nil && s.left.Equal(d.At) && !s.back && d.ReturnedID != "":
			s.back, s.level, s.calm = true, polls, w.Now
			s.longest = max(s.longest, d.Returned.Sub(d.LastProgress))
			delete(told.members, d.MemberID)
			told.members[d.ReturnedID] = s
			w.Report(backReport(g, d, s))
		}
	}
	told.told = known
}
