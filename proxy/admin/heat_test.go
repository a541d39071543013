package admin

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

func partition(n int32, lag, waits int64, moved time.Duration) state.PartitionView {
	p := state.PartitionView{Topic: "orders", Partition: n, Lag: &lag, Stuck: moved.Milliseconds()}
	if waits >= 0 {
		p.TimeLag = &waits
	}
	return p
}

// One partition of thirty has not moved: it is the one that is marked, before any rule has judged it.
func TestTheOneThatStandsStillIsMarked(t *testing.T) {
	g := state.GroupView{ID: "billing", Members: make([]state.MemberView, 1)}
	for n := range int32(30) {
		g.Partitions = append(g.Partitions, partition(n, 3, 500, time.Second))
	}
	g.Partitions[17] = partition(17, 698_000, 351_000, 350*time.Second)
	rows := heatOf(&g, nil)
	if len(rows) != 1 || len(rows[0].Marked) != 1 || rows[0].Compact {
		t.Fatalf("%+v", rows)
	}
	c := rows[0].Marked[0]
	if c.Label() != "partition 17: stands still, 698,000 records behind, the next has waited for about 5 min 51 s" || c.Class() != "heat3 marked" || c.Short() != "5 min" {
		t.Errorf("%q %q %q", c.Label(), c.Class(), c.Short())
	}
	if other := rows[0].Cells[3]; other.Class() != "heat1" || other.Short() != "1 s" {
		t.Errorf("%q %q", other.Class(), other.Short())
	}

	g.Members = nil
	if rows := heatOf(&g, nil); len(rows[0].Marked) != 0 {
		t.Errorf("nobody reads, and yet %+v stands out", rows[0].Marked)
	}
	g.Members = make([]state.MemberView, 1)
	for i := range g.Partitions {
		g.Partitions[i] = partition(int32(i), 698_000, 351_000, 350*time.Second)
	}
	if rows := heatOf(&g, nil); len(rows[0].Marked) != 0 {
		t.Errorf("all stand still, and %d stand out", len(rows[0].Marked))
	}
}

// What a rule has found is said in a word; of several the one that explains most.
func TestFindingsMarkPartitions(t *testing.T) {
	g := state.GroupView{ID: "billing", Partitions: []state.PartitionView{partition(0, 0, 0, 0), partition(1, 5, -1, 0), partition(2, 0, 0, 0)}}
	about := func(rule, group, topic string, p *int32) rules.Finding {
		return rules.Finding{Rule: rule, Subject: rules.Subject{Group: group, Topic: topic, Partition: p}}
	}
	rows := heatOf(&g, []rules.Finding{
		about("poison-message", "billing", "orders", new(int32(1))), about("stuck-partition", "billing", "orders", new(int32(1))),
		about("stuck-partition", "other", "orders", new(int32(0))), about("stuck-partition", "billing", "payments", new(int32(0))),
		about("lag-skew", "billing", "orders", nil),
	})
	if len(rows[0].Marked) != 1 || rows[0].Marked[0].Label() != "partition 1: poison record, 5 records behind" || rows[0].Marked[0].Short() != "5" {
		t.Errorf("%+v", rows[0].Marked)
	}
}

func TestManyPartitionsAreDrawnSmall(t *testing.T) {
	g := state.GroupView{}
	for n := range int32(maxCells + 5) {
		g.Partitions = append(g.Partitions, partition(n, 0, 0, 0))
	}
	rows := heatOf(&g, nil)
	if len(rows[0].Cells) != maxCells || rows[0].More != 5 || !rows[0].Compact {
		t.Errorf("%d cells, %d more", len(rows[0].Cells), rows[0].More)
	}
	g.Partitions = g.Partitions[:1]
	if rows := heatOf(&g, nil); len(rows[0].Cells) != 1 || rows[0].Compact {
		t.Errorf("%+v", rows)
	}
}

func TestHeat(t *testing.T) {
	for _, tc := range []struct {
		lag, waits int64
		class      string
		short      string
	}{
		{0, 0, "heat0", "–"}, {1, 0, "heat1", "1 s"}, {1, 9_999, "heat1", "9 s"}, {1, 10_000, "heat2", "10 s"}, {1, 60_000, "heat3", "1 min"},
		{1, 600_000, "heat4", "10 min"}, {1, 3_600_000, "heat5", "1 h"}, {1, 1 << 40, "heat5", "12725 days"},
		{99, -1, "heat1", "99"}, {12_345, -1, "heat3", "12.3k"}, {1 << 62, -1, "heat5", "4.61e+09G"},
	} {
		p := partition(0, tc.lag, tc.waits, 0)
		if c := cellOf(&p); c.Class() != tc.class || c.Short() != tc.short {
			t.Errorf("lag %d, waits %d: %s %q, want %s %q", tc.lag, tc.waits, c.Class(), c.Short(), tc.class, tc.short)
		}
	}
	if c := cellOf(&state.PartitionView{}); c.Class() != "heat-unknown" || c.Short() != "?" || c.Label() != "partition 0: lag not known" {
		t.Errorf("%+v", c)
	}
}

func TestTimeline(t *testing.T) {
	g := state.GroupView{}
	if l := timelineOf(&g, noon); l.Count != 0 || len(l.Lanes) != 0 {
		t.Errorf("%+v", l)
	}
	took := int64(60_000)
	g.Rebalances = []state.RebalanceView{
		{Start: noon.Add(-10 * time.Minute), Duration: &took, Cause: "member-joined"},
		{Start: noon.Add(-5 * time.Minute), Duration: new(int64(1)), Cause: "poll-timeout"},
		{Start: noon.Add(-time.Minute), Cause: "poll-timeout"},
	}
	l := timelineOf(&g, noon)
	if len(l.Lanes) != 2 || l.Lanes[0].Cause != "poll-timeout" || !l.From.Equal(noon.Add(-10*time.Minute)) {
		t.Fatalf("%+v", l)
	}
	joined, late, open := l.Lanes[1].Marks[0], l.Lanes[0].Marks[0], l.Lanes[0].Marks[1]
	if joined.X != 0 || joined.Width != 100 || late.X != 500 || late.Width != leastMark || open.X != 900 || open.Width != 100 {
		t.Errorf("%+v %+v %+v", joined, late, open)
	}
	g.Rebalances[0].Start = noon.Add(time.Hour) // clocks that disagree
	for _, l := range timelineOf(&g, noon).Lanes {
		for _, m := range l.Marks {
			if m.X < 0 || m.Width < 1 || m.X+m.Width > timelineWidth {
				t.Errorf("%+v leaves the line", m)
			}
		}
	}
}
