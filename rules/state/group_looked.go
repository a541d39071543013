package state

import (
	"time"

	"warder/rules"
)

// What warder asks the cluster about groups, for want of traffic: their offsets,
// their state and how many members they have. Between two questions nothing is
// seen, so a commit counts from when the offset was first another one, and the same
// offset again is no commit.

// States of groups, as coordinators name them.
const (
	GroupEmpty = "Empty"
	GroupDead  = "Dead" // there is no such group any more
)

// looksMissed is how many questions may go unanswered before the answers to the
// last are too old to judge by.
const looksMissed = 3

// Watched says that what is known of the group's offsets is no older than the time
// between a few questions of warder's own, so that they can be judged though nobody
// of the group may come through here.
func (g *Group) Watched(now time.Time) bool {
	return !g.Looked.IsZero() && now.Sub(g.Looked) <= looksMissed*g.lookEvery
}

// described takes in what the coordinator says of the group. Of members that come
// through here traffic knows more.
func (g *Group) described(ev *rules.GroupDescribed) {
	first := g.State == ""
	g.State, g.lookEvery = ev.State, ev.Every
	switch {
	case ev.Consumer:
		g.Type, g.Protocol = "consumer", ConsumerProtocol
	case ev.ProtocolType != "":
		g.Type = ev.ProtocolType
		if g.Protocol == UnknownProtocol {
			g.Protocol = ClassicProtocol
		}
	}
	if ev.Members >= 0 {
		g.Elsewhere = max(ev.Members-len(g.members), 0)
	}
	switch {
	case len(g.members) > 0:
	case ev.State == GroupEmpty || ev.State == GroupDead:
		g.Elsewhere = 0
		// Consumers that choose their partitions themselves are never members.
		if g.Emptied.IsZero() && g.Type != "" {
			g.Emptied, g.EmptyBefore, g.awaited = ev.At, first, false
		}
	default:
		g.Elsewhere = max(g.Elsewhere, 1)
		g.returned(ev.At)
		g.EmptyBefore = false
	}
}

// offsetsLooked takes in the offsets that warder asked for itself.
func (g *Group) offsetsLooked(ev *rules.OffsetsFetched) {
	g.Looked = ev.At
	g.looks++
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		p := g.partitions[o.TopicPartition]
		if p == nil && o.ErrorCode == 0 && o.Offset >= 0 {
			p = g.partition(o.TopicPartition)
		}
		if p == nil {
			continue
		}
		if o.ErrorCode == 0 {
			g.looked(p, o.Offset, ev)
		}
		p.look = g.looks
	}
	if !ev.All {
		return
	}
	// A coordinator leaves out what warder may not see: only what it told before
	// can be gone.
	g.EachPartition(func(p *GroupPartition) {
		if p.look != 0 && p.look != g.looks {
			p.look = 0
			g.looked(p, -1, ev)
		}
	})
}

// looked takes in a committed offset, -1 for none.
func (g *Group) looked(p *GroupPartition, offset int64, ev *rules.OffsetsFetched) {
	switch {
	case ev.At.Sub(p.KnownAt) <= fetchRace:
	case offset < 0 || p.Committed < 0 || !p.Forgotten.IsZero():
		g.resume(p, offset, ev)
	case offset == p.Committed:
		p.KnownAt = ev.At
	default:
		g.committedUnseen(p, offset, ev.At)
	}
}

// committedUnseen takes in that the group has committed meanwhile.
func (g *Group) committedUnseen(p *GroupPartition, offset int64, at time.Time) {
	rose := offset > p.Committed
	if offset < p.Committed-1 {
		m := Move{Kind: SetByAdmin, At: at, From: p.Committed, To: offset, Pace: p.window.pace()}
		if g.Elsewhere > 0 { // it may have been a member
			m.Kind = Rewound
		}
		g.move(p, m)
	}
	p.Committed, p.CommittedAt, p.KnownAt = offset, at, at
	p.generation, p.lost = -1, lostPlace{}
	if rose {
		p.RoseAt, p.Abandoned = at, 0
	}
	if offset > p.ReadOffset {
		p.Refetched = 0
	}
	g.addCommit(p, at)
}
