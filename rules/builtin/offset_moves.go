package builtin

import (
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// A group that loses its place loses it on all partitions of a topic within
// seconds: that is one incident, and told once, when nothing has been added for
// movesSettle.

const (
	movesSettle = 5 * time.Second
	// movesOld are no news for a rule that begins to look at a group.
	movesOld = time.Minute
	// movesOpen bounds what is being added up for one group, at 300 bytes each;
	// beyond it the oldest is told early.
	movesOpen = 1000
)

// movesSeen adds up the moves of a group that a rule has not told yet.
type movesSeen struct {
	seen uint64
	open []*movesTogether // oldest first
}

// moveKey says what belongs together.
type moveKey struct {
	topic string
	kind  state.MoveKind
	cause state.MoveKind
	known bool // the group had committed on that partition
	back  bool // to an earlier offset
}

// movesTogether is a move of several partitions at once.
type movesTogether struct {
	moveKey
	last       time.Time
	partitions []int32 // the first listedPartitions
	count      int
	records    int64 // left out or read again, in all
	unknown    int   // partitions of which that is not known
	most       state.PartitionMove
}

// take adds the moves that are new and that want accepts. Those told early are
// returned.
func (s *movesSeen) take(w *rules.Watch, g *state.Group, want func(*state.PartitionMove) bool) (early []*movesTogether) {
	news, all := g.MovesSince(s.seen)
	s.seen = all
	for i := range news {
		m := &news[i]
		if w.Now.Sub(m.At) > movesOld || !want(m) {
			continue
		}
		key := moveKey{m.Topic, m.Kind, m.Cause, m.From >= 0, m.Records() < 0}
		at := slices.IndexFunc(s.open, func(t *movesTogether) bool { return t.moveKey == key })
		if at < 0 {
			if len(s.open) == movesOpen {
				early = append(early, s.open[0])
				s.open = s.open[1:]
			}
			at = len(s.open)
			s.open = append(s.open, &movesTogether{moveKey: key})
		}
		s.open[at].add(m, w.Now)
	}
	return early
}

func (t *movesTogether) add(m *state.PartitionMove, now time.Time) {
	records := m.Records()
	if t.count == 0 || abs(records) > abs(t.most.Records()) {
		t.most = *m
	}
	if len(t.partitions) < listedPartitions {
		t.partitions = append(t.partitions, m.Partition)
	}
	if m.To < 0 || m.From < 0 && records == 0 {
		t.unknown++
	}
	t.count++
	t.records += abs(records)
	t.last = now
}

func abs(n int64) int64 { return max(n, -n) }

// settled gives what is complete.
func (s *movesSeen) settled(now time.Time) (done []*movesTogether) {
	s.open = slices.DeleteFunc(s.open, func(t *movesTogether) bool {
		if now.Sub(t.last) < movesSettle {
			return false
		}
		done = append(done, t)
		return true
	})
	return done
}

// where names the partitions in a sentence.
func (t *movesTogether) where() string {
	if t.count == 1 {
		return partitionText(t.most.TopicPartition)
	}
	return several(t.count, "partition") + " of topic " + excerptTopic(t.topic)
}

// subject is the client that moved and what it moved; a partition only if there is
// one.
func (t *movesTogether) subject(g *state.Group) rules.Subject {
	s := rules.Subject{}
	if t.most.Client != nil {
		s = rules.SubjectOf(t.most.Client)
	}
	s.Group, s.Topic = g.ID, t.topic
	if t.count == 1 {
		s.Partition = new(t.most.Partition)
	}
	return s
}

// evidence is what all findings about moves say.
func (t *movesTogether) evidence() rules.Evidence {
	e := rules.Evidence{
		{Name: "kind", Value: t.kind.String()},
		{Name: "partitions", Value: t.count},
		{Name: "partition_list", Value: partitionList(t.partitions, t.count)},
		{Name: "records", Value: t.records},
		{Name: "from", Value: t.most.From},
		{Name: "to", Value: t.most.To},
		{Name: "log_start", Value: t.most.LogStart},
	}
	if t.unknown > 0 {
		e = append(e, rules.Fact{Name: "partitions_unknown", Value: t.unknown})
	}
	if t.cause != state.NotMoved {
		e = append(e, rules.Fact{Name: "cause", Value: t.cause.String()})
	}
	return e
}

// by names who did it.
func (t *movesTogether) by() string {
	if t.most.Client == nil {
		return "somebody who does not come through warder"
	}
	return rules.Excerpt(t.most.Client.ClientID, 80)
}
