package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// heartbeatGap follows the signs of life that members give their coordinator and
// tells of a silence before the coordinator acts on it: the group then stops for
// a rebalance, and the member's records are read again by another.
//
// What it knows is the model's; of its own it keeps what it told of members that
// are silent, about 400 bytes for each, of at most as many as the model has.
type heartbeatGap struct{ heartbeatGapKnobs }

// heartbeatGapKnobs are the keys below `rules.heartbeat-gap` that only it knows.
type heartbeatGapKnobs struct {
	// Part of the session timeout after which a silence is worth a warning,
	// unless two usual heartbeat intervals are longer. 0.1-0.9.
	WarnAfter float64 `yaml:"warn_after" min:"0.1" max:"0.9"`
	// Part of the session timeout after which it is critical. 0.2-1.
	CriticalAfter float64 `yaml:"critical_after" min:"0.2" max:"1"`
	// How long a member must be heard regularly for its silence to be over.
	// 1s-1h.
	CalmFor time.Duration `yaml:"calm_for" min:"1s" max:"1h"`
}

func heartbeatGapSpec() rules.Spec {
	return rules.Spec{
		ID:       "heartbeat-gap",
		Summary:  "a group member whose heartbeats stop, before and when its coordinator removes it",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/heartbeat-gap.md",
		Example:  "heartbeat-gap:\n  action: alert\n  warn_after: 0.5\n",
		FoldBy:   rules.FieldGroup | rules.FieldMember,
		Watches:  memberEvents(),
		New:      newHeartbeatGap,
	}
}

func newHeartbeatGap(decode func(any) error) (rules.Rule, error) {
	r := &heartbeatGap{heartbeatGapKnobs{WarnAfter: 1. / 3, CriticalAfter: 2. / 3, CalmFor: time.Minute}}
	if err := decode(&r.heartbeatGapKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// silence is what was told of one member, until it is over.
type silence struct {
	level   silenceLevel // told last
	subject rules.Subject
	name    string    // of the member, for people
	calm    time.Time // since when it is heard again; zero while it is silent
	alive   time.Time // its last sign of life before it fell silent
	longest time.Duration
}

// silenceLevel is how far a silence has gone.
type silenceLevel uint8

const (
	speaks silenceLevel = iota
	quiet
	nearlyGone
	overdue // the coordinator must have removed it
)

// String is the kind of finding as evidence names it.
func (l silenceLevel) String() string {
	return [...]string{"heard", "quiet", "nearly-gone", "overdue"}[l]
}

// silences is the state of one group: the members of whom something was told.
type silences map[string]*silence

// Watch keeps the group's state, so that time is looked at.
func (r *heartbeatGap) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = silences{}
	}
}

// Tick looks how long each member has been silent.
func (r *heartbeatGap) Tick(w *rules.Watch) {
	g, ok := w.Model.(*state.Group)
	told, _ := w.State.(silences)
	if !ok || told == nil {
		w.State = nil
		return
	}
	for _, id := range sortedKeys(told) {
		// With KIP-848 one that was removed comes back under the same id.
		if d := departureOf(g, id); g.Member(id) == nil || d != nil && d.At.After(told[id].alive) {
			w.Report(goneReport(g, id, told[id]))
			delete(told, id)
		}
	}
	silent := r.silent(g, told, w.Now)
	quiets := 0
	for _, m := range silent {
		if r.level(m, w.Now) > speaks {
			quiets++
		}
	}
	for _, m := range silent {
		r.look(w, g, told, &gap{Member: m, level: r.level(m, w.Now), now: w.Now, others: quiets - 1, of: g.Members()})
	}
	if g.Members() == 0 {
		w.State = nil
	}
}

// silent gives the members of whom there is something to say, by id.
func (r *heartbeatGap) silent(g *state.Group, told silences, now time.Time) (list []*state.Member) {
	g.EachMember(func(m *state.Member) {
		if told[m.ID] != nil || r.level(m, now) > speaks {
			list = append(list, m)
		}
	})
	slices.SortFunc(list, func(a, b *state.Member) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// gap is a member that is silent, or was.
type gap struct {
	*state.Member
	level  silenceLevel
	now    time.Time
	others int // that are silent too
	of     int // members in all
}

func (r *heartbeatGap) look(w *rules.Watch, g *state.Group, told silences, m *gap) {
	s := told[m.ID]
	if s == nil {
		if muted(g, m.SessionTimeout, w.Now) {
			return
		}
		s = &silence{subject: memberSubject(g, m.Member), name: memberText(m.Member)}
		told[m.ID] = s
	}
	if m.level > speaks {
		s.calm, s.alive, s.longest = time.Time{}, m.Alive, max(s.longest, m.silent())
	} else if s.calm.IsZero() {
		s.calm, s.level = w.Now, speaks
	}
	switch {
	case m.level > s.level:
		s.level = m.level
		w.Report(gapReport(g, m, s))
	case m.level == speaks && w.Now.Sub(s.calm) >= r.CalmFor:
		w.Report(heardReport(g, s))
		delete(told, m.ID)
	}
}

// muted says that warder itself may be the reason why nothing was heard for so
// long.
func muted(g *state.Group, long time.Duration, now time.Time) bool {
	return !g.Stalled.IsZero() && now.Sub(g.Stalled) < long || !g.Lost.IsZero() && now.Sub(g.Lost) < long
}

// level judges the silence of a member now.
func (r *heartbeatGap) level(m *state.Member, now time.Time) silenceLevel {
	expires := m.Expires()
	if expires.IsZero() {
		return speaks
	}
	silent, interval := now.Sub(m.Alive), m.HeartbeatInterval()
	warn := max(2*interval, part(r.WarnAfter, m.SessionTimeout))
	if !m.Gone.IsZero() && m.InstanceID == "" || m.Consumer() && !m.SessionKnown {
		warn = 2 * interval // a lost connection, and KIP-848 while the cluster has not said the session timeout
	}
	// A heartbeat that is a little late is nothing, however short the session.
	critical := max(3*interval/2, part(r.CriticalAfter, m.SessionTimeout))
	switch {
	case silent <= min(warn, critical):
		return speaks
	case !m.SessionKnown && !m.Consumer():
		return quiet // warder came later than the member and does not know more
	case now.After(expires):
		return overdue
	case silent > critical:
		return nearlyGone
	}
	return quiet
}

func part(share float64, of time.Duration) time.Duration { return time.Duration(share * float64(of)) }
