package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

func (d *danger) subject(g *state.Group) rules.Subject {
	if d.count == 1 {
		return partitionSubject(g, d.worst)
	}
	return rules.Subject{Group: g.ID, Topic: d.topic}
}

// report puts a topic into words.
func (r *retentionLoss) report(g *state.Group, t *losing, d *danger, now time.Time) rules.Report {
	if d.level == lost {
		return lostSoFar(g, d, now)
	}
	others, when := "", "in about "+twoUnits(d.ahead.left)
	if d.ahead.left < time.Minute {
		when = "with the next deletion"
	}
	if d.count > 1 {
		others = fmt.Sprintf("; %d partitions are in danger", d.count)
	}
	if d.ahead.age > 0 {
		return r.reportOutlived(g, t, d, now, others)
	}
	out := rules.Report{
		Severity: rules.Warning, Subject: t.subject, OwnSubject: true,
		Summary: fmt.Sprintf("group %s is about to lose records of topic %s: %s retention deletes what it has not read on partition %d (%s records a second are deleted, %s read)%s",
			groupText(g), excerptTopic(d.topic), when, d.worst.Partition, paceText(d.ahead.start), paceText(d.ahead.group), others),
		Evidence: rules.Evidence{
			{Name: "time_left_ms", Value: d.ahead.left.Milliseconds()},
			{Name: "rests_on", Value: "pace of deletion"},
			{Name: "partition", Value: d.worst.Partition},
			{Name: "committed", Value: d.worst.Committed},
			{Name: "log_start", Value: d.worst.Ends.LogStartOffset},
			{Name: "deleted_per_second", Value: int64(d.ahead.start + 0.5)},
			{Name: "read_per_second", Value: int64(max(d.ahead.group, 0) + 0.5)},
			{Name: "partitions", Value: d.count},
			{Name: "partition_list", Value: partitionList(d.partitions, d.count)},
			{Name: "members", Value: g.Members()},
		},
		Advice: "Raise retention.ms (and retention.bytes) of the topic now, which keeps what is there, then get the group going again. Set it back when the group has caught up.",
	}
	if d.level == imminent {
		out.Severity = rules.Critical
	}
	return out
}

// paceText writes records a second.
func paceText(perSecond float64) string { return counted(int64(max(perSecond, 0) + 0.5)) }

// lostSoFar says that the log begins behind what the group had still to read.
func lostSoFar(g *state.Group, d *danger, now time.Time) rules.Report {
	out := rules.Report{
		Subject: d.subject(g), OwnSubject: true,
		Summary: fmt.Sprintf("group %s has lost %s of topic %s: they were deleted before it read them, on %s",
			groupText(g), recordCount(d.records), excerptTopic(d.topic), partitionsIn(d.partitions, d.count)),
		Evidence: rules.Evidence{
			{Name: "lost", Value: d.records},
			{Name: "partitions", Value: d.count},
			{Name: "partition_list", Value: partitionList(d.partitions, d.count)},
			{Name: "committed", Value: d.worst.Committed},
			{Name: "log_start", Value: d.worst.Ends.LogStartOffset},
			sinceFact("last_commit_ms_ago", d.worst.CommittedAt, now),
			{Name: "members", Value: g.Members()},
		},
		Advice: lossAdvice,
	}
	if g.Members() == 0 {
		out.Summary += "; it has no members, and loses more with every deletion"
	}
	return out
}

const lossAdvice = "These records are gone from the topic: read them from their source, a backup or a mirror if they matter. retention.ms should be longer than the longest time that the group may be down; or somebody has used DeleteRecords."

func partitionsIn(numbers []int32, all int) string {
	if all == 1 {
		return "partition " + partitionList(numbers, all)
	}
	return "partitions " + partitionList(numbers, all)
}

// lostBefore says what a consumer found gone that came back.
func lostBefore(g *state.Group, m *movesTogether) rules.Report {
	n := recordCount(m.records)
	if m.records == 0 {
		n = "an unknown number of records"
	}
	return rules.Report{
		Subject: m.subject(g), OwnSubject: true,
		Summary: fmt.Sprintf("group %s has lost %s of topic %s: it asked for offset %d of partition %d and the log begins behind it, on %s",
			groupText(g), n, excerptTopic(m.topic), m.most.From, m.most.Partition, partitionsIn(m.partitions, m.count)),
		Evidence: append(rules.Evidence{{Name: "lost", Value: m.records}}, m.evidence()...),
		Advice:   lossAdvice,
	}
}

// truncated says that a log ends before the place that a group had in it.
func truncated(g *state.Group, m *movesTogether) rules.Report {
	return rules.Report{
		Subject: m.subject(g), OwnSubject: true,
		Summary: fmt.Sprintf("group %s asked for offset %d of partition %d of topic %s, which the log does not reach any more, on %s: the end of the log was cut off, or the topic was made anew",
			groupText(g), m.most.From, m.most.Partition, excerptTopic(m.topic), partitionsIn(m.partitions, m.count)),
		Evidence: m.evidence(),
		Advice:   "Look whether a broker that was behind became leader (unclean.leader.election.enable), or whether the topic was deleted and created again. Records that were acknowledged may be gone, and new ones stand under offsets that the group believes to have read.",
	}
}

// overLoss says that nothing is in danger any more.
func overLoss(g *state.Group, t *losing, topic string) rules.Report {
	summary := fmt.Sprintf("group %s is no longer about to lose records of topic %s", groupText(g), excerptTopic(topic))
	switch {
	case t.cut:
		summary = fmt.Sprintf("group %s reads on in topic %s within the log that there is now", groupText(g), excerptTopic(topic))
	case t.level == lost:
		summary = fmt.Sprintf("group %s reads on in topic %s where the log begins now", groupText(g), excerptTopic(topic))
		if t.lost > 0 {
			summary += "; " + recordCount(t.lost) + " were lost"
		}
	}
	return rules.Report{Subject: t.subject, OwnSubject: true, Resolved: true, Summary: summary}
}
