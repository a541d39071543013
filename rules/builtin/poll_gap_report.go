package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

const maxPollInterval = "max.poll.interval.ms"

// pollReport warns of a member that has not polled for long.
func pollReport(g *state.Group, m *state.Member, s *pollStory, gap pollGapOf) rules.Report {
	library := m.Client.Library()
	out := rules.Report{
		Severity: rules.Warning, Subject: s.subject, OwnSubject: true, News: gap.level == tooLate,
		Evidence: rules.Evidence{
			{Name: "kind", Value: "approaching"},
			{Name: "without_poll_ms", Value: gap.long.Milliseconds()},
		},
	}
	if gap.level > late {
		out.Severity = rules.Critical
	}
	verb := "wait"
	if gap.behind == 1 {
		verb = "waits"
	}
	waiting := fmt.Sprintf("%s %s in %s/%d", many(int(gap.behind), "record"), verb, rules.Excerpt(gap.partition.Topic, 80), gap.partition.Partition)
	name, group := memberText(m), groupText(g)
	switch {
	case gap.level == tooLate:
		out.Evidence[0].Value = "inferred"
		out.Summary = fmt.Sprintf("static member %s of group %s did not poll within %s (%s) and stopped its heartbeats: nobody has its %s until its session runs out in %s",
			name, group, maxPollInterval, short(gap.limit), many(len(m.Assigned), "partition"), short(max(m.Expires().Sub(gap.since.Add(gap.long)), 0)))
	case !library.PollInterval():
		out.Evidence[0].Value = "stuck"
		out.Summary = fmt.Sprintf("member %s of group %s has taken no records for %s although %s: it sends heartbeats, so nobody will ever take its %s",
			name, group, short(gap.long), waiting, many(len(m.Assigned), "partition"))
	case !gap.heard:
		out.Summary = fmt.Sprintf("member %s of group %s has not polled for %s although %s; warder has not heard its %s (usually %s)",
			name, group, short(gap.long), waiting, maxPollInterval, short(gap.limit))
	default:
		out.Summary = fmt.Sprintf("member %s of group %s has not polled for %s although %s: in %s it has used up %s (%s) and gives up its %s",
			name, group, short(gap.long), waiting, short(max(gap.limit-gap.long, 0)), maxPollInterval, short(gap.limit), many(len(m.Assigned), "partition"))
	}
	add := func(n string, v any) { out.Evidence = append(out.Evidence, rules.Fact{Name: n, Value: v}) }
	if gap.heard {
		add("max_poll_interval_ms", gap.limit.Milliseconds())
	}
	add("partition", fmt.Sprintf("%s/%d", rules.Excerpt(gap.partition.Topic, 80), gap.partition.Partition))
	add("behind", gap.behind)
	add("partitions", len(m.Assigned))
	add("library", library.String())
	out.Advice = approachAdvice(library)
	return out
}

func approachAdvice(l rules.Library) string {
	if !l.PollInterval() {
		return "Look what the handler of that partition waits for. This library has no limit for it: give the work a timeout of its own, so that a record that cannot be processed ends instead of blocking the partition."
	}
	return "Look what the application is at: a batch that takes longer than usual, or a call without a timeout. " + pollSettings(l, 0, 0)
}

// pollSettings says what to change, with numbers if it is known how long a batch
// took.
func pollSettings(l rules.Library, took, limit time.Duration) string {
	interval, records := setting(l, maxPollInterval), setting(l, "max.poll.records")
	if took <= limit || limit <= 0 {
		if l == rules.Librdkafka {
			return fmt.Sprintf("%s must be longer than the longest time between two calls of poll or consume.", interval)
		}
		return fmt.Sprintf("%s must be longer than the longest batch takes, or %s lower.", interval, records)
	}
	above := milliseconds(took.Truncate(time.Second) + time.Second)
	if l == rules.Librdkafka {
		return fmt.Sprintf("Raise %s above %s, or do less between two calls of poll or consume.", interval, above)
	}
	// In proportion; 500 is the default of max.poll.records.
	share := float64(limit) / float64(took)
	return fmt.Sprintf("Raise %s above %s, or lower %s to less than %.0f %% of what it is (%d, if it is the default of 500).",
		interval, above, records, 100*share, max(int(500*share), 1))
}

// givenReport tells that a member has left because its application did not poll.
func givenReport(g *state.Group, d *state.Departure, s *pollStory) rules.Report {
	library, worked := d.Client.Library(), d.At.Sub(d.LastProgress)
	out := rules.Report{
		Severity: rules.Critical, Subject: s.subject, OwnSubject: true, News: true,
		Advice: pollSettings(library, 0, 0), // how long the work takes is known when it is done
		Evidence: rules.Evidence{
			{Name: "kind", Value: "confirmed"},
			{Name: "without_poll_ms", Value: worked.Milliseconds()},
		},
	}
	limit := maxPollInterval
	if d.RebalanceTimeout > 0 {
		limit += " (" + short(d.RebalanceTimeout) + ")"
		out.Evidence = append(out.Evidence, rules.Fact{Name: "max_poll_interval_ms", Value: d.RebalanceTimeout.Milliseconds()})
	}
	out.Evidence = append(out.Evidence,
		rules.Fact{Name: "behind", Value: d.Behind}, rules.Fact{Name: "partitions", Value: d.Partitions},
		rules.Fact{Name: "library", Value: library.String()})
	partitions, group := many(d.Partitions, "partition"), groupText(g)
	taken := heirs(g, "its "+partitions)
	switch {
	case d.How == state.Expired && d.At.Sub(d.LastAlive) < d.SessionTimeout/2:
		out.Evidence[0].Value = "inferred"
		out.Summary = fmt.Sprintf("member %s was removed from group %s: it did not poll within %s, and so did not join again when the group rebalanced: %s, and what it has not committed is processed again",
			s.name, group, limit, taken)
	case d.How == state.Expired:
		out.Evidence[0].Value = "inferred"
		out.Evidence[1].Value = d.LastAlive.Sub(d.LastProgress).Milliseconds()
		out.Summary = fmt.Sprintf("static member %s was removed from group %s: it did not poll within %s, stopped its heartbeats, and nobody had its %s until its session of %s ran out",
			s.name, group, limit, partitions, short(d.SessionTimeout))
	case d.How == state.LeftForAWhile:
		out.Evidence[0].Value = "inferred"
		out.Summary = fmt.Sprintf("static member %s of group %s left for a while after %s without a poll, as at %s: nobody has its %s until it comes back or its session runs out",
			s.name, group, short(worked), limit, partitions)
	case d.Inferred:
		out.Evidence[0].Value = "inferred"
		out.Summary = fmt.Sprintf("member %s of group %s left after %s without a poll, as its library does at %s, and kept its connection: %s, and what it has not committed is processed again",
			s.name, group, short(worked), limit, taken)
	default:
		out.Summary = fmt.Sprintf("member %s of group %s left because its application did not poll within %s: %s, and what it has not committed is processed again",
			s.name, group, limit, taken)
	}
	return out
}

// backReport tells how long the work took in the end, when the member comes back.
func backReport(g *state.Group, d *state.Departure, s *pollStory) rules.Report {
	took := d.Returned.Sub(d.LastProgress)
	return rules.Report{
		Severity: rules.Critical, Subject: s.subject, OwnSubject: true, News: true,
		Summary: fmt.Sprintf("member %s of group %s polls again, %s after it had left for want of a poll, and joins anew: its application had worked for %s on what it was given, of %s that it may",
			s.name, groupText(g), short(d.Returned.Sub(d.At)), short(took), short(d.RebalanceTimeout)),
		Advice: pollSettings(d.Client.Library(), took, d.RebalanceTimeout),
		Evidence: rules.Evidence{
			{Name: "kind", Value: "returned"},
			{Name: "processing_ms", Value: took.Milliseconds()},
			{Name: "max_poll_interval_ms", Value: d.RebalanceTimeout.Milliseconds()},
			{Name: "member_now", Value: rules.Excerpt(d.ReturnedID, 80)},
			{Name: "library", Value: d.Client.Library().String()},
		},
	}
}

// pausedReport takes a warning back: the member would have left.
func pausedReport(g *state.Group, s *pollStory, gap pollGapOf) rules.Report {
	return rules.Report{
		Severity: rules.Info, Subject: s.subject, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("member %s of group %s does poll: it has not left %s after its last sign of it, so its partitions are paused",
			s.name, groupText(g), short(gap.long)),
		Evidence: rules.Evidence{{Name: "kind", Value: "paused"}, {Name: "without_sign_ms", Value: gap.long.Milliseconds()}},
	}
}

// pollsAgainReport ends the story of a member that has polled in time for a while.
func pollsAgainReport(g *state.Group, s *pollStory) rules.Report {
	out := rules.Report{
		Severity: rules.Info, Subject: s.subject, OwnSubject: true, Resolved: true,
		Evidence: rules.Evidence{{Name: "kind", Value: "polls"}, {Name: "longest_ms", Value: s.longest.Milliseconds()}},
	}
	if s.library.PollInterval() {
		out.Summary = fmt.Sprintf("member %s of group %s polls in time again; the longest time between two polls was %s, of %s that it may", s.name, groupText(g), short(s.longest), short(s.limit))
	} else {
		out.Summary = fmt.Sprintf("member %s of group %s takes records again; the longest time without was %s", s.name, groupText(g), short(s.longest))
	}
	return out
}

// pollGoneReport ends the story of somebody who has gone and does not come back.
func pollGoneReport(g *state.Group, s *pollStory, left bool) rules.Report {
	what := fmt.Sprintf("is no longer in group %s; %s", groupText(g), heirs(g, "its partitions"))
	if !left {
		what = fmt.Sprintf("of group %s has come back as another member", groupText(g))
	}
	return rules.Report{
		Severity: rules.Info, Subject: s.subject, OwnSubject: true, Resolved: true,
		Summary:  fmt.Sprintf("member %s %s", s.name, what),
		Evidence: rules.Evidence{{Name: "kind", Value: "gone"}, {Name: "longest_ms", Value: s.longest.Milliseconds()}},
	}
}
