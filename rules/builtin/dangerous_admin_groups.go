package builtin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"warder/rules"
)

// What is done to the offsets of groups. While a group has members its coordinator
// refuses most of it by itself (UNKNOWN_MEMBER_ID, NON_EMPTY_GROUP,
// GROUP_SUBSCRIBED_TO_TOPIC): then the finding says that somebody tried. The harm is
// done in the moment without members, as while an application is restarted.

// groupState is what is known of the group of a request, copied out.
type groupState struct {
	members int
	used    time.Time
	unread  int64 // in the topics concerned
}

// deleteGroup judges the deletion of a group that is in use.
func (a *adminRequest) deleteGroup() {
	g, known := a.groupState(func(string) bool { return true })
	if !known || !a.inUse(g.used) {
		return
	}
	group := rules.Excerpt(a.Group, 80)
	a.deny(fmt.Sprintf("group %s is in use, and with it its offsets would be gone", group), rules.Report{
		Severity: g.severity(), Aspect: "group-deleted",
		Summary: fmt.Sprintf("%s delete group %s, %s: its offsets would be gone, and auto.offset.reset decide whether it skips the %s that it has not read or reads all again",
			a.who(), group, g.text(a.Time), recordCount(g.unread)),
		Evidence: g.evidence("group-deleted", a.Time),
		Advice:   "Delete a group only when its application has been shut down for good. To start over, stop it and set its offsets: kafka-consumer-groups --reset-offsets.",
	})
}

// deleteOffsets judges the deletion of a group's offsets for a topic that it reads.
func (a *adminRequest) deleteOffsets() {
	used := time.Time{}
	g, known := a.groupState(func(topic string) bool { return topic == a.Topic.Name })
	a.reads.group(a.Group, a.Time, func(g *readingGroup) {
		if t := g.topics[a.Topic.Name]; t != nil {
			used = t.used
		}
	})
	if !known || !a.inUse(used) {
		return
	}
	group, topic := rules.Excerpt(a.Group, 80), excerptTopic(a.Topic.Name)
	a.deny(fmt.Sprintf("group %s is in use and reads topic %s", group, rules.Excerpt(a.Topic.Name, 80)), rules.Report{
		Severity: g.severity(), Aspect: "offsets-deleted",
		Summary: fmt.Sprintf("%s delete the offsets of group %s, %s, for topic %s: auto.offset.reset would decide whether it skips the %s that it has not read or reads all again",
			a.who(), group, g.text(a.Time), topic, recordCount(g.unread)),
		Evidence: append(g.evidence("offsets-deleted", a.Time), rules.Fact{Name: "partitions", Value: len(a.Offsets)}),
		Advice:   "Delete offsets only of topics that the group does not read any more.",
	})
}

// groupState copies out what is known of a group with members now or before, in the
// topics that are wanted.
func (a *adminRequest) groupState(want func(topic string) bool) (out groupState, known bool) {
	if !a.groups.Match(a.Group) {
		return out, false
	}
	a.reads.group(a.Group, a.Time, func(g *readingGroup) {
		out, known = groupState{members: g.members, used: g.used}, true
		for name, t := range g.topics {
			for i := range t.partitions {
				if want(name) {
					out.unread += t.partitions[i].unread()
				}
			}
		}
	})
	return out, known
}

// severity of what the coordinator would let happen; what it refuses itself is an
// attempt.
func (g *groupState) severity() rules.Severity {
	if g.members > 0 {
		return rules.Warning
	}
	return rules.Critical
}

// text says how the group stands.
func (g *groupState) text(now time.Time) string {
	if g.members > 0 {
		return "which has " + several(g.members, "member")
	}
	return "which was in use " + twoUnits(now.Sub(g.used)) + " ago"
}

func (g *groupState) evidence(kind string, now time.Time) rules.Evidence {
	return rules.Evidence{
		{Name: "kind", Value: kind},
		{Name: "members", Value: g.members},
		sinceFact("used_ms_ago", g.used, now),
		{Name: "records", Value: g.unread},
	}
}

// offsetMove is what setting offsets would do.
type offsetMove struct {
	members       int
	skipped, back int64
	partitions    []int32 // that move
	from, to      int64   // of the first
}

// setOffsets judges offsets that somebody sets who is no member. Of groups that never
// had members nothing is said: consumers with assign() commit so themselves, and so
// may one that was a member a moment ago.
func (a *adminRequest) setOffsets() {
	m := offsetMove{from: -1, to: -1}
	a.reads.group(a.Group, a.Time, func(g *readingGroup) {
		t := g.topics[a.Topic.Name]
		if t == nil || !g.managed || !a.groups.Match(a.Group) || g.has(a.Identity) {
			return
		}
		m.members = g.members
		for i := range a.Offsets {
			m.add(&a.Offsets[i], t)
		}
	})
	moved := max(m.skipped, m.back)
	if moved == 0 || m.members == 0 && moved < a.MinRecords {
		return
	}
	group, topic := rules.Excerpt(a.Group, 80), excerptTopic(a.Topic.Name)
	out := rules.Report{
		Severity: rules.Warning, Aspect: "offsets-set",
		Summary: fmt.Sprintf("%s set the offsets of group %s in topic %s: %s", a.who(), group, topic, m.text()),
		Evidence: rules.Evidence{
			{Name: "kind", Value: "offsets-set"},
			{Name: "members", Value: m.members},
			{Name: "skipped", Value: m.skipped},
			{Name: "read_again", Value: m.back},
			{Name: "partitions", Value: len(m.partitions)},
			{Name: "partition_list", Value: partitionList(m.partitions, len(m.partitions))},
			{Name: "from", Value: m.from},
			{Name: "to", Value: m.to},
		},
		Advice: "If it is meant, look at kafka-consumer-groups --reset-offsets --dry-run first, and keep the offsets before (--export): they are not kept anywhere.",
	}
	reason := fmt.Sprintf("group %s would %s of topic %s", group, m.short(), rules.Excerpt(a.Topic.Name, 80))
	if m.members > 0 {
		out.Summary += fmt.Sprintf(". It has %s, so the coordinator refuses it (UNKNOWN_MEMBER_ID)", several(m.members, "member"))
		out.Advice = "Offsets are set while a group has no members: stop its application first. Who commits for a group must be a member of it, or use another group.id."
		reason = fmt.Sprintf("group %s has %s, whose offsets only they commit", group, several(m.members, "member"))
	}
	a.deny(reason, out)
}

// has says whether a client, or another of its connections, is a member.
func (g *readingGroup) has(id *rules.Identity) bool {
	return slices.ContainsFunc(g.clients, func(m *rules.Identity) bool {
		return m.ClientID == id.ClientID && m.Remote.Addr() == id.Remote.Addr()
	})
}

// add counts one partition. What the log does not hold any more is neither skipped nor
// read again.
func (m *offsetMove) add(o *rules.PartitionOffset, t *readTopic) {
	i, found := slices.BinarySearchFunc(t.partitions, o.Partition, func(p readPartition, n int32) int { return cmp.Compare(p.number, n) })
	if !found || t.partitions[i].next < 0 || o.Offset < 0 {
		return
	}
	p := &t.partitions[i]
	skipped, back := p.gone(o.Offset), max(p.next-max(o.Offset, p.start), 0)
	if skipped == 0 && back == 0 {
		return
	}
	if len(m.partitions) == 0 {
		m.from, m.to = p.next, o.Offset
	}
	m.skipped, m.back, m.partitions = m.skipped+skipped, m.back+back, append(m.partitions, o.Partition)
}

// text says what comes of it.
func (m *offsetMove) text() string {
	switch {
	case m.back == 0:
		return recordCount(m.skipped) + " would never be read"
	case m.skipped == 0:
		return recordCount(m.back) + " would be read again"
	}
	return recordCount(m.skipped) + " would never be read, and " + recordCount(m.back) + " be read again"
}

func (m *offsetMove) short() string {
	if m.skipped >= m.back {
		return "skip " + recordCount(m.skipped)
	}
	return "read " + recordCount(m.back) + " again"
}
