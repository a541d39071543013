package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"warder/rules/state"
)

// What fits on a screen; --all shows the rest.
const (
	partitionsShown = 4
	eventsShown     = 2
	rebalancesShown = 3
	findingsShown   = 3
)

// page collects lines, each made harmless for a terminal.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	p.WriteString(printable(fmt.Sprintf(format, args...)))
	p.WriteByte('\n')
}

// write tells the story to a person.
func (t *teller) write(w io.Writer, s *groupStory) error {
	var p page
	t.head(&p, s)
	t.partitions(&p, s)
	t.rebalances(&p, &s.Group)
	t.findings(&p, s)
	if len(s.Advice) > 0 {
		p.line("")
		p.line("What to do:")
		for _, a := range s.Advice {
			p.line("  - %s", a)
		}
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// shown is how many of a list are shown.
func (t *teller) shown(all, some int) int {
	if t.all {
		return all
	}
	return min(all, some)
}

// rest says how many of a list are not shown.
func (p *page) rest(more int, noun string) {
	if more > 0 {
		p.line("  and %s more; --all shows them", counted(more, noun))
	}
}

func (t *teller) head(p *page, s *groupStory) {
	g := &s.Group
	lag, _ := s.sum(func(p *partitionStory) int64 { return p.lag })
	about := ""
	if t.topic != "" {
		about = ", topic " + excerpt(t.topic)
	}
	protocol := g.Protocol
	if g.Assignor != "" {
		protocol += ", " + excerpt(g.Assignor)
	}
	behind := fmt.Sprintf(", %s behind", counted(lag, "record"))
	if shares(g) {
		behind = "" // nobody but the brokers knows
	}
	p.line("group %s%s: %s, %s%s (%s, generation %d)", excerpt(g.ID), about, counted(len(g.Members), "member"),
		counted(len(s.Partitions), "partition"), behind, protocol, g.Generation)
	for _, r := range t.reservations(g) {
		p.line("%s", r)
	}
	p.line("")
	for _, v := range s.Verdict {
		p.line("%s", v)
	}
}

func (t *teller) partitions(p *page, s *groupStory) {
	n := t.shown(len(s.Partitions), partitionsShown)
	if n > 0 {
		p.line("")
	}
	for i := range s.Partitions[:n] {
		part := &s.Partitions[i]
		label := fmt.Sprintf("%d: ", part.Partition)
		if t.topic == "" {
			label = excerpt(part.Topic) + "/" + label
		}
		for _, e := range part.Events[:t.shown(len(part.Events), eventsShown)] {
			p.line("%s%s", label, e)
			label = strings.Repeat(" ", len(label))
		}
		p.line("%s%s", label, part.Place)
	}
	p.rest(len(s.Partitions)-n, "partition")
}

func (t *teller) rebalances(p *page, g *state.GroupView) {
	if len(g.Rebalances) == 0 {
		return
	}
	p.line("")
	p.line("Rebalances, newest first:")
	n := t.shown(len(g.Rebalances), rebalancesShown)
	for _, r := range slices.Backward(g.Rebalances[len(g.Rebalances)-n:]) {
		p.line("  %s", t.rebalance(&r))
	}
	p.rest(len(g.Rebalances)-n, "rebalance")
}

// rebalance tells of one rebalance.
func (t *teller) rebalance(r *state.RebalanceView) string {
	text := t.clock(r.Start)
	switch {
	case r.Duration == nil:
		text += ", goes on"
	case r.Incomplete:
		text += ", whose end was not seen"
	default:
		text += ", " + span(*r.Duration)
	}
	switch {
	case r.Followup:
		text += ": the second half of the cooperative change before"
	default:
		text += ": " + causeWords(r.Cause)
	}
	if r.Who != nil {
		text += ", " + whoWhere(r.Who)
	}
	if r.Returning {
		text += ", which came back"
	}
	if r.Reason != "" {
		text += fmt.Sprintf(" (%q)", excerpt(r.Reason))
	}
	if r.StoppedMembers > 0 {
		text += fmt.Sprintf("; %s stopped for %s in all", counted(r.StoppedMembers, "member"), span(r.Stopped))
	}
	return text
}

// causeWords says a cause as people would.
func causeWords(cause string) string {
	switch cause {
	case state.CausePollTimeout.String():
		return "a member did not poll within max.poll.interval.ms"
	case state.CauseSessionExpired.String():
		return "a member was not heard within session.timeout.ms"
	case state.CauseMemberLeft.String():
		return "a member left"
	case state.CauseMemberJoined.String():
		return "a member joined"
	case state.CauseSubscription.String():
		return "a member subscribed to other topics"
	case state.CauseMetadata.String():
		return "topics or partitions changed"
	case state.CauseInstanceFenced.String():
		return "two processes share a group.instance.id"
	case state.CauseCoordinator.String():
		return "the coordinator moved"
	case state.CauseSlowJoin.String():
		return "a member missed the rebalance timeout"
	case state.CauseUnknown.String():
		return "why was not seen"
	default: // of a newer warder
		return cause
	}
}

func (t *teller) findings(p *page, s *groupStory) {
	if len(s.Findings) == 0 {
		return
	}
	p.line("")
	p.line("Findings (warder explain ID):")
	n := t.shown(len(s.Findings), findingsShown)
	for i := range s.Findings[:n] {
		f := &s.Findings[i]
		over := ""
		if f.Resolved {
			over = ", over"
		}
		p.line("  %s  %s, %s%s, %s", f.ID, f.Rule, f.Severity, over, t.clock(f.LastTime))
		if !slices.ContainsFunc(s.Verdict, func(v string) bool { return strings.Contains(v, f.ID) }) {
			p.line("    %s", f.Summary) // the verdict has it otherwise
		}
	}
	p.rest(len(s.Findings)-n, "finding")
}
