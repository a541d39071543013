package state

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"warder/rules"
)

// Bounds of one Group. A member takes about 1 KiB and 40 bytes for each partition,
// the rebalances and departures that are kept 40 KiB.
const (
	maxGroupMembers = 10_000
	// groupIdle drops a group of which nothing was heard for so long. It is as
	// long as commits are worth remembering: offsets.retention.minutes is seven
	// days by default, and what was lost is told after it.
	groupIdle = 30 * 24 * time.Hour
)

// DefaultGroupPartitions is how many partitions all groups together are followed
// on: 90 MiB while all are kept up with, 190 MiB when all lag.
const DefaultGroupPartitions = 100_000

// Groups is the Model of groups: their members, rebalances and offsets as the
// coordinator's answers show them. It says where a partition's log ends by what
// Logs knows. Beyond its limit of partitions it follows no new ones.
type Groups struct {
	logs  *Logs
	all   sharedRoom // for partitions
	again sharedRoom // for ranges of redelivered records
	// groups is how many there are.
	groups atomic.Int64
}

// sharedRoom is the room that groups share.
type sharedRoom struct {
	limit   int64
	taken   atomic.Int64
	refused atomic.Uint64
}

// Rebalances, and departures, that are remembered: mostStories of each group. Of so
// many groups that all together would be more than keptStories it is fewer, and never
// less than leastStories.
const (
	mostStories  = 64
	leastStories = 8
	keptStories  = 100_000
)

// stories is how many rebalances, and departures, of the group are remembered.
func (g *Group) stories() int {
	return int(min(max(keptStories/max(g.groups.Load(), 1), leastStories), mostStories))
}

// take takes room for one, and says whether there was any.
func (r *sharedRoom) take() bool {
	if r.taken.Add(1) <= r.limit {
		return true
	}
	r.taken.Add(-1)
	r.refused.Add(1)
	return false
}

// NewGroups makes the model.
func NewGroups(logs *Logs) *Groups {
	m := &Groups{logs: logs}
	m.all.limit, m.again.limit = DefaultGroupPartitions, allRedelivered
	return m
}

// Len is the number of partitions that are followed.
func (m *Groups) Len() int { return int(m.all.taken.Load()) }

// Evicted counts how often there was no room for another.
func (m *Groups) Evicted() uint64 { return m.all.refused.Load() }

// By is rules.ByGroup.
func (*Groups) By() rules.KeyKind { return rules.ByGroup }

// Kinds are the events about groups.
func (*Groups) Kinds() []rules.Kind {
	return []rules.Kind{
		rules.KindJoinRequested, rules.KindJoined, rules.KindSynced, rules.KindHeartbeat, rules.KindLeft,
		rules.KindConsumerHeartbeat, rules.KindMemberGone, rules.KindCommitted, rules.KindOffsetsFetched,
		rules.KindOffsetsSettled, rules.KindOffsetsDeleted, rules.KindOffsetsListed, rules.KindMemberFetched, rules.KindMemberPolled,
		rules.KindAcquired, rules.KindAcknowledged, rules.KindShareOffsets,
		rules.KindGroupDescribed, rules.KindGroupConfigured,
	}
}

// New makes the model of one group.
func (m *Groups) New(group string, now time.Time) rules.ModelState { return m.make(group, now) }

func (m *Groups) make(group string, now time.Time) *Group {
	m.groups.Add(1)
	return &Group{
		ID: group, Since: now, Followed: now, LastEvent: now, Generation: -1, TopologyEpoch: -1,
		logs: m.logs, all: &m.all, again: &m.again, groups: &m.groups,
		members: map[string]*Member{}, partitions: map[rules.TopicPartition]*GroupPartition{},
	}
}

// stallOf is how late a tick must be for a stall of warder itself.
const stallOf = 5 * time.Second

// Protocol is the protocol that a group speaks with its coordinator.
type Protocol uint8

// The protocols.
const (
	UnknownProtocol Protocol = iota
	ClassicProtocol
	ConsumerProtocol // KIP-848
	ShareProtocol    // KIP-932: members share partitions, and acknowledge each record
	StreamsProtocol  // KIP-1071: members are given tasks, which read partitions
)

// String is the value of group.protocol, or the type of group as Kafka's tools
// write it.
func (p Protocol) String() string {
	return [...]string{"unknown", "classic", "consumer", "share", "streams"}[p]
}

// Epochs says that it is one of those made after KIP-848: the coordinator says how
// often to send heartbeats, raises an epoch with each change, and has members
// follow one by one.
func (p Protocol) Epochs() bool { return p >= ConsumerProtocol }

// Exclusive says that a partition has one owner at a time.
func (p Protocol) Exclusive() bool { return p != ShareProtocol }

// Group is what is known of one group. It belongs to one goroutine.
type Group struct {
	ID       string
	Protocol Protocol
	// Type is the protocol type of a classic group, "consumer" for consumers, or
	// the name of Protocol; "" while no member was heard of.
	Type string
	// Assignor that the members agreed on, as in "cooperative-sticky".
	Assignor string
	// Generation of a classic group, or the highest member epoch seen; -1
	// before the first.
	Generation int32
	// TopologyEpoch of a Streams group, as its members said last; -1 when not
	// known.
	TopologyEpoch int32
	// Leader is the member id of the leader of a classic group.
	Leader string
	// Announced is how many members the coordinator told the leader of; 0 when
	// the leader does not come through here.
	Announced int
	// Since is when the group was first heard of, LastEvent when last. Followed
	// is the same as Since unless warder was started anew: since when nothing of
	// it can have been missed.
	Since, LastEvent, Followed time.Time
	// Lost is when events were lost last; zero if never. What looks like
	// silence around it may be none.
	Lost time.Time
	// Stalled is when warder itself last woke up after seconds without a tick:
	// what it did not see before that may have happened.
	Stalled time.Time
	// Failover is when the coordinator last turned a member away because it
	// moved or was loading (14, 15, 16).
	Failover time.Time
	// Emptied is since when the group has no members; zero while it has, or
	// when it never had any, or when some may be left that do not come through
	// here.
	Emptied time.Time
	// LongestPause is the longest time without members that ended.
	LongestPause time.Duration
	// EmptyBefore says that it had none already when warder first asked for it,
	// so that Emptied is later than when its last member went.
	EmptyBefore bool
	// State of the group as its coordinator named it when warder last asked;
	// "" when it did not.
	State string
	// Elsewhere is how many members the coordinator knew then that do not come
	// through here.
	Elsewhere int
	// Looked is when warder last asked for the group's offsets; zero if never.
	Looked time.Time
	// Refreshed is when the partitions were last brought up to date with their
	// logs. Who judges many of them does it in the tick with the same time.
	Refreshed time.Time

	ticked       time.Time
	awaited      bool          // it had members before warder was started anew, and none was heard yet
	typeBefore   string        // Type before that
	session      time.Duration // of members by KIP-848; 0 when it is not known
	lookEvery    time.Duration // how often warder asks for it
	looks        uint32        // that told all offsets
	logs         *Logs
	all, again   *sharedRoom
	groups       *atomic.Int64 // how many there are
	members      map[string]*Member
	joining      map[joiningKeyed]joining // those that are no members yet
	announced    map[string]bool          // member ids that the leader was told of
	partitions   map[rules.TopicPartition]*GroupPartition
	order        []*GroupPartition // all of them, by topic and number unless unsorted
	unsorted     bool
	pending      map[string]*pendingOffsets         // by transactional id
	pendingCount int                                // offsets in them
	moves        []PartitionMove                    // the last movesKept
	moved        uint64                             // all there ever were
	freed        map[rules.TopicPartition]time.Time // taken from a cooperative member, and nobody has it yet
	rebalances   []*Rebalance                       // oldest first; at most stories, the last may be open
	departures   []*Departure                       // oldest first; at most stories
	rebalanced   [NumCauses]uint64
}

// Apply takes in an event.
func (g *Group) Apply(ev rules.Event) {
	now := ev.When()
	if _, gap := ev.(rules.Gap); !gap && now.After(g.LastEvent) {
		g.LastEvent = now
	}
	switch ev := ev.(type) {
	case rules.JoinRequested:
		g.joinRequested(&ev)
	case rules.Joined:
		g.joined(&ev)
	case rules.Synced:
		g.synced(&ev)
	case rules.Heartbeat:
		g.heartbeat(&ev)
	case rules.Left:
		g.left(&ev)
	case rules.ConsumerHeartbeat:
		g.consumerHeartbeat(&ev)
	case rules.MemberGone:
		g.memberGone(&ev)
	case rules.Committed:
		g.committed(&ev)
	case rules.OffsetsFetched:
		g.offsetsFetched(&ev)
	case rules.OffsetsSettled:
		g.offsetsSettled(&ev)
	case rules.OffsetsDeleted:
		g.offsetsDeleted(&ev)
	case rules.OffsetsListed:
		g.offsetsListed(&ev)
	case rules.MemberFetched:
		g.memberFetched(&ev)
	case rules.MemberPolled:
		g.memberPolled(&ev)
	case rules.Acquired:
		g.acquired(&ev)
	case rules.Acknowledged:
		g.acknowledged(&ev)
	case rules.ShareOffsets:
		g.shareOffsets(&ev)
	case rules.GroupDescribed:
		g.described(&ev)
	case rules.GroupConfigured:
		g.configured(&ev)
	case rules.Gap:
		g.Lost = now
		g.forgetAllPending()
	}
}

// Tick lets time pass: members that must have been removed are, rebalances that
// nobody ends are closed, and the ends of logs are noted.
func (g *Group) Tick(now time.Time) (alive bool) {
	if !g.ticked.IsZero() && now.Sub(g.ticked) > stallOf {
		g.stalled(now, now.Sub(g.ticked))
	}
	g.ticked = now
	g.expireMembers(now)
	g.decideLeft(now)
	g.closeStale(now)
	g.giveUpAwaited(now)
	g.expirePending(now)
	g.refresh(now)
	return now.Sub(g.LastEvent) < groupIdle
}

// Dropped gives back the room of the group and its partitions.
func (g *Group) Dropped() {
	g.groups.Add(-1)
	g.all.taken.Add(-int64(len(g.partitions)))
	for _, p := range g.order {
		if p.share != nil {
			g.again.taken.Add(-p.share.counted)
		}
	}
}

// stalled takes in that warder stood still: nobody could be heard meanwhile, and
// nobody is blamed for it.
func (g *Group) stalled(now time.Time, long time.Duration) {
	g.Stalled = now
	for _, m := range g.members {
		for _, at := range []*time.Time{&m.Alive, &m.Progress, &m.Fetched} {
			switch moved := at.Add(long); {
			case at.IsZero():
			case moved.After(now):
				*at = now // it was heard since
			default:
				*at = moved
			}
		}
	}
}

// Member gives a member by id, nil when it is not known.
func (g *Group) Member(id string) *Member { return g.members[id] }

// Members is the number of members known here.
func (g *Group) Members() int { return len(g.members) }

// EachMember calls f for every member known, in no order.
func (g *Group) EachMember(f func(*Member)) {
	for _, m := range g.members {
		f(m)
	}
}

// memberList gives all members known, by id.
func (g *Group) memberList() []*Member {
	list := make([]*Member, 0, len(g.members))
	for _, m := range g.members {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *Member) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Counted says that the leader of a classic group was told here who its members are, so
// that no others are elsewhere unless the group is Partial.
func (g *Group) Counted() bool { return g.announced != nil }

// Partial says that members of the group do not come through here, so that what
// is missing may be happening elsewhere: the leader was told of more, or leads from
// elsewhere, or the coordinator said so when warder asked.
func (g *Group) Partial() bool {
	return g.Elsewhere > 0 || g.Announced > len(g.members) || g.Leader != "" && g.members[g.Leader] == nil
}
