package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// heartbeatGap follows the signs of life that members give their coordinator and
// tells of a silence before the coordinator acts on it: the group then stops for
// a rebalance, and the member's records are read again by another.
type heartbeatGap struct{ heartbeatGapKnobs }

// heartbeatGapKnobs are the keys below `rules.heartbeat-gap` that only it knows.
type heartbeatGapKnobs struct {
	// Part of the session timeout after which a silence is worth a warning,
	// unless two usual heartbeat intervals are longer. 0.1-0.9.
	WarnAfter float64 `yaml:"warn_after" min:"0.1" max:"0.9"`
	// Part of the session timeout after which it is critical. 0.2-1.
	CriticalAfter float64 `yaml:"critical_after" min:"0.2" max:"1"`
}

func heartbeatGapSpec() rules.Spec {
	spec := rules.Spec{
		ID:       "heartbeat-gap",
		Summary:  "a group member whose heartbeats stop, before and when its coordinator removes it",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/heartbeat-gap.md",
		Example:  "heartbeat-gap:\n  action: alert\n  warn_after: 0.5\n",
		FoldBy:   rules.FieldGroup | rules.FieldMember,
		New:      newHeartbeatGap,
	}
	for _, kind := range []rules.Kind{rules.KindJoined, rules.KindSynced, rules.KindHeartbeat, rules.KindConsumerHeartbeat, rules.KindMemberGone, rules.KindLeft} {
		spec.Watches = append(spec.Watches, rules.Interest{Kind: kind, By: rules.ByGroup})
	}
	return spec
}

func newHeartbeatGap(decode func(any) error) (rules.Rule, error) {
	r := &heartbeatGap{heartbeatGapKnobs{WarnAfter: 1. / 3, CriticalAfter: 2. / 3}}
	if err := decode(&r.heartbeatGapKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// silence is what was told of one member, for as long as it lasts.
type silence struct {
	level   silenceLevel
	subject rules.Subject
}

// silenceLevel is how far a silence has gone.
type silenceLevel uint8

const (
	speaks silenceLevel = iota
	quiet
	nearlyGone
	overdue // the coordinator must have removed it
)

// silences is the state of one group: the members of whom something was told. It
// is bounded by the members that the model keeps.
type silences map[string]*silence

// Watch keeps the group's state, and takes back what was told of a member that
// speaks again.
func (r *heartbeatGap) Watch(w *rules.Watch, _ rules.Event) { r.look(w) }

// Tick looks how long each member has been silent.
func (r *heartbeatGap) Tick(w *rules.Watch) { r.look(w) }

func (r *heartbeatGap) look(w *rules.Watch) {
	g, ok := w.Model.(*state.Group)
	if !ok {
		return
	}
	told, _ := w.State.(silences)
	if told == nil {
		told = silences{}
	}
	w.State = told
	for id, s := range told {
		if g.Member(id) == nil {
			r.gone(w, g, s)
			delete(told, id)
		}
	}
	g.EachMember(func(m *state.Member) {
		level := r.level(m, w.Now)
		s := told[m.ID]
		switch {
		case s == nil && level == speaks:
		case s == nil:
			s = &silence{level: level, subject: memberSubject(g, m)}
			told[m.ID] = s
			w.Report(r.report(g, m, level, s.subject, w.Now))
		case level == speaks:
			w.Report(rules.Report{
				Subject: s.subject, OwnSubject: true, Resolved: true,
				Summary: fmt.Sprintf("member %s of group %s is heard again", memberText(m), groupText(g)),
			})
			delete(told, m.ID)
		case level > s.level:
			s.level = level
			w.Report(r.report(g, m, level, s.subject, w.Now))
		}
	})
	if g.Members() == 0 && len(told) == 0 {
		w.State = nil
	}
}

// level judges the silence of a member now.
func (r *heartbeatGap) level(m *state.Member, now time.Time) silenceLevel {
	if m.Expires().IsZero() {
		return speaks
	}
	gap, session := now.Sub(m.Alive), m.SessionTimeout
	part := func(share float64) time.Duration { return time.Duration(share * float64(session)) }
	switch {
	case gap > session:
		return overdue
	case gap > part(r.CriticalAfter):
		return nearlyGone
	case gap > max(2*m.HeartbeatInterval(), part(r.WarnAfter)):
		return quiet
	}
	return speaks
}

// gone ends the story of a member that has left or was removed.
func (r *heartbeatGap) gone(w *rules.Watch, g *state.Group, s *silence) {
	w.Report(rules.Report{
		Subject: s.subject, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("member %s is no longer in group %s; its partitions went to others", rules.Excerpt(s.subject.Member, 80), groupText(g)),
	})
}

func (r *heartbeatGap) report(g *state.Group, m *state.Member, level silenceLevel, subject rules.Subject, now time.Time) rules.Report {
	gap := now.Sub(m.Alive)
	left := m.SessionTimeout - gap
	why, advice := silenceCause(m, now)
	out := rules.Report{
		Severity: rules.Warning, Subject: subject, OwnSubject: true, Advice: advice,
		Evidence: rules.Evidence{
			{Name: "silent_ms", Value: gap.Milliseconds()},
			{Name: "session_timeout_ms", Value: m.SessionTimeout.Milliseconds()},
			{Name: "heartbeat_interval_ms", Value: m.HeartbeatInterval().Milliseconds()},
			{Name: "time_left_ms", Value: max(left, 0).Milliseconds()},
			{Name: "connection_lost", Value: !m.Gone.IsZero()},
			{Name: "cause", Value: why},
			{Name: "partitions", Value: len(m.Assigned)},
		},
	}
	if level > quiet {
		out.Severity = rules.Critical
	}
	switch {
	case level == overdue:
		out.Summary = fmt.Sprintf("member %s of group %s has been silent for %s, longer than its session timeout of %s: the coordinator removes it and the group rebalances",
			memberText(m), groupText(g), short(gap), short(m.SessionTimeout))
	case !m.Gone.IsZero() && m.InstanceID != "":
		out.Summary = fmt.Sprintf("static member %s of group %s has no connection: its %d partitions wait for it for another %s", memberText(m), groupText(g), len(m.Assigned), short(left))
	case !m.Gone.IsZero():
		out.Summary = fmt.Sprintf("member %s of group %s lost its connection without leaving: its %d partitions are read by nobody for another %s", memberText(m), groupText(g), len(m.Assigned), short(left))
	default:
		out.Summary = fmt.Sprintf("member %s of group %s has sent no heartbeat for %s (usual are %s): it is removed in %s", memberText(m), groupText(g), short(gap), short(m.HeartbeatInterval()), short(left))
	}
	return out
}

// silenceCause says what a silence looks like, and what to do about it.
func silenceCause(m *state.Member, now time.Time) (why, advice string) {
	library := m.Client.Library()
	switch {
	case !m.Gone.IsZero():
		return "connection lost", "Look whether the process has ended or was cut off. Closing the consumer on shutdown gives its partitions away at once; static membership (group.instance.id) with a session.timeout.ms longer than a restart keeps them for it."
	case library == rules.KafkaJS || library == rules.UnknownLibrary && m.Client.SoftwareName == "":
		return "no heartbeat thread", "This client sends heartbeats between messages: a slow handler delays them. Call heartbeat() in long handlers, work in smaller batches, or raise sessionTimeout."
	case now.Sub(m.Fetched) > now.Sub(m.Alive)/2 && !m.Fetched.IsZero():
		return "process stalled", "Fetches stopped with the heartbeats: the whole process stands still or is cut off. Look for garbage collection pauses, CPU throttling of its container, and the network; session.timeout.ms should be longer than the longest pause."
	}
	return "heartbeats only", "It still fetches but sends no heartbeats: look at the thread or connection that talks to the coordinator, and for a handler that blocks it."
}

func memberSubject(g *state.Group, m *state.Member) rules.Subject {
	s := rules.SubjectOf(m.Client)
	s.Group, s.Member = g.ID, m.ID
	return s
}

func groupText(g *state.Group) string { return rules.Excerpt(g.ID, 80) }

func memberText(m *state.Member) string {
	if m.InstanceID != "" {
		return rules.Excerpt(m.InstanceID, 80)
	}
	return rules.Excerpt(m.ID, 80)
}

// short writes a duration for people: whole seconds from ten on, else tenths.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
