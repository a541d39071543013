package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// groupExpiry tells of a group without members before its coordinator forgets its
// offsets: from then on auto.offset.reset decides where it starts, and with latest
// it skips everything that was written while it was away.
//
// Since KIP-211 (Apache Kafka 2.1) the time runs from when the group became
// empty. Before that, and for consumers that choose their partitions themselves, it
// runs for each partition from its last commit, which is not later.
type groupExpiry struct{ groupExpiryKnobs }

// groupExpiryKnobs are the keys below `rules.group-expiry` that only it knows.
type groupExpiryKnobs struct {
	// What the brokers' offsets.retention.minutes is set to.
	OffsetsRetention time.Duration `yaml:"offsets_retention" min:"1s" max:"365d"`
	// Part of it that has passed when it is told. 0.1-0.99.
	WarnAfter float64 `yaml:"warn_after" min:"0.1" max:"0.99"`
}

func groupExpirySpec() rules.Spec {
	return rules.Spec{
		ID:       "group-expiry",
		Summary:  "a group without members whose committed offsets will soon be forgotten",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/group-expiry.md",
		Example:  "group-expiry:\n  offsets_retention: 30d\n",
		FoldBy:   rules.FieldGroup,
		Watches:  offsetEvents(),
		New:      newGroupExpiry,
	}
}

func newGroupExpiry(decode func(any) error) (rules.Rule, error) {
	r := &groupExpiry{groupExpiryKnobs{OffsetsRetention: 7 * 24 * time.Hour, WarnAfter: 0.7}}
	if err := decode(&r.groupExpiryKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// expiring is the state of one group.
type expiring struct {
	told   time.Time // zero when it was not
	passed bool      // that the time has passed was told
}

// expiryRepeat is how often it is told again, so that it stays one incident.
const expiryRepeat = 50 * time.Minute

// Watch begins the state of a group.
func (r *groupExpiry) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &expiring{}
	}
}

// Tick looks for how long the group has been empty.
func (r *groupExpiry) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*expiring)
	if g == nil {
		return
	}
	if g.Emptied.IsZero() {
		if !s.told.IsZero() {
			w.Report(rules.Report{
				Subject: rules.Subject{Group: g.ID}, OwnSubject: true, Resolved: true,
				Summary: fmt.Sprintf("group %s has members again", groupText(g)),
			})
		}
		*s = expiring{}
		return
	}
	if w.Now.Sub(g.Stalled) < state.DefaultSessionTimeout {
		return // members may have come while warder was not there
	}
	empty := w.Now.Sub(g.Emptied)
	left := r.OffsetsRetention - empty
	passed := left <= 0
	due := float64(empty) >= r.WarnAfter*float64(r.OffsetsRetention)
	if !due || !s.told.IsZero() && passed == s.passed && (passed || w.Now.Sub(s.told) < expiryRepeat) {
		return
	}
	if o := committedIn(g); o.partitions > 0 {
		s.told, s.passed = w.Now, passed
		w.Report(r.report(g, &o, left, w.Now))
	}
}

// committedOffsets sums up what a group would lose.
type committedOffsets struct {
	partitions, topics int
	toRead             int64 // records that it has still to read
	latest, earliest   bool  // resets that its consumers have been seen to do
}

func committedIn(g *state.Group) (o committedOffsets) {
	topic := ""
	g.EachPartition(func(p *state.GroupPartition) {
		if p.Committed < 0 || !p.Forgotten.IsZero() {
			return
		}
		o.partitions++
		if p.Topic != topic {
			topic = p.Topic
			o.topics++
		}
		if lag, ok := p.Lag(); ok {
			o.toRead += lag
		}
		for _, m := range p.Moves() {
			o.latest = o.latest || m.Kind == state.ResetToLatest
			o.earliest = o.earliest || m.Kind == state.ResetToEarliest
		}
	})
	return o
}

// then says what its consumers will do.
func (o *committedOffsets) then() string {
	switch {
	case o.latest && !o.earliest:
		return "its consumers have started at the end before (auto.offset.reset=latest): they will skip " + recordCount(o.toRead) + " and all that are still to come"
	case o.earliest && !o.latest:
		return "its consumers have started at the beginning before (auto.offset.reset=earliest): they will read again all that is there"
	}
	return "auto.offset.reset then decides: latest skips " + recordCount(o.toRead) + " and all that are still to come, earliest reads again all that is there"
}

func (r *groupExpiry) report(g *state.Group, o *committedOffsets, left time.Duration, now time.Time) rules.Report {
	gone := g.Emptied.Add(r.OffsetsRetention)
	when := fmt.Sprintf("will forget its offsets on %s in %s (%s)", several(o.topics, "topic"), twoUnits(left), gone.UTC().Format("2006-01-02 15:04 MST"))
	if left <= 0 {
		when = fmt.Sprintf("has forgotten its offsets on %s by now (%s)", several(o.topics, "topic"), gone.UTC().Format("2006-01-02 15:04 MST"))
	}
	atLeast := ""
	if g.EmptyBefore { // when warder first asked for it
		atLeast, when = "at least ", when+" at the latest"
	}
	return rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("group %s has had no members for %s%s, and the coordinator %s; %s",
			groupText(g), atLeast, twoUnits(now.Sub(g.Emptied)), when, o.then()),
		Evidence: rules.Evidence{
			{Name: "empty_ms", Value: now.Sub(g.Emptied).Milliseconds()},
			{Name: "offsets_retention_ms", Value: r.OffsetsRetention.Milliseconds()},
			{Name: "time_left_ms", Value: max(left, 0).Milliseconds()},
			{Name: "partitions", Value: o.partitions},
			{Name: "topics", Value: o.topics},
			{Name: "lag", Value: o.toRead},
		},
		Advice: "Start a consumer of the group for a moment, which makes the time run anew; or write its offsets down (kafka-consumer-groups --describe) and set them later. If the group is not needed any more, delete it. offsets.retention.minutes of the brokers should be longer than the longest pause.",
	}
}
