package state

import (
	"time"

	"warder/rules"
)

const (
	keptMoves = 8 // of a partition
	// What rules that look once a second can still see of a group is bounded: a
	// move takes about 120 bytes.
	leastGroupMoves = 16
	mostGroupMoves  = 4096
	// resetPatience is how soon after ListOffsets it is seen where a consumer went
	// on: when it fetches for the second time. At the end of a log the first Fetch
	// waits for records, with franz-go and kafkajs five seconds by default.
	resetPatience = 15 * time.Second
	// lostPatience is how soon after OFFSET_OUT_OF_RANGE a consumer looks for
	// another place, and for how long the same error is no news.
	lostPatience = time.Minute
)

// errOffsetOutOfRange is OFFSET_OUT_OF_RANGE.
const errOffsetOutOfRange = 1

// MoveKind says how a group came to another place in a partition than where it
// had committed.
type MoveKind uint8

// The kinds.
const (
	NotMoved        MoveKind = iota
	ResetToLatest            // auto.offset.reset=latest, or seekToEnd
	ResetToEarliest          // auto.offset.reset=earliest, or seekToBeginning
	ResetToTime              // auto.offset.reset=by_duration, or offsetsForTimes
	Rewound                  // it committed an earlier offset than before
	Skipped                  // it committed far ahead of what it fetches
	SetByAdmin               // offsets were set from outside the group
	Deleted                  // the offset was deleted
	OffsetExpired            // the coordinator has no offset any more, and nobody was seen to delete it
	LostToRetention          // the log began behind its offset: records are gone
	Truncated                // its offset lay behind the end of the log
)

var moveNames = [...]string{
	"", "reset-latest", "reset-earliest", "reset-time", "rewound", "skipped", "set-by-admin", "deleted", "expired", "lost-to-retention", "truncated",
}

// String is the kind as evidence writes it.
func (k MoveKind) String() string { return moveNames[k] }

// Move is one such event.
type Move struct {
	Kind MoveKind
	At   time.Time
	// From is where the group had committed, or read when it lost its place, -1
	// when that is not known, and To where it went on, -1 when not known.
	From, To int64
	// LogStart of the log then, -1 when not known.
	LogStart int64
	// Client that did it; nil when it was not seen.
	Client *rules.Identity
	// Handover says that the commit before was another generation's.
	Handover bool
	// Pace is how many records a second the group had been committing.
	Pace float64
	// Cause of a reset: what had become of the place that the group had;
	// NotMoved when that is not known.
	Cause MoveKind
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
	if m.To < 0 {
		return 0
	}
	if m.LogStart > from && m.Kind != LostToRetention {
		from = m.LogStart
	}
	return m.To - from
}

// PartitionMove is a move in a partition of a group.
type PartitionMove struct {
	rules.TopicPartition
	Move
}

// lostPlace is that a partition's reader was answered OFFSET_OUT_OF_RANGE, or that
// its offset is gone, and has not committed since.
type lostPlace struct {
	why    MoveKind // NotMoved while it is not clear
	offset int64
	at     time.Time
}

// Moves gives the last moves, oldest first.
func (p *GroupPartition) Moves() []Move { return p.moves }

// MovesSince gives the moves in the group that came after the first seen of all
// there ever were, and the number of all; the oldest are missing when there were too
// many.
func (g *Group) MovesSince(seen uint64) (list []PartitionMove, all uint64) {
	news := min(g.moved-seen, uint64(len(g.moves)))
	return g.moves[uint64(len(g.moves))-news:], g.moved
}

// movesKept is how many moves of the group are remembered: as many as all of its
// partitions remember, if that is not too many.
func (g *Group) movesKept() int {
	return min(max(keptMoves*len(g.partitions), leastGroupMoves), mostGroupMoves)
}

func (g *Group) move(p *GroupPartition, m Move) {
	m.LogStart = g.endsNow(p).LogStartOffset
	if len(p.moves) == keptMoves {
		copy(p.moves, p.moves[1:])
		p.moves = p.moves[:keptMoves-1]
	}
	p.moves = append(p.moves, m)
	if most := g.movesKept(); len(g.moves) >= most {
		g.moves = append(g.moves[:0], g.moves[len(g.moves)-most/2:]...)
	}
	g.moves = append(g.moves, PartitionMove{p.TopicPartition, m})
	g.moved++
	switch m.Kind {
	case Deleted, OffsetExpired, LostToRetention, Truncated:
		p.lost = lostPlace{m.Kind, m.From, m.At}
	default:
	}
}

// listed is where a member was sent that asked where the log begins or ends, and the
// place that the group had then: what is read may be told after the next commit.
type listed struct {
	at                time.Time
	memberID          string
	timestamp, offset int64
	committed         int64
	lost              lostPlace
	before            *listed // the answer before, if any: sarama asks for both ends
}

// offsetsListed notes that a member asked where to go on; its next Fetch shows
// whether it did.
func (g *Group) offsetsListed(ev *rules.OffsetsListed) {
	if ev.ErrorCode != 0 {
		return
	}
	if p := g.partition(ev.TopicPartition); p != nil {
		before := p.listed
		if before != nil {
			before.before = nil
		}
		g.explain(p, ev)
		p.listed = &listed{ev.At, ev.MemberID, ev.Timestamp, ev.Offset, p.Committed, p.lost, before}
	}
}

// explain tells by where the log begins or ends why an offset was out of range,
// if that was not clear.
func (g *Group) explain(p *GroupPartition, ev *rules.OffsetsListed) {
	l := p.lost
	if l.why != NotMoved || l.at.IsZero() || ev.At.Sub(l.at) > lostPatience {
		return
	}
	m := Move{At: ev.At, From: l.offset, To: -1, Client: ev.Client}
	switch {
	case ev.Timestamp == rules.EarliestTimestamp && ev.Offset > l.offset:
		m.Kind, m.To = LostToRetention, ev.Offset
	case ev.Timestamp == rules.LatestTimestamp && ev.Offset < l.offset:
		m.Kind, m.To = Truncated, ev.Offset
	case ev.Timestamp == rules.EarliestTimestamp:
		m.Kind = Truncated
	case ev.Timestamp == rules.LatestTimestamp:
		m.Kind = LostToRetention
	default:
		return
	}
	g.move(p, m)
}

func (g *Group) memberFetched(ev *rules.MemberFetched) {
	m, p := g.members[ev.MemberID], g.partition(ev.TopicPartition)
	if m != nil {
		m.showsPoll(ev.At, true, p != nil && p.Position >= 0 && ev.FetchOffset > p.Position)
		if !ev.Ambiguous {
			m.Fetched = ev.At
		}
	}
	switch {
	case p == nil || ev.Ambiguous: // of what another may have read nothing follows
		return
	case ev.ErrorCode == errOffsetOutOfRange:
		g.outOfRange(p, ev)
		return
	case ev.ErrorCode != 0:
		return
	}
	p.ReadCommitted = ev.ReadCommitted
	g.reset(p, ev)
	g.overtaken(p, ev)
	p.refetch(ev)
	p.Position, p.PositionAt = ev.FetchOffset, ev.At
}

// memberPolled takes in that a member sent a Fetch, perhaps for nothing new.
func (g *Group) memberPolled(ev *rules.MemberPolled) {
	if m := g.members[ev.MemberID]; m != nil {
		m.showsPoll(ev.At, true, false)
		if !ev.Ambiguous {
			m.Fetched = ev.At
		}
	}
}

// reset recognises that a consumer goes on where ListOffsets sent it. Consumers
// that have a place ask as well, for their metrics or because the application
// does: only one that has none, or has lost it, is sent.
func (g *Group) reset(p *GroupPartition, ev *rules.MemberFetched) {
	l := p.listed
	if l == nil {
		return
	}
	p.listed = nil
	hadPlace := p.Position >= 0 && !p.losing(ev.At)
	if hadPlace || p.Forgotten.IsZero() && (ev.FetchOffset == p.Committed || ev.FetchOffset == l.committed) {
		return
	}
	from := ev.FetchOffset
	if ev.ReadOffset >= 0 {
		from = ev.ReadOffset // it has got on since
	}
	if to := l.sent(ev.MemberID, from, ev.At); to != nil {
		g.resetTo(p, to, ev.Client, ev.At)
	}
}

// resetBefore recognises it by a commit, which may be seen before the first Fetch
// is: a reader that waits at the end of a log commits where it waits.
func (g *Group) resetBefore(p *GroupPartition, offset int64, ev *rules.Committed) {
	if p.Position >= 0 || p.Forgotten.IsZero() {
		return
	}
	if to := p.listed.sent(ev.MemberID, offset, ev.At); to != nil {
		p.listed = nil
		g.resetTo(p, to, ev.Client, ev.At)
	}
}

// losing says that a partition's reader has lost its place lately.
func (p *GroupPartition) losing(now time.Time) bool {
	return !p.lost.at.IsZero() && now.Sub(p.lost.at) <= lostPatience
}

// sent gives the answer that sent a member to an offset, nil when none did. An empty
// log begins where it ends: of answers about both, as Kafka Streams asks for, the one
// about the beginning counts.
func (l *listed) sent(memberID string, offset int64, now time.Time) (to *listed) {
	for ; l != nil; l = l.before {
		if l.memberID != memberID || l.offset != offset || now.Sub(l.at) > resetPatience {
			continue
		}
		if to == nil || l.timestamp == rules.EarliestTimestamp {
			to = l
		}
	}
	return to
}

func (g *Group) resetTo(p *GroupPartition, l *listed, client *rules.Identity, at time.Time) {
	m := Move{At: at, From: l.committed, To: l.offset, Client: client, Cause: l.lost.why}
	switch {
	case l.timestamp == rules.LatestTimestamp:
		m.Kind = ResetToLatest
	case l.timestamp == rules.EarliestTimestamp:
		m.Kind = ResetToEarliest
	case l.timestamp >= 0:
		m.Kind = ResetToTime
	default: // the largest timestamp, or tiered storage
		return
	}
	g.move(p, m)
	p.resetAt = at
}

// refetch counts how often the owner was given the same records again. A library
// that fetches ahead asks for others in between, and is given them or none.
func (p *GroupPartition) refetch(ev *rules.MemberFetched) {
	switch {
	case ev.ReadOffset < 0:
	case ev.ReadOffset != p.ReadOffset:
		p.ReadOffset, p.Refetched, p.RefetchedSince, p.RefetchedAt = ev.ReadOffset, 0, ev.At, ev.At
	default:
		p.Refetched++
		p.RefetchedAt = ev.At
	}
}

// outOfRange recognises what OFFSET_OUT_OF_RANGE means: the log begins behind
// the offset, or ends before it. Where that is not known, ListOffsets will show it.
func (g *Group) outOfRange(p *GroupPartition, ev *rules.MemberFetched) {
	if l := p.lost; l.offset == ev.FetchOffset && ev.At.Sub(l.at) < lostPatience {
		p.lost.at = ev.At
		return
	}
	known := g.endsNow(p)
	start, end := max(ev.LogStartOffset, known.LogStartOffset), ev.HighWatermark
	if end < 0 {
		end = known.HighWatermark
	}
	switch {
	case start >= 0 && ev.FetchOffset < start:
		g.move(p, Move{Kind: LostToRetention, At: ev.At, From: ev.FetchOffset, To: start, Client: ev.Client})
	case end >= 0 && ev.FetchOffset > end:
		g.move(p, Move{Kind: Truncated, At: ev.At, From: ev.FetchOffset, To: end, Client: ev.Client})
	default:
		p.lost = lostPlace{NotMoved, ev.FetchOffset, ev.At}
	}
}
