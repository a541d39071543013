package state

import (
	"slices"
	"time"

	"warder/rules"
)

// The consumer group protocol (KIP-848): members tell the coordinator in heartbeats
// what they have and are told what to give up or take, so that nobody stops for
// the others. Each change of the group raises its epoch; members follow one by one.
// Share groups (KIP-932) and Streams groups (KIP-1071) do alike.

// consumerHeartbeat follows a member by KIP-848 and those after it.
func (g *Group) consumerHeartbeat(ev *rules.ConsumerHeartbeat) {
	g.Protocol = ConsumerProtocol + Protocol(ev.Protocol)
	g.Type = g.Protocol.String()
	m := g.members[ev.MemberID]
	switch {
	case ev.ErrorCode != 0:
		g.refused(ev.ErrorCode, ev.Membership, ev.Client, ev.At)
	case ev.Generation < 0 && m == nil: // it had gone before
	case ev.Generation == epochLeaves:
		g.leaves(m, LeftByItself, "", ev.At)
	case ev.Generation < 0:
		g.leaves(m, LeftForAWhile, "", ev.At)
	case m == nil && ev.Generation == 0:
		if m, r := g.arrives(ev); m != nil {
			g.follow(m, r, ev)
		}
	default:
		if m == nil {
			m = g.late(ev.Membership, ev.Client, ev.At)
		}
		if m != nil {
			g.follow(m, nil, ev)
		}
	}
}

// epochLeaves is the epoch by which a member leaves for good.
const epochLeaves = -1

// arrives takes in a new member, or a static one that comes back.
func (g *Group) arrives(ev *rules.ConsumerHeartbeat) (*Member, *Rebalance) {
	if ev.InstanceID != "" {
		if before := g.instance(ev.InstanceID); before != nil {
			g.drop(before.ID)
		}
	}
	r, _ := g.round(ev.At)
	d := g.returns(ev.Client, ev.InstanceID, ev.At)
	m := g.add(ev.MemberID, ev.InstanceID, ev.Client, ev.At)
	if m == nil {
		return nil, nil
	}
	if d != nil && d.Cause.failure() {
		r.comesBack(d, ev.Client)
	} else {
		r.Joined++
		r.blame(CauseMemberJoined, ev.Client, "")
	}
	g.identified(m)
	return m, r
}

// follow notes what a heartbeat says of a member, which has just arrived if r is
// the round that began with it.
func (g *Group) follow(m *Member, r *Rebalance, ev *rules.ConsumerHeartbeat) {
	m.Client, m.interval = ev.Client, ev.HeartbeatInterval
	g.setSession(m)
	if ev.RebalanceTimeout > 0 {
		m.RebalanceTimeout = ev.RebalanceTimeout
	}
	m.beat(ev.Requested)
	m.lives(ev.Requested)
	if ev.Said {
		if r == nil && m.Topics != nil && !slices.Equal(m.Topics, ev.Topics) {
			change, _ := g.round(ev.At)
			change.told = true
			change.blame(CauseSubscription, ev.Client, "")
		}
		m.Topics = ev.Topics
	}
	if ev.AssignedSaid {
		g.assign(m, ev.Assigned, !ev.Unreadable, ev.At)
	}
	if ev.Streams != nil {
		g.followStreams(m, ev.Streams, ev.AssignedSaid)
	}
	g.newEpoch(m, r, ev)
}

// followStreams notes what only Streams says of a member.
func (g *Group) followStreams(m *Member, ev *rules.StreamsHeartbeat, assigned bool) {
	if ev.TopologyEpoch >= 0 {
		g.TopologyEpoch = ev.TopologyEpoch
	}
	m.Status = ev.Status
	if assigned {
		m.Tasks = &Tasks{ev.Active, ev.Standby, ev.Warmup}
	}
}

// configured takes in how long members by KIP-848 may be silent.
func (g *Group) configured(ev *rules.GroupConfigured) {
	g.session = ev.SessionTimeout
	for _, m := range g.members {
		g.setSession(m)
	}
}

func (g *Group) setSession(m *Member) {
	if g.session > 0 && m.Consumer() {
		m.SessionTimeout, m.SessionKnown = g.session, true
	}
}

// newEpoch takes in the epoch of a member. The group has settled when every member
// known has the highest. A static member that comes back gets the epoch that there is,
// and that is all. So does a new one, of coordinators that put off what follows from it
// (group.share.assignment.interval.ms and the like), but there will be another.
func (g *Group) newEpoch(m *Member, arrived *Rebalance, ev *rules.ConsumerHeartbeat) {
	m.generation = ev.Epoch
	r := g.open()
	switch {
	case ev.Epoch > g.Generation && g.Generation < 0 && r == nil: // warder came later
		g.Generation = ev.Epoch
		return
	case ev.Epoch > g.Generation:
		r, _ = g.round(ev.At)
		g.Generation, r.Generation = ev.Epoch, ev.Epoch
	case arrived != nil && !arrived.Formed() && !arrived.told && m.InstanceID != "":
		g.cancel(arrived)
		return
	}
	if r == nil || !r.Formed() {
		return
	}
	for _, other := range g.members {
		if other.generation < g.Generation {
			return
		}
	}
	g.end(r, ev.At)
}

// takesOver takes in that a member is given partitions that another has: its coordinator
// gives away only what its owner has let go of, or lost with its place in the group
// (CurrentAssignmentBuilder). Nothing else shows when a session runs out whose timeout is
// not on the wire.
func (g *Group) takesOver(m *Member, assigned []rules.TopicPartition, at time.Time) {
	if g.Protocol != ConsumerProtocol || !g.Lost.IsZero() && at.Sub(g.Lost) < gapPatience {
		return
	}
	for _, tp := range assigned {
		p := g.partitions[tp]
		if p == nil || p.OwnerID == m.ID {
			continue
		}
		if owner := g.members[p.OwnerID]; owner != nil && owner.Owns(tp) && owner.silent(at) {
			g.removed(owner.ID, at)
		}
	}
}

// unreleased takes in that a process may not join because another one has its
// group.instance.id. That is none of its own, which has died, if it was heard a
// moment ago.
func (g *Group) unreleased(who rules.Membership, at time.Time) {
	m := g.instance(who.InstanceID)
	if m == nil || !m.Gone.IsZero() || at.Sub(m.Alive) > 2*m.HeartbeatInterval() {
		return
	}
	d := &Departure{MemberID: who.MemberID, InstanceID: who.InstanceID, Client: m.Client, At: at, How: Fenced, Told: true, Cause: CauseInstanceFenced}
	g.keep(d)
}
