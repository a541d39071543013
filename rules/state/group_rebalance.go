package state

import (
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// Rebalance is one rebalance of a group: a generation, or with KIP-848 an epoch,
// that follows another. What was begun and led to none is forgotten.
type Rebalance struct {
	// From is the generation before, Generation the one that it led to; the
	// same as From until then.
	From, Generation int32
	// Start is when the first member was told or asked to join again, End when
	// the last one known had its assignment; zero while it goes on.
	Start, End time.Time
	Cause      Cause
	// Trigger is who set it off, nil when that is not known.
	Trigger *rules.Identity
	// Reason is what the library said, "" when it said nothing.
	Reason string
	// Returning says that the member comes back which an earlier rebalance lost
	// for the same cause.
	Returning bool
	// Members took part, as far as they come through here. Joined and Left
	// count those that are new and that have gone.
	Members, Joined, Left int
	// Stopped is how long members with partitions had to stop, from their
	// JoinGroup to the answer to SyncGroup, added up over StoppedMembers of
	// them.
	Stopped        time.Duration
	StoppedMembers int
	// Moved partitions of a cooperative group were taken from one member and
	// given to another; MovedFor is how long nobody had them, added up. The
	// group has Partitions in all.
	Moved, Partitions int
	MovedFor          time.Duration
	// Followup says that it is the second half of a cooperative change, in
	// which what was taken from some is given to others.
	Followup bool
	// Incomplete says that not all members were seen to get their assignment.
	Incomplete bool
	// Unseen is how many generations passed before it that warder did not see.
	Unseen int32

	told    bool // somebody was told of it or has gone: it is more than a request to join
	revoked bool // partitions were taken from members for others
	counted bool
	synced  map[string]bool // members that have their assignment; of the last rebalance alone
}

// Open says that the rebalance goes on.
func (r *Rebalance) Open() bool { return r.End.IsZero() }

// includes says whether a time lies between its start and its end.
func (r *Rebalance) includes(at time.Time) bool {
	return !at.Before(r.Start) && (r.Open() || !at.After(r.End))
}

// Formed says that there is a new generation. Until then it may come to nothing.
func (r *Rebalance) Formed() bool { return r.Generation > r.From }

// Standstill is how long the group, or rather the average one of its partitions,
// was not worked on. An eager group stops as a whole, a cooperative one for what
// changes hands.
func (r *Rebalance) Standstill() time.Duration {
	switch {
	case r.StoppedMembers > 0:
		return r.Stopped / time.Duration(r.StoppedMembers)
	case r.Moved > 0:
		return r.MovedFor / time.Duration(max(r.Partitions, r.Moved))
	}
	return 0
}

const (
	// cooperativeFollowup is how soon after a cooperative rebalance the second
	// half follows.
	cooperativeFollowup = 10 * time.Second
	// stalePatience is added to the longest rebalance timeout before a
	// rebalance that nobody has ended is closed.
	stalePatience = 10 * time.Second
	// lateCause is how long after its end a rebalance may still get a cause: a
	// process that was stopped learns that it was removed when it goes on.
	lateCause = time.Minute
)

// Rebalances gives the last rebalances, oldest first; the last may be open.
func (g *Group) Rebalances() []*Rebalance { return g.rebalances }

// Rebalanced counts all rebalances there were by cause, a minute after their end,
// without the second halves of cooperative changes.
func (g *Group) Rebalanced() [NumCauses]uint64 { return g.rebalanced }

// Cooperative says that the group's members keep what they have while they
// rebalance.
func (g *Group) Cooperative() bool {
	return g.Protocol.Epochs() || strings.HasPrefix(g.Assignor, "cooperative")
}

// handsOver says that partitions go from one member to another, and are with
// nobody on their way.
func (g *Group) handsOver() bool { return g.Cooperative() && g.Protocol.Exclusive() }

// last gives the last rebalance, open or not; nil when there was none.
func (g *Group) last() *Rebalance {
	if n := len(g.rebalances); n > 0 {
		return g.rebalances[n-1]
	}
	return nil
}

// open gives the rebalance that goes on, nil when none does.
func (g *Group) open() *Rebalance {
	if r := g.last(); r != nil && r.Open() {
		return r
	}
	return nil
}

// round gives the rebalance that members are asked to join, which begins now
// unless one goes on that has no generation yet.
func (g *Group) round(at time.Time) (r *Rebalance, begins bool) {
	before := g.last()
	if before != nil && before.Open() {
		if !before.Formed() {
			return before, false
		}
		g.cutShort(before, at)
	}
	r = &Rebalance{From: g.Generation, Generation: g.Generation, Start: at, synced: map[string]bool{}}
	if before != nil {
		r.Followup = g.Protocol == ClassicProtocol && g.Cooperative() && before.revoked && at.Sub(before.End) < cooperativeFollowup
		if !r.Followup {
			clear(g.freed)
		}
		before.synced = nil
	}
	for len(g.rebalances) >= g.stories() {
		g.count(g.rebalances[0])
		g.rebalances = slices.Delete(g.rebalances, 0, 1)
	}
	g.rebalances = append(g.rebalances, r)
	g.expired(r)
	return r, true
}

// cutShort ends a rebalance because the next begins before all members had their
// assignment.
func (g *Group) cutShort(r *Rebalance, at time.Time) {
	r.Incomplete = true
	g.end(r, at)
}

func (g *Group) end(r *Rebalance, at time.Time) {
	r.End, r.Members = at, len(g.members)
	r.Partitions = 0
	for _, m := range g.members {
		r.Partitions += len(m.Assigned)
	}
}

// cancel forgets a round that led to no generation.
func (g *Group) cancel(r *Rebalance) {
	if g.last() == r {
		g.rebalances = g.rebalances[:len(g.rebalances)-1]
	}
}

// toldToRejoin takes in that a member of a generation was told that the group
// rebalances (27).
func (g *Group) toldToRejoin(generation int32, at time.Time) {
	if generation < g.Generation {
		return // of the rebalance that made the present one
	}
	if g.Generation < 0 {
		g.Generation = generation
	}
	r, _ := g.round(at)
	r.told = true
}

// newGeneration takes in the generation that an answer to JoinGroup begins, or
// that was there before: a static member that comes back gets it at once, and
// nobody rebalances (KIP-345).
func (g *Group) newGeneration(m *Member, ev *rules.Joined) {
	if ev.Protocol != "" {
		g.Assignor = ev.Protocol
	}
	g.Leader = ev.Leader
	r := g.open()
	if ev.Generation <= g.Generation {
		if r != nil && !r.Formed() && !r.told && !g.waits() {
			g.cancel(r)
		}
		m.generation = ev.Generation
		return
	}
	if r == nil || r.Formed() {
		r, _ = g.round(ev.Requested)
	}
	if g.Generation >= 0 && g.stayed(m.generation) {
		r.Unseen = ev.Generation - g.Generation - 1
	}
	g.Generation, r.Generation, m.generation = ev.Generation, ev.Generation, ev.Generation
}

// waits says whether a JoinGroup waits in the coordinator.
func (g *Group) waits() bool {
	for _, m := range g.members {
		if !m.Waiting.IsZero() {
			return true
		}
	}
	return false
}

// stayed says whether somebody was a member in the last generation and is still:
// then none was skipped for want of members.
func (g *Group) stayed(generation int32) bool {
	if generation == g.Generation {
		return true
	}
	for _, m := range g.members {
		if m.generation == g.Generation {
			return true
		}
	}
	return false
}

// unseen takes in a generation that a member is in although nobody was seen to
// join it: events were lost.
func (g *Group) unseen(generation int32, at time.Time) {
	if g.Generation < 0 || generation <= g.Generation {
		g.Generation = max(g.Generation, generation)
		return
	}
	if r := g.open(); r != nil && !r.Formed() {
		g.cancel(r)
	}
	r, _ := g.round(at)
	r.Unseen = generation - g.Generation - 1
	g.Generation, r.Generation = generation, generation
	g.cutShort(r, at)
}

// census compares the members that the leader is told of with those known.
func (g *Group) census(ev *rules.Joined) {
	r := g.last()
	if r == nil || r.Generation != ev.Generation {
		return
	}
	now := make(map[string]bool, len(ev.Members))
	for _, m := range ev.Members {
		now[m.MemberID] = true
		if g.announced != nil && !g.announced[m.MemberID] {
			r.blame(CauseMemberJoined, nil, "")
		}
	}
	for _, m := range g.memberList() {
		if !now[m.ID] && m.Waiting.IsZero() && m.generation < ev.Generation {
			g.missing(r, m, ev.At)
		}
	}
	for _, d := range g.departures { // the leader was told of a group without them
		d.Told = d.Told || d.round == r && !now[d.MemberID]
	}
	g.announced = now
	g.Announced = len(ev.Members)
}

// syncedRebalance takes in that a member has its assignment, instead of what it
// had before.
func (g *Group) syncedRebalance(m *Member, before int, ev *rules.Synced) {
	r := g.last()
	if r == nil || r.Generation != ev.Generation || !r.Formed() || r.synced == nil || r.synced[m.ID] {
		return
	}
	if !r.Open() && m.asked.After(r.End) { // a static member that came back later
		return
	}
	r.synced[m.ID] = true
	if !g.Cooperative() && before > 0 {
		from := r.Start
		if m.asked.After(from) {
			from = m.asked
		}
		r.Stopped += ev.At.Sub(from)
		r.StoppedMembers++
	}
	for id, other := range g.members {
		if other.generation == r.Generation && !r.synced[id] {
			return
		}
	}
	r.Incomplete = false
	g.end(r, ev.At)
}

// handOver notes what cooperative members give up and get.
func (g *Group) handOver(m *Member, assigned []rules.TopicPartition, at time.Time) {
	r := g.last()
	if r == nil || !g.handsOver() {
		return
	}
	if len(m.Assigned) > 0 {
		kept := make(map[rules.TopicPartition]bool, len(assigned))
		for _, p := range assigned {
			kept[p] = true
		}
		for _, p := range m.Assigned {
			if !kept[p] {
				r.revoked = true
				g.free(p, at)
			}
		}
	}
	for _, p := range assigned {
		if since, ok := g.freed[p]; ok {
			delete(g.freed, p)
			r.Moved++
			r.MovedFor += at.Sub(since)
		}
	}
}

// giveUp takes in that a member which has gone had partitions.
func (g *Group) giveUp(m *Member, at time.Time) {
	if g.handsOver() {
		for _, p := range m.Assigned {
			g.free(p, at)
		}
	}
}

// free notes that nobody has a partition for a while. Only those that are followed
// are noted, which bounds them.
func (g *Group) free(p rules.TopicPartition, at time.Time) {
	if g.freed == nil {
		g.freed = map[rules.TopicPartition]time.Time{}
	}
	if _, ok := g.freed[p]; !ok && g.partitions[p] != nil {
		g.freed[p] = at
	}
}

// closeStale closes a rebalance that nobody ends, or forgets what came to nothing,
// and counts those that are long over.
func (g *Group) closeStale(now time.Time) {
	if r := g.open(); r != nil {
		longest := time.Minute
		for _, m := range g.members {
			longest = max(longest, m.RebalanceTimeout)
		}
		switch {
		case now.Sub(r.Start) <= longest+stalePatience:
		case r.Formed():
			g.cutShort(r, now)
		default:
			g.cancel(r)
		}
	}
	for _, r := range g.rebalances {
		if !r.Open() && now.Sub(r.End) > lateCause {
			g.count(r)
		}
	}
}

func (g *Group) count(r *Rebalance) {
	if r.counted || r.Open() {
		return
	}
	r.counted = true
	if !r.Followup {
		g.rebalanced[r.Cause]++
	}
}
