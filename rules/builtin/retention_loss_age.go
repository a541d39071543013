package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// What is older than retention.ms is deleted, at the latest with the segment that
// it stands in. Of a group that has stopped the next record grows older and older, so
// its end can be told from the topic's configuration, long before a deletion comes
// near enough to show a pace.

const (
	// imminentShare of retention.ms that is left makes it critical, if critical_before
	// is longer.
	imminentShare = 0.1
	// markerLag is the lag of a group that has read all there is of a topic written in
	// transactions: their markers have offsets, and nobody commits them.
	markerLag = 1
)

// byAge tells a loss by the age of the next record that a group has to read, if the
// group has stopped and a good part of retention.ms has passed.
func (r *retentionLoss) byAge(w *rules.Watch, g *state.Group, p *state.GroupPartition, d *danger) (lossAhead, bool) {
	if !d.looked {
		d.looked, d.retention = true, retentionOf(w, d.topic)
	}
	now := g.Refreshed
	if lag, _ := p.Lag(); d.retention <= 0 || lag <= markerLag || !r.stopped(g, p) {
		return lossAhead{}, false
	}
	age, known := p.TimeLag(now)
	if !known {
		age = p.Waiting(now)
	}
	if age <= 0 || age < part(r.StoppedAfter, d.retention) {
		return lossAhead{}, false
	}
	end := lossAhead{left: max(d.retention-age, 0), level: endangered, age: age}
	if end.left <= min(r.CriticalBefore, part(imminentShare, d.retention)) {
		end.level = imminent
	}
	return end, true
}

// stopped says that the group has not got on for a while.
func (r *retentionLoss) stopped(g *state.Group, p *state.GroupPartition) bool {
	moved := g.Since
	if p.RoseAt.After(moved) {
		moved = p.RoseAt
	}
	return g.Refreshed.Sub(moved) >= r.Window
}

// retentionOf gives retention.ms of a topic; 0 when it has none, as a topic that is
// only compacted, or it is not known.
func retentionOf(w *rules.Watch, topic string) time.Duration {
	t := w.Topic(topic)
	if t == nil || !t.Cleanup.Deletes() || !t.Settings.Known || t.Settings.RetentionMs <= 0 {
		return 0
	}
	return time.Duration(min(t.Settings.RetentionMs, longestRetention.Milliseconds())) * time.Millisecond
}

// longestRetention keeps what is longer from overflowing.
const longestRetention = 100 * 365 * 24 * time.Hour

// reportOutlived puts into words that the next record comes to the end of its time.
func (r *retentionLoss) reportOutlived(g *state.Group, t *losing, d *danger, now time.Time, others string) rules.Report {
	when := "is deleted in about " + twoUnits(d.ahead.left)
	if d.ahead.left < time.Minute {
		when = "may be deleted at any time"
	}
	out := rules.Report{
		Severity: rules.Warning, Subject: t.subject, OwnSubject: true,
		Summary: fmt.Sprintf("group %s is about to lose records of topic %s: it has stopped on partition %d, and the next record that it has to read there is %s old and %s (retention.ms is %s)%s",
			groupText(g), excerptTopic(d.topic), d.worst.Partition, twoUnits(d.ahead.age), when, twoUnits(d.retention), others),
		Evidence: rules.Evidence{
			{Name: "time_left_ms", Value: d.ahead.left.Milliseconds()},
			{Name: "rests_on", Value: "retention.ms"},
			{Name: "retention_ms", Value: d.retention.Milliseconds()},
			{Name: "lag_ms", Value: d.ahead.age.Milliseconds()},
			{Name: "partition", Value: d.worst.Partition},
			{Name: "committed", Value: d.worst.Committed},
			{Name: "log_start", Value: d.worst.Ends.LogStartOffset},
			sinceFact("last_progress_ms_ago", d.worst.RoseAt, now),
			{Name: "partitions", Value: d.count},
			{Name: "partition_list", Value: partitionList(d.partitions, d.count)},
			{Name: "members", Value: g.Members()},
		},
		Advice: "Get the group going again, or raise retention.ms of the topic now, which keeps what is there, until it has caught up.",
	}
	if d.level == imminent {
		out.Severity = rules.Critical
	}
	return out
}
