package builtin

import (
	"fmt"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// stopsAt is the offset of the record that a partition stops at, or of the batch
// that holds it.
func (f poisonFound) stopsAt() int64 {
	if f.shape == refetched {
		return f.p.ReadOffset
	}
	return f.p.Committed
}

func (r *poisonMessage) report(g *state.Group, f poisonFound, now time.Time) rules.Report {
	p, at := f.p, f.stopsAt()
	lag, _ := p.Lag()
	who := "its consumer"
	if owner := g.Owner(p); owner != nil {
		who = "member " + memberText(owner)
	}
	group, where := groupText(g), partitionText(p.TopicPartition)
	out := rules.Report{
		Subject: f.known.subject, OwnSubject: true,
		Evidence: rules.Evidence{
			{Name: "shape", Value: poisonShapes[f.shape]},
			{Name: "offset", Value: at},
			{Name: "committed", Value: p.Committed},
			{Name: "lag", Value: lag},
			behindFact(p, now),
			{Name: "refetched", Value: p.Refetched},
			{Name: "members_ended", Value: p.Abandoned - f.known.left},
			sinceFact("last_progress_ms_ago", p.RoseAt, now),
		},
		Advice: fmt.Sprintf("Read the record: kafka-console-consumer --topic %s --partition %d --offset %d --max-messages 1. After some tries the consumer should write it to a dead letter topic, commit and go on; to get going now, stop the group and set it to offset %d.",
			excerptTopic(p.Topic), p.Partition, at, at+1),
	}
	switch f.shape {
	case refetched:
		out.Summary = fmt.Sprintf("group %s cannot get past offset %d on %s: %s has fetched it %d times in %s and does not go on; %s wait behind it",
			group, at, where, who, p.Refetched+1, twoUnits(now.Sub(p.RefetchedSince)), recordCount(lag))
	case crashLoop:
		out.Summary = fmt.Sprintf("group %s cannot get past offset %d on %s: %d members in a row have read it and ended within %s, and none has committed anything; %s wait",
			group, at, where, p.Abandoned-f.known.left, twoUnits(now.Sub(f.known.since)), recordCount(lag))
	default:
		out.Severity = rules.Warning
		out.Summary = fmt.Sprintf("group %s does not get past offset %d on %s: %s gets on with its other partitions and has committed nothing here for %s; %s wait",
			group, at, where, who, twoUnits(min(now.Sub(p.RoseAt), now.Sub(f.known.since))), recordCount(lag))
	}
	return out
}

// reportMany puts into words that members come and go without a commit.
func (r *poisonMessage) reportMany(g *state.Group, found []poisonFound, loops int) rules.Report {
	var places []string
	for _, f := range found {
		if f.shape == crashLoop && len(places) < listedPartitions {
			places = append(places, fmt.Sprintf("%s/%d at %d", excerptTopic(f.p.Topic), f.p.Partition, f.p.Committed))
		}
	}
	return rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("group %s gets nowhere: at least %d members in a row have read its %d partitions and ended, and none has committed anything; one record that its consumers cannot process is enough for that",
			groupText(g), r.Restarts, loops),
		Evidence: rules.Evidence{
			{Name: "shape", Value: poisonShapes[crashLoop]},
			{Name: "partitions", Value: loops},
			{Name: "places", Value: places},
			{Name: "members", Value: g.Members()},
		},
		Advice: "The consumer's log names the record on which it ends; else read the records at these offsets: " + strings.Join(places[:min(len(places), 3)], ", ") + ". If nothing is wrong with them, its batches may take longer than max.poll.interval.ms, see rebalance-storm.",
	}
}

// pastIt says that a group has got past a record.
func pastIt(g *state.Group, p *state.GroupPartition, k *poisoned) rules.Report {
	return rules.Report{
		Subject: k.subject, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("group %s has got past offset %d on %s and is at %d", groupText(g), k.offset, partitionText(p.TopicPartition), p.Committed),
	}
}

func manyPast(g *state.Group) rules.Report {
	return rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("group %s gets on again", groupText(g)),
	}
}
