package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// GroupView is a copy of what is known of a group, in the form in which
// /api/v1/groups/NAME and `warder explain group --output json` show it. Its JSON
// names are stable: more may come, none goes. Times are RFC 3339, time spans
// milliseconds, and what is not known is left out.
type GroupView struct {
	ID string `json:"id"`
	// Protocol is classic, consumer (KIP-848), share (KIP-932), streams
	// (KIP-1071) or unknown.
	Protocol string `json:"protocol"`
	Assignor string `json:"assignor,omitempty"`
	// Generation, or the highest member epoch; -1 before the first.
	Generation int32 `json:"generation"`
	// TopologyEpoch of a Streams group.
	TopologyEpoch *int32 `json:"topology_epoch,omitempty"`
	// Since is when the group was first heard of, LastEvent when last.
	Since     time.Time `json:"since"`
	LastEvent time.Time `json:"last_event"`
	// Restarted is when warder was last started, if it knew the group before.
	Restarted time.Time `json:"restarted_at,omitzero"`
	// Empty is since when it has no members; EmptyBefore says that it had none
	// before that either, when warder first asked for it.
	Empty       time.Time `json:"empty_since,omitzero"`
	EmptyBefore bool      `json:"empty_before,omitempty"`
	// State as the coordinator names it, and Elsewhere how many members do not
	// come through here, as of when warder last asked for the group, at Asked. It
	// does every AskedEvery; what is known of partitions may be so much older.
	State      string    `json:"state,omitempty"`
	Elsewhere  int       `json:"members_elsewhere,omitempty"`
	Asked      time.Time `json:"asked_at,omitzero"`
	AskedEvery int64     `json:"asked_every_ms,omitempty"`
	// Partial says that members do not come through here: they and their
	// partitions are missing.
	Partial bool `json:"partial"`
	// Learning says that the group is followed for too short a time for what
	// is missing to mean anything.
	Learning bool `json:"learning"`
	// EventsLost is when events about it were lost last.
	EventsLost time.Time `json:"events_lost,omitzero"`
	// Topics that members subscribe to, as far as they can be read.
	Topics     []string        `json:"topics"`
	Members    []MemberView    `json:"members"`
	Partitions []PartitionView `json:"partitions"`
	// Rebalances that are remembered, oldest first.
	Rebalances []RebalanceView `json:"rebalances"`
}

// MemberView is a member of a GroupView.
type MemberView struct {
	ID         string     `json:"id"`
	InstanceID string     `json:"instance_id,omitempty"`
	Client     ClientView `json:"client"`
	Joined     time.Time  `json:"joined"`
	// Health is ok, joining, not-polling, silent, disconnected or expired: half of a
	// timeout without a sign is what makes a member not-polling or silent.
	Health string `json:"health"`
	// Silent is the time since its last sign of life.
	Silent int64 `json:"silent_ms"`
	// SessionTimeout is how long the coordinator lets it be silent.
	SessionTimeout int64 `json:"session_timeout_ms"`
	// Heartbeat is its last one, and HeartbeatInterval the usual time between two,
	// left out until there were some.
	Heartbeat         time.Time `json:"last_heartbeat,omitzero"`
	HeartbeatInterval int64     `json:"heartbeat_interval_ms,omitempty"`
	// Unpolled is the time since its application last showed that it polls; left
	// out of a member that does not show it, as most libraries do not while there is
	// nothing to read. MaxPollInterval is how long its library
	// lets it, left out where the library has no such limit or warder has not heard
	// it.
	Unpolled        *int64 `json:"unpolled_ms,omitempty"`
	MaxPollInterval int64  `json:"max_poll_interval_ms,omitempty"`
	// Behind is how many records it has left to read where these are most.
	Behind int64 `json:"behind,omitempty"`
	// Assigned partitions; null when the assignment cannot be read.
	Assigned []TopicPartitionsView `json:"assigned"`
	// Tasks of a member of a Streams group.
	Tasks *TasksView `json:"tasks,omitempty"`
	// Status is what the coordinator of a Streams group finds wanting.
	Status []string `json:"status,omitempty"`
}

// TasksView is the tasks of a MemberView, each as subtopology and partition. Standby
// and warm-up tasks read changelogs only.
type TasksView struct {
	Active  []string `json:"active"`
	Standby []string `json:"standby"`
	Warmup  []string `json:"warmup"`
}

// TopicPartitionsView is the partitions of one topic.
type TopicPartitionsView struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

// ClientView names a client as it names itself, and by its address.
type ClientView struct {
	ClientID  string `json:"client_id"`
	Principal string `json:"principal,omitempty"`
	Remote    string `json:"remote,omitempty"`
	Software  string `json:"software,omitempty"`
}

// PartitionView is a partition of a GroupView.
type PartitionView struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the offset to be read next. It stays when the coordinator
	// has forgotten it, which is so since Forgotten.
	Committed *int64 `json:"committed,omitempty"`
	// CommittedAt is when it was committed; left out when warder only saw it
	// fetched.
	CommittedAt time.Time `json:"committed_at,omitzero"`
	Forgotten   time.Time `json:"forgotten_since,omitzero"`
	// Advanced is when a commit was last seen to go forward.
	Advanced time.Time `json:"advanced_at,omitzero"`
	// Position is the offset of the last Fetch, at PositionAt.
	Position   *int64    `json:"position,omitempty"`
	PositionAt time.Time `json:"position_at,omitzero"`
	// Refetched counts how often records at RefetchedOffset were fetched again,
	// since RefetchedSince: the consumer does not get past them.
	Refetched       int       `json:"refetched,omitempty"`
	RefetchedOffset *int64    `json:"refetched_offset,omitempty"`
	RefetchedSince  time.Time `json:"refetched_since,omitzero"`
	// LogStart is the first offset that the log holds, End the one behind the
	// last that the group can read.
	LogStart *int64 `json:"log_start,omitempty"`
	End      *int64 `json:"end,omitempty"`
	// Lag is how many records lie between Committed and End; TimeLag how long
	// ago the next of them was written, as an estimate.
	Lag     *int64 `json:"lag,omitempty"`
	TimeLag *int64 `json:"lag_ms,omitempty"`
	// Status judges the last commits as Burrow does: OK, LEARNING, WARN, REWIND,
	// STALL or STOP; left out when the lag is not known.
	Status string `json:"status,omitempty"`
	// Stuck is for how long there has been something to read and nothing was
	// committed that goes forward.
	Stuck int64 `json:"stuck_ms,omitempty"`
	// Owner is the member id of who it is assigned to. In a share group a
	// partition has none: members say what is assigned to them.
	Owner string `json:"owner,omitempty"`
	// Share is how a share group does on the partition.
	Share *ShareView `json:"share,omitempty"`
	// Moves are the last times that the group came to another place than where
	// it had committed, oldest first.
	Moves []MoveView `json:"moves,omitempty"`
}

// ShareView is a partition as a share group reads it.
type ShareView struct {
	// Start is the share-partition start offset, all before it is done with, as
	// somebody was told at StartAt. Nobody tells it unasked.
	Start   *int64    `json:"start,omitempty"`
	StartAt time.Time `json:"start_at,omitzero"`
	// Delivered is the highest offset that a member was given.
	Delivered   *int64    `json:"delivered,omitempty"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	// How many records members said so of, while warder listened.
	Accepted       int64     `json:"accepted"`
	Released       int64     `json:"released"`
	Rejected       int64     `json:"rejected"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	// Again are records that were given back or delivered more than once, and are
	// not done with.
	Again []RedeliveredView `json:"again,omitempty"`
}

// RedeliveredView are records of a ShareView, from First to Last.
type RedeliveredView struct {
	First      int64     `json:"first"`
	Last       int64     `json:"last"`
	Deliveries int       `json:"deliveries"`
	Releases   int       `json:"releases"`
	Since      time.Time `json:"since"`
	Member     string    `json:"member"`
}

// MoveView is a move of a PartitionView.
type MoveView struct {
	// Kind is one of the names of MoveKind.
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	From *int64    `json:"from,omitempty"`
	To   *int64    `json:"to,omitempty"`
	// Records were left out (positive) or are read again (negative); 0 when
	// that is not known.
	Records int64       `json:"records"`
	By      *ClientView `json:"by,omitempty"`
}

// RebalanceView is a rebalance of a GroupView.
type RebalanceView struct {
	Generation int32     `json:"generation"`
	Start      time.Time `json:"start"`
	// Duration is left out while it goes on.
	Duration *int64 `json:"duration_ms,omitempty"`
	// Cause is one of the names of Cause.
	Cause string `json:"cause"`
	// Who set it off, and Reason in the words of the library.
	Who    *ClientView `json:"who,omitempty"`
	Reason string      `json:"reason,omitempty"`
	// Returning says that Who comes back, whom an earlier rebalance lost for
	// the same cause.
	Returning bool `json:"returning,omitempty"`
	Joined    int  `json:"joined"`
	Left      int  `json:"left"`
	// Stopped is how long members had to stop, added up over StoppedMembers.
	Stopped        int64 `json:"stopped_ms"`
	StoppedMembers int   `json:"stopped_members"`
	// Followup says that it is the second half of a cooperative change.
	Followup bool `json:"followup,omitempty"`
	// Incomplete says that not all members were seen to get their assignment.
	Incomplete bool `json:"incomplete,omitempty"`
}

// View copies what is known of the group.
func (g *Group) View(now time.Time) GroupView {
	v := GroupView{
		ID: g.ID, Protocol: g.Protocol.String(), Assignor: g.Assignor, Generation: g.Generation,
		Since: g.Since, LastEvent: g.LastEvent, Empty: g.Emptied, EmptyBefore: g.EmptyBefore, EventsLost: g.Lost,
		State: g.State, Elsewhere: g.Elsewhere, Asked: g.Looked, AskedEvery: g.lookEvery.Milliseconds(),
		Partial: g.Partial(), Learning: g.Learning(now), Topics: g.subscribed(),
		Members: make([]MemberView, 0, g.Members()), Partitions: make([]PartitionView, 0, g.Partitions()),
		Rebalances: make([]RebalanceView, 0, len(g.Rebalances())),
	}
	if g.TopologyEpoch >= 0 {
		v.TopologyEpoch = new(g.TopologyEpoch)
	}
	if g.Followed.After(g.Since) {
		v.Restarted = g.Followed
	}
	g.EachMember(func(m *Member) { v.Members = append(v.Members, g.memberView(m, now)) })
	slices.SortFunc(v.Members, func(a, b MemberView) int { return strings.Compare(a.ID, b.ID) })
	g.EachPartition(func(p *GroupPartition) { v.Partitions = append(v.Partitions, p.view(now)) })
	slices.SortFunc(v.Partitions, func(a, b PartitionView) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, r := range g.Rebalances() {
		v.Rebalances = append(v.Rebalances, r.view())
	}
	return v
}

// Learning says that the group has been followed for less than a session timeout:
// members that were there before may not have been heard yet.
func (g *Group) Learning(now time.Time) bool {
	longest := time.Duration(0)
	g.EachMember(func(m *Member) { longest = max(longest, m.SessionTimeout) })
	return now.Sub(g.Followed) < cmp.Or(longest, DefaultSessionTimeout)
}

// subscribed gives the topics that members subscribe to, sorted.
func (g *Group) subscribed() []string {
	seen, list := map[string]bool{}, []string{}
	g.EachMember(func(m *Member) {
		for _, t := range m.Topics {
			if !seen[t] {
				seen[t], list = true, append(list, t)
			}
		}
	})
	slices.Sort(list)
	return list
}

func (g *Group) memberView(m *Member, now time.Time) MemberView {
	v := MemberView{
		ID: m.ID, InstanceID: m.InstanceID, Joined: m.Joined, Health: g.Health(m, now).String(),
		Silent: max(now.Sub(m.Alive), 0).Milliseconds(), SessionTimeout: m.SessionTimeout.Milliseconds(),
		Heartbeat: m.LastBeat, MaxPollInterval: m.PollLimit().Milliseconds(),
	}
	if m.HeartbeatsMeasured() {
		v.HeartbeatInterval = m.HeartbeatInterval().Milliseconds()
	}
	_, v.Behind = g.Behind(m)
	if m.Client != nil && (v.Behind > 0 || m.Client.Library().FetchesInPoll()) && g.ShowsPolls(m, cmp.Or(m.PollLimit(), defaultPollLimit)) {
		v.Unpolled = new(max(now.Sub(m.Progress), 0).Milliseconds())
	}
	if c := clientView(m.Client); c != nil {
		v.Client = *c
	}
	if m.Readable {
		v.Assigned = byTopic(m.Assigned)
	}
	if t := m.Tasks; t != nil {
		v.Tasks = &TasksView{Active: listOf(t.Active), Standby: listOf(t.Standby), Warmup: listOf(t.Warmup)}
	}
	v.Status = slices.Clone(m.Status)
	return v
}

// listOf copies a list, which JSON shows as one when it is empty too.
func listOf(list []string) []string { return append([]string{}, list...) }

func (s *SharePartition) view() *ShareView {
	v := &ShareView{
		Start: known(s.Start), StartAt: s.StartAt, Delivered: known(s.Delivered), DeliveredAt: s.DeliveredAt,
		Accepted: s.Accepted, Released: s.Released, Rejected: s.Rejected, AcknowledgedAt: s.AcknowledgedAt,
	}
	for i := range s.again {
		if k := &s.again[i]; k.Open() {
			v.Again = append(v.Again, RedeliveredView{k.First, k.Last, k.Deliveries, k.Releases, k.Since, k.MemberID})
		}
	}
	return v
}

// byTopic gathers partitions by topic, both in order.
func byTopic(partitions []rules.TopicPartition) []TopicPartitionsView {
	sorted := slices.SortedFunc(slices.Values(partitions), compareTopicPartition)
	list := []TopicPartitionsView{}
	for _, p := range sorted {
		if n := len(list); n == 0 || list[n-1].Topic != p.Topic {
			list = append(list, TopicPartitionsView{Topic: p.Topic})
		}
		last := &list[len(list)-1]
		last.Partitions = append(last.Partitions, p.Partition)
	}
	return list
}

// clientView names a client, nil when it is not known.
func clientView(id *rules.Identity) *ClientView {
	if id == nil {
		return nil
	}
	s := rules.SubjectOf(id)
	return &ClientView{ClientID: s.ClientID, Principal: s.Principal, Remote: s.Remote, Software: s.Software}
}

func (p *GroupPartition) view(now time.Time) PartitionView {
	v := PartitionView{
		Topic: p.Topic, Partition: p.Partition, Owner: p.OwnerID,
		Committed: known(p.Committed), CommittedAt: p.CommittedAt, Forgotten: p.Forgotten, Advanced: p.RoseAt,
		Position: known(p.Position), PositionAt: p.PositionAt, LogStart: known(p.Ends.LogStartOffset),
	}
	if p.Refetched > 0 {
		v.Refetched, v.RefetchedOffset, v.RefetchedSince = p.Refetched, known(p.ReadOffset), p.RefetchedSince
	}
	if end, ok := p.End(); ok {
		v.End = &end
	}
	if lag, ok := p.Lag(); ok {
		v.Lag, v.Status, v.Stuck = &lag, p.Status(now, 0).String(), p.Stuck(now).Milliseconds()
	}
	if late, ok := p.TimeLag(now); ok {
		v.TimeLag = new(max(late, 0).Milliseconds())
	}
	if p.share != nil {
		v.Share = p.share.view()
	}
	for _, m := range p.Moves() {
		v.Moves = append(v.Moves, MoveView{
			Kind: m.Kind.String(), At: m.At, From: known(m.From), To: known(m.To), Records: m.Records(), By: clientView(m.Client),
		})
	}
	return v
}

// known gives an offset, nil for the -1 of one that is not known.
func known(offset int64) *int64 {
	if offset < 0 {
		return nil
	}
	return &offset
}

func (r *Rebalance) view() RebalanceView {
	v := RebalanceView{
		Generation: r.Generation, Start: r.Start, Cause: r.Cause.String(), Who: clientView(r.Trigger), Reason: r.Reason,
		Returning: r.Returning, Joined: r.Joined, Left: r.Left, Stopped: r.Stopped.Milliseconds(), StoppedMembers: r.StoppedMembers,
		Followup: r.Followup, Incomplete: r.Incomplete,
	}
	if !r.Open() {
		v.Duration = new(r.End.Sub(r.Start).Milliseconds())
	}
	return v
}
