package state

import (
	"math"
	"time"

	"warder/rules"
)

// Bounds of what is kept for one partition of a group.
const (
	keptCommits = 10
	keptPoints  = 60
	keptMoves   = 8
	// commitDistance keeps a consumer that commits each record from filling
	// the window within milliseconds (Burrow's min-distance).
	commitDistance = 5 * time.Second
	// pointDistance is the least time between two points of the log's end.
	pointDistance = 5 * time.Second
	// resetPatience is how soon after ListOffsets the Fetch comes that shows
	// where a consumer went on.
	resetPatience = 5 * time.Second
	// skipTolerance is how many records a commit may lie ahead of what was
	// fetched before it counts as a jump: markers and compacted offsets are
	// never fetched.
	skipTolerance = 1000
)

// errOffsetOutOfRange is OFFSET_OUT_OF_RANGE.
const errOffsetOutOfRange = 1

// Commit is one commit of a partition.
type Commit struct {
	At     time.Time
	Offset int64
}

// MoveKind says how a group came to another place in a partition than where it
// had committed.
type MoveKind uint8

// The kinds.
const (
	ResetToLatest   MoveKind = iota // auto.offset.reset=latest, or seekToEnd
	ResetToEarliest                 // auto.offset.reset=earliest, or seekToBeginning
	ResetToTime                     // auto.offset.reset=by_duration, or offsetsForTimes
	Rewound                         // it committed an earlier offset than before
	Skipped                         // it committed far ahead of what it had fetched
	SetByAdmin                      // offsets were set from outside the group
	Deleted                         // the offset was deleted
	LostToRetention                 // the log began behind its offset: records are gone
	Truncated                       // its offset lay behind the end of the log
)

// String is the kind as evidence writes it.
func (k MoveKind) String() string {
	return [...]string{"reset-latest", "reset-earliest", "reset-time", "rewound", "skipped", "set-by-admin", "deleted", "lost-to-retention", "truncated"}[k]
}

// Move is one such event.
type Move struct {
	Kind MoveKind
	At   time.Time
	// From is where the group had committed, -1 when that is not known, and To
	// where it went on.
	From, To int64
	// LogStart of the log then, -1 when not known.
	LogStart int64
	// Client that did it.
	Client *rules.Identity
}

// Records is how many records were left out (positive) or are read again
// (negative), as far as it is known; 0 when it is not.
func (m *Move) Records() int64 {
	from := m.From
	if from < 0 {
		if m.Kind != ResetToLatest || m.LogStart < 0 {
			return 0
		}
		from = m.LogStart
	}
	if m.LogStart > from && m.Kind != LostToRetention {
		from = m.LogStart
	}
	return m.To - from
}

// GroupPartition is what is known of one partition as a group reads it.
type GroupPartition struct {
	rules.TopicPartition
	// OwnerID is the member id of who it is assigned to, "" when not known.
	OwnerID    string
	OwnedSince time.Time
	// Committed offset, the next to be read; -1 when none is known. CommittedAt
	// is zero when it was only fetched.
	Committed   int64
	CommittedAt time.Time
	// Position is the offset of the last Fetch, -1 before the first.
	Position   int64
	PositionAt time.Time
	// Ends of the log as they were known at the last tick.
	Ends LogEnds
	// Refetched counts the answers with records to a Fetch of the same offset
	// as the one before, since RefetchedSince.
	Refetched      int
	RefetchedSince time.Time
	// ReadCommitted says that its readers stop at the last stable offset.
	ReadCommitted bool

	commits  [keptCommits]Commit // the window, oldest overwritten
	ncommits int
	points   [keptPoints]Commit // ends of the log
	npoints  int
	moves    []Move
	fetched  int64 // offset up to which records were asked for since the last commit
	listed   rules.OffsetsListed
}

// partition gives what is known of a partition, made if need be; nil when there
// are too many.
func (g *Group) partition(tp rules.TopicPartition) *GroupPartition {
	p := g.partitions[tp]
	if p == nil && len(g.partitions) < maxGroupPartitions {
		p = &GroupPartition{
			TopicPartition: tp, Committed: -1, Position: -1,
			Ends: LogEnds{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1},
		}
		g.partitions[tp] = p
	}
	return p
}

// End is the offset that the group can read up to; false when it is not known.
func (p *GroupPartition) End() (int64, bool) {
	if p.ReadCommitted && p.Ends.LastStableOffset >= 0 {
		return p.Ends.LastStableOffset, true
	}
	return p.Ends.HighWatermark, p.Ends.HighWatermark >= 0
}

// Lag is how many records lie between the committed offset and the end; false
// when one of them is not known. Like Kafka's own tools it is never negative.
func (p *GroupPartition) Lag() (int64, bool) {
	end, ok := p.End()
	if !ok || p.Committed < 0 {
		return 0, false
	}
	return max(end-p.Committed, 0), true
}

// TimeLag estimates how long ago the next record to be read was written, from
// when the log's end passed that offset; false when that was before anything is
// remembered and cannot be told from the pace of writing.
func (p *GroupPartition) TimeLag(now time.Time) (time.Duration, bool) {
	lag, ok := p.Lag()
	if !ok {
		return 0, false
	}
	if lag == 0 {
		return 0, true
	}
	points := p.lastPoints()
	for i := len(points) - 1; i > 0; i-- {
		a, b := points[i-1], points[i]
		if a.Offset <= p.Committed && p.Committed < b.Offset {
			share := float64(p.Committed-a.Offset) / float64(b.Offset-a.Offset)
			return now.Sub(a.At.Add(time.Duration(share * float64(b.At.Sub(a.At))))), true
		}
	}
	return extrapolate(points, p.Committed, now)
}

// extrapolate continues the pace of the points backwards.
func extrapolate(points []Commit, offset int64, now time.Time) (time.Duration, bool) {
	if len(points) < 2 {
		return 0, false
	}
	first, last := points[0], points[len(points)-1]
	if last.Offset <= first.Offset || offset >= last.Offset {
		return 0, false
	}
	pace := float64(last.At.Sub(first.At)) / float64(last.Offset-first.Offset)
	back := pace * float64(first.Offset-offset)
	if back > math.MaxInt64/2 {
		return 0, false
	}
	return now.Sub(first.At) + time.Duration(back), true
}

func (p *GroupPartition) lastPoints() []Commit { return ringInOrder(p.points[:], p.npoints) }

// Commits gives the window of commits, oldest first; two are at least five seconds
// apart, but for the last.
func (p *GroupPartition) Commits() []Commit { return ringInOrder(p.commits[:], p.ncommits) }

// Window says whether the window is full: before that, too little is known to
// judge.
func (p *GroupPartition) Window() bool { return p.ncommits >= keptCommits }

// Moves gives the last moves, oldest first.
func (p *GroupPartition) Moves() []Move { return p.moves }

func ringInOrder(ring []Commit, n int) []Commit {
	if n <= len(ring) {
		return ring[:n]
	}
	at := n % len(ring)
	return append(append(make([]Commit, 0, len(ring)), ring[at:]...), ring[:at]...)
}

// tick notes where the log ends now.
func (p *GroupPartition) tick(now time.Time, logs *Logs) {
	ends, ok := logs.Find(p.TopicPartition)
	if !ok {
		return
	}
	p.Ends = ends
	if ends.HighWatermark < 0 {
		return
	}
	if p.npoints > 0 {
		last := p.points[(p.npoints-1)%keptPoints]
		if now.Sub(last.At) < pointDistance || ends.HighWatermark <= last.Offset {
			return
		}
	}
	p.points[p.npoints%keptPoints] = Commit{now, ends.HighWatermark}
	p.npoints++
}

func (p *GroupPartition) move(m Move) {
	m.LogStart = p.Ends.LogStartOffset
	if len(p.moves) == keptMoves {
		copy(p.moves, p.moves[1:])
		p.moves = p.moves[:keptMoves-1]
	}
	p.moves = append(p.moves, m)
}

// committed takes in a commit that the coordinator accepted.
func (g *Group) committed(ev *rules.Committed) {
	admin := ev.MemberID == "" && ev.Generation < 0 && g.Type != "" // simple consumers commit so as well
	m := g.members[ev.MemberID]
	accepted := false
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		if o.ErrorCode != 0 {
			g.refused(o.ErrorCode, ev.MemberID, ev.At)
			continue
		}
		accepted = true
		p := g.partition(o.TopicPartition)
		if p == nil {
			continue
		}
		if p.commit(o.Offset, ev, admin) && m != nil {
			m.Progress = ev.At
		}
	}
	if m != nil && accepted {
		m.lives(ev.Requested)
	}
}

// commit notes a committed offset and says whether it rose.
func (p *GroupPartition) commit(offset int64, ev *rules.Committed, admin bool) (rose bool) {
	before := p.Committed
	rose = offset > before
	switch {
	case before < 0 || before == offset:
	case admin:
		p.move(Move{Kind: SetByAdmin, At: ev.At, From: before, To: offset, Client: ev.Client})
	case offset < before-1:
		p.move(Move{Kind: Rewound, At: ev.At, From: before, To: offset, Client: ev.Client})
	case p.fetched >= 0 && offset > max(p.fetched, before)+skipTolerance && p.Position >= 0:
		p.move(Move{Kind: Skipped, At: ev.At, From: max(p.fetched, before), To: offset, Client: ev.Client})
	}
	p.Committed, p.CommittedAt = offset, ev.At
	if p.ncommits > 1 {
		last, one := &p.commits[(p.ncommits-1)%keptCommits], p.commits[(p.ncommits-2)%keptCommits]
		if last.At.Sub(one.At) < commitDistance {
			*last = Commit{ev.At, offset}
			return rose
		}
	}
	p.commits[p.ncommits%keptCommits] = Commit{ev.At, offset}
	p.ncommits++
	return rose
}

// offsetsFetched takes in where the group goes on: what it had committed before
// warder saw it.
func (g *Group) offsetsFetched(ev *rules.OffsetsFetched) {
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		if o.ErrorCode != 0 {
			continue
		}
		if o.Offset < 0 && g.partitions[o.TopicPartition] == nil {
			continue
		}
		if p := g.partition(o.TopicPartition); p != nil && o.Offset >= 0 && p.Committed < 0 {
			p.Committed = o.Offset
		}
	}
}

func (g *Group) offsetsDeleted(ev *rules.OffsetsDeleted) {
	gone := func(p *GroupPartition) {
		if p.Committed >= 0 {
			p.move(Move{Kind: Deleted, At: ev.At, From: p.Committed, To: p.Committed, Client: ev.Client})
		}
	}
	if ev.Partitions == nil {
		g.EachPartition(gone)
		return
	}
	for _, tp := range ev.Partitions {
		if p := g.partitions[tp]; p != nil {
			gone(p)
		}
	}
}

// offsetsListed notes that a member asked where to go on; its next Fetch shows
// whether it did.
func (g *Group) offsetsListed(ev *rules.OffsetsListed) {
	if ev.ErrorCode != 0 {
		return
	}
	if p := g.partition(ev.TopicPartition); p != nil {
		p.listed = *ev
	}
}

func (g *Group) memberFetched(ev *rules.MemberFetched) {
	m, p := g.members[ev.MemberID], g.partition(ev.TopicPartition)
	if m != nil && !ev.Ambiguous {
		m.Fetched = ev.At
	}
	if p == nil {
		return
	}
	if ev.ErrorCode == errOffsetOutOfRange {
		p.outOfRange(ev)
		return
	}
	if ev.ErrorCode != 0 {
		return
	}
	p.ReadCommitted = ev.ReadCommitted
	p.reset(ev)
	p.refetch(ev)
	if m != nil && !ev.Ambiguous && ev.FetchOffset > p.Position && p.Position >= 0 && m.Client.Library() != rules.Librdkafka {
		m.Progress = ev.At // librdkafka fetches ahead without being polled
	}
	p.Position, p.PositionAt = ev.FetchOffset, ev.At
	p.fetched = max(p.fetched, ev.FetchOffset)
}

// reset recognises that a consumer goes on where ListOffsets sent it.
func (p *GroupPartition) reset(ev *rules.MemberFetched) {
	l := p.listed
	if l.At.IsZero() {
		return
	}
	p.listed = rules.OffsetsListed{}
	if ev.FetchOffset != l.Offset || ev.At.Sub(l.At) > resetPatience || ev.FetchOffset == p.Committed {
		return
	}
	kind := ResetToTime
	switch l.Timestamp {
	case rules.LatestTimestamp:
		kind = ResetToLatest
	case rules.EarliestTimestamp:
		kind = ResetToEarliest
	default:
		if l.Timestamp < 0 { // the largest timestamp, or tiered storage
			return
		}
	}
	p.move(Move{Kind: kind, At: ev.At, From: p.Committed, To: l.Offset, Client: ev.Client})
	p.fetched = l.Offset
}

// refetch counts how often the same offset was fetched in vain.
func (p *GroupPartition) refetch(ev *rules.MemberFetched) {
	switch {
	case ev.FetchOffset != p.Position:
		p.Refetched, p.RefetchedSince = 0, ev.At
	case ev.Bytes > 0:
		p.Refetched++
	}
}

// outOfRange recognises what OFFSET_OUT_OF_RANGE means: the log begins behind
// the offset, or ends before it.
func (p *GroupPartition) outOfRange(ev *rules.MemberFetched) {
	start, end := ev.LogStartOffset, ev.HighWatermark
	if start < 0 {
		start = p.Ends.LogStartOffset
	}
	if end < 0 {
		end = p.Ends.HighWatermark
	}
	switch {
	case start >= 0 && ev.FetchOffset < start:
		p.move(Move{Kind: LostToRetention, At: ev.At, From: ev.FetchOffset, To: start, Client: ev.Client})
	case end >= 0 && ev.FetchOffset > end:
		p.move(Move{Kind: Truncated, At: ev.At, From: ev.FetchOffset, To: end, Client: ev.Client})
	}
}
