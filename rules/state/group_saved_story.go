package state

import (
	"net/netip"
	"slices"
	"time"

	"warder/rules"
)

// SavedMove is a Move of the state file, without what only rules need that tell it for
// the first time.
type SavedMove struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Kind      string `json:"kind"`
	Cause     string `json:"cause,omitempty"`
	At        int64  `json:"at"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	LogStart  int64  `json:"log_start"`
	Client    int    `json:"client"` // -1 when it was not seen
}

// SavedRebalance is a Rebalance of the state file that is over.
type SavedRebalance struct {
	From       int32  `json:"from"`
	Generation int32  `json:"generation"`
	Start      int64  `json:"start"`
	End        int64  `json:"end"`
	Cause      string `json:"cause"`
	Trigger    int    `json:"trigger"` // -1 when it is not known
	Reason     string `json:"reason,omitempty"`
	Returning  bool   `json:"returning,omitempty"`
	Members    int    `json:"members"`
	Joined     int    `json:"joined,omitempty"`
	Left       int    `json:"left,omitempty"`
	// Stopped and MovedFor in milliseconds.
	Stopped        int64 `json:"stopped,omitempty"`
	StoppedMembers int   `json:"stopped_members,omitempty"`
	Moved          int   `json:"moved,omitempty"`
	MovedFor       int64 `json:"moved_for,omitempty"`
	Partitions     int   `json:"partitions,omitempty"`
	Followup       bool  `json:"followup,omitempty"`
	Incomplete     bool  `json:"incomplete,omitempty"`
	Unseen         int32 `json:"unseen,omitempty"`
}

// SavedClient is who a client was.
type SavedClient struct {
	ID              string `json:"id"`
	Principal       string `json:"principal,omitempty"`
	Remote          string `json:"remote"`
	Software        string `json:"software,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
}

// saveStories copies the last moves and rebalances, at most so many of each.
func (g *Group) saveStories(s *SavedGroup, most int) {
	index := map[SavedClient]int{}
	client := func(id *rules.Identity) int {
		if id == nil {
			return -1
		}
		c := SavedClient{
			rules.Excerpt(id.ClientID, savedName), rules.Excerpt(id.Principal, savedName), id.Remote.String(),
			rules.Excerpt(id.SoftwareName, savedName), rules.Excerpt(id.SoftwareVersion, savedName),
		}
		if _, known := index[c]; !known {
			index[c] = len(s.Clients)
			s.Clients = append(s.Clients, c)
		}
		return index[c]
	}
	for i := range lastOf(g.moves, most) {
		m := &lastOf(g.moves, most)[i]
		s.Moves = append(s.Moves, SavedMove{
			m.Topic, m.Partition, m.Kind.String(), m.Cause.String(), m.At.UnixMilli(), m.From, m.To, m.LogStart, client(m.Client),
		})
	}
	over := g.rebalances
	if g.open() != nil {
		over = over[:len(over)-1]
	}
	for _, r := range lastOf(over, most) {
		s.Rebalances = append(s.Rebalances, SavedRebalance{
			r.From, r.Generation, r.Start.UnixMilli(), r.End.UnixMilli(), r.Cause.String(), client(r.Trigger), rules.Excerpt(r.Reason, savedName), r.Returning,
			r.Members, r.Joined, r.Left, r.Stopped.Milliseconds(), r.StoppedMembers, r.Moved, r.MovedFor.Milliseconds(), r.Partitions,
			r.Followup, r.Incomplete, r.Unseen,
		})
	}
}

func lastOf[T any](list []T, n int) []T { return list[max(len(list)-n, 0):] }

// restoreStories takes over moves and rebalances. Rules have told them: MovesSince
// does not give them again, and they are not counted anew.
func (g *Group) restoreStories(s *SavedGroup) {
	clients := make([]*rules.Identity, len(s.Clients))
	for i, c := range s.Clients {
		clients[i] = c.identity()
	}
	client := func(i int) *rules.Identity {
		if i < 0 || i >= len(clients) {
			return nil
		}
		return clients[i]
	}
	for i := range lastOf(s.Moves, savedStoriesEach) {
		g.restoreMove(&lastOf(s.Moves, savedStoriesEach)[i], client)
	}
	for _, r := range lastOf(s.Rebalances, savedStoriesEach) {
		cause := max(slices.Index(causeNames[:], r.Cause), 0)
		g.rebalances = append(g.rebalances, &Rebalance{
			From: r.From, Generation: r.Generation, Start: time.UnixMilli(r.Start).UTC(), End: time.UnixMilli(r.End).UTC(), Cause: Cause(cause),
			Trigger: client(r.Trigger), Reason: r.Reason, Returning: r.Returning, Members: r.Members, Joined: r.Joined, Left: r.Left,
			Stopped: ms(r.Stopped), StoppedMembers: r.StoppedMembers, Moved: r.Moved, MovedFor: ms(r.MovedFor), Partitions: r.Partitions,
			Followup: r.Followup, Incomplete: r.Incomplete, Unseen: r.Unseen, counted: true,
		})
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// restoreMove takes over a move of a kind that is known.
func (g *Group) restoreMove(m *SavedMove, client func(int) *rules.Identity) {
	kind, cause := slices.Index(moveNames[:], m.Kind), slices.Index(moveNames[:], m.Cause)
	p := g.partitions[rules.TopicPartition{Topic: m.Topic, Partition: m.Partition}]
	if kind <= 0 || p == nil {
		return
	}
	move := Move{
		Kind: MoveKind(kind), Cause: MoveKind(max(cause, 0)), At: time.UnixMilli(m.At).UTC(),
		From: m.From, To: m.To, LogStart: m.LogStart, Client: client(m.Client),
	}
	p.moves = append(lastOf(p.moves, keptMoves-1), move)
	g.moves = append(g.moves, PartitionMove{p.TopicPartition, move})
}

func (c *SavedClient) identity() *rules.Identity {
	remote, _ := netip.ParseAddrPort(c.Remote) // zero when it cannot be read
	return &rules.Identity{ClientID: c.ID, Principal: c.Principal, Remote: remote, SoftwareName: c.Software, SoftwareVersion: c.SoftwareVersion}
}

// storiesSaved is how many moves, and rebalances, of the group are saved.
func (g *Group) storiesSaved() int {
	return int(min(savedStories/max(g.groups.Load(), 1), savedStoriesEach))
}
