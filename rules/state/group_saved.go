package state

import (
	"time"
	"unicode/utf8"

	"warder/rules"
)

// What of a group survives a restart of warder: where it had committed and when, what
// had happened to its offsets, its last rebalances, and that it had no members.
// Members themselves are heard again within seconds, and what was learnt by watching
// (the window of commits, the pace of a log) is learnt anew.

const (
	// savedStories is how many moves, and how many rebalances, of all groups
	// together are saved: each group has an equal share, and at most
	// savedStoriesEach.
	savedStories     = 20_000
	savedStoriesEach = 64
	// savedName bounds the names that clients give themselves.
	savedName = 249
	// savedPatience is how long members that a group had before are waited for
	// until it is taken for empty: as long as silent members are.
	savedPatience = 2 * DefaultSessionTimeout
)

// SavedGroup is a group as the state file keeps it. Times are Unix milliseconds, 0 for
// none. Partitions stand in columns, of which those are left out that hold nothing: it
// takes 50 to 90 bytes for each.
type SavedGroup struct {
	Group     string `json:"group"`
	Protocol  string `json:"protocol,omitempty"`
	Type      string `json:"type,omitempty"`
	Assignor  string `json:"assignor,omitempty"`
	Since     int64  `json:"since"`
	LastEvent int64  `json:"last_event"`
	Emptied   int64  `json:"emptied,omitempty"`
	// LongestPause in milliseconds.
	LongestPause int64 `json:"longest_pause,omitempty"`
	// Members says that it had some, and that all of them came through here.
	Members    bool             `json:"members,omitempty"`
	Topics     []SavedTopic     `json:"topics,omitempty"`
	Moves      []SavedMove      `json:"moves,omitempty"`
	Rebalances []SavedRebalance `json:"rebalances,omitempty"`
	// Clients that moves and rebalances name, by their index.
	Clients []SavedClient `json:"clients,omitempty"`
}

// SavedTopic is the partitions of one topic. All columns are as long as Partitions,
// or empty; -1 is what is not known. Times are milliseconds before LastEvent of the
// group.
type SavedTopic struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
	Committed  []int64 `json:"committed"`
	// When it was committed, when a commit was last seen to go forward, since
	// when the coordinator has forgotten it, and when the group was last sent
	// elsewhere.
	CommittedAgo []int64 `json:"committed_ago,omitempty"`
	RoseAgo      []int64 `json:"rose_ago,omitempty"`
	ForgottenAgo []int64 `json:"forgotten_ago,omitempty"`
	ResetAgo     []int64 `json:"reset_ago,omitempty"`
	// Where the log began and ended.
	LogStart []int64 `json:"log_start,omitempty"`
	LogEnd   []int64 `json:"log_end,omitempty"`
}

const savedColumns = 7

// columns are all of them but Partitions.
func (t *SavedTopic) columns() [savedColumns]*[]int64 {
	return [...]*[]int64{&t.Committed, &t.CommittedAgo, &t.RoseAgo, &t.ForgottenAgo, &t.ResetAgo, &t.LogStart, &t.LogEnd}
}

// Save copies what is to be kept of the group; nil when that is nothing. It is quick,
// since the group's shard waits for it.
func (g *Group) Save() *SavedGroup {
	if len(g.partitions) == 0 && len(g.rebalances) == 0 || !utf8.ValidString(g.ID) { // JSON would name another group
		return nil
	}
	s := &SavedGroup{
		Group: g.ID, Protocol: g.Protocol.String(), Type: g.kind(), Assignor: g.Assignor,
		Since: millisOf(g.Since), LastEvent: millisOf(g.LastEvent), Emptied: millisOf(g.Emptied),
		LongestPause: g.LongestPause.Milliseconds(), Members: g.awaited || len(g.members) > 0 && !g.Partial(),
	}
	g.sort()
	for rest := g.order; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Topic == rest[0].Topic {
			n++
		}
		s.Topics = append(s.Topics, saveTopic(rest[:n], g.LastEvent))
		rest = rest[n:]
	}
	g.saveStories(s, g.storiesSaved())
	return s
}

// kind is the type of the group, as it was before if it was not said since.
func (g *Group) kind() string {
	if g.Type == "" {
		return g.typeBefore
	}
	return g.Type
}

// saveTopic copies the partitions of one topic. Columns that hold nothing are left
// out.
func saveTopic(list []*GroupPartition, last time.Time) SavedTopic {
	t := SavedTopic{Topic: list[0].Topic, Partitions: make([]int32, len(list))}
	all, columns := make([]int64, savedColumns*len(list)), t.columns()
	var some [savedColumns]bool
	for i, p := range list {
		t.Partitions[i] = p.Partition
		for c, v := range [savedColumns]int64{
			p.Committed, ago(p.CommittedAt, last), ago(p.RoseAt, last), ago(p.Forgotten, last), ago(p.resetAt, last),
			p.Ends.LogStartOffset, p.Ends.HighWatermark,
		} {
			all[c*len(list)+i] = v
			some[c] = some[c] || v >= 0
		}
	}
	for c := range columns {
		if some[c] {
			*columns[c] = all[c*len(list) : (c+1)*len(list)]
		}
	}
	return t
}

// sound says whether the columns fit together.
func (t *SavedTopic) sound() bool {
	for _, c := range t.columns() {
		if n := len(*c); n != 0 && n != len(t.Partitions) {
			return false
		}
	}
	return t.Topic != ""
}

// Sound says whether the group can be restored: whoever writes a file by hand may
// leave out half of it.
func (s *SavedGroup) Sound() bool {
	for i := range s.Topics {
		if !s.Topics[i].sound() {
			return false
		}
	}
	return s.Group != "" && s.LastEvent > 0
}

// Restore makes the model of a group from what was saved before warder was started
// at now, and tells the ends of its logs to whoever knows logs; nil when nothing was
// heard of the group for too long. What the file names of partitions beyond the limit
// is left out.
func (m *Groups) Restore(s *SavedGroup, now time.Time) *Group {
	g := m.make(s.Group, now)
	g.restore(s, now)
	if now.Sub(g.LastEvent) >= groupIdle {
		g.Dropped()
		return nil
	}
	for i := range s.Topics {
		g.restoreTopic(&s.Topics[i])
	}
	g.restoreStories(s)
	return g
}

// restore takes over the group itself. Since members could not be heard meanwhile,
// it is as if warder had stood still.
func (g *Group) restore(s *SavedGroup, now time.Time) {
	g.Since, g.LastEvent, g.Emptied = earlier(s.Since, now), earlier(s.LastEvent, now), earlier(s.Emptied, now)
	g.Stalled, g.Assignor, g.typeBefore = now, s.Assignor, s.Type
	g.LongestPause = time.Duration(s.LongestPause) * time.Millisecond
	g.awaited = s.Members && s.Emptied == 0
	if !g.Emptied.IsZero() {
		g.Type = s.Type
	}
	for p := UnknownProtocol; p <= StreamsProtocol; p++ {
		if p.String() == s.Protocol {
			g.Protocol = p
		}
	}
}

func (g *Group) restoreTopic(t *SavedTopic) {
	for i, number := range t.Partitions {
		p := g.partition(rules.TopicPartition{Topic: t.Topic, Partition: number})
		if p == nil {
			return
		}
		p.Committed = savedAt(t.Committed, i)
		p.CommittedAt, p.RoseAt = g.before(savedAt(t.CommittedAgo, i)), g.before(savedAt(t.RoseAgo, i))
		p.Forgotten, p.resetAt = g.before(savedAt(t.ForgottenAgo, i)), g.before(savedAt(t.ResetAgo, i))
		p.KnownAt = p.CommittedAt
		g.logs.Learn(p.TopicPartition, LogEnds{
			HighWatermark: savedAt(t.LogEnd, i), At: g.LastEvent, LastStableOffset: -1, LogStartOffset: savedAt(t.LogStart, i), StartAt: g.LastEvent,
		})
		p.Ends = g.endsNow(p)
	}
}

// savedAt gives a value of a column that may have been left out.
func savedAt(column []int64, i int) int64 {
	if len(column) == 0 {
		return -1
	}
	return column[i]
}

// returned takes in that the group has a member again.
func (g *Group) returned(at time.Time) {
	if !g.Emptied.IsZero() {
		g.LongestPause = max(g.LongestPause, at.Sub(g.Emptied))
	}
	g.Emptied, g.awaited = time.Time{}, false
}

// giveUpAwaited takes a group for empty since warder was started whose members from
// before have not come back.
func (g *Group) giveUpAwaited(now time.Time) {
	if g.awaited && now.Sub(g.Followed) > savedPatience {
		g.awaited, g.Emptied, g.Type = false, g.Followed, g.kind()
	}
}

func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// ago is how many milliseconds before another a time was, -1 for none.
func ago(t, last time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return max(last.Sub(t).Milliseconds(), 0)
}

// before is the time so many milliseconds before the last event, zero for -1.
func (g *Group) before(ago int64) time.Time {
	if ago < 0 {
		return time.Time{}
	}
	return g.LastEvent.Add(-ms(ago))
}

// earlier is the time of saved milliseconds, zero for 0. Clocks may be set back.
func earlier(ms int64, now time.Time) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	if t := time.UnixMilli(ms).UTC(); t.Before(now) {
		return t
	}
	return now
}
