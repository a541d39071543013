package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"warder/rules/state"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// counted is a number with its noun.
func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// recordRange is a number of records and their offsets, from the first to the one
// before the next.
func recordRange(n, from, next int64) string {
	if next-from == 1 {
		return fmt.Sprintf("%s (offset %d)", counted(n, "record"), from)
	}
	return fmt.Sprintf("%s (offsets %d to %d)", counted(n, "record"), from, next-1)
}

// clock is a time of today, or with its day.
func (t *teller) clock(at time.Time) string {
	at, now := at.In(t.zone), t.now.In(t.zone)
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// span is a time span to the second, of short ones to the millisecond.
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d >= 10*time.Second {
		d = d.Round(time.Second)
	}
	return d.String()
}

// who names a client by its client id.
func who(c *state.ClientView) string {
	switch {
	case c == nil:
		return "somebody who was not seen"
	case c.ClientID == "":
		return "a client without client.id at " + address(c)
	default:
		return excerpt(c.ClientID)
	}
}

// whoWhere names a client that is not one of the group's own.
func whoWhere(c *state.ClientView) string {
	if c == nil || c.ClientID == "" || c.Remote == "" {
		return who(c)
	}
	return fmt.Sprintf("%s (%s)", who(c), address(c))
}

// address of a client without its port, which changes with every connection.
func address(c *state.ClientView) string {
	if host, _, err := net.SplitHostPort(c.Remote); err == nil {
		return host
	}
	return c.Remote
}

// move tells of one move; before is the one that came first, which may be its
// reason.
func (t *teller) move(m, before *state.MoveView) string {
	at := t.clock(m.At)
	from, to := orZero(m.From), orZero(m.To)
	switch m.Kind {
	case state.ResetToLatest.String(), state.ResetToEarliest.String(), state.ResetToTime.String():
		return fmt.Sprintf("%s at %s when %s", effect(m), at, t.reset(m, before))
	case state.Rewound.String():
		return fmt.Sprintf("%s: at %s %s committed %d, behind %d, which was committed before", effect(m), at, who(m.By), to, from)
	case state.Skipped.String():
		return fmt.Sprintf("%s: at %s %s committed %d without having fetched them", effect(m), at, who(m.By), to)
	case state.SetByAdmin.String():
		return fmt.Sprintf("%s: at %s %s set the offset from %d to %d from outside the group, as kafka-consumer-groups --reset-offsets does", effect(m), at, whoWhere(m.By), from, to)
	case state.Deleted.String():
		return fmt.Sprintf("its committed offset %d was deleted at %s by %s: auto.offset.reset decides where the group goes on", from, at, whoWhere(m.By))
	case state.OffsetExpired.String():
		return fmt.Sprintf("its committed offset %d was gone at %s: it had expired (offsets.retention.minutes), or was deleted where warder does not see it", from, at)
	case state.LostToRetention.String():
		return fmt.Sprintf("lost %s to retention: at %s %s asked for %d, and the log had come to begin at %d", recordRange(to-from, from, to), at, who(m.By), from, to)
	case state.Truncated.String():
		return fmt.Sprintf("lost its place at %s: %s asked for offset %d, behind the end of the log at %d, so the log was truncated, or the topic deleted and made anew", at, who(m.By), from, to)
	default: // of a newer warder
		return fmt.Sprintf("%s from %d to %d at %s by %s", m.Kind, from, to, at, who(m.By))
	}
}

// effect says what a move did to records.
func effect(m *state.MoveView) string {
	to := orZero(m.To)
	switch n := m.Records; {
	case n > 0:
		return "skipped " + recordRange(n, to-n, to)
	case n < 0:
		return "went back and reads " + recordRange(-n, to, to-n) + " again"
	default:
		return "went on at offset " + number(to)
	}
}

// reset says why a consumer went to where auto.offset.reset sends.
func (t *teller) reset(m, before *state.MoveView) string {
	var name, place, itself string
	switch m.Kind {
	case state.ResetToLatest.String():
		name, place, itself = "latest", "the end", "seekToEnd"
	case state.ResetToEarliest.String():
		name, place, itself = "earliest", "the beginning", "seekToBeginning"
	default:
		name, place, itself = "by_duration", "a time", "offsetsForTimes"
	}
	var lost, more string
	switch {
	case before != nil && before.Kind == state.OffsetExpired.String():
		lost, more = "found no committed offset", fmt.Sprintf("; %d, which it had committed, had expired (offsets.retention.minutes), or was deleted where warder does not see it", orZero(before.From))
	case before != nil && before.Kind == state.Deleted.String():
		lost = "found no committed offset"
		more = fmt.Sprintf("; %d, which it had committed, was deleted at %s by %s", orZero(before.From), t.clock(before.At), whoWhere(before.By))
	case before != nil && before.Kind == state.LostToRetention.String():
		lost = "found its place removed by retention"
	case before != nil && before.Kind == state.Truncated.String():
		lost = "found its place behind the end of the log"
	case m.From == nil:
		lost = "found no committed offset"
	default:
		return fmt.Sprintf("%s went to %s of its own accord (auto.offset.reset=%s, or %s)", who(m.By), place, name, itself)
	}
	return fmt.Sprintf("%s %s and auto.offset.reset=%s sent it to %s%s", who(m.By), lost, name, place, more)
}

// place says where the group stands in a partition, and who reads it.
func (t *teller) place(g *state.GroupView, p *state.PartitionView) string {
	return strings.Join([]string{t.committed(g, p) + ", " + logHolds(p) + behind(p), t.reader(g, p)}, "; ") + t.movement(g, p)
}

func (t *teller) committed(g *state.GroupView, p *state.PartitionView) string {
	switch {
	case p.Committed == nil:
		return "no commit seen"
	case !p.Forgotten.IsZero():
		return fmt.Sprintf("no committed offset since %s (it was %d)", t.clock(p.Forgotten), *p.Committed)
	case p.CommittedAt.IsZero():
		return fmt.Sprintf("committed %d before warder saw it", *p.Committed)
	case asked(g, p) > 0:
		return fmt.Sprintf("committed %d by %s", *p.Committed, t.clock(p.CommittedAt))
	default:
		return fmt.Sprintf("committed %d at %s", *p.Committed, t.clock(p.CommittedAt))
	}
}

func logHolds(p *state.PartitionView) string {
	switch {
	case p.End == nil:
		return "where the log ends is not known"
	case p.LogStart == nil:
		return fmt.Sprintf("the log ends at %d", *p.End)
	case *p.LogStart >= *p.End:
		return fmt.Sprintf("the log is empty (%d)", *p.End)
	default:
		return fmt.Sprintf("the log begins at %d and ends at %d", *p.LogStart, *p.End)
	}
}

func behind(p *state.PartitionView) string {
	switch {
	case p.Lag == nil:
		return ""
	case waiting(p) == 0:
		return ": at the end"
	case p.TimeLag == nil || waiting(p) < *p.Lag:
		return fmt.Sprintf(": %s behind", counted(waiting(p), "record"))
	default:
		return fmt.Sprintf(": %s (%s) behind", counted(*p.Lag, "record"), span(*p.TimeLag))
	}
}

// reader says who reads a partition.
func (t *teller) reader(g *state.GroupView, p *state.PartitionView) string {
	for i := range g.Members {
		if m := &g.Members[i]; m.ID == p.Owner && p.Owner != "" {
			return "read by " + whoWhere(&m.Client)
		}
	}
	switch {
	case !g.Empty.IsZero():
		since := "since "
		if g.EmptyBefore {
			since = "at least since "
		}
		return "read by nobody: the group has had no members " + since + t.clock(g.Empty)
	case g.Partial:
		return "who reads it is not seen here"
	default:
		return "assigned to no member that is seen here"
	}
}

// movement says whether a group gets on in a partition that it is behind in.
func (t *teller) movement(g *state.GroupView, p *state.PartitionView) string {
	switch {
	case waiting(p) == 0 || !g.Empty.IsZero():
		return ""
	case p.Refetched >= stuckRefetched:
		return fmt.Sprintf(", which has fetched offset %d %d times since %s and does not get past it", orZero(p.RefetchedOffset), p.Refetched+1, t.clock(p.RefetchedSince))
	case t.stuck(g, p) && p.Advanced.IsZero():
		return ", and its commits do not move"
	case t.stuck(g, p):
		return ", and no commit has gone forward since " + t.clock(p.Advanced)
	case !p.Advanced.IsZero():
		return ", and moves: its commits rose last at " + t.clock(p.Advanced)
	default:
		return ""
	}
}
