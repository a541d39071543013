package builtin

import (
	"fmt"
	"strconv"
	"time"

	"warder/rules"
)

// alter judges the entries of a topic's configuration that are about to change. What
// goes back to the brokers' default cannot be judged: nobody has said what that is.
func (a *adminRequest) alter() {
	for i := range a.Configs {
		entry := &a.Configs[i]
		if entry.Op != rules.ConfigSet {
			continue
		}
		switch entry.Name {
		case rules.RetentionMs, rules.RetentionBytes:
			a.retention(entry)
		case rules.MinInsync:
			a.minInsync(entry)
		case rules.Unclean:
			a.unclean(entry)
		}
	}
}

// retention judges a limit that is lowered: what is older, or more, is deleted. Of a
// topic that is only compacted nothing is.
func (a *adminRequest) retention(entry *rules.ConfigChange) {
	after, err := strconv.ParseInt(entry.Value, 10, 64)
	if err != nil || after < 0 || a.CleanupAfter.Known() && !a.CleanupAfter.Deletes() {
		return
	}
	before, lost, text := a.Topic.Settings.RetentionMs, olderThan(after), retentionText
	if entry.Name == rules.RetentionBytes {
		before, lost, text = a.Topic.Settings.RetentionBytes, beyond(after), bytesText
	}
	known := a.Topic.Settings.Known && before != 0
	if known && before >= 0 && after >= before {
		return
	}
	from := "it is not known what it was"
	if known {
		from = "it was " + text(before)
	}
	what := fmt.Sprintf("lower %s of topic %s to %s (%s)", entry.Name, excerptTopic(a.Topic.Name), text(after), from)
	a.tellLoss(entry.Name, what, "about ", a.losses(lost), known, rules.Evidence{{Name: "before", Value: before}, {Name: "after", Value: after}},
		fmt.Sprintf("Let the group catch up before %s is lowered, or keep it above what the group may be behind. Brokers look every five minutes (log.retention.check.interval.ms) and delete whole segments: setting it back at once may save what is there.", entry.Name))
}

// olderThan tells how many records of a partition are older than a new retention.ms.
// Between the next record to be read and the end of the log they are taken to be
// spread evenly.
func olderThan(ms int64) func(*topicReader, *readPartition) (int64, bool) {
	limit := time.Duration(min(ms, int64(1<<63-1)/int64(time.Millisecond))) * time.Millisecond
	return func(_ *topicReader, p *readPartition) (int64, bool) {
		unread := p.unread()
		switch {
		case unread == 0:
			return 0, true
		case p.age <= limit:
			return 0, p.age >= 0 && !p.atLeast
		}
		return max(int64(float64(unread)*float64(p.age-limit)/float64(p.age)), 1), true
	}
}

// beyond tells how many records of a partition do not fit into a new retention.bytes,
// by the size of those that the group has fetched.
func beyond(bytes int64) func(*topicReader, *readPartition) (int64, bool) {
	return func(r *topicReader, p *readPartition) (int64, bool) {
		if r.recordBytes <= 0 {
			return 0, p.unread() == 0
		}
		return min(p.gone(p.end-int64(float64(bytes)/r.recordBytes)), p.unread()), true
	}
}

// retentionText writes a retention.ms for people.
func retentionText(ms int64) string {
	switch {
	case ms < 0:
		return "without limit"
	case ms < 1000 || ms > int64(1<<63-1)/int64(time.Millisecond):
		return counted(ms) + " ms"
	}
	return twoUnits(time.Duration(ms) * time.Millisecond)
}

func bytesText(n int64) string {
	if n < 0 {
		return "without limit"
	}
	return several(n, "byte")
}

// minInsync judges a min.insync.replicas that is lowered.
func (a *adminRequest) minInsync(entry *rules.ConfigChange) {
	after, err := strconv.ParseInt(entry.Value, 10, 32)
	before := int64(a.Topic.Settings.MinInsync)
	if err != nil || before == 0 || after >= before {
		return
	}
	topic := excerptTopic(a.Topic.Name)
	out := rules.Report{
		Severity: rules.Warning, Aspect: entry.Name,
		Summary: fmt.Sprintf("%s lower min.insync.replicas of topic %s from %d to %d: with acks=all a record is acknowledged when only %s must have it",
			a.who(), topic, before, after, several(after, "broker")),
		Evidence: rules.Evidence{{Name: "kind", Value: entry.Name}, {Name: "before", Value: before}, {Name: "after", Value: after}},
		Advice:   "It gets writes going again while brokers are down, and loses acknowledged records when one more fails. Set it back as soon as replicas are in sync.",
	}
	a.deny(fmt.Sprintf("min.insync.replicas of topic %s would go from %d to %d", rules.Excerpt(a.Topic.Name, 80), before, after), out)
}

// unclean judges an unclean.leader.election.enable that is switched on.
func (a *adminRequest) unclean(entry *rules.ConfigChange) {
	settings := &a.Topic.Settings
	if entry.Value != "true" || settings.Known && settings.Unclean {
		return
	}
	topic := excerptTopic(a.Topic.Name)
	out := rules.Report{
		Severity: rules.Warning, Aspect: entry.Name,
		Summary: fmt.Sprintf("%s switch on unclean.leader.election.enable of topic %s: a broker that is behind may become leader, and what it has not is cut off everywhere",
			a.who(), topic),
		Evidence: rules.Evidence{{Name: "kind", Value: entry.Name}, {Name: "before_known", Value: settings.Known}},
		Advice:   "It is the last resort to have a partition back whose replicas in sync are lost for good. For that, elect once (kafka-leader-election --election-type unclean) and leave the setting off.",
	}
	if !settings.Known {
		a.report(out)
		return
	}
	a.deny(fmt.Sprintf("unclean leader election of topic %s would be switched on, which gives up acknowledged records", rules.Excerpt(a.Topic.Name, 80)), out)
}
