package state

import (
	"strings"
	"time"

	"warder/rules"
)

// Cause says why a group rebalanced.
type Cause uint8

// The causes, the one that explains most first.
const (
	CauseUnknown        Cause = iota
	CausePollTimeout          // a member did not poll within max.poll.interval.ms
	CauseSessionExpired       // a member was not heard within session.timeout.ms
	CauseMemberLeft           // a member left in good order
	CauseMemberJoined         // a new member
	CauseSubscription         // a member subscribed to other topics
	CauseMetadata             // topics changed: the leader joined again by itself
	CauseInstanceFenced       // two processes share a group.instance.id
	CauseCoordinator          // the coordinator moved
	CauseSlowJoin             // members missed the rebalance timeout
	NumCauses
)

var causeNames = [...]string{
	"unknown", "poll-timeout", "session-expired", "member-left", "member-joined", "subscription-changed",
	"metadata-changed", "instance-fenced", "coordinator-moved", "slow-join",
}

// String is the cause as evidence and metrics write it.
func (c Cause) String() string { return causeNames[c] }

// How says how a member ceased to be one.
type How uint8

// The ways.
const (
	LeftByItself  How = iota // LeaveGroup, or epoch -1
	LeftForAWhile            // a static member of KIP-848 that will come back, epoch -2
	Expired                  // the coordinator removed it
	Fenced                   // another process took its group.instance.id
)

// Departure is a member that ceased to be one.
type Departure struct {
	MemberID, InstanceID string
	Client               *rules.Identity
	At                   time.Time
	How                  How
	Reason               string // as the library words it (KIP-800)
	LastProgress         time.Time
	LastAlive            time.Time
	RebalanceTimeout     time.Duration
}

// PollTimeout says that the member left because its application did not poll in
// time: in its own words (AbstractCoordinator.java), or because it leaves after
// having made no progress for nearly its max.poll.interval.ms.
func (d *Departure) PollTimeout() (yes, confirmed bool) {
	if strings.Contains(d.Reason, "poll timeout") {
		return true, true
	}
	if d.How != LeftByItself || d.Reason != "" || d.Client == nil || !d.Client.Library().PollInterval() || d.RebalanceTimeout <= 0 {
		return false, false
	}
	return d.At.Sub(d.LastProgress) >= d.RebalanceTimeout*9/10, false
}

// Rebalance is one rebalance of a group.
type Rebalance struct {
	// Generation that it led to; that before while it goes on.
	Generation int32
	// Start is when the first member was told or asked to join again, End when
	// the last one known had its assignment; zero while it goes on.
	Start, End time.Time
	Cause      Cause
	// Trigger describes who set it off, nil when that is not known.
	Trigger *rules.Identity
	// Reason is what the library said, "" when it said nothing.
	Reason string
	// Joined and Left count members that are new and that have gone.
	Joined, Left int
	// Stopped is the time for which members had no partitions, added up over
	// StoppedMembers of them. Members of cooperative assignors stop only for
	// what is taken from them, which is not counted.
	Stopped        time.Duration
	StoppedMembers int
	// Followup says that it is the second half of a cooperative change, in
	// which what was taken from some is given to others.
	Followup bool
	// Incomplete says that not all members were seen to get their assignment.
	Incomplete bool

	synced map[string]bool
}

// Open says that the rebalance goes on.
func (r *Rebalance) Open() bool { return r.End.IsZero() }

// cooperativeFollowup is how soon after a cooperative rebalance the second half
// follows.
const cooperativeFollowup = 10 * time.Second

// Rebalances gives the last rebalances, oldest first; the last may be open.
func (g *Group) Rebalances() []*Rebalance { return g.rebalances }

// Cooperative says that the group's members keep what they have while they
// rebalance.
func (g *Group) Cooperative() bool {
	return g.Protocol == ConsumerProtocol || strings.HasPrefix(g.Assignor, "cooperative")
}

// open gives the rebalance that goes on, nil when none does.
func (g *Group) open() *Rebalance {
	if n := len(g.rebalances); n > 0 && g.rebalances[n-1].Open() {
		return g.rebalances[n-1]
	}
	return nil
}

// rebalancing gives the rebalance that goes on, which begins now if none does.
func (g *Group) rebalancing(at time.Time) *Rebalance {
	if r := g.open(); r != nil {
		return r
	}
	r := &Rebalance{Generation: g.Generation, Start: at, synced: map[string]bool{}}
	if n := len(g.rebalances); n > 0 && g.Cooperative() && g.Protocol == ClassicProtocol {
		last := g.rebalances[n-1]
		r.Followup = !last.Followup && at.Sub(last.End) < cooperativeFollowup
	}
	if len(g.rebalances) == keptRebalances {
		copy(g.rebalances, g.rebalances[1:])
		g.rebalances = g.rebalances[:keptRebalances-1]
	}
	g.rebalances = append(g.rebalances, r)
	return r
}

// blame notes a cause. The one that explains most stays, see Cause.
func (r *Rebalance) blame(c Cause, who *rules.Identity, reason string) {
	if r.Cause == CauseUnknown || c < r.Cause {
		r.Cause, r.Trigger, r.Reason = c, who, reason
	}
}

// rejoining takes in that a member, nil for one that is new, asks to join.
func (g *Group) rejoining(ev *rules.JoinRequested, m *Member) {
	r := g.open()
	begins := r == nil
	if begins {
		r = g.rebalancing(ev.At)
	}
	switch {
	case m == nil:
		r.blame(CauseMemberJoined, ev.Client, ev.Reason)
	case m.metadata != 0 && m.metadata != ev.Metadata:
		r.blame(CauseSubscription, ev.Client, ev.Reason)
	case begins && ev.MemberID == "" && m.InstanceID != "":
		r.blame(CauseMemberJoined, ev.Client, ev.Reason) // a static member that was restarted
	case begins && g.Failover.After(ev.At.Add(-time.Minute)):
		r.blame(CauseCoordinator, ev.Client, ev.Reason)
	case begins && m.ID == g.Leader && !r.Followup:
		r.blame(CauseMetadata, ev.Client, ev.Reason)
	}
}

// departed takes in that a member has gone. That sets off a rebalance, unless one
// goes on already.
func (g *Group) departed(d Departure) {
	if d.How == LeftForAWhile {
		return
	}
	r := g.rebalancing(d.At)
	r.Left++
	polled, _ := d.PollTimeout()
	switch {
	case polled:
		r.blame(CausePollTimeout, d.Client, d.Reason)
	case d.How == Expired:
		r.blame(CauseSessionExpired, d.Client, d.Reason)
	case d.How == LeftByItself:
		r.blame(CauseMemberLeft, d.Client, d.Reason)
	}
	if len(g.members) <= 1 { // it was the last: there is nobody to rebalance
		g.end(r, d.At)
	}
}

// fenced takes in that a static member was pushed out by another process with
// the same group.instance.id.
func (g *Group) fenced(memberID string, at time.Time) {
	m := g.members[memberID]
	var who *rules.Identity
	if m != nil {
		who = m.Client
		g.drop(memberID)
	}
	g.rebalancing(at).blame(CauseInstanceFenced, who, "")
}

// newGeneration takes in the generation that an answer to JoinGroup begins.
func (g *Group) newGeneration(ev *rules.Joined) {
	r := g.rebalancing(ev.Requested)
	if ev.Generation > g.Generation {
		g.Generation = ev.Generation
	}
	r.Generation = g.Generation
	if ev.Protocol != "" {
		g.Assignor = ev.Protocol
	}
	g.Leader = ev.Leader
	if ev.Leader == ev.MemberID && len(ev.Members) > 0 {
		g.census(r, ev)
	}
}

// census compares the members that the leader is told of with those known.
func (g *Group) census(r *Rebalance, ev *rules.Joined) {
	now := map[string]bool{}
	for _, m := range ev.Members {
		now[m.MemberID] = true
	}
	for id, m := range g.members {
		if !now[id] && m.Waiting.IsZero() && m.AssignedAt.Before(r.Start) {
			g.missing(r, m, ev.At)
		}
	}
	g.Announced = len(ev.Members)
}

// missing takes in that a member is not part of the new generation: its session
// ran out, or it did not join again in time.
func (g *Group) missing(r *Rebalance, m *Member, at time.Time) {
	switch {
	case !m.Expires().IsZero() && !m.Expires().After(at):
		r.blame(CauseSessionExpired, m.Client, "")
	case m.RebalanceTimeout > 0 && at.Sub(r.Start) >= m.RebalanceTimeout:
		r.blame(CauseSlowJoin, m.Client, "")
	}
	r.Left++
	g.drop(m.ID)
}

// syncedRebalance takes in that a member has its assignment.
func (g *Group) syncedRebalance(m *Member, ev *rules.Synced) {
	r := g.open()
	if r == nil || ev.Generation < g.Generation {
		return
	}
	if !r.synced[m.ID] && len(r.synced) < maxGroupMembers {
		r.synced[m.ID] = true
		if !g.Cooperative() {
			r.Stopped += ev.At.Sub(r.Start)
			r.StoppedMembers++
		}
		if m.Joined.After(r.Start) || m.Joined.Equal(r.Start) {
			r.Joined++
		}
	}
	for id := range g.members {
		if !r.synced[id] {
			return
		}
	}
	g.end(r, ev.At)
}

func (g *Group) end(r *Rebalance, at time.Time) {
	r.End, r.synced = at, nil
}

// stalePatience is added to the longest rebalance timeout before a rebalance that
// nobody has ended is closed.
const stalePatience = 10 * time.Second

func (g *Group) closeStale(now time.Time) {
	r := g.open()
	if r == nil {
		return
	}
	longest := time.Minute
	for _, m := range g.members {
		longest = max(longest, m.RebalanceTimeout)
	}
	if now.Sub(r.Start) > longest+stalePatience {
		r.Incomplete = true
		g.end(r, now)
	}
}

// arrived takes in a new member of a KIP-848 group.
func (g *Group) arrived(m *Member, at time.Time) {
	r := g.rebalancing(at)
	r.Joined++
	r.blame(CauseMemberJoined, m.Client, "")
}

// newEpoch takes in the epoch of a member of a KIP-848 group. The group has
// settled when every member known has the highest.
func (g *Group) newEpoch(m *Member, ev *rules.ConsumerHeartbeat) {
	if ev.Epoch > g.Generation {
		if g.Generation >= 0 {
			g.rebalancing(ev.At)
		}
		g.Generation = ev.Epoch
	}
	m.epoch = ev.Epoch
	r := g.open()
	if r == nil {
		return
	}
	r.Generation = g.Generation
	for _, other := range g.members {
		if other.epoch < g.Generation {
			return
		}
	}
	g.end(r, ev.At)
}
