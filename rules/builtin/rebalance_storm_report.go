package builtin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// stormListed is how many of the last rebalances the evidence lists.
const stormListed = 5

func stormReport(g *state.Group, s *stormSurvey) rules.Report {
	cause := s.main()
	out := rules.Report{
		Severity: stormSeverity(g, s, cause), OwnSubject: true, Subject: rules.Subject{Group: g.ID},
		Summary: stormSummary(g, s), Advice: stormAdvice(g, s, cause),
		Evidence: rules.Evidence{
			{Name: "rebalances", Value: s.count},
			{Name: "minutes", Value: s.minutes()},
			{Name: "stood_still_ms", Value: s.stopped.Milliseconds()},
			{Name: "causes", Value: s.causeList()},
			{Name: "members", Value: s.members},
			{Name: "protocol", Value: g.Protocol.String()},
		},
	}
	add := func(name string, value any) {
		out.Evidence = append(out.Evidence, rules.Fact{Name: name, Value: value})
	}
	if g.Assignor != "" {
		add("assignor", rules.Excerpt(g.Assignor, 40))
	}
	if s.planned > 0 {
		add("planned_changes", s.planned)
	}
	if s.unseen > 0 {
		add("not_seen", s.unseen)
	}
	if g.Partial() {
		add("members_elsewhere", true)
	}
	add("last", s.lastOnes())
	return out
}

// stormSeverity is one step lower where nobody stops for long, or where warder
// cannot see what happens.
func stormSeverity(g *state.Group, s *stormSurvey, cause state.Cause) rules.Severity {
	blind := cause == state.CauseUnknown && (g.Partial() || g.Protocol.Epochs() || s.unseen > 0)
	if s.planned == s.count || blind || g.Cooperative() && !failed(cause) {
		return rules.Warning
	}
	return rules.Critical
}

// failed says that a cause is something that went wrong.
func failed(c state.Cause) bool {
	return c == state.CausePollTimeout || c == state.CauseSessionExpired || c == state.CauseInstanceFenced || c == state.CauseSlowJoin
}

// stormMembers is how many members the group has, as far as that is known.
func stormMembers(g *state.Group) int { return max(g.Announced, g.Members()) }

// minutes is the part of the window in which the rebalances were.
func (s *stormSurvey) minutes() int {
	return int((min(s.now.Sub(s.first), s.window) + time.Minute - 1) / time.Minute)
}

func stormSummary(g *state.Group, s *stormSurvey) string {
	var b strings.Builder
	size := many(s.members, "member")
	if g.Partial() && g.Announced == 0 {
		size += " here, others elsewhere"
	}
	fmt.Fprintf(&b, "group %s (%s) rebalanced %s in %d min", groupText(g), size, times(s.count), s.minutes())
	if s.stopped >= time.Second {
		fmt.Fprintf(&b, " and stood still for %s", short(s.stopped))
	}
	for i, c := range s.order() {
		switch {
		case s.count == 1:
			fmt.Fprintf(&b, ": %s", because(g, c))
		case i == 0 && s.causes[c] == s.count:
			fmt.Fprintf(&b, ": each time %s", because(g, c))
		case i == 0:
			fmt.Fprintf(&b, ": %s %s", times(s.causes[c]), because(g, c))
		default:
			fmt.Fprintf(&b, ", %s %s", times(s.causes[c]), because(g, c))
		}
	}
	return b.String()
}

// times is a number of times.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// order gives the causes that there were, the most frequent first.
func (s *stormSurvey) order() (list []state.Cause) {
	for c, n := range s.causes {
		if n > 0 {
			list = append(list, state.Cause(c))
		}
	}
	slices.SortStableFunc(list, func(a, b state.Cause) int { return s.causes[b] - s.causes[a] })
	if main := s.main(); len(list) > 0 && list[0] != main {
		list = slices.DeleteFunc(list, func(c state.Cause) bool { return c == main })
		list = slices.Insert(list, 0, main)
	}
	return list
}

func (s *stormSurvey) causeList() (list []string) {
	for _, c := range s.order() {
		list = append(list, fmt.Sprintf("%s %d", c, s.causes[c]))
	}
	return list
}

// because says a cause in words.
func because(g *state.Group, c state.Cause) string {
	switch c {
	case state.CausePollTimeout:
		return "because a member did not poll within " + maxPollInterval + limitOf(g, c)
	case state.CauseSessionExpired:
		return "because a member was not heard within session.timeout.ms" + limitOf(g, c)
	case state.CauseInstanceFenced:
		return "because two processes use one group.instance.id"
	case state.CauseSlowJoin:
		return "because a member did not join again within the rebalance timeout" + limitOf(g, c)
	case state.CauseMemberLeft:
		return "because members left in good order"
	case state.CauseMemberJoined:
		return "because members joined"
	case state.CauseSubscription:
		return "because a member subscribed to other topics"
	case state.CauseMetadata:
		return "because topics or their partitions changed"
	case state.CauseUnknown, state.CauseCoordinator, state.NumCauses:
	}
	if g.Partial() {
		return "because of members that do not come through here"
	}
	return "for a reason that did not show"
}

// limitOf is the limit that was overrun, in parentheses behind its name.
func limitOf(g *state.Group, c state.Cause) string {
	for _, d := range slices.Backward(g.Departures()) {
		limit := d.RebalanceTimeout
		if c == state.CauseSessionExpired {
			limit = d.SessionTimeout
		}
		if d.Cause == c && limit > 0 {
			return fmt.Sprintf(" (%d s)", int(limit.Seconds()))
		}
	}
	return ""
}

// lastOnes lists the last rebalances, oldest first.
func (s *stormSurvey) lastOnes() (list []string) {
	for _, r := range s.counted[max(len(s.counted)-stormListed, 0):] {
		text := fmt.Sprintf("%s generation %d, %s", r.Start.UTC().Format("15:04:05Z"), r.Generation, r.Cause)
		if r.Trigger != nil {
			text += " of " + rules.Excerpt(r.Trigger.ClientID, 60)
		}
		if r.Returning {
			text += " which came back"
		}
		if r.Reason != "" {
			text += " (" + rules.Excerpt(r.Reason, 60) + ")"
		}
		if stop := r.Standstill(); stop > 0 {
			text += ", stood still for " + short(stop)
		}
		list = append(list, text)
	}
	return list
}

func calmReport(g *state.Group, long time.Duration) rules.Report {
	return rules.Report{
		Severity: rules.Info, OwnSubject: true, Subject: rules.Subject{Group: g.ID}, Resolved: true,
		Summary:  fmt.Sprintf("group %s has not rebalanced for %s", groupText(g), short(long)),
		Evidence: rules.Evidence{{Name: "members", Value: stormMembers(g)}},
	}
}

func fencedReport(g *state.Group, list []*state.Departure) rules.Report {
	id, last := list[0].InstanceID, list[len(list)-1]
	var clients []string
	for _, d := range list {
		if who := rules.Excerpt(d.Client.ClientID, 60) + " at " + d.Client.Remote.Addr().String(); !slices.Contains(clients, who) {
			clients = append(clients, who)
		}
	}
	return rules.Report{
		Severity: rules.Critical, OwnSubject: true, Subject: rules.Subject{Group: g.ID, Member: id},
		Summary: fmt.Sprintf("two processes use %s %s in group %s: %s in %s one was pushed out by the other",
			"group.instance.id", rules.Excerpt(id, 80), groupText(g), times(len(list)), short(max(last.At.Sub(list[0].At), time.Second))),
		Advice: "Give every process a group.instance.id of its own, such as the name of its pod, and let no two deployments share a configuration that sets it.",
		Evidence: rules.Evidence{
			{Name: "group_instance_id", Value: rules.Excerpt(id, 80)},
			{Name: "fenced", Value: len(list)},
			{Name: "pushed_out", Value: clients},
		},
	}
}

func unfencedReport(g *state.Group, id string, long time.Duration) rules.Report {
	return rules.Report{
		Severity: rules.Info, OwnSubject: true, Subject: rules.Subject{Group: g.ID, Member: id}, Resolved: true,
		Summary: fmt.Sprintf("nobody was pushed out of group %s under group.instance.id %s for %s", groupText(g), rules.Excerpt(id, 80), short(long)),
	}
}
