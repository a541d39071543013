package state

import (
	"slices"
	"time"

	"warder/rules"
)

// GroupPartition is what is known of one partition as a group reads it. It takes
// about 900 bytes, and at most 1 KiB more while the group lags.
type GroupPartition struct {
	rules.TopicPartition
	// OwnerID is the member id of who it is assigned to, "" when not known.
	OwnerID    string
	OwnedSince time.Time
	// Abandoned counts the owners that read it and then ceased to be members,
	// since the committed offset rose last.
	Abandoned int
	// Committed offset, the next to be read; -1 when none is known. It stays
	// when the coordinator has forgotten it, see Forgotten.
	Committed int64
	// CommittedAt is when the last commit was seen, zero when the offset was
	// only fetched. Where warder asks by itself it is when the offset was first
	// another than before, later than the commit by up to the time between two
	// questions. KnownAt is when the coordinator last confirmed the offset.
	CommittedAt, KnownAt time.Time
	// RoseAt is when a commit was last seen to go forward; zero if never.
	RoseAt time.Time
	// Forgotten is since when the coordinator has no offset of it any more,
	// which was deleted or has expired; zero while it has.
	Forgotten time.Time
	// Position is the offset of the owner's last Fetch, -1 before the first.
	Position   int64
	PositionAt time.Time
	// Ends of the log as they were known when Group.Refreshed.
	Ends LogEnds
	// ReadOffset is where the owner was given records last, or went back to since;
	// -1 before that. Refetched counts how often that was so again, since
	// RefetchedSince and last at RefetchedAt.
	ReadOffset                  int64
	Refetched                   int
	RefetchedSince, RefetchedAt time.Time
	// ReadCommitted says that its readers stop at the last stable offset.
	ReadCommitted bool

	window     commitWindow
	past       pastEnds
	moves      []Move
	generation int32        // of the last commit; -1 when it had none or is not known
	ahead      *commitAhead // nil when none is
	listed     *listed      // nil when nobody has asked
	lost       lostPlace
	resetAt    time.Time // of the last reset
	assignedAt time.Time // when the owner was last told that it is
	asked      bool      // an owner that is no member now has sent a Fetch for it, see noteAsked
	share      *SharePartition
	look       uint32 // of Group.looks, the last that told an offset of it; 0 for none
}

// partition gives what is known of a partition, made if need be; nil when there
// are too many.
func (g *Group) partition(tp rules.TopicPartition) *GroupPartition {
	if p := g.partitions[tp]; p != nil {
		return p
	}
	if !g.all.take() {
		return nil
	}
	p := &GroupPartition{
		TopicPartition: tp, Committed: -1, Position: -1, ReadOffset: -1, generation: -1,
		Ends: LogEnds{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1},
	}
	g.partitions[tp] = p
	g.order, g.unsorted = append(g.order, p), true
	return p
}

// Partition gives what is known of a partition, nil when nothing is.
func (g *Group) Partition(p rules.TopicPartition) *GroupPartition { return g.partitions[p] }

// Partitions is the number of partitions known.
func (g *Group) Partitions() int { return len(g.partitions) }

// EachPartition calls f for every partition known, in the order of topics and
// numbers.
func (g *Group) EachPartition(f func(*GroupPartition)) {
	g.sort()
	for _, p := range g.order {
		f(p)
	}
}

func (g *Group) sort() {
	if g.unsorted {
		slices.SortFunc(g.order, func(a, b *GroupPartition) int { return compareTopicPartition(a.TopicPartition, b.TopicPartition) })
		g.unsorted = false
	}
}

// Owner gives the member that a partition is assigned to, nil when none is known.
func (g *Group) Owner(p *GroupPartition) *Member { return g.members[p.OwnerID] }

// hand notes another owner, who has read nothing yet.
func (g *Group) hand(p *GroupPartition, memberID string, at time.Time) {
	if p.OwnerID != "" && (p.Position >= 0 || p.asked) && g.members[p.OwnerID] == nil {
		p.Abandoned++
	}
	p.OwnerID, p.OwnedSince = memberID, at
	p.Position, p.PositionAt = -1, time.Time{}
	p.ReadOffset, p.Refetched, p.asked = -1, 0, false
}

// How often the partitions of a group are brought up to date: small groups with
// every tick; all others as often as the window of commits has room for news, so that
// a tick over very many stays cheap.
const (
	refreshAlways = 1000 // partitions
	refreshEvery  = commitDistance
)

// refresh brings every partition up to date with its log, if it is time to.
func (g *Group) refresh(now time.Time) {
	if len(g.order) > refreshAlways && now.Sub(g.Refreshed) < refreshEvery && !now.Before(g.Refreshed) {
		return
	}
	g.Refreshed = now
	for _, p := range g.order {
		if ends, ok := g.logs.Find(p.TopicPartition); ok {
			p.Ends = ends
			p.past.add(now, ends.HighWatermark, p.Committed)
		}
		if p.share != nil {
			p.share.prune(now)
			g.bound(p.share)
		}
	}
}

// endsNow gives the ends of a log as they are known now.
func (g *Group) endsNow(p *GroupPartition) LogEnds {
	if ends, ok := g.logs.Find(p.TopicPartition); ok {
		return ends
	}
	return p.Ends
}

// End is the offset that the group can read up to; false when it is not known.
func (p *GroupPartition) End() (int64, bool) { return p.endOf(&p.Ends) }

func (p *GroupPartition) endOf(ends *LogEnds) (int64, bool) {
	if p.ReadCommitted && ends.LastStableOffset >= 0 {
		return ends.LastStableOffset, true
	}
	return ends.HighWatermark, ends.HighWatermark >= 0
}

// Lag is how many records lie between the committed offset and the end; false
// when one of them is not known. Like Kafka's own tools it is never negative.
func (p *GroupPartition) Lag() (int64, bool) {
	end, ok := p.End()
	if !ok || p.Committed < 0 || !p.Forgotten.IsZero() {
		return 0, false
	}
	return max(end-p.Committed, 0), true
}

// Behind gives the partition of a member in which most is left to read, and how
// much; 0 when it is at the end of all of them, or nothing is known. Where nothing
// was committed it counts from where the member fetches. Of a library that fetches
// ahead only commits show progress, and the marker that ends a transaction is never
// committed: one record alone is nothing there.
func (g *Group) Behind(m *Member) (most rules.TopicPartition, records int64) {
	floor := int64(0)
	if m.Client.Library().FetchesAhead() {
		floor = 1
	}
	for _, tp := range m.Assigned {
		p := g.partitions[tp]
		if p == nil {
			continue
		}
		left, ok := p.Lag()
		if end, known := p.End(); !ok && known && p.Position >= 0 {
			left = end - p.Position
		}
		if left > max(records, floor) {
			most, records = tp, left
		}
	}
	return most, records
}

// TimeLag estimates how long ago the next record to be read was written, from
// when the log's end passed that offset; false when that was before anything is
// remembered and cannot be told from the pace of writing.
func (p *GroupPartition) TimeLag(now time.Time) (time.Duration, bool) {
	lag, ok := p.Lag()
	if !ok || lag == 0 {
		return 0, ok
	}
	at, ok := p.past.when(p.Committed, now, p.Ends.HighWatermark)
	return now.Sub(at), ok
}

// Waiting is for how long at least the next record to be read has been there; 0
// when there is none, or nothing is known.
func (p *GroupPartition) Waiting(now time.Time) time.Duration {
	if lag, ok := p.Lag(); !ok || lag == 0 {
		return 0
	}
	if at, ok := p.past.passed(p.Committed); ok {
		return now.Sub(at)
	}
	return 0
}
