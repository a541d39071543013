package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// groupStory is what `explain group --output json` shows: what is known of the group,
// and the same told in words.
type groupStory struct {
	Group state.GroupView `json:"group"`
	// Topic is the one that was asked about, if one was.
	Topic string `json:"topic,omitempty"`
	// Verdict says what became of the records, the worst first.
	Verdict []string `json:"verdict"`
	// Partitions, the worst first.
	Partitions []partitionStory `json:"partitions"`
	// Findings about the group, and those about its topics that say why
	// readers miss records.
	Findings []rules.Finding `json:"findings"`
	Advice   []string        `json:"advice"`
}

// partitionStory is what happened to a group in one partition.
type partitionStory struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Lost records were removed before the group read them; Skipped ones it
	// passed by; Repeated ones it reads again.
	Lost     int64 `json:"lost"`
	Skipped  int64 `json:"skipped"`
	Repeated int64 `json:"repeated"`
	// Stuck says that records wait and the group does not get past its place.
	Stuck bool `json:"stuck"`
	// Events say what happened, newest first.
	Events []string `json:"events"`
	// Place says where the group stands, and who reads the partition.
	Place string `json:"place"`

	lag     int64
	removed int64           // of what was lost, what the group has not noticed yet
	skip    *state.MoveView // by which most were skipped
}

// teller tells the story of a group.
type teller struct {
	topic string // asked about; empty for all
	all   bool
	now   time.Time
	zone  *time.Location
}

// tell makes the story out of what is known.
func (t *teller) tell(g state.GroupView, found []rules.Finding) *groupStory {
	s := &groupStory{Group: g, Topic: t.topic, Verdict: []string{}, Partitions: []partitionStory{}, Findings: []rules.Finding{}, Advice: []string{}}
	topics := topicsOf(&g)
	if t.topic != "" {
		s.Group.Partitions = slices.DeleteFunc(slices.Clone(g.Partitions), func(p state.PartitionView) bool { return p.Topic != t.topic })
		topics = []string{t.topic}
	}
	for i := range s.Group.Partitions {
		s.Partitions = append(s.Partitions, t.partition(&s.Group, &s.Group.Partitions[i]))
	}
	slices.SortStableFunc(s.Partitions, worseFirst)
	for _, f := range found {
		if concerns(&f, g.ID, topics) {
			s.Findings = append(s.Findings, f)
		}
	}
	t.judge(s, topicsOf(&g))
	return s
}

// topicsOf gives the topics that a group reads or has read, sorted.
func topicsOf(g *state.GroupView) []string {
	topics := slices.Clone(g.Topics)
	for i := range g.Partitions {
		topics = append(topics, g.Partitions[i].Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// concerns says whether a finding is about the group, or about one of the topics, or
// about one that looks like them.
func concerns(f *rules.Finding, group string, topics []string) bool {
	if f.Subject.Group != "" && f.Subject.Group != group {
		return false
	}
	if f.Subject.Topic == "" || slices.Contains(topics, f.Subject.Topic) {
		return true
	}
	return slices.ContainsFunc(f.Evidence, func(fact rules.Fact) bool {
		name, ok := fact.Value.(string)
		return ok && fact.Name == "look_alike" && slices.Contains(topics, name)
	})
}

// severity of what happened in a partition.
func (p *partitionStory) severity() int {
	switch {
	case p.Lost+p.Skipped > 0:
		return 4
	case p.Stuck:
		return 3
	case p.Repeated > 0:
		return 2
	case len(p.Events) > 0 || p.lag > 0:
		return 1
	default:
		return 0
	}
}

func worseFirst(a, b partitionStory) int {
	return cmp.Or(
		cmp.Compare(b.severity(), a.severity()), cmp.Compare(b.Lost+b.Skipped, a.Lost+a.Skipped), cmp.Compare(b.lag, a.lag),
		strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition),
	)
}

// partition tells of one partition.
func (t *teller) partition(g *state.GroupView, p *state.PartitionView) partitionStory {
	s := partitionStory{Topic: p.Topic, Partition: p.Partition, Events: []string{}, lag: waiting(p)}
	var before *state.MoveView // what sent the group away, if a reset may follow from it
	for i := range p.Moves {
		m := &p.Moves[i]
		if i+1 < len(p.Moves) && explained(m, &p.Moves[i+1]) {
			before = m
			continue // the reset says it
		}
		s.count(m)
		if t.all || !firstStart(m) {
			s.Events = append(s.Events, t.move(m, before))
		}
		before = m
	}
	slices.Reverse(s.Events)
	if gone, unread := removed(p); unread > 0 {
		s.Lost += unread
		s.removed = unread
		s.Events = append([]string{gone}, s.Events...)
	}
	if shares(g) {
		if p.Share != nil {
			s.Events = append(t.redeliveries(p.Share), s.Events...)
		}
		s.Place = t.sharePlace(g, p)
		return s
	}
	s.Stuck = t.stuck(g, p)
	s.Place = t.place(g, p)
	return s
}

// firstStart says that a group began to read a partition at its beginning: nothing
// is missing by that.
func firstStart(m *state.MoveView) bool {
	return m.From == nil && m.Records == 0 && m.Kind == state.ResetToEarliest.String()
}

// explained says that a move is the reason of the reset that follows, and told with
// it.
func explained(m, next *state.MoveView) bool {
	gone := m.Kind == state.OffsetExpired.String() || m.Kind == state.Deleted.String()
	return gone && strings.HasPrefix(next.Kind, "reset-")
}

// count adds up what a move did to records.
func (s *partitionStory) count(m *state.MoveView) {
	switch {
	case m.Kind == state.LostToRetention.String():
		s.Lost += max(m.Records, 0)
	case m.Kind == state.Truncated.String(): // they were never there, or are no more
	case m.Records < 0:
		s.Repeated -= m.Records
	case m.Records > 0:
		s.Skipped += m.Records
		if s.skip == nil || m.Records >= s.skip.Records {
			s.skip = m
		}
	}
}

// removed says what the log has lost in front of the group, which has not noticed
// yet; none if a move tells of it.
func removed(p *state.PartitionView) (sentence string, records int64) {
	start, records := removedRange(p)
	if records == 0 {
		return "", 0
	}
	if n := len(p.Moves); n > 0 && orZero(p.Moves[n-1].To) >= start {
		return "", 0
	}
	return fmt.Sprintf("lost %s to retention: the log begins at %d now, and the group had not read them", recordRange(records, *p.Committed, start), start), records
}

// stuckAfter is how long a group with records to read may commit nothing new before
// it is said not to move.
const (
	stuckAfter     = time.Minute
	stuckRefetched = 3
)

// asked is how often warder asks the cluster for what is committed on a partition,
// which shows so much later; 0 when it sees the commits.
func asked(g *state.GroupView, p *state.PartitionView) time.Duration {
	if p.Owner != "" {
		return 0
	}
	return time.Duration(g.AskedEvery) * time.Millisecond
}

func (t *teller) stuck(g *state.GroupView, p *state.PartitionView) bool {
	if waiting(p) == 0 {
		return false
	}
	if p.Refetched >= stuckRefetched || !g.Empty.IsZero() {
		return true
	}
	last := p.Advanced
	if last.IsZero() {
		last = p.CommittedAt
	}
	return !last.IsZero() && t.now.Sub(last) > stuckAfter+asked(g, p)
}

// waiting is how many records the group can still read: its lag, without what the
// log has lost.
func waiting(p *state.PartitionView) int64 {
	if _, gone := removedRange(p); gone > 0 {
		return max(orZero(p.Lag)-gone, 0)
	}
	return orZero(p.Lag)
}

// removedRange gives where the log begins when that is behind what was committed,
// and how many records lie between.
func removedRange(p *state.PartitionView) (start, records int64) {
	if p.Committed == nil || p.LogStart == nil {
		return 0, 0
	}
	return *p.LogStart, max(*p.LogStart-*p.Committed, 0)
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
