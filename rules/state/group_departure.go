package state

import (
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// How says how a member ceased to be one.
type How uint8

// The ways.
const (
	LeftByItself  How = iota // LeaveGroup, or epoch -1
	LeftForAWhile            // a static member of KIP-848 that will come back, epoch -2
	Expired                  // the coordinator removed it
	Fenced                   // another process took its group.instance.id
)

// Departure is a member that ceased to be one; one takes about 350 bytes.
type Departure struct {
	MemberID, InstanceID string
	Client               *rules.Identity
	// Joined is when it had become a member, zero when that was before warder
	// knew of it. At is when it ceased to be one.
	Joined, At time.Time
	How        How
	// Told says that the coordinator itself said so: the member asked to leave,
	// or was answered that it is no member, or the leader was told of a group
	// without it.
	Told bool
	// Reason as the library words it (KIP-800).
	Reason string
	// Cause of the rebalance that follows; CauseUnknown until it is decided.
	Cause Cause
	// Inferred says that a poll timeout was not named as the reason.
	Inferred bool
	// LastProgress and LastAlive are the member's Progress and Alive.
	LastProgress, LastAlive          time.Time
	SessionTimeout, RebalanceTimeout time.Duration
	// Behind is how many records it had left to read in Partition, where these
	// were most; 0 when it was at the end, or nothing is known.
	Behind    int64
	Partition rules.TopicPartition
	// Partitions is how many it had.
	Partitions int
	// Returned is when the same client asked to join again, zero until then;
	// ReturnedID is its member id since.
	Returned   time.Time
	ReturnedID string

	round *Rebalance // nil when nobody was left to rebalance
}

const (
	// pollShare of max.poll.interval.ms without progress is as good as all of
	// it: the last sign of progress may come a little later than the poll.
	pollShare = 0.9
	// closePatience is how soon after leaving a consumer that is closed also
	// ends its connection.
	closePatience = time.Second
	// sessionShare of a session timeout in silence is as good as all of it.
	sessionShare = 0.9
	// expiryDelay is how late the others may learn that a session ran out.
	expiryDelay = 5 * time.Second
	// returnPatience is how long a client that has left is waited for.
	returnPatience = time.Hour
	// gapPatience is how long after lost events nobody is believed to be silent.
	gapPatience = time.Minute
	// failoverPatience is how long what happens to members may be owed to a
	// coordinator that moved.
	failoverPatience = time.Minute
)

// Departures gives the last departures, oldest first.
func (g *Group) Departures() []*Departure { return g.departures }

// departs makes and keeps the departure of a member, which is one no longer.
func (g *Group) departs(m *Member, how How, at time.Time) *Departure {
	d := &Departure{
		MemberID: m.ID, InstanceID: m.InstanceID, Client: m.Client, Joined: m.Joined, At: at, How: how,
		LastProgress: m.Progress, LastAlive: m.Alive, SessionTimeout: m.SessionTimeout, RebalanceTimeout: m.RebalanceTimeout,
		Partitions: len(m.Assigned),
	}
	d.Partition, d.Behind = g.Behind(m)
	g.keep(d)
	g.drop(m.ID)
	return d
}

func (g *Group) keep(d *Departure) {
	for len(g.departures) >= g.stories() {
		g.departures = slices.Delete(g.departures, 0, 1)
	}
	g.departures = append(g.departures, d)
}

// leaves takes in that a member left by itself: because it was closed, or because
// its application did not poll in time. A library that gives no reason is believed
// to be closed if it ends its connection right away, see decideLeft.
func (g *Group) leaves(m *Member, how How, reason string, at time.Time) {
	d := g.departs(m, how, at)
	d.Told, d.Reason = true, reason
	if how == LeftByItself {
		d.round = g.without(at)
		g.giveUp(m, at)
	}
	switch {
	case strings.Contains(reason, reasonPollTimeout):
		d.decide(CausePollTimeout)
	case reason != "" || !d.stuck(at):
		d.decide(CauseMemberLeft)
	}
}

// without gives the round that a group begins which a member has just left; nil
// when there is nobody left to rebalance.
func (g *Group) without(at time.Time) *Rebalance {
	if len(g.members) > 0 {
		r, _ := g.round(at)
		r.told = true
		r.Left++
		return r
	}
	if r := g.open(); r != nil && !r.Formed() && len(g.joining) == 0 {
		g.cancel(r)
	}
	return nil
}

// stuck says that the member had made no progress for its max.poll.interval.ms
// although there was something to read.
func (d *Departure) stuck(at time.Time) bool {
	if d.Client == nil || d.RebalanceTimeout <= 0 {
		return false
	}
	return d.Client.Library().PollInterval() && d.Behind > 0 &&
		at.Sub(d.LastProgress) >= time.Duration(pollShare*float64(d.RebalanceTimeout))
}

func (d *Departure) decide(c Cause) {
	d.Cause = c
	if d.round != nil {
		d.round.blame(c, d.Client, d.Reason)
	}
}

// decideLeft takes those for poll timeouts that left without progress and without a
// word, and whose connection stayed.
func (g *Group) decideLeft(now time.Time) {
	for _, d := range g.departures {
		if d.Cause == CauseUnknown && now.Sub(d.At) > closePatience {
			d.Inferred = true
			d.decide(CausePollTimeout)
		}
	}
}

// closed takes in that a client that had left ended its connection.
func (g *Group) closed(memberID string, at time.Time) {
	for _, d := range g.departures {
		if d.MemberID == memberID && d.Cause == CauseUnknown && at.Sub(d.At) <= closePatience {
			d.decide(CauseMemberLeft)
		}
	}
}

// removed takes in that the coordinator does not know a member any more.
func (g *Group) removed(memberID string, at time.Time) {
	m := g.members[memberID]
	if m == nil {
		return
	}
	cause, gone := CauseSlowJoin, at
	switch {
	case g.failedOver(at) && !m.Alive.After(g.Failover): // the new coordinator has not heard it
		cause = CauseCoordinator
	case m.silent(at):
		cause = CauseSessionExpired
		if e := m.Expires(); !e.IsZero() && e.Before(at) {
			gone = e
		}
	case g.Protocol == ClassicProtocol && (m.generation < 0 || m.generation >= g.Generation):
		cause = CauseSessionExpired // it missed no generation
	}
	r := g.roundMissed(m)
	if cause != CauseSlowJoin || r == nil {
		r = g.roundOf(gone, at)
	}
	g.lost(m, cause, gone, r).Told = true
}

// roundMissed gives the first rebalance that a member was no part of, nil if there
// is none.
func (g *Group) roundMissed(m *Member) *Rebalance {
	for _, r := range g.rebalances {
		if r.Generation > m.generation {
			return r
		}
	}
	return nil
}

// silent says that the member was not heard for about its session timeout. With
// KIP-848 that is not known, see DefaultSessionTimeout, but heartbeats are then.
func (m *Member) silent(at time.Time) bool {
	long := time.Duration(sessionShare * float64(m.SessionTimeout))
	if m.interval > 0 {
		long = min(long, 3*m.interval)
	}
	return at.Sub(m.Alive) >= long
}

// roundOf gives the rebalance that a group began when a member was removed at a
// time which may have passed when it becomes known; nil when none did.
func (g *Group) roundOf(gone, now time.Time) *Rebalance {
	for _, r := range g.rebalances {
		if !r.Start.Before(gone.Add(-time.Second)) && r.Start.Sub(gone) <= expiryDelay {
			return r
		}
	}
	if r := g.open(); r != nil && (!r.Formed() || g.Protocol == ConsumerProtocol) {
		return r
	}
	if now.Sub(gone) > expiryDelay || len(g.members) < 2 {
		return nil
	}
	r, _ := g.round(now)
	r.told = true
	return r
}

// failedOver says that the coordinator moved a moment ago.
func (g *Group) failedOver(at time.Time) bool {
	return !g.Failover.IsZero() && at.Sub(g.Failover) <= failoverPatience
}

// expired takes in that a rebalance begins: those whose session has run out were
// removed.
func (g *Group) expired(r *Rebalance) {
	if !g.Lost.IsZero() && r.Start.Sub(g.Lost) < gapPatience {
		return // they may have been heard
	}
	for _, m := range g.memberList() {
		if e := m.Expires(); !e.IsZero() && m.SessionKnown && !e.After(r.Start) {
			g.lost(m, CauseSessionExpired, e, r)
		}
	}
	for _, d := range g.departures {
		switch {
		case d.round != nil:
		case d.How == Fenced && r.Start.Sub(d.At) <= expiryDelay:
			d.round = r
			d.decide(d.Cause)
		case d.How == LeftForAWhile && d.Returned.IsZero() && !d.At.Add(d.SessionTimeout).After(r.Start):
			d.round = r
			r.Left++
			if d.Cause == CauseMemberLeft {
				d.Cause = CauseSessionExpired // it was to come back in time
			}
			d.decide(d.Cause)
		}
	}
}

// missing takes in that a member is not part of the new generation: its session
// ran out, or it did not join again in time.
func (g *Group) missing(r *Rebalance, m *Member, at time.Time) {
	e, slow := m.Expires(), time.Duration(sessionShare*float64(m.RebalanceTimeout))
	switch {
	case !e.IsZero() && !e.After(at):
		g.lost(m, CauseSessionExpired, e, r).Told = true
	case slow > 0 && at.Sub(r.Start) >= slow:
		g.lost(m, CauseSlowJoin, at, r).Told = true
	default:
		r.Left++
		g.drop(m.ID)
	}
}

// lost takes in that the coordinator removed a member, and that r followed. A
// static member that did not poll in time stops its heartbeats instead of leaving:
// its session runs out after that. One that did not join again in time because its
// application did not poll, which is the same time in Java, may be removed before it
// leaves.
func (g *Group) lost(m *Member, cause Cause, at time.Time, r *Rebalance) *Departure {
	d := g.departs(m, Expired, at)
	if cause == CauseSessionExpired && d.InstanceID != "" && d.stuck(d.LastAlive) || cause == CauseSlowJoin && d.stuck(at) {
		cause, d.Inferred = CausePollTimeout, true
	}
	if r != nil {
		r.Left++
	}
	d.round = r
	d.decide(cause)
	g.giveUp(m, at)
	return d
}

// fenced takes in that a static member was pushed out by another process with
// the same group.instance.id.
func (g *Group) fenced(who rules.Membership, client *rules.Identity, at time.Time) {
	d := &Departure{MemberID: who.MemberID, InstanceID: who.InstanceID, Client: client, At: at, How: Fenced, Told: true}
	if m := g.members[who.MemberID]; m != nil {
		d.InstanceID, d.Joined = m.InstanceID, m.Joined
		g.drop(m.ID)
	}
	if r, holder := g.last(), g.known("", d.InstanceID); r != nil && (r.Open() || holder != nil && r.includes(holder.asked)) {
		d.round = r // which the other process began
	}
	d.decide(CauseInstanceFenced)
	g.keep(d)
}

// returns gives the departure of the client that comes to join, if it left lately.
func (g *Group) returns(client *rules.Identity, instance string, at time.Time) *Departure {
	for _, d := range slices.Backward(g.departures) {
		if !d.Returned.IsZero() || d.How == Fenced || at.Sub(d.At) > returnPatience || d.InstanceID != instance {
			continue
		}
		if instance == "" && clientOf(d.Client) != clientOf(client) {
			continue
		}
		d.Returned = at
		if d.Cause == CauseUnknown { // it did not close
			d.Inferred = true
			d.decide(CausePollTimeout)
		}
		return d
	}
	return nil
}

// identified notes the member id under which a client came back.
func (g *Group) identified(m *Member) {
	for _, d := range slices.Backward(g.departures) {
		if d.Returned.IsZero() || d.ReturnedID != "" || d.InstanceID != m.InstanceID {
			continue
		}
		if m.InstanceID != "" || clientOf(d.Client) == clientOf(m.Client) {
			d.ReturnedID = m.ID
			return
		}
	}
}
