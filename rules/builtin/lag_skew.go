package builtin

import (
	"fmt"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// lagSkew finds the one partition of a topic that a group lags on while it keeps up
// with all others. The total lag, which is what dashboards show, hides how old the
// records there are.
type lagSkew struct{ skewKnobs }

// skewKnobs are the keys below `rules.lag-skew` that only it knows.
type skewKnobs struct {
	// The lag of the partition is more than so many times the median of the
	// topic's partitions.
	TimesMedian float64 `yaml:"times_median" min:"1" max:"100000"`
	// It is more than so many records.
	MinLag int64 `yaml:"min_lag" min:"0" max:"1000000000000"`
	// It is at least so many percent of the group's lag on the topic.
	MinPercent int `yaml:"min_percent" min:"50" max:"100"`
	// How long all of this must last before it is reported, and not be so before
	// it is over.
	Hold time.Duration `yaml:"hold" min:"1s" max:"1d"`
}

// skewFewest partitions have a median that says something: of two it lies between
// them.
const skewFewest = 3

func lagSkewSpec() rules.Spec {
	return rules.Spec{
		ID:       "lag-skew",
		Summary:  "one partition that a group lags on while it keeps up with the others of the topic",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/lag-skew.md",
		Example:  "lag-skew:\n  min_lag: 10000\n  hold: 10m\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic | rules.FieldPartition,
		Watches:  offsetEvents(),
		New:      newLagSkew,
	}
}

func newLagSkew(decode func(any) error) (rules.Rule, error) {
	r := &lagSkew{skewKnobs{TimesMedian: 10, MinLag: 1000, MinPercent: 50, Hold: 2 * time.Minute}}
	if err := decode(&r.skewKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// skewedGroup is the state of one group: 100 bytes for each topic with a partition
// out of line, and what one look needs of the topic with the most partitions.
type skewedGroup struct {
	topics map[string]*skewed
	parts  []*state.GroupPartition // of the topic at hand, with its lags
	lags   []int64
}

// skewed is a topic with a partition that is, or was lately, out of line.
type skewed struct {
	partition int32
	since     time.Time
	even      time.Time // since when it is not; zero while it is
	told      time.Time // zero when it was not
	subject   rules.Subject
}

// Watch begins the state of a group.
func (r *lagSkew) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &skewedGroup{topics: map[string]*skewed{}}
	}
}

// Tick looks at the group's topics, one after the other.
func (r *lagSkew) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*skewedGroup)
	if !judgeable(g, w.Now) || rebalancing(g) || withoutMembers(g, w.Now) {
		return // nobody reads: the lag grows everywhere
	}
	topic := ""
	s.parts, s.lags = s.parts[:0], s.lags[:0]
	g.EachPartition(func(p *state.GroupPartition) {
		if p.Topic != topic {
			r.look(w, g, s, topic)
			topic = p.Topic
			s.parts, s.lags = s.parts[:0], s.lags[:0]
		}
		if lag, ok := p.Lag(); ok && (g.Owner(p) != nil || g.Type == "" || readElsewhere(g, w.Now)) {
			s.parts, s.lags = append(s.parts, p), append(s.lags, lag)
		}
	})
	r.look(w, g, s, topic)
}

// skew is what the lags of a topic's partitions look like.
type skew struct {
	worst                    *state.GroupPartition
	lag, total, next, median int64 // of the worst, of all, of the next one
	partitions               int
}

// measure gives the skew of the topic at hand; false when no partition is out of
// line. Only one can have half of the lag, so only the worst is looked at.
func (r *lagSkew) measure(s *skewedGroup) (k skew, out bool) {
	for i, lag := range s.lags {
		k.total += lag
		if k.worst == nil || lag > k.lag {
			k.worst, k.lag, k.next = s.parts[i], lag, max(k.next, k.lag)
		} else {
			k.next = max(k.next, lag)
		}
	}
	k.partitions = len(s.lags)
	if k.partitions < skewFewest || k.lag <= r.MinLag || k.lag*100 < k.total*int64(r.MinPercent) {
		return k, false
	}
	slices.Sort(s.lags)
	k.median = s.lags[(len(s.lags)-1)/2]
	return k, float64(k.lag) > r.TimesMedian*float64(k.median)
}

// look judges one topic, and tells.
func (r *lagSkew) look(w *rules.Watch, g *state.Group, s *skewedGroup, topic string) {
	if len(s.parts) == 0 {
		return
	}
	k, out := r.measure(s)
	t := s.topics[topic]
	switch {
	case t == nil && !out:
		return
	case t == nil || out && t.partition != k.worst.Partition:
		if t != nil && !t.told.IsZero() {
			w.Report(t.over(g, topic))
		}
		t = &skewed{partition: k.worst.Partition, since: w.Now}
		s.topics[topic] = t
	case !out && t.even.IsZero():
		t.even = w.Now
	case out:
		t.even = time.Time{}
	}
	switch {
	case !t.even.IsZero() && w.Now.Sub(t.even) >= r.Hold:
		if !t.told.IsZero() {
			w.Report(t.over(g, topic))
		}
		delete(s.topics, topic)
	case out && w.Now.Sub(t.since) >= r.Hold && (t.told.IsZero() || w.Now.Sub(t.told) >= offsetRepeat):
		t.told, t.subject = w.Now, partitionSubject(g, k.worst)
		w.Report(r.report(g, t, &k, w.Now))
	}
}

func (r *lagSkew) report(g *state.Group, t *skewed, k *skew, now time.Time) rules.Report {
	status := k.worst.Status(now, 0)
	most, others := counted(k.lag), "have none"
	if k.lag == k.total {
		most = "all"
	}
	if k.next > 0 {
		others = "are at most " + counted(k.next)
	}
	return rules.Report{
		Subject: t.subject, OwnSubject: true,
		Summary: fmt.Sprintf("lag of group %s on topic %s is %s, %s of them on partition %d, which is %s; the others %s",
			groupText(g), excerptTopic(k.worst.Topic), recordCount(k.total), most, k.worst.Partition, behindText(k.worst, now), others),
		Evidence: rules.Evidence{
			{Name: "lag", Value: k.lag},
			{Name: "lag_total", Value: k.total},
			{Name: "share_percent", Value: int(k.lag * 100 / k.total)},
			{Name: "lag_median", Value: k.median},
			{Name: "lag_next", Value: k.next},
			{Name: "partitions", Value: k.partitions},
			behindFact(k.worst, now),
			{Name: "status", Value: status.String()},
			{Name: "for_ms", Value: now.Sub(t.since).Milliseconds()},
			{Name: "partial", Value: g.Partial()},
		},
		Advice: skewAdvice(status),
	}
}

// skewAdvice says where to look, by how the partition does.
func skewAdvice(status state.Status) string {
	if status == state.StatusStop || status == state.StatusStall {
		return "Nothing is committed there: see what stuck-partition says of it. Watch lag for each partition, and its age: the total hides this."
	}
	return "It moves, but more is written there than one consumer can read: look at its keys (hot-partition), or at what else its consumer does. More consumers do not help one partition. Watch lag for each partition, and its age: the total hides this."
}

// over says that a partition that was told of is in line again.
func (t *skewed) over(g *state.Group, topic string) rules.Report {
	return rules.Report{
		Subject: t.subject, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("the lag of group %s on partition %d of topic %s is in line with the others again", groupText(g), t.partition, excerptTopic(topic)),
	}
}
