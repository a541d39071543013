package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// partitionCountChange announces that a topic has got more partitions, and which
// share of its keys goes elsewhere from then on.
type partitionCountChange struct{}

func partitionCountChangeSpec() rules.Spec {
	return rules.Spec{
		ID:       "partition-count-change",
		Summary:  "a topic got more partitions, so keys go to other partitions than before",
		Severity: rules.Warning,
		Needs:    rules.NeedKeys,
		Default:  rules.Alert,
		Doc:      "docs/rules/partition-count-change.md",
		Example:  "partition-count-change:\n  topics: [\"*\", \"!logs.*\"]\n",
		FoldBy:   rules.FieldTopic,
		Watches:  []rules.Interest{{Kind: rules.KindPartitionsAdded, By: rules.ByTopic}},
		New: func(decode func(any) error) (rules.Rule, error) {
			return partitionCountChange{}, decode(&struct{}{})
		},
	}
}

// Watch reports each change.
func (partitionCountChange) Watch(w *rules.Watch, ev rules.Event) {
	added, ok := ev.(rules.PartitionsAdded)
	if !ok {
		return
	}
	r := rules.Report{
		Subject: rules.Subject{Topic: added.Topic},
		Summary: countChanged(&added) + ": " + keysMove(&added),
		Evidence: rules.Evidence{
			{Name: "partitions_before", Value: added.Before}, {Name: "partitions", Value: added.After},
			{Name: "keys_known", Value: added.Known},
		},
		Advice: fmt.Sprintf("Expect order per key to break at the change, and state kept by partition (Kafka Streams, caches) to miss what is still on the old one. "+
			"Let consumers finish what is there before producers go on, or write to a new topic with %d partitions. Key drift is not reported for %d minutes.", added.After, int(driftPause/time.Minute)),
	}
	if added.Partitioner != "" {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "keys_moving", Value: added.Moving}, rules.Fact{Name: "partitioner", Value: added.Partitioner})
	}
	if added.Known == 0 {
		r.Severity = rules.Info
		r.Advice = "Nothing to do if the topic is written without keys. If it has keys, expect order per key to break at the change."
	}
	w.Report(r)
}

// driftPause is how long state.Keys leaves the places of keys open.
const driftPause = 10 * time.Minute

func countChanged(e *rules.PartitionsAdded) string {
	if e.Asked {
		return fmt.Sprintf("%s raised topic %s from %d to %d partitions", whoIs(e.Client), topicName(e.Topic), e.Before, e.After)
	}
	return fmt.Sprintf("topic %s has %d partitions now, %d before (Metadata of %s shows it)", topicName(e.Topic), e.After, e.Before, whoIs(e.Client))
}

func keysMove(e *rules.PartitionsAdded) string {
	switch {
	case e.Known == 0:
		return "no keys of it are known"
	case e.Partitioner == "":
		return fmt.Sprintf("%s of it are known, and how their partitions are chosen is not, so any of them may go elsewhere", plural(e.Known, "key"))
	}
	share := float64(e.Moving) * 100 / float64(e.Known)
	return fmt.Sprintf("%d of its %d known keys (%.0f %%) go to another partition by %s", e.Moving, e.Known, share, labelOf(e.Partitioner))
}
