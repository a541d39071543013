package admin

import (
	"slices"
	"time"

	"warder/rules/state"
)

// timeline is the rebalances of a group over time: a lane for each cause, so that the colour only repeats what stands
// beside it.
type timeline struct {
	From, To time.Time
	Lanes    []lane
	Count    int
}

// lane is the rebalances of one cause.
type lane struct {
	Cause string
	Marks []mark
}

// mark is a rebalance on a line that is timelineWidth long.
type mark struct {
	X, Width int
	Title    string
}

const (
	timelineWidth = 1000
	leastMark     = 5 // a rebalance of milliseconds in an hour shows as well
)

// timelineOf draws the rebalances that are remembered, from the first one to now.
func timelineOf(g *state.GroupView, now time.Time) timeline {
	t := timeline{To: now, Count: len(g.Rebalances)}
	if t.Count == 0 {
		return t
	}
	t.From = g.Rebalances[0].Start
	whole := max(t.To.Sub(t.From), time.Second)
	at := func(d time.Duration) int {
		return int(int64(timelineWidth) * int64(d/time.Microsecond) / int64(whole/time.Microsecond))
	}
	for i := range g.Rebalances {
		r := &g.Rebalances[i]
		length := now.Sub(r.Start)
		if r.Duration != nil {
			length = time.Duration(*r.Duration) * time.Millisecond
		}
		m := mark{Width: min(max(at(length), leastMark), timelineWidth), Title: rebalanceTitle(r)}
		m.X = min(max(at(r.Start.Sub(t.From)), 0), timelineWidth-m.Width)
		n := slices.IndexFunc(t.Lanes, func(l lane) bool { return l.Cause == r.Cause })
		if n < 0 {
			n = len(t.Lanes)
			t.Lanes = append(t.Lanes, lane{Cause: r.Cause})
		}
		t.Lanes[n].Marks = append(t.Lanes[n].Marks, m)
	}
	slices.SortStableFunc(t.Lanes, func(a, b lane) int { return len(b.Marks) - len(a.Marks) })
	return t
}

func rebalanceTitle(r *state.RebalanceView) string {
	text := r.Start.UTC().Format("15:04:05") + " " + r.Cause
	if r.Who != nil {
		text += " of " + short(r.Who.ClientID)
	}
	if r.Duration == nil {
		return text + ", goes on"
	}
	return text + ", took " + millis(*r.Duration)
}
