package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// retentionLoss tells when retention deletes records before a group has read them,
// and when it is about to. It compares where the log begins with where the group has
// committed: what lies between them is lost for the group, and counted. Before that
// it goes by the pace at which the log's beginning comes nearer and, of a group that
// has stopped, by the age of the next record and the topic's retention.ms.
//
// Of a compacted topic the beginning stays where it is while records vanish one by
// one; nothing can be said of those.
type retentionLoss struct{ lossKnobs }

// lossKnobs are the keys below `rules.retention-loss` that only it knows.
type lossKnobs struct {
	// Over how long at least deletions are watched before their pace is believed.
	Window time.Duration `yaml:"window" min:"1s" max:"1d"`
	// Records that will be lost within so long are worth a warning.
	WarnBefore time.Duration `yaml:"warn_before" min:"1s" max:"30d"`
	// Within so long they are critical.
	CriticalBefore time.Duration `yaml:"critical_before" min:"1s" max:"30d"`
	// Part of retention.ms that the next record of a group that has stopped may be
	// old before it is worth a warning. 0.1-0.99.
	StoppedAfter float64 `yaml:"stopped_after" min:"0.1" max:"0.99"`
}

func retentionLossSpec() rules.Spec {
	return rules.Spec{
		ID:       "retention-loss",
		Summary:  "records that retention deletes before a group has read them, before and after",
		Severity: rules.Critical,
		Default:  rules.Alert,
		Doc:      "docs/rules/retention-loss.md",
		Example:  "retention-loss:\n  warn_before: 48h\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic,
		Watches:  offsetEvents(),
		New:      newRetentionLoss,
	}
}

func newRetentionLoss(decode func(any) error) (rules.Rule, error) {
	r := &retentionLoss{lossKnobs{Window: 10 * time.Minute, WarnBefore: 24 * time.Hour, CriticalBefore: time.Hour, StoppedAfter: 0.5}}
	if err := decode(&r.lossKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// losingGroup is the state of one group: 200 bytes for each partition that lags, and
// 150 for each topic with something to tell. The model bounds how many there are.
type losingGroup struct {
	moves  movesSeen
	paces  map[rules.TopicPartition]*lossPace
	topics map[string]*losing
}

// losing is what was told of one topic.
type losing struct {
	level   lossLevel
	lost    int64 // that was told
	cut     bool  // by the end of the log, and not by its beginning
	toldAt  time.Time
	quiet   time.Time // since when there is nothing; zero while there is
	subject rules.Subject
}

// lossLevel is how far it has come.
type lossLevel uint8

const (
	safe lossLevel = iota
	endangered
	imminent
	lost
)

// danger sums up one topic.
type danger struct {
	topic      string
	level      lossLevel
	partitions []int32 // the first listedPartitions that lose, or will
	count      int
	records    int64 // lost already
	worst      *state.GroupPartition
	ahead      lossAhead // of the worst

	retention time.Duration // retention.ms of the topic; 0 when there is none, or it is not known
	looked    bool          // for it
}

// lossAhead is what is about to be lost, and when.
type lossAhead struct {
	left  time.Duration
	level lossLevel
	age   time.Duration // of the next record, if it rests on that; else on the paces
	start float64       // paces, in records a second
	group float64
}

// lossOver is for how long a topic must be safe before it is over.
const lossOver = time.Minute

// Watch begins the state of a group.
func (r *retentionLoss) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &losingGroup{paces: map[rules.TopicPartition]*lossPace{}, topics: map[string]*losing{}}
	}
}

// Tick tells what was answered OFFSET_OUT_OF_RANGE, and looks at the group's topics,
// one after the other.
func (r *retentionLoss) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*losingGroup)
	if g == nil {
		return
	}
	for _, t := range append(s.moves.take(w, g, isLoss), s.moves.settled(w.Now)...) {
		r.tellMove(w, g, s, t)
	}
	if !judgeable(g, w.Now) {
		return
	}
	var d danger
	g.EachPartition(func(p *state.GroupPartition) {
		if p.Topic != d.topic {
			r.tell(w, g, s, &d)
			d = danger{topic: p.Topic}
		}
		r.look(w, s, g, p, &d)
	})
	r.tell(w, g, s, &d)
}

// look adds what is to be said of one partition.
func (r *retentionLoss) look(w *rules.Watch, s *losingGroup, g *state.Group, p *state.GroupPartition, d *danger) {
	lag, ok := p.Lag()
	if !ok || lag == 0 || p.Ends.LogStartOffset < 0 || !followed(g, p) {
		delete(s.paces, p.TopicPartition)
		return
	}
	if gone := p.Ends.LogStartOffset - p.Committed; gone > 0 {
		d.add(p, lost)
		d.records += gone
		return
	}
	pace := s.paces[p.TopicPartition]
	if pace == nil {
		pace = &lossPace{}
		s.paces[p.TopicPartition] = pace
	}
	pace.note(paceSample{g.Refreshed, p.Ends.LogStartOffset, p.Committed}, r.Window)
	end, ok := r.byPace(g, p, pace)
	if old, known := r.byAge(w, g, p, d); known && (!ok || old.left < end.left) {
		end, ok = old, true
	}
	if !ok {
		return
	}
	if d.worst == nil || d.level < lost && end.left < d.ahead.left {
		d.ahead, d.worst = end, nil
	}
	d.add(p, end.level)
}

// byPace tells a loss by how fast the log's beginning comes nearer.
func (r *retentionLoss) byPace(g *state.Group, p *state.GroupPartition, pace *lossPace) (lossAhead, bool) {
	now := g.Refreshed
	left, ok := pace.left(now, p.Committed, r.Window)
	if !ok || left > r.WarnBefore {
		return lossAhead{}, false
	}
	end := lossAhead{left: left, level: endangered}
	end.start, end.group, _ = pace.paces(now, r.Window)
	if left <= r.CriticalBefore {
		end.level = imminent
	}
	return end, true
}

// followed says that the committed offset is the group's own word and no old one
// that only a monitoring tool has asked for.
func followed(g *state.Group, p *state.GroupPartition) bool {
	now := g.Refreshed
	if g.Type == "" || !g.Emptied.IsZero() {
		return !p.CommittedAt.IsZero() || g.Watched(now)
	}
	return readBySomebody(g, p, now)
}

// add counts a partition. Where something is lost, what is only in danger can wait.
func (d *danger) add(p *state.GroupPartition, level lossLevel) {
	switch {
	case d.level == lost && level < lost:
		return
	case level == lost && d.level < lost:
		d.partitions, d.count = d.partitions[:0], 0
	}
	if d.worst == nil || level > d.level {
		d.worst = p
	}
	d.level = max(d.level, level)
	if len(d.partitions) < listedPartitions {
		d.partitions = append(d.partitions, p.Partition)
	}
	d.count++
}

// tell reports one topic, when there is news.
func (r *retentionLoss) tell(w *rules.Watch, g *state.Group, s *losingGroup, d *danger) {
	t := s.topics[d.topic]
	switch {
	case d.level == safe && t == nil:
		return
	case d.level == safe:
		r.calm(w, g, s, t, d.topic)
		return
	case t == nil:
		t = &losing{}
		s.topics[d.topic] = t
	}
	t.quiet = time.Time{}
	// A loss grows with each deletion: told again when it has doubled.
	grown := d.level == lost && d.records >= 2*max(t.lost, 1)
	if d.level <= t.level && !grown && (d.level == lost || w.Now.Sub(t.toldAt) < offsetRepeat) {
		return
	}
	happened := d.level == lost && t.level < lost // and is no danger any more
	t.level, t.toldAt, t.subject = max(d.level, t.level), w.Now, d.subject(g)
	t.lost = max(t.lost, d.records)
	out := r.report(g, t, d, w.Now)
	out.News = happened
	w.Report(out)
}

// calm ends what was told when the topic has been safe for a while.
func (r *retentionLoss) calm(w *rules.Watch, g *state.Group, s *losingGroup, t *losing, topic string) {
	if t.quiet.IsZero() {
		t.quiet = w.Now
	}
	if w.Now.Sub(t.quiet) < lossOver {
		return
	}
	delete(s.topics, topic)
	w.Report(overLoss(g, t, topic))
}

// isLoss picks what OFFSET_OUT_OF_RANGE meant.
func isLoss(m *state.PartitionMove) bool {
	return m.Kind == state.LostToRetention || m.Kind == state.Truncated
}

// tellMove reports what a consumer was answered, unless the same loss was told
// already.
func (r *retentionLoss) tellMove(w *rules.Watch, g *state.Group, s *losingGroup, m *movesTogether) {
	t := s.topics[m.topic]
	if t == nil {
		t = &losing{}
		s.topics[m.topic] = t
	}
	if m.kind == state.LostToRetention && t.level == lost && m.records <= t.lost {
		return
	}
	happened := t.level < lost
	t.level, t.toldAt, t.quiet, t.subject = lost, w.Now, time.Time{}, m.subject(g)
	var out rules.Report
	if t.cut = m.kind == state.Truncated; t.cut {
		out = truncated(g, m)
	} else {
		t.lost = max(t.lost, m.records)
		out = lostBefore(g, m)
	}
	out.News = happened
	w.Report(out)
}
