package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Rules about offsets judge all partitions of a group at once, in the tick in which
// the model has brought them up to date: the events that they name only begin their
// state.

// offsetEvents are the events by which a group with offsets shows itself.
func offsetEvents() []rules.Interest {
	return []rules.Interest{
		{Kind: rules.KindCommitted, By: rules.ByGroup},
		{Kind: rules.KindOffsetsFetched, By: rules.ByGroup},
	}
}

// offsetRepeat is how often a finding that lasts is sent again.
const offsetRepeat = 10 * time.Minute

// groupOf gives the group that a tick is about, nil when there is none.
func groupOf(w *rules.Watch) *state.Group {
	g, _ := w.Model.(*state.Group)
	return g
}

// judgeable says whether all partitions of the group can be judged now: they are
// fresh, and warder has neither slept nor missed events for as long as a member may
// be silent.
func judgeable(g *state.Group, now time.Time) bool {
	return g != nil && g.Refreshed.Equal(now) && now.Sub(g.Stalled) >= state.DefaultSessionTimeout && now.Sub(g.Lost) >= state.DefaultSessionTimeout
}

// rebalancing says that a rebalance of the group goes on.
func rebalancing(g *state.Group) bool {
	list := g.Rebalances()
	return len(list) > 0 && list[len(list)-1].Open()
}

// partitionSubject is a partition as a group reads it, with its owner if there is
// one.
func partitionSubject(g *state.Group, p *state.GroupPartition) rules.Subject {
	s := rules.Subject{}
	if owner := g.Owner(p); owner != nil {
		s = memberSubject(g, owner)
	}
	s.Group, s.Topic, s.Partition = g.ID, p.Topic, new(p.Partition)
	return s
}

// ownerAlive says whether a member is heard: not silent for half of the time after
// which its coordinator gives it up.
func ownerAlive(m *state.Member, now time.Time) bool {
	return !m.Waiting.IsZero() || now.Sub(m.Alive) <= m.SessionTimeout/2
}

// readToEnd says that all the lag there is is one offset that the reader has
// already passed: the marker of a transaction, which nobody commits.
func readToEnd(p *state.GroupPartition) bool {
	end, ok := p.End()
	return ok && end-p.Committed == 1 && p.Position >= end
}

// readElsewhere says that members of the group do not come through warder, and
// that it asks the cluster for what they commit.
func readElsewhere(g *state.Group, now time.Time) bool { return g.Elsewhere > 0 && g.Watched(now) }

// withoutMembers says that nobody reads for the group, as far as is known.
// Consumers that choose their partitions themselves are never members.
func withoutMembers(g *state.Group, now time.Time) bool {
	return g.Members() == 0 && g.Type != "" && !readElsewhere(g, now)
}
