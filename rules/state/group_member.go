package state

import (
	"slices"
	"time"

	"warder/rules"
)

// Kafka errors by which a coordinator answers a member (Errors.java).
const (
	errCoordinatorLoading = 14
	errNoCoordinator      = 15
	errNotCoordinator     = 16
	errIllegalGeneration  = 22
	errUnknownMember      = 25
	errRebalanceInProg    = 27
	errMemberIDRequired   = 79
	errFencedInstance     = 82
	errFencedMemberEpoch  = 110
	errUnreleasedInstance = 111
)

// DefaultSessionTimeout stands in where the session timeout is not on the wire:
// the brokers' default of group.consumer.session.timeout.ms (KIP-848).
const DefaultSessionTimeout = 45 * time.Second

// beatsKept is how many intervals between heartbeats are remembered.
const beatsKept = 16

// Member is what is known of one member of a group.
type Member struct {
	ID         string
	InstanceID string // group.instance.id, "" for dynamic members
	Client     *rules.Identity
	// SessionTimeout is session.timeout.ms, or what stands in for it;
	// RebalanceTimeout that of JoinGroup, 0 when it was not said.
	SessionTimeout, RebalanceTimeout time.Duration
	// Protocols that it offered, and Topics that it subscribes to.
	Protocols, Topics []string
	// Joined is when it became a member.
	Joined time.Time
	// Alive is when it last made a request that the coordinator takes for a
	// sign of life and answered without error: Heartbeat, JoinGroup, SyncGroup,
	// OffsetCommit (GroupMetadataManager.rescheduleClassicGroupMemberHeartbeat).
	Alive time.Time
	// LastBeat is its last Heartbeat.
	LastBeat time.Time
	// Waiting is since when its JoinGroup waits in the coordinator; zero when
	// none does. Its session does not run out meanwhile.
	Waiting time.Time
	// Gone is since when it has no connection to the coordinator; zero while
	// it has one.
	Gone time.Time
	// Assigned partitions, and when; Readable is false when they are not known.
	Assigned   []rules.TopicPartition
	AssignedAt time.Time
	Readable   bool
	// Progress is the last sign that its application took records: a commit
	// that rose, or a Fetch behind the last one.
	Progress time.Time
	// Fetched is its last Fetch.
	Fetched time.Time

	interval time.Duration // between heartbeats as the coordinator asks for it; KIP-848 alone
	beats    [beatsKept]time.Duration
	nbeats   int
	metadata uint64
	epoch    int32 // of KIP-848
}

// defaultHeartbeat is the heartbeat interval of nearly every library.
const defaultHeartbeat = 3 * time.Second

// HeartbeatInterval is the usual time between the member's heartbeats: the median
// of the last ones, or what is usual before there are enough.
func (m *Member) HeartbeatInterval() time.Duration {
	if m.interval > 0 {
		return m.interval
	}
	n := min(m.nbeats, beatsKept)
	if n < 3 {
		return defaultHeartbeat
	}
	beats := m.beats
	slices.Sort(beats[:n])
	return beats[n/2]
}

func (m *Member) beat(at time.Time) {
	if !m.LastBeat.IsZero() && at.After(m.LastBeat) {
		m.beats[m.nbeats%beatsKept] = at.Sub(m.LastBeat)
		m.nbeats++
	}
	m.LastBeat = at
}

// lives notes a sign of life that the coordinator accepted.
func (m *Member) lives(at time.Time) {
	if at.After(m.Alive) {
		m.Alive = at
	}
	m.Gone = time.Time{}
}

// Expires is when the coordinator removes the member unless it hears from it;
// zero while its JoinGroup waits there.
func (m *Member) Expires() time.Time {
	if !m.Waiting.IsZero() || m.SessionTimeout <= 0 {
		return time.Time{}
	}
	return m.Alive.Add(m.SessionTimeout)
}

// Owns says whether a partition is assigned to the member.
func (m *Member) Owns(p rules.TopicPartition) bool { return slices.Contains(m.Assigned, p) }

// joining is a JoinGroup whose member has no id yet.
type joining struct {
	event rules.JoinRequested
}

// maxJoining bounds the dynamic members that wait for their first id.
const maxJoining = 1000

func (g *Group) joinRequested(ev *rules.JoinRequested) {
	g.Protocol, g.Type = ClassicProtocol, ev.ProtocolType
	m := g.members[ev.MemberID]
	if m == nil && ev.InstanceID != "" {
		m = g.instance(ev.InstanceID)
	}
	g.rejoining(ev, m)
	if m != nil {
		m.Waiting = ev.At
		m.take(ev)
		return
	}
	if g.joining == nil {
		g.joining = map[clientKey]*joining{}
	}
	if len(g.joining) < maxJoining {
		g.joining[clientOf(ev.Client)] = &joining{*ev}
	}
}

// instance gives the member with a group.instance.id.
func (g *Group) instance(id string) *Member {
	for _, m := range g.members {
		if m.InstanceID == id {
			return m
		}
	}
	return nil
}

// take notes what a member says of itself.
func (m *Member) take(ev *rules.JoinRequested) {
	m.Client = ev.Client
	m.SessionTimeout, m.RebalanceTimeout = ev.SessionTimeout, ev.RebalanceTimeout
	m.Protocols, m.Topics, m.metadata = ev.Protocols, ev.Topics, ev.Metadata
}

func (g *Group) joined(ev *rules.Joined) {
	m := g.members[ev.RequestedID]
	if m == nil && ev.InstanceID != "" {
		m = g.instance(ev.InstanceID)
	}
	if m != nil {
		m.Waiting = time.Time{}
	}
	if ev.ErrorCode != 0 {
		g.refused(ev.ErrorCode, ev.RequestedID, ev.At)
		return
	}
	asked := g.joining[clientOf(ev.Client)]
	if m == nil || m.ID != ev.MemberID {
		if m != nil { // a static member that came back has a new id (KIP-345)
			g.Announced++ // it is no less
			g.drop(m.ID)
		}
		m = g.add(ev.MemberID, ev.InstanceID, ev.At)
	}
	if m == nil {
		return
	}
	if asked != nil {
		m.take(&asked.event)
		delete(g.joining, clientOf(ev.Client))
	}
	m.Client = ev.Client
	m.lives(ev.At)
	m.nbeats, m.LastBeat = 0, time.Time{}
	g.newGeneration(ev)
}

// add makes a member; nil when there are too many.
func (g *Group) add(id, instance string, at time.Time) *Member {
	if len(g.members) >= maxGroupMembers {
		return nil
	}
	m := &Member{ID: id, InstanceID: instance, Joined: at, SessionTimeout: DefaultSessionTimeout, Alive: at, Progress: at}
	g.members[id] = m
	g.Emptied = time.Time{}
	return m
}

// drop forgets a member.
func (g *Group) drop(id string) {
	if _, ok := g.members[id]; !ok {
		return
	}
	partial := g.Partial()
	delete(g.members, id)
	g.Announced = max(g.Announced-1, 0)
	if g.Leader == id {
		g.Leader = ""
	}
	if len(g.members) == 0 && !partial {
		g.Emptied = g.LastEvent
	}
}

// refused takes in an error that a member was answered.
func (g *Group) refused(code int16, memberID string, at time.Time) {
	switch code {
	case errCoordinatorLoading, errNoCoordinator, errNotCoordinator:
		g.Failover = at
		for _, m := range g.members { // their clocks begin anew with the new coordinator
			m.lives(at)
		}
	case errUnknownMember, errFencedMemberEpoch:
		g.removed(memberID, at)
	case errFencedInstance:
		g.fenced(memberID, at)
	}
}

func (g *Group) synced(ev *rules.Synced) {
	m := g.members[ev.MemberID]
	if ev.ErrorCode != 0 {
		g.refused(ev.ErrorCode, ev.MemberID, ev.At)
		return
	}
	if m == nil {
		if m = g.add(ev.MemberID, ev.InstanceID, ev.At); m == nil {
			return
		}
		m.Client = ev.Client
	}
	m.lives(ev.At)
	g.assign(m, ev.Assigned, ev.Readable, ev.At)
	m.Progress = ev.At
	g.syncedRebalance(m, ev)
}

// assign notes the member as owner of its partitions, and of no others.
func (g *Group) assign(m *Member, assigned []rules.TopicPartition, readable bool, at time.Time) {
	before := m.Assigned
	m.Assigned, m.Readable, m.AssignedAt = assigned, readable, at
	for _, tp := range assigned {
		p := g.partition(tp)
		if p == nil {
			continue
		}
		if p.OwnerID != m.ID {
			g.hand(p, m.ID, at)
		}
		p.assignedAt = at
	}
	for _, tp := range before {
		if p := g.partitions[tp]; p != nil && p.OwnerID == m.ID && !p.assignedAt.Equal(at) {
			p.OwnerID = ""
		}
	}
}

func (g *Group) heartbeat(ev *rules.Heartbeat) {
	m := g.members[ev.MemberID]
	if m == nil && (ev.ErrorCode == 0 || ev.ErrorCode == errRebalanceInProg) {
		if m = g.add(ev.MemberID, ev.InstanceID, ev.At); m != nil { // warder came later than the member
			m.Client = ev.Client
			g.Protocol = ClassicProtocol
			g.Generation = max(g.Generation, ev.Generation)
		}
	}
	if m == nil {
		g.refused(ev.ErrorCode, ev.MemberID, ev.At)
		return
	}
	m.beat(ev.Requested)
	switch ev.ErrorCode {
	case 0:
		m.lives(ev.Requested)
	case errRebalanceInProg:
		m.lives(ev.Requested)
		g.rebalancing(ev.At)
	default:
		g.refused(ev.ErrorCode, ev.MemberID, ev.At)
	}
}

func (g *Group) left(ev *rules.Left) {
	if ev.ErrorCode != 0 {
		return
	}
	for i := range ev.Members {
		l := &ev.Members[i]
		m := g.members[l.MemberID]
		if m == nil && l.InstanceID != "" {
			m = g.instance(l.InstanceID)
		}
		if m == nil || l.ErrorCode != 0 {
			continue
		}
		g.departed(Departure{MemberID: m.ID, InstanceID: m.InstanceID, Client: m.Client, At: ev.At, How: LeftByItself, Reason: l.Reason, LastProgress: m.Progress, RebalanceTimeout: m.RebalanceTimeout})
		g.drop(m.ID)
	}
}

func (g *Group) memberGone(ev *rules.MemberGone) {
	if m := g.members[ev.MemberID]; m != nil {
		m.Gone = ev.At
	}
}

// removed takes in that the coordinator does not know a member any more.
func (g *Group) removed(memberID string, at time.Time) {
	if m := g.members[memberID]; m != nil {
		g.departed(Departure{MemberID: m.ID, InstanceID: m.InstanceID, Client: m.Client, At: at, How: Expired, LastProgress: m.Progress, LastAlive: m.Alive, RebalanceTimeout: m.RebalanceTimeout})
		g.drop(memberID)
	}
}

// expireMembers removes members whose session must have run out: nobody told
// us, but the coordinator has removed them.
func (g *Group) expireMembers(now time.Time) {
	for id, m := range g.members {
		// Once more the timeout: the coordinator's clock and ours may differ,
		// and an answer may be on its way.
		if at := m.Expires(); !at.IsZero() && now.Sub(at) > m.SessionTimeout {
			g.departed(Departure{MemberID: m.ID, InstanceID: m.InstanceID, Client: m.Client, At: at, How: Expired, LastProgress: m.Progress, LastAlive: m.Alive, RebalanceTimeout: m.RebalanceTimeout})
			g.drop(id)
		}
	}
	for key, j := range g.joining {
		if now.Sub(j.event.At) > joinPatience {
			delete(g.joining, key)
		}
	}
}

// joinPatience is the longest a JoinGroup waits in a coordinator, more or less:
// the largest rebalance timeout that anybody sets.
const joinPatience = time.Hour

// consumerHeartbeat follows a member by KIP-848.
func (g *Group) consumerHeartbeat(ev *rules.ConsumerHeartbeat) {
	g.Protocol, g.Type = ConsumerProtocol, "consumer"
	m := g.members[ev.MemberID]
	if ev.ErrorCode != 0 {
		g.refused(ev.ErrorCode, ev.MemberID, ev.At)
		return
	}
	if ev.Generation < 0 { // it leaves
		if m != nil {
			how := LeftByItself
			if ev.Generation < -1 {
				how = LeftForAWhile
			}
			g.departed(Departure{MemberID: m.ID, InstanceID: m.InstanceID, Client: m.Client, At: ev.At, How: how, LastProgress: m.Progress, RebalanceTimeout: m.RebalanceTimeout})
			g.drop(m.ID)
		}
		return
	}
	if m == nil {
		if m = g.add(ev.MemberID, ev.InstanceID, ev.At); m == nil {
			return
		}
		g.arrived(m, ev.At)
	}
	m.Client, m.interval = ev.Client, ev.HeartbeatInterval
	if ev.RebalanceTimeout > 0 {
		m.RebalanceTimeout = ev.RebalanceTimeout
	}
	if ev.Said {
		m.Topics = ev.Topics
	}
	m.beat(ev.Requested)
	m.lives(ev.Requested)
	if ev.AssignedSaid {
		g.assign(m, ev.Assigned, true, ev.At)
	}
	g.newEpoch(m, ev)
}
