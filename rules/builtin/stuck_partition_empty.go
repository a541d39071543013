package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// emptiness is what is known of the times when a group has no members.
type emptiness struct {
	since  time.Time // zero while it has some
	told   bool
	toldAt time.Time
}

// lookAtEmpty tells that nobody reads what a group has to read.
func (r *stuckPartition) lookAtEmpty(w *rules.Watch, g *state.Group, e *emptiness) {
	if g.Emptied.IsZero() {
		return // there may be members elsewhere
	}
	if !e.since.Equal(g.Emptied) {
		e.since = g.Emptied
	}
	lasts := w.Now.Sub(e.since)
	if lasts < max(r.EmptyAfter, 2*g.LongestPause) || e.told && w.Now.Sub(e.toldAt) < 3*offsetRepeat {
		return
	}
	waiting := r.waiting(g, w.Now)
	if waiting.partitions == 0 {
		return
	}
	e.told, e.toldAt = true, w.Now
	severity, how := rules.Warning, ""
	if list := g.Departures(); len(list) > 0 { // none is known from before a restart of warder
		how = ", since its last member left"
		if list[len(list)-1].How == state.Expired {
			severity, how = rules.Critical, ", since its last member was lost without a word"
		}
	}
	atLeast := ""
	if g.EmptyBefore {
		atLeast, how = "at least ", ", when warder first asked for it it had none already"
	}
	w.Report(rules.Report{
		Severity: severity, Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("nobody reads for group %s: it has had no members for %s%s%s, and %s wait on %s%s",
			groupText(g), atLeast, twoUnits(lasts), how, recordCount(waiting.records), several(waiting.partitions, "partition"), waiting.oldestText()),
		Evidence: rules.Evidence{
			{Name: "empty_ms", Value: lasts.Milliseconds()},
			{Name: "longest_pause_before_ms", Value: g.LongestPause.Milliseconds()},
			{Name: "lag", Value: waiting.records},
			{Name: "lag_ms", Value: waiting.oldest.Milliseconds()},
			{Name: "partitions", Value: waiting.partitions},
			{Name: "members", Value: 0},
		},
		Advice: "Start the group's consumers, or look why they ended. If the group is not needed any more, delete it with kafka-consumer-groups --delete, and this ends.",
	})
}

// lookAtReturn notes that the group has members, and takes back what was told.
func (r *stuckPartition) lookAtReturn(w *rules.Watch, g *state.Group, e *emptiness) {
	if e.since.IsZero() {
		return
	}
	lasted := w.Now.Sub(e.since)
	if e.told {
		w.Report(rules.Report{
			Subject: rules.Subject{Group: g.ID}, OwnSubject: true, Resolved: true,
			Summary: fmt.Sprintf("group %s has members again, after %s without any", groupText(g), twoUnits(lasted)),
		})
	}
	*e = emptiness{}
}

// waitingRecords sums up what a group has still to read.
type waitingRecords struct {
	partitions int
	records    int64
	oldest     time.Duration // 0 when it is not known
}

func (r *stuckPartition) waiting(g *state.Group, now time.Time) (sum waitingRecords) {
	g.EachPartition(func(p *state.GroupPartition) {
		lag, ok := p.Lag()
		if !ok || lag <= r.AllowedLag || readToEnd(p) {
			return
		}
		sum.add(p, lag, now)
	})
	return sum
}

func (s *waitingRecords) add(p *state.GroupPartition, lag int64, now time.Time) {
	s.partitions++
	s.records += lag
	age, ok := p.TimeLag(now)
	if !ok {
		age = p.Waiting(now)
	}
	s.oldest = max(s.oldest, age)
}

func (s *waitingRecords) oldestText() string {
	if s.oldest <= 0 {
		return ""
	}
	return ", the oldest for " + twoUnits(s.oldest)
}
