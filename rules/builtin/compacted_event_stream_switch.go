package builtin

import (
	"fmt"

	"warder/rules"
)

// cleanupPolicy is the topic configuration that this is about.
const cleanupPolicy = "cleanup.policy"

// Change judges a cleanup.policy that is about to be switched. That a topic begins
// to be compacted takes the history of every key, within minutes and for good: it
// is denied. That one begins to expire takes the keys that nobody writes again,
// but it is also the way out for an event stream, so it is only reported.
func (e *compactedEventStream) Change(c *rules.Case, ch *rules.Change) {
	if ch.Kind != rules.AlterTopic {
		return
	}
	switch keys := c.Shared.(*topicKeys); {
	case keys.isNew(ch.Topic.Name, e.SetUp, ch.Time):
		// Its owner sets it up; there is no history yet.
	case startsCompacting(ch):
		c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: denialOfSwitch(ch)})
		c.Report(switchToCompact(ch, c.Blocks))
	case startsExpiring(ch) && !keys.isEventStream(ch.Topic.Name):
		c.Report(switchToDelete(ch))
	}
}

// startsCompacting says whether a topic that is not known to be compacted will be.
func startsCompacting(ch *rules.Change) bool {
	if ch.CleanupBefore.Compacts() {
		return false
	}
	entry := ch.Config(cleanupPolicy)
	appended := entry != nil && entry.Op == rules.ConfigAppend && rules.ParseCleanupPolicy(entry.Value).Compacts()
	return ch.CleanupAfter.Compacts() || appended
}

// startsExpiring says whether a compacted topic that keeps its keys for ever may no
// longer do so. Back to the broker's default is most likely delete.
func startsExpiring(ch *rules.Change) bool {
	return ch.CleanupBefore.Compacts() && !ch.CleanupBefore.Deletes() && (ch.CleanupAfter.Deletes() || !ch.CleanupAfter.Known())
}

func denialOfSwitch(ch *rules.Change) string {
	topic := rules.Excerpt(ch.Topic.Name, 80)
	if !ch.CleanupBefore.Known() {
		return fmt.Sprintf("topic %s would be compacted (its policy now is not known), which keeps only the last record of each key", topic)
	}
	return fmt.Sprintf("topic %s would be compacted, which keeps only the last record of each key", topic)
}

func switchToCompact(ch *rules.Change, blocked bool) rules.Report {
	topic := rules.Excerpt(ch.Topic.Name, 249)
	r := rules.Report{
		Severity: rules.Critical,
		Summary:  switchText(ch) + ", which removes all records but the last of each key and refuses records without one",
		Evidence: switchFacts(ch),
		Advice: fmt.Sprintf("If nobody meant it, set cleanup.policy of %s back to delete at once: the log cleaner takes up closed segments within seconds (log.cleaner.backoff.ms) unless min.compaction.lag.ms holds it back. If the data is to become a table, write it to a new compacted topic instead.%s",
			topic, allowSwitch(ch)),
	}
	if blocked {
		r.Advice = "If the data is to become a table, write it to a new compacted topic and leave this one." + allowSwitch(ch)
	}
	if !ch.CleanupBefore.Known() {
		r.Severity = rules.Warning
		r.Summary = switchText(ch) + ", which removes all records but the last of each key unless it is compacted already"
	}
	if ch.ValidateOnly {
		r.Severity = rules.Info
		r.Advice = "Nothing was changed (validate_only). " + r.Advice
	}
	return r
}

func switchToDelete(ch *rules.Change) rules.Report {
	topic, removes := rules.Excerpt(ch.Topic.Name, 249), ", which removes"
	if !ch.CleanupAfter.Known() {
		removes = ", which most likely removes"
	}
	r := rules.Report{
		Summary:  switchText(ch) + removes + " the keys that are not written again within retention.ms",
		Evidence: switchFacts(ch),
		Advice: fmt.Sprintf("If %s is a table, set cleanup.policy back to compact, or retention.ms=-1, before retention.ms has passed since its oldest rows were written. Against events on a compacted topic this is the cure.",
			topic),
	}
	if !ch.CleanupAfter.Known() && ch.Replaces && ch.Config(cleanupPolicy) == nil {
		r.Advice += " AlterConfigs replaces the whole configuration of a topic; IncrementalAlterConfigs (kafka-configs.sh since 2.6) leaves alone what it does not name."
	}
	if ch.ValidateOnly {
		r.Severity = rules.Info
	}
	return r
}

// switchText says who asked for what.
func switchText(ch *rules.Change) string {
	after := ch.CleanupAfter.String()
	if !ch.CleanupAfter.Known() {
		after = "the broker's default"
		if ch.Config(cleanupPolicy) != nil && startsCompacting(ch) {
			after = "compact in addition"
		}
	}
	before := "from " + ch.CleanupBefore.String() + " "
	if ch.CleanupBefore == rules.CleanupNone {
		before = "from no cleanup "
	} else if !ch.CleanupBefore.Known() {
		before = ""
	}
	asked := "asked to switch topic %s %sto %s"
	if ch.ValidateOnly {
		asked = "asked whether topic %s can be switched %sto %s (validate_only)"
	}
	return clientText(ch.Identity) + " " + fmt.Sprintf(asked, rules.Excerpt(ch.Topic.Name, 249), before, after)
}

func switchFacts(ch *rules.Change) rules.Evidence {
	return rules.Evidence{
		{Name: "cleanup_policy_before", Value: ch.CleanupBefore.String()},
		{Name: "cleanup_policy_after", Value: ch.CleanupAfter.String()},
		{Name: "api", Value: ch.API},
	}
}

func allowSwitch(ch *rules.Change) string {
	client := ""
	if ch.Identity.ClientID != "" {
		client = fmt.Sprintf("client_id: %q, ", rules.Excerpt(ch.Identity.ClientID, 80))
	}
	return fmt.Sprintf(" If it is meant, add {%stopic: %q} to rules.compacted-event-stream.allow.", client, rules.Excerpt(ch.Topic.Name, 249))
}
