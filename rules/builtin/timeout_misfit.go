package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// timeoutMisfit tells of timeouts of group members that do not fit each other, or
// the work that is done, before somebody is removed for it: heartbeats that are too
// rare for the session, a session that any pause ends, and a max.poll.interval.ms
// that the work between two polls nearly uses up again and again.
//
// The members of a group are mostly started from one configuration, so it is the
// group that is told of, once for each kind.
type timeoutMisfit struct{ timeoutMisfitKnobs }

// timeoutMisfitKnobs are the keys below `rules.timeout-misfit` that only it knows.
type timeoutMisfitKnobs struct {
	// For how long a group must be as it is, without a rebalance.
	Settle time.Duration `yaml:"settle" min:"1s" max:"1h"`
	// A session timeout below this is short.
	MinSession time.Duration `yaml:"min_session" min:"1s" max:"1h"`
	// Part of max.poll.interval.ms that the time between two polls should not
	// exceed. 0.1-0.95.
	PollShare float64 `yaml:"poll_share" min:"0.1" max:"0.95"`
}

func timeoutMisfitSpec() rules.Spec {
	return rules.Spec{
		ID:       "timeout-misfit",
		Summary:  "timeouts of group members that fit neither each other nor their work, before anybody is removed for it",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/timeout-misfit.md",
		Example:  "timeout-misfit:\n  min_session: 6s\n",
		FoldBy:   rules.FieldGroup,
		Watches:  memberEvents(),
		New:      newTimeoutMisfit,
	}
}

func newTimeoutMisfit(decode func(any) error) (rules.Rule, error) {
	r := &timeoutMisfit{timeoutMisfitKnobs{Settle: time.Minute, MinSession: 10 * time.Second, PollShare: 0.5}}
	if err := decode(&r.timeoutMisfitKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// misfitKind says what does not fit.
type misfitKind uint8

const (
	rareHeartbeats misfitKind = iota
	shortSession
	tightPolls
)

// misfitKinds is how many there are.
const misfitKinds = int(tightPolls) + 1

// String is the kind as evidence names it.
func (k misfitKind) String() string {
	return [...]string{"heartbeat-interval", "session-timeout", "poll-interval"}[k]
}

const (
	// misfitSlack keeps clocks and networks from making a misfit of what is
	// configured as a third.
	misfitSlack = 1.1
	// misfitRepeat is how often a misfit that lasts is told again.
	misfitRepeat = 24 * time.Hour
)

// misfits is the state of a group: 100 bytes for each member.
type misfits struct {
	polls map[string]*pollTimes // by member id
	told  [misfitKinds]misfitTold
}

// misfitTold is what was told of one kind.
type misfitTold struct {
	at      time.Time // zero: nothing
	fits    time.Time // since when nobody misfits; zero while somebody does
	subject rules.Subject
}

// Watch begins the state of a group.
func (r *timeoutMisfit) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &misfits{polls: map[string]*pollTimes{}}
	}
}

// Tick measures how long members take between polls, and judges those who have
// settled.
func (r *timeoutMisfit) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*misfits)
	if g == nil {
		return
	}
	s.measure(g, r.PollShare, w.Now)
	if !settled(g, r.Settle, w.Now) {
		return
	}
	for kind := range misfitKind(misfitKinds) {
		r.look(w, g, s, kind, r.misfitting(kind, g, s))
	}
}

// settled says that nothing has changed in the group for a while, nor did warder miss
// anything of it.
func settled(g *state.Group, long time.Duration, now time.Time) bool {
	if list := g.Rebalances(); len(list) > 0 {
		if last := list[len(list)-1]; last.Open() || now.Sub(last.End) < long {
			return false
		}
	}
	return now.Sub(g.Since) >= long && !muted(g, long, now)
}

// misfit is a member that misfits, and how badly: the higher the worse.
type misfit struct {
	*state.Member
	polls *pollTimes
	by    float64
}

// misfitting gives the members with a misfit of that kind, the worst first.
func (r *timeoutMisfit) misfitting(kind misfitKind, g *state.Group, s *misfits) (list []misfit) {
	g.EachMember(func(m *state.Member) {
		by := 0.
		switch kind {
		case rareHeartbeats:
			by = rareness(m)
		case shortSession:
			if m.SessionKnown && m.SessionTimeout < r.MinSession {
				by = 1 / m.SessionTimeout.Seconds()
			}
		case tightPolls:
			by = s.polls[m.ID].tightness()
		}
		if by > 0 {
			list = append(list, misfit{m, s.polls[m.ID], by})
		}
	})
	slices.SortFunc(list, func(a, b misfit) int { return cmp.Or(cmp.Compare(b.by, a.by), cmp.Compare(a.ID, b.ID)) })
	return list
}

// rareness is how much of the session passes between two heartbeats, if that is more
// than a third (heartbeat.interval.ms: "should be set no higher than 1/3 of that
// value"); 0 if it is not. With KIP-848 the coordinator says both.
func rareness(m *state.Member) float64 {
	if !m.SessionKnown || m.Consumer() || !m.HeartbeatsMeasured() {
		return 0
	}
	share := float64(m.HeartbeatInterval()) / float64(m.SessionTimeout)
	if share <= misfitSlack/3 {
		return 0
	}
	return share
}

// look tells what there is of one kind, when it is news.
func (r *timeoutMisfit) look(w *rules.Watch, g *state.Group, s *misfits, kind misfitKind, list []misfit) {
	t := &s.told[kind]
	switch {
	case len(list) > 0 && (t.at.IsZero() || w.Now.Sub(t.at) >= misfitRepeat):
		t.at, t.fits = w.Now, time.Time{}
		report := r.report(g, kind, list)
		t.subject = report.Subject
		w.Report(report)
	case len(list) > 0:
		t.fits = time.Time{}
	case t.at.IsZero():
	case t.fits.IsZero():
		t.fits = w.Now
	case w.Now.Sub(t.fits) >= r.Settle:
		w.Report(fitsReport(g, kind, t))
		*t = misfitTold{}
	}
}
