package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Every kind of move is told with its numbers and its culprit, together with what
// sent the group away.
func TestMovesInWords(t *testing.T) {
	day := time.Date(2026, 11, 23, 14, 3, 10, 0, time.UTC)
	by := &state.ClientView{ClientID: "billing-1", Remote: "10.0.0.1:5000"}
	mv := func(kind state.MoveKind, from, to, records int64) state.MoveView {
		return state.MoveView{Kind: kind.String(), At: day, From: &from, To: &to, Records: records, By: by}
	}
	fresh := mv(state.ResetToLatest, 0, 300, 150)
	fresh.From = nil
	unseen := mv(state.SetByAdmin, 200, 300, 100)
	unseen.By = nil
	for want, moves := range map[string][]state.MoveView{
		"skipped 150 records (offsets 150 to 299) at 14:03:10 when billing-1 found no committed offset and auto.offset.reset=latest sent it to the end":             {fresh},
		"skipped 100 records (offsets 200 to 299) at 14:03:10 when billing-1 went to the end of its own accord (auto.offset.reset=latest, or seekToEnd)":            {mv(state.ResetToLatest, 200, 300, 100)},
		"200, which it had committed, was deleted at 14:03:10 by billing-1 (10.0.0.1)":                                                                              {mv(state.Deleted, 200, 200, 0), mv(state.ResetToLatest, 200, 300, 100)},
		"when billing-1 found its place behind the end of the log and auto.offset.reset=earliest sent it to the beginning":                                          {mv(state.Truncated, 200, 50, -150), mv(state.ResetToEarliest, 200, 0, -200)},
		"went back and reads 1 record (offset 199) again at 14:03:10 when billing-1 went to a time of its own accord":                                               {mv(state.ResetToTime, 200, 199, -1)},
		"went back and reads 60 records (offsets 40 to 99) again: at 14:03:10 billing-1 committed 40, behind 100, which was committed before":                       {mv(state.Rewound, 100, 40, -60)},
		"skipped 4900 records (offsets 100 to 4999): at 14:03:10 billing-1 committed 5000 without having fetched them":                                              {mv(state.Skipped, 100, 5000, 4900)},
		"at 14:03:10 somebody who was not seen set the offset from 200 to 300":                                                                                      {unseen},
		"its committed offset 200 was deleted at 14:03:10 by billing-1 (10.0.0.1): auto.offset.reset decides where the group goes on":                               {mv(state.Deleted, 200, 200, 0)},
		"its committed offset 200 was gone at 14:03:10: it had expired (offsets.retention.minutes), or was deleted where warder does not see it":                    {mv(state.OffsetExpired, 200, 200, 0)},
		"lost its place at 14:03:10: billing-1 asked for offset 200, behind the end of the log at 50, so the log was truncated, or the topic deleted and made anew": {mv(state.Truncated, 200, 50, -150)},
		"of a newer warder from 1 to 2 at 14:03:10 by billing-1":                                                                                                    {{Kind: "of a newer warder", At: day, From: new(int64(1)), To: new(int64(2)), By: by}},
	} {
		teller := teller{now: day.Add(time.Hour), zone: time.UTC}
		s := teller.partition(&state.GroupView{}, &state.PartitionView{Moves: moves})
		if len(s.Events) == 0 || !strings.Contains(s.Events[0], want) {
			t.Errorf("%q\nwant %q", s.Events, want)
		}
	}
	later := teller{now: day.Add(24 * time.Hour), zone: time.UTC}
	if got := later.clock(day); got != "2026-11-23 14:03:10" {
		t.Errorf("another day is named: %s", got)
	}
}

// large is a group with many partitions that lag, and much else.
func large() state.GroupView {
	g := state.GroupView{ID: "evil\x1b[2J\ngroup", Protocol: "classic"}
	for i := range int32(50) {
		g.Partitions = append(g.Partitions, state.PartitionView{Topic: "orders", Partition: i, Committed: new(int64(10)), LogStart: new(int64(0)), End: new(int64(10) + int64(i)), Lag: new(int64(i))})
		g.Rebalances = append(g.Rebalances, state.RebalanceView{Generation: i, Cause: state.Cause(i % int32(state.NumCauses)).String()})
	}
	return g
}

// By default the story fits on a screen and says what it leaves out; whatever
// clients call themselves cannot steer the terminal.
func TestStoryFitsOnAScreen(t *testing.T) {
	g := large()
	var found []rules.Finding
	for i := range 10 {
		found = append(found, rules.Finding{ID: fmt.Sprint("01F", i), Rule: "poison-message", Subject: rules.Subject{Group: g.ID}, Summary: "a story", Resolved: i%2 == 0})
	}
	found = append(found, rules.Finding{ID: "01FOTHER", Subject: rules.Subject{Group: "another"}}, rules.Finding{ID: "01FTOPIC", Subject: rules.Subject{Topic: "users"}})
	for _, all := range []bool{false, true} {
		var out bytes.Buffer
		teller := teller{now: time.Now(), zone: time.UTC, all: all}
		if err := teller.write(&out, teller.tell(g, found)); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if n := strings.Count(text, "\n"); all != (n > 40) {
			t.Errorf("all %v: %d lines", all, n)
		}
		for _, left := range []string{"46 partitions more", "47 rebalances more", "7 findings more"} {
			if strings.Contains(text, left) == all {
				t.Errorf("all %v, %q:\n%s", all, left, text)
			}
		}
		if !strings.Contains(text, "orders/49: committed") || strings.Contains(text, "\x1b") || strings.Contains(text, "01FOTHER") || strings.Contains(text, "01FTOPIC") {
			t.Errorf("all %v:\n%s", all, text)
		}
	}
}

func TestShellWord(t *testing.T) {
	for name, want := range map[string]string{"billing.v2_a-b": "billing.v2_a-b", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'"} {
		if got := shellWord(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
