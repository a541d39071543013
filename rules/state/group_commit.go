package state

import (
	"slices"
	"time"

	"warder/rules"
)

const (
	keptCommits = 10
	// commitDistance keeps a consumer that commits each record from filling
	// the window within milliseconds (Burrow's min-distance).
	commitDistance = 5 * time.Second
	// skipTolerance is how many records a commit may lie ahead of what is
	// fetched before it counts as a jump: markers and compacted offsets are
	// never fetched.
	skipTolerance = 1000
	// aheadPatience is how long a commit may lie ahead of what was seen to be
	// fetched: one Fetch a second is all that is seen.
	aheadPatience = 3 * time.Second
	// fetchRace is how much older than a commit an answer to OffsetFetch may be
	// that comes later: they travel over different connections.
	fetchRace = 5 * time.Second
)

// Commit is one commit of a partition.
type Commit struct {
	At     time.Time
	Offset int64
	// End of the log as it was known then, -1 when it was not.
	End int64
}

// commitWindow holds the last commits, oldest overwritten; two are at least
// commitDistance apart, but for the last.
type commitWindow struct {
	ring []windowCommit // grows to keptCommits
	n    int            // all that there ever were
}

type windowCommit struct {
	at          int64 // Unix time in nanoseconds
	offset, end int64
}

func (w *commitWindow) add(c windowCommit) {
	if len(w.ring) > 1 {
		if last := w.at(-1); last.at-w.at(-2).at < int64(commitDistance) {
			*last = c
			return
		}
	}
	if len(w.ring) < keptCommits {
		if len(w.ring) == cap(w.ring) {
			w.ring = append(make([]windowCommit, 0, min(max(2, 2*cap(w.ring)), keptCommits)), w.ring...)
		}
		w.ring = append(w.ring, c)
	} else {
		w.ring[w.n%keptCommits] = c
	}
	w.n++
}

// at gives a commit, 0 the oldest, -1 the last.
func (w *commitWindow) at(i int) *windowCommit {
	if i < 0 {
		i += len(w.ring)
	}
	if len(w.ring) == keptCommits {
		i = (w.n + i) % keptCommits
	}
	return &w.ring[i]
}

func (w *commitWindow) full() bool { return len(w.ring) == keptCommits }

// span is the time between the first and the last of the window.
func (w *commitWindow) span() time.Duration {
	if len(w.ring) < 2 {
		return 0
	}
	return time.Duration(w.at(-1).at - w.at(0).at)
}

// pace is how many records a second the commits went forward.
func (w *commitWindow) pace() float64 {
	span := w.span()
	if span <= 0 {
		return 0
	}
	return max(float64(w.at(-1).offset-w.at(0).offset)/span.Seconds(), 0)
}

// Commits gives the window of commits, oldest first; two are at least five seconds
// apart, but for the last.
func (p *GroupPartition) Commits() []Commit {
	list := make([]Commit, 0, len(p.window.ring))
	for i := range p.window.ring {
		c := p.window.at(i)
		list = append(list, Commit{time.Unix(0, c.at).UTC(), c.offset, c.end})
	}
	return list
}

// Window says whether the window is full: before that, too little is known to
// judge.
func (p *GroupPartition) Window() bool { return p.window.full() }

// CommitInterval is the usual time between commits: the median of the window; 0
// before there are three.
func (p *GroupPartition) CommitInterval() time.Duration {
	n := len(p.window.ring) - 1
	if n < 2 {
		return 0
	}
	var gaps [keptCommits]time.Duration
	for i := range n {
		gaps[i] = time.Duration(p.window.at(i+1).at - p.window.at(i).at)
	}
	slices.Sort(gaps[:n])
	return gaps[n/2]
}

// commitAhead is a commit that lies ahead of what was seen to be fetched.
type commitAhead struct {
	at     time.Time
	offset int64
	client *rules.Identity
}

// committed takes in a commit that the coordinator accepted.
func (g *Group) committed(ev *rules.Committed) {
	m := g.members[ev.MemberID]
	accepted, rose := false, false
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		if o.ErrorCode != 0 {
			g.refused(o.ErrorCode, ev.Membership, ev.Client, ev.At)
			continue
		}
		accepted = true
		p := g.partition(o.TopicPartition)
		if p == nil {
			continue
		}
		if ev.TransactionalID != "" {
			rose = g.pend(p, o.Offset, ev) || rose
		} else {
			rose = g.commit(p, o.Offset, ev) || rose
		}
	}
	if m == nil || !accepted {
		return
	}
	m.showsPoll(ev.At, false, rose)
	if ev.TransactionalID == "" { // the coordinator takes TxnOffsetCommit for no sign of life
		m.lives(ev.Requested)
	}
}

// commit notes a committed offset and says whether it rose.
func (g *Group) commit(p *GroupPartition, offset int64, ev *rules.Committed) (rose bool) {
	g.resetBefore(p, offset, ev)
	before := p.Committed
	rose = offset > before
	if before >= 0 && before != offset {
		g.judgeCommit(p, offset, ev)
	}
	p.Committed, p.CommittedAt, p.KnownAt, p.Forgotten = offset, ev.At, ev.At, time.Time{}
	p.generation, p.lost = ev.Generation, lostPlace{}
	if rose {
		p.RoseAt, p.Abandoned = ev.At, 0
	}
	if offset > p.ReadOffset {
		p.Refetched = 0 // it has got past them
	}
	g.addCommit(p, ev.At)
	return rose
}

// addCommit adds the committed offset to the window.
func (g *Group) addCommit(p *GroupPartition, at time.Time) {
	p.past.prune(p.Committed)
	ends := g.endsNow(p)
	end, _ := p.endOf(&ends)
	p.window.add(windowCommit{at.UnixNano(), p.Committed, end})
}

// judgeCommit recognises a commit that is no step forward.
func (g *Group) judgeCommit(p *GroupPartition, offset int64, ev *rules.Committed) {
	before := p.Committed
	// Simple consumers commit so as well, and producers before KIP-447.
	outside := ev.MemberID == "" && ev.Generation < 0 && g.Type != "" && ev.TransactionalID == ""
	switch {
	case outside:
		g.move(p, Move{Kind: SetByAdmin, At: ev.At, From: before, To: offset, Client: ev.Client})
	case !p.resetAt.IsZero() && !p.resetAt.Before(p.CommittedAt): // it was told as a reset
	case offset < before-1:
		g.move(p, Move{Kind: Rewound, At: ev.At, From: before, To: offset, Client: ev.Client, Handover: ev.Generation != p.generation, Pace: p.window.pace()})
	case p.Position >= 0 && offset > max(p.Position, before)+skipTolerance:
		p.ahead = &commitAhead{ev.At, offset, ev.Client}
	}
}

// overtaken recognises that a commit lies ahead of what is read, now that a Fetch
// shows where that is.
func (g *Group) overtaken(p *GroupPartition, ev *rules.MemberFetched) {
	a := p.ahead
	if a == nil || ev.At.Sub(a.at) < aheadPatience {
		return
	}
	p.ahead = nil
	if p.Committed >= a.offset && ev.FetchOffset+skipTolerance < a.offset {
		g.move(p, Move{Kind: Skipped, At: ev.At, From: ev.FetchOffset, To: a.offset, Client: a.client})
	}
}

// offsetsFetched takes in where the group goes on: what it had committed before
// warder saw it, and what was changed without warder seeing it.
func (g *Group) offsetsFetched(ev *rules.OffsetsFetched) {
	if ev.Looked {
		g.offsetsLooked(ev)
		return
	}
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		p := g.partitions[o.TopicPartition]
		if o.ErrorCode != 0 || p == nil && o.Offset < 0 {
			continue
		}
		if p == nil {
			p = g.partition(o.TopicPartition)
		}
		if p != nil && ev.At.Sub(p.KnownAt) > fetchRace {
			g.resume(p, o.Offset, ev)
		}
	}
}

func (g *Group) resume(p *GroupPartition, offset int64, ev *rules.OffsetsFetched) {
	switch {
	case offset < 0 && p.Committed >= 0 && p.Forgotten.IsZero():
		p.Forgotten = ev.At
		g.move(p, Move{Kind: OffsetExpired, At: ev.At, From: p.Committed, To: p.Committed})
		return
	case offset < 0:
		return
	case p.Committed >= 0 && offset < p.Committed-1:
		g.move(p, Move{Kind: SetByAdmin, At: ev.At, From: p.Committed, To: offset})
	}
	p.Committed, p.KnownAt, p.Forgotten = offset, ev.At, time.Time{}
}

func (g *Group) offsetsDeleted(ev *rules.OffsetsDeleted) {
	gone := func(p *GroupPartition) {
		if p.Committed >= 0 && p.Forgotten.IsZero() {
			p.Forgotten = ev.At
			g.move(p, Move{Kind: Deleted, At: ev.At, From: p.Committed, To: p.Committed, Client: ev.Client})
		}
	}
	if ev.Partitions == nil {
		g.EachPartition(gone)
		return
	}
	for _, tp := range ev.Partitions {
		if p := g.partitions[tp]; p != nil {
			gone(p)
		}
	}
}
