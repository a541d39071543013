package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// report puts a partition that ails into words.
func (r *stuckPartition) report(g *state.Group, d *stuckDue, now time.Time) rules.Report {
	p := d.p
	lag, _ := p.Lag()
	end, _ := p.End()
	what, advice := r.words(g, d, now)
	out := rules.Report{
		Severity: d.severity, Subject: partitionSubject(g, p), OwnSubject: true, Advice: advice,
		Summary: fmt.Sprintf("%s: %s wait there, %s", what, recordCount(lag), behindText(p, now)),
		Evidence: rules.Evidence{
			{Name: "status", Value: p.Status(now, r.AllowedLag).String()},
			{Name: "lag", Value: lag},
			behindFact(p, now),
			{Name: "committed", Value: p.Committed},
			{Name: "log_end", Value: end},
			sinceFact("last_commit_ms_ago", p.CommittedAt, now),
			sinceFact("last_progress_ms_ago", p.RoseAt, now),
			{Name: "commits_known", Value: len(p.Commits())},
			{Name: "paused", Value: looksPaused(g, p, now)},
			{Name: "partial", Value: g.Partial()},
		},
	}
	if owner := g.Owner(p); owner != nil {
		out.Evidence = append(out.Evidence,
			rules.Fact{Name: "owner_alive", Value: ownerAlive(owner, now)},
			sinceFact("owner_heard_ms_ago", owner.Alive, now))
	}
	return out
}

// words says what ails a partition and what to do about it.
func (r *stuckPartition) words(g *state.Group, d *stuckDue, now time.Time) (what, advice string) {
	p, owner := d.p, g.Owner(d.p)
	group, where := groupText(g), partitionText(d.p.TopicPartition)
	still := ""
	if !p.RoseAt.IsZero() {
		still = " for " + twoUnits(now.Sub(p.RoseAt))
	}
	switch {
	case d.a.trouble == slipping && p.Status(now, r.AllowedLag) == state.StatusRewind:
		return fmt.Sprintf("group %s keeps going back on %s", group, where),
			"Look why its consumer reads the same records again: a crash before the commit, or a seek() to an earlier offset. The rules offset-rewind and poison-message say more."
	case d.a.trouble == slipping:
		return fmt.Sprintf("group %s falls behind on %s, its lag grew from %s in %s", group, where, counted(d.a.lag), twoUnits(now.Sub(d.a.since))),
			"More is written to the partition than its consumer can process. If others keep up, look at the keys of this partition (hot-partition); if none does, add consumers up to the number of partitions, or make each record cheaper."
	case owner == nil && g.Type != "":
		return fmt.Sprintf("group %s has committed nothing%s on %s, and nobody of it was seen through warder", group, still, where),
			"Its members do not come through warder, so whether the one that reads this partition lives is not known: kafka-consumer-groups --describe --members --verbose names it. Look whether it runs, and into its log."
	case owner == nil:
		return fmt.Sprintf("group %s has committed nothing through here%s on %s", group, still, where),
			"The group's consumers choose their partitions themselves, so nobody takes over: look whether the one that reads this partition runs."
	case !ownerAlive(owner, now):
		return fmt.Sprintf("nobody reads %s for group %s: member %s, who owns it, was last heard %s ago", where, group, memberText(owner), twoUnits(now.Sub(owner.Alive))),
			"Its coordinator gives the partition to another when the session timeout has passed. Look whether the process has ended or hangs."
	case looksPaused(g, p, now):
		return fmt.Sprintf("group %s does not move on %s%s: member %s lives and reads its other partitions, but not this one", group, where, still, memberText(owner)),
			"The consumer has paused the partition, or still works on what it has fetched of it. Look at its handler for this partition, and whether resume() is ever called."
	}
	return fmt.Sprintf("group %s is stuck on %s%s at offset %d: member %s lives, but does not get on", group, where, still, p.Committed, memberText(owner)), stuckAdvice(owner, p)
}

func stuckAdvice(owner *state.Member, p *state.GroupPartition) string {
	look := fmt.Sprintf("Look at the record at offset %d and at the consumer's log: a record that cannot be processed is read again for ever. ", p.Committed)
	if library := owner.Client.Library(); library != rules.UnknownLibrary && !library.PollInterval() {
		return look + library.String() + " has no max.poll.interval.ms, so nobody will ever take the partition from a consumer that hangs: restart it."
	}
	return look + "Restarting the consumer helps if it hangs, and does not if the record is at fault."
}

// reportGroup puts into words that most of a group ails.
func (r *stuckPartition) reportGroup(g *state.Group, due []stuckDue, severity rules.Severity, now time.Time) rules.Report {
	var sum waitingRecords
	var still int
	for i := range due {
		lag, _ := due[i].p.Lag()
		sum.add(due[i].p, lag, now)
		if due[i].a.trouble == stuck {
			still++
		}
	}
	alive, who := aliveText(g, now)
	out := rules.Report{
		Severity: severity, Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("group %s stands still on %d partitions at once, %s wait there%s; %s",
			groupText(g), len(due), recordCount(sum.records), sum.oldestText(), who),
		Evidence: rules.Evidence{
			{Name: "partitions", Value: len(due)},
			{Name: "partitions_stuck", Value: still},
			{Name: "partitions_slow", Value: len(due) - still},
			{Name: "lag", Value: sum.records},
			{Name: "lag_ms", Value: sum.oldest.Milliseconds()},
			{Name: "members", Value: g.Members()},
			{Name: "members_alive", Value: alive},
			{Name: "partial", Value: g.Partial()},
		},
		Advice: "All at once points away from single records: look at what the consumers have in common, such as a database or service that they call, a deployment, or a rebalance that does not end.",
	}
	if g.Elsewhere > 0 {
		out.Evidence = append(out.Evidence, rules.Fact{Name: "members_elsewhere", Value: g.Elsewhere})
	}
	if still < len(due)-still {
		out.Summary = fmt.Sprintf("group %s falls behind on %d partitions at once, %s wait there%s; %s",
			groupText(g), len(due), recordCount(sum.records), sum.oldestText(), who)
		out.Advice = "More is written than the group can process. Add consumers, up to the number of partitions, or make each record cheaper: larger batches, fewer calls for each."
	}
	return out
}

// aliveText says how many members live. Of those that do not come through warder
// that is not known.
func aliveText(g *state.Group, now time.Time) (alive int, text string) {
	g.EachMember(func(m *state.Member) {
		if ownerAlive(m, now) {
			alive++
		}
	})
	text = fmt.Sprintf("%d of %s alive", alive, several(g.Members(), "member"))
	switch {
	case g.Elsewhere == 0:
		return alive, text
	case g.Members() == 0:
		return 0, several(g.Elsewhere, "member") + ", none seen through warder"
	}
	return alive, fmt.Sprintf("%s, and %s not seen through warder", text, several(g.Elsewhere, "more member"))
}

// wellAgain says that a partition that was told of moves.
func (r *stuckPartition) wellAgain(g *state.Group, p *state.GroupPartition, now time.Time) rules.Report {
	left := "nothing is left to read"
	if lag, ok := p.Lag(); ok && lag > 0 {
		left = fmt.Sprintf("%s are left to read, %s", recordCount(lag), behindText(p, now))
	}
	return rules.Report{
		Subject: partitionSubject(g, p), OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("group %s gets on with %s again; %s", groupText(g), partitionText(p.TopicPartition), left),
	}
}

func groupWell(g *state.Group) rules.Report {
	return rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("most partitions of group %s get on again", groupText(g)),
	}
}
