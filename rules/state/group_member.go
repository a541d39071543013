package state

import (
	"cmp"
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

// DefaultSessionTimeout stands in where the session timeout is not on the wire,
// until the cluster has said it: the brokers' default of group.consumer.session.timeout.ms (KIP-848), and of the
// same for share and Streams groups (GroupCoordinatorConfig.java).
const DefaultSessionTimeout = 45 * time.Second

// beatsKept is how many intervals between heartbeats are remembered, and leastBeats
// how many there must be for their median to say something.
const (
	beatsKept  = 16
	leastBeats = 3
)

// Member is what is known of one member of a group.
type Member struct {
	ID         string
	InstanceID string // group.instance.id, "" for dynamic members
	Client     *rules.Identity
	// SessionTimeout is session.timeout.ms, or what stands in for it unless
	// SessionKnown; RebalanceTimeout that of JoinGroup, 0 when it was not said.
	SessionTimeout, RebalanceTimeout time.Duration
	SessionKnown                     bool
	// Protocols that it offered, and Topics that it subscribes to.
	Protocols, Topics []string
	// Joined is when it became a member; zero when that was before warder knew
	// of it.
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
	// Tasks of a member of a Streams group, nil when they are not known.
	Tasks *Tasks
	// Status is what the coordinator of a Streams group finds wanting.
	Status []string
	// Progress is the last sign that its application polls, see showsPoll.
	Progress time.Time
	// Fetched is its last Fetch.
	Fetched time.Time

	interval time.Duration // between heartbeats as the coordinator asks for it, see Protocol.Epochs
	beats    [beatsKept]time.Duration
	nbeats   int
	metadata uint64

	asked      time.Time // when it asked to join the last round
	generation int32     // that it joined last, or its epoch; -1 when that is not known
}

// Tasks are what a member of a Streams group works on, each as subtopology and
// partition. Only Active ones read partitions of the group.
type Tasks struct{ Active, Standby, Warmup []string }

// defaultHeartbeat is the heartbeat interval of nearly every library.
const defaultHeartbeat = 3 * time.Second

// HeartbeatInterval is the usual time between the member's heartbeats: the median
// of the last ones, or what is usual before there are enough.
func (m *Member) HeartbeatInterval() time.Duration {
	if m.interval > 0 {
		return m.interval
	}
	n := min(m.nbeats, beatsKept)
	if n < leastBeats {
		return defaultHeartbeat
	}
	beats := m.beats
	slices.Sort(beats[:n])
	return beats[n/2]
}

// HeartbeatsMeasured says that HeartbeatInterval is what was seen, and not what is
// usual.
func (m *Member) HeartbeatsMeasured() bool { return m.interval > 0 || m.nbeats >= leastBeats }

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

// showsPoll takes in a sign of the member's application. rose says that it is new:
// an offset behind the one before. Java and kafka-python send Fetch and commits only
// from within poll, so that any of them will do; libraries that fetch in the
// background show by commits alone what the application does.
func (m *Member) showsPoll(at time.Time, fetch, rose bool) {
	library := m.Client.Library()
	if library.FetchesInPoll() || rose && !(fetch && library.FetchesAhead()) {
		m.Progress = at
	}
}

// Expires is when the coordinator removes the member unless it hears from it;
// zero while its JoinGroup waits there.
func (m *Member) Expires() time.Time {
	if !m.Waiting.IsZero() || m.SessionTimeout <= 0 {
		return time.Time{}
	}
	return m.Alive.Add(m.SessionTimeout)
}

// Consumer says that the member speaks the consumer group protocol (KIP-848) or one
// of those after it, in which the coordinator says how often to send heartbeats, and
// nobody how long the session timeout is.
func (m *Member) Consumer() bool { return m.interval > 0 }

// Owns says whether a partition is assigned to the member.
func (m *Member) Owns(p rules.TopicPartition) bool { return slices.Contains(m.Assigned, p) }

// add makes a member; nil when there are too many.
func (g *Group) add(id, instance string, client *rules.Identity, at time.Time) *Member {
	if len(g.members) >= maxGroupMembers {
		return nil
	}
	m := &Member{
		ID: id, InstanceID: instance, Client: client, Joined: at, Alive: at, Progress: at,
		SessionTimeout: DefaultSessionTimeout, generation: -1,
	}
	g.members[id] = m
	g.returned(at)
	return m
}

// drop forgets a member.
func (g *Group) drop(id string) {
	if _, ok := g.members[id]; !ok {
		return
	}
	g.noteAsked(g.members[id])
	partial := g.Partial()
	delete(g.members, id)
	g.Announced = max(g.Announced-1, 0)
	if g.Leader == id {
		g.Leader = ""
	}
	if len(g.members) == 0 && !partial {
		g.Emptied, g.EmptyBefore = g.LastEvent, false
	}
}

// noteAsked notes the partitions that a member which goes has sent a Fetch for. What
// that was answered is told with the next Fetch, and who ends on the first record that
// it is given sends no other.
func (g *Group) noteAsked(m *Member) {
	for _, tp := range m.Assigned {
		if p := g.partitions[tp]; p != nil && m.fetchedSince(p) {
			p.asked = true
		}
	}
}

// fetchedSince says that the member has sent a Fetch since a partition is its own.
func (m *Member) fetchedSince(p *GroupPartition) bool {
	return p.OwnerID == m.ID && !m.Fetched.Before(p.OwnedSince)
}

// refused takes in an error that a member was answered.
func (g *Group) refused(code int16, who rules.Membership, client *rules.Identity, at time.Time) {
	switch code {
	case errCoordinatorLoading, errNoCoordinator, errNotCoordinator:
		g.Failover = at
		for _, m := range g.members { // their clocks begin anew with the new coordinator
			m.Alive = at
		}
	case errUnknownMember, errFencedMemberEpoch:
		g.removed(who.MemberID, at)
	case errFencedInstance:
		g.fenced(who, client, at)
	case errUnreleasedInstance:
		g.unreleased(who, at)
	case errRebalanceInProg:
		g.toldToRejoin(who.Generation, at)
	}
}

func (g *Group) synced(ev *rules.Synced) {
	m := g.members[ev.MemberID]
	if ev.ErrorCode != 0 {
		g.refused(ev.ErrorCode, ev.Membership, ev.Client, ev.At)
		return
	}
	if m == nil {
		if m = g.late(ev.Membership, ev.Client, ev.At); m == nil {
			return
		}
	}
	m.lives(ev.At)
	before := len(m.Assigned)
	g.assign(m, ev.Assigned, ev.Readable, ev.At)
	g.syncedRebalance(m, before, ev)
}

// late makes a member that was one before warder knew of it.
func (g *Group) late(who rules.Membership, client *rules.Identity, at time.Time) *Member {
	m := g.add(who.MemberID, who.InstanceID, client, at)
	if m != nil {
		m.Joined, m.generation = time.Time{}, who.Generation
	}
	return m
}

// assign notes the member as owner of its partitions, and of no others. Partitions
// of a share group have no owner.
func (g *Group) assign(m *Member, assigned []rules.TopicPartition, readable bool, at time.Time) {
	g.takesOver(m, assigned, at)
	g.handOver(m, assigned, at)
	before := m.Assigned
	m.Assigned, m.Readable, m.AssignedAt = assigned, readable, at
	m.Progress = at // what it has not had it cannot have read
	if !g.Protocol.Exclusive() {
		for _, tp := range assigned {
			g.partition(tp)
		}
		return
	}
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
	alive := ev.ErrorCode == 0 || ev.ErrorCode == errRebalanceInProg
	if m == nil && alive {
		m = g.late(ev.Membership, ev.Client, ev.At)
		g.Protocol = ClassicProtocol
	}
	if m != nil {
		m.beat(ev.Requested)
		if alive {
			m.lives(ev.Requested)
		}
	}
	if ev.ErrorCode == 0 {
		g.unseen(ev.Generation, ev.At)
		if m != nil {
			m.generation = ev.Generation
		}
		return
	}
	g.refused(ev.ErrorCode, ev.Membership, ev.Client, ev.At)
}

func (g *Group) left(ev *rules.Left) {
	if ev.ErrorCode != 0 {
		return
	}
	for i := range ev.Members {
		l := &ev.Members[i]
		if m := g.known(l.MemberID, l.InstanceID); m != nil && l.ErrorCode == 0 {
			g.leaves(m, LeftByItself, l.Reason, ev.At)
		}
	}
}

func (g *Group) memberGone(ev *rules.MemberGone) {
	m := g.members[ev.MemberID]
	switch {
	case ev.Left:
		g.closed(ev.MemberID, ev.At)
	case m == nil:
	default:
		m.Gone = ev.At
		if !m.Waiting.IsZero() { // nobody hears the answer, and then its session runs out
			m.Waiting, m.Alive = time.Time{}, ev.At
		}
	}
}

// expireMembers removes members whose session must have run out: nobody told
// us, but the coordinator has removed them.
func (g *Group) expireMembers(now time.Time) {
	var over []*Member
	for _, m := range g.members {
		// Once more the timeout: the coordinator's clock and ours may differ,
		// and an answer may be on its way.
		if at := m.Expires(); !at.IsZero() && now.Sub(at) > m.SessionTimeout {
			over = append(over, m)
		}
	}
	slices.SortFunc(over, func(a, b *Member) int {
		return cmp.Or(a.Expires().Compare(b.Expires()), cmp.Compare(a.ID, b.ID))
	})
	for _, m := range over {
		at := m.Expires()
		g.lost(m, CauseSessionExpired, at, g.roundOf(at, now))
	}
	for key, ev := range g.joining {
		if now.Sub(ev.At) > joinPatience {
			delete(g.joining, key)
		}
	}
}

// joinPatience is the longest a JoinGroup waits in a coordinator, more or less:
// the largest rebalance timeout that anybody sets.
const joinPatience = time.Hour
