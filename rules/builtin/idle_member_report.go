package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// lagsFrom is how long records must wait for the lag of a group to be worth a word
// beside its idle members.
const lagsFrom = time.Minute

// idleReport says who has nothing to do, and why.
func idleReport(g *state.Group, idle []*state.Member, partitions int, long time.Duration, now time.Time) rules.Report {
	members, waits := g.Members(), time.Duration(0)
	g.EachPartition(func(p *state.GroupPartition) { waits = max(waits, p.Waiting(now)) })
	out := rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("group %s has %s for %s: %s without any for %s",
			groupText(g), many(members, "member"), many(partitions, "partition"), areMembers(len(idle)), twoUnits(long)),
		Evidence: rules.Evidence{
			{Name: "idle", Value: len(idle)},
			{Name: "members", Value: members},
			{Name: "partitions", Value: partitions},
			{Name: "assignor", Value: g.Assignor},
			{Name: "idle_ms", Value: long.Milliseconds()},
		},
		Advice: "A partition is read by one member of a group at a time. Run fewer consumers, or give the topic more partitions, which sends keys to other partitions than before. Whoever keeps spare members on purpose says so with rules.idle-member.spares.",
	}
	if len(idle) == 1 {
		out.Subject = memberSubject(g, idle[0])
	}
	switch {
	case partitions < members:
	case g.Assignor == "range" || g.Assignor == "RangeAssignor":
		out.Advice = "The range assignor hands out each topic by itself, and the first members get the first partitions of all of them. With cooperative-sticky, sticky or roundrobin there is something for everybody."
	default:
		out.Advice = "There are partitions enough, of topics that these members do not subscribe to. Members of one group should subscribe to the same topics; others belong into a group of their own."
	}
	if waits >= lagsFrom {
		out.Severity = rules.Warning
		out.Summary += fmt.Sprintf(", while the group is %s behind", twoUnits(waits))
		out.Evidence = append(out.Evidence, rules.Fact{Name: "lag_ms", Value: waits.Milliseconds()})
	}
	return out
}

func areMembers(n int) string {
	if n == 1 {
		return "1 member has been"
	}
	return many(n, "member") + " have been"
}

// busyReport says that it is over.
func busyReport(g *state.Group, s *idlers, partitions int) rules.Report {
	out := rules.Report{
		Subject: s.subject, OwnSubject: true, Resolved: true,
		Summary:  fmt.Sprintf("every member of group %s has partitions: %s for %s", groupText(g), many(g.Members(), "member"), many(partitions, "partition")),
		Evidence: rules.Evidence{{Name: "members", Value: g.Members()}, {Name: "partitions", Value: partitions}},
	}
	if len(s.since) > 0 {
		out.Summary = fmt.Sprintf("group %s has no more than %s without partitions", groupText(g), many(len(s.since), "member"))
	}
	return out
}
