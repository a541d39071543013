package builtin

import (
	"fmt"

	"warder/rules"
	"warder/rules/state"
)

// offsetReset tells when a consumer does not go on where its group had committed but
// where auto.offset.reset sends it. With latest everything is skipped that was
// written while it was away, without an error anywhere; with earliest all that is
// left is read again.
//
// It shows as ListOffsets of a consumer that has no place, or was answered
// OFFSET_OUT_OF_RANGE, and a Fetch at the offset in the answer (state.Group).
type offsetReset struct{ offsetResetKnobs }

// offsetResetKnobs are the keys below `rules.offset-reset` that only it knows.
type offsetResetKnobs struct {
	// Whether the first start of a group that nothing is known of is told, as
	// information, when it leaves out what was written before.
	FirstStart bool `yaml:"first_start"`
}

func offsetResetSpec() rules.Spec {
	return rules.Spec{
		ID:       "offset-reset",
		Summary:  "a group that lost its place and starts where auto.offset.reset says, and what it skips by that",
		Severity: rules.Critical,
		Default:  rules.Alert,
		Doc:      "docs/rules/offset-reset.md",
		Example:  "offset-reset:\n  first_start: false\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic,
		Watches:  offsetEvents(),
		New:      newOffsetReset,
	}
}

func newOffsetReset(decode func(any) error) (rules.Rule, error) {
	r := &offsetReset{offsetResetKnobs{FirstStart: true}}
	if err := decode(&r.offsetResetKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// Watch begins the state of a group.
func (r *offsetReset) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &movesSeen{}
	}
}

// Tick takes up what has moved, and tells what is complete.
func (r *offsetReset) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*movesSeen)
	if g == nil {
		return
	}
	for _, t := range append(s.take(w, g, isReset), s.settled(w.Now)...) {
		if report, worth := r.report(g, t); worth {
			w.Report(report)
		}
	}
}

func isReset(m *state.PartitionMove) bool {
	return m.Kind == state.ResetToLatest || m.Kind == state.ResetToEarliest || m.Kind == state.ResetToTime
}

// report puts resets into words; false when they are not worth any.
func (r *offsetReset) report(g *state.Group, t *movesTogether) (rules.Report, bool) {
	out := rules.Report{Subject: t.subject(g), OwnSubject: true, Evidence: t.evidence()}
	group, where := groupText(g), t.where()
	first := !t.known && !committedElsewhere(g, t)
	switch {
	case t.kind == state.ResetToEarliest && t.known && !t.back:
		return out, false // to the log's start because what lay before is gone: retention-loss tells how much
	case t.kind == state.ResetToLatest && t.known && t.back:
		return out, false // the log ends before its place: retention-loss tells that it was cut
	case !t.known && first && (!r.FirstStart || t.kind == state.ResetToEarliest):
		return out, false // a new group that reads all there is loses nothing
	case t.known && t.back:
		out.Severity = rules.Warning
		out.Summary = fmt.Sprintf("group %s lost its place on %s%s and starts %s: %s are read again", group, where, t.because(), t.target(), recordCount(t.records))
		out.Advice = "Whoever consumes must stand records that come twice: make it idempotent, or look whether the earlier offset can be set again with kafka-consumer-groups --reset-offsets."
	case t.known && t.kind == state.ResetToTime:
		out.Severity = rules.Warning
		out.Summary = fmt.Sprintf("group %s left its place on %s%s and starts %s: %s are skipped", group, where, t.because(), t.target(), recordCount(t.records))
		out.Advice = "If nobody meant that, look at auto.offset.reset=by_duration and at the application's use of offsetsForTimes()."
	case t.known:
		out.Summary = fmt.Sprintf("group %s lost its place on %s%s and starts %s: it skips everything written while it was away, %s", group, where, t.because(), t.target(), recordCount(t.records))
		out.Advice = fmt.Sprintf("If these records are needed, stop the group and set it back before retention takes them: kafka-consumer-groups --reset-offsets --to-offset %d (the lowest of partition %d). auto.offset.reset=earliest, or none, does not skip in silence.",
			max(t.most.From, t.most.LogStart), t.most.Partition)
	case first:
		out.Severity = rules.Info
		out.Summary = fmt.Sprintf("group %s has no offsets on %s and starts %s%s", group, where, t.target(), t.unread())
		out.Advice = "Right for a new group. For one that has run before, its offsets are gone: see auto.offset.reset and offsets.retention.minutes."
	case t.kind == state.ResetToLatest && t.records > 0:
		out.Severity = rules.Warning
		out.Summary = fmt.Sprintf("group %s found %s after the topic got more partitions, and starts %s%s", group, where, t.target(), t.unread())
		out.Advice = "With auto.offset.reset=latest the records that are written to a new partition before its consumers find it are never read. Set earliest for groups that must not miss any, or lower metadata.max.age.ms."
	default:
		return out, false // a new partition, read from its start
	}
	return out, true
}

// committedElsewhere says that the group has committed on other partitions of the
// topic: that is no new group, the partitions are new.
func committedElsewhere(g *state.Group, t *movesTogether) bool {
	found := false
	g.EachPartition(func(p *state.GroupPartition) {
		found = found || p.Topic == t.topic && !p.CommittedAt.IsZero() && p.CommittedAt.Before(t.most.At) && p.Partition != t.most.Partition
	})
	return found
}

// because says why the group has no place any more, if that is known.
func (t *movesTogether) because() string {
	switch t.cause {
	case state.Deleted:
		return " (somebody deleted its offsets)"
	case state.OffsetExpired:
		return " (its offsets have expired, or were deleted where warder does not see it)"
	case state.LostToRetention:
		return " (the log begins behind it: retention was faster)"
	case state.Truncated:
		return " (the log ends before it: it was cut, or the topic made anew)"
	default:
		return ""
	}
}

// target says where the group starts.
func (t *movesTogether) target() string {
	switch t.kind {
	case state.ResetToLatest:
		return "at the end (auto.offset.reset=latest)"
	case state.ResetToEarliest:
		return "at the beginning (auto.offset.reset=earliest)"
	default:
		return "by a time"
	}
}

// unread says how many records a new reader will never read.
func (t *movesTogether) unread() string {
	if t.kind != state.ResetToLatest || t.records == 0 {
		return ""
	}
	return ": it never reads the " + recordCount(t.records) + " that are there"
}
