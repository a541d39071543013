package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// offsetRewind tells when the committed offset of a group jumps: back, so that
// records are read again; far ahead of what is read, so that some never are; or to
// where somebody from outside sets it.
type offsetRewind struct{ offsetRewindKnobs }

// offsetRewindKnobs are the keys below `rules.offset-rewind` that only it knows.
type offsetRewindKnobs struct {
	// When a partition has just gone to another member, its first commit may lie
	// behind by what the group commits in so long: the last member may have
	// committed after the next one had asked where to go on.
	Tolerance time.Duration `yaml:"tolerance" min:"0s" max:"10m"`
	// A step back of up to so many records is none.
	MinRecords int64 `yaml:"min_records" min:"1" max:"1000000000"`
}

func offsetRewindSpec() rules.Spec {
	return rules.Spec{
		ID:       "offset-rewind",
		Summary:  "committed offsets that jump back, ahead of what is read, or are set or deleted from outside",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/offset-rewind.md",
		Example:  "offset-rewind:\n  min_records: 100\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic,
		Watches:  offsetEvents(),
		New:      newOffsetRewind,
	}
}

func newOffsetRewind(decode func(any) error) (rules.Rule, error) {
	r := &offsetRewind{offsetRewindKnobs{Tolerance: 5 * time.Second, MinRecords: 2}}
	if err := decode(&r.offsetRewindKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// Watch begins the state of a group.
func (r *offsetRewind) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &movesSeen{}
	}
}

// Tick takes up what has moved, and tells what is complete.
func (r *offsetRewind) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*movesSeen)
	if g == nil {
		return
	}
	for _, t := range append(s.take(w, g, r.wants), s.settled(w.Now)...) {
		w.Report(r.report(g, t))
	}
}

// wants leaves out what a rebalance explains.
func (r *offsetRewind) wants(m *state.PartitionMove) bool {
	switch m.Kind {
	case state.Rewound:
		back := m.From - m.To
		return back >= r.MinRecords && (!m.Handover || float64(back) > m.Pace*r.Tolerance.Seconds())
	case state.Skipped, state.SetByAdmin, state.Deleted:
		return true
	default:
		return false
	}
}

func (r *offsetRewind) report(g *state.Group, t *movesTogether) rules.Report {
	out := rules.Report{Subject: t.subject(g), OwnSubject: true, Evidence: t.evidence()}
	group, where, n := groupText(g), t.where(), recordCount(t.records)
	switch t.kind {
	case state.Rewound:
		out.Summary = fmt.Sprintf("group %s went back on %s: %s committed an earlier offset than before, and %s are read again", group, where, t.by(), n)
		out.Advice = "If nobody meant that (seek(), offsets kept outside of Kafka), look for two consumers that read the partition under one group id, or one that commits in the order in which its threads finish."
		if t.most.Handover {
			out.Advice = "The partition went to another member, which had read less than was committed. Commit before partitions are taken away (onPartitionsRevoked), and look for two consumers that use the group id without coordination."
		}
	case state.Skipped:
		out.Summary = fmt.Sprintf("group %s commits ahead of what it reads on %s: after a restart %s are never read", group, where, n)
		out.Advice = "Look where the committed offset comes from: it should be the last processed one plus one. Another consumer with the same group id and without coordination does this too."
	case state.SetByAdmin:
		done := "skipped"
		if t.back {
			done = "read again"
			out.Severity = rules.Info
		}
		out.Summary = fmt.Sprintf("%s set the offsets of group %s on %s: %s are %s", t.by(), group, where, n, done)
		out.Advice = "If nobody meant that, the offsets before stand in the evidence (from): kafka-consumer-groups --reset-offsets sets them again while the group has no members."
	default:
		out.Severity = rules.Info
		out.Summary = fmt.Sprintf("%s deleted the offsets of group %s on %s: when it starts again, auto.offset.reset decides whether it skips all or reads all again", t.by(), group, where)
		out.Advice = "If the group is still needed, set its offsets before it starts: the evidence has where it was (from)."
	}
	return out
}
