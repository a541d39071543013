package state

import (
	"time"

	"warder/rules"
)

// joiningKeyed tells clients apart that have asked to join and are no members
// yet, and those of one process that share a client id by the id that they come
// back with (KIP-394).
type joiningKeyed struct {
	client   clientKey
	memberID string
}

func joiningKey(id *rules.Identity, memberID string) joiningKeyed {
	return joiningKeyed{clientOf(id), memberID}
}

// joining is what clients asked with one key, the last of them, and how many wait
// for an answer.
type joining struct {
	rules.JoinRequested
	waiting int
}

// maxJoining bounds the clients that wait for their first answer.
const maxJoining = 1000

func (g *Group) joinRequested(ev *rules.JoinRequested) {
	g.Protocol, g.Type = ClassicProtocol, ev.ProtocolType
	r, begins := g.round(ev.At)
	m := g.known(ev.MemberID, ev.InstanceID)
	g.rejoining(r, ev, m, begins)
	if m != nil {
		m.Waiting = ev.At
		if m.asked.Before(r.Start) {
			m.asked = ev.At
		}
		m.showsPoll(ev.At, false, true)
		m.take(ev)
		return
	}
	if g.joining == nil {
		g.joining = map[joiningKeyed]joining{}
	}
	if key := joiningKey(ev.Client, ev.MemberID); len(g.joining) < maxJoining {
		g.joining[key] = joining{*ev, g.joining[key].waiting + 1}
	}
}

// answered gives what a client asked that is answered now.
func (g *Group) answered(ev *rules.Joined) (asked rules.JoinRequested, ok bool) {
	key := joiningKey(ev.Client, ev.RequestedID)
	j, ok := g.joining[key]
	switch {
	case !ok:
		return asked, false
	case j.waiting > 1:
		j.waiting--
		g.joining[key] = j
	default:
		delete(g.joining, key)
	}
	if ev.ErrorCode == errMemberIDRequired { // it comes back with the id that it was given
		g.joining[joiningKey(ev.Client, ev.MemberID)] = joining{j.JoinRequested, 0}
	}
	return j.JoinRequested, true
}

// known gives a member by its id, or by its group.instance.id.
func (g *Group) known(id, instance string) *Member {
	m := g.members[id]
	if m == nil && instance != "" {
		m = g.instance(instance)
	}
	return m
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
	m.SessionTimeout, m.RebalanceTimeout, m.SessionKnown = ev.SessionTimeout, ev.RebalanceTimeout, true
	m.Protocols, m.Topics, m.metadata = ev.Protocols, ev.Topics, ev.Metadata
}

func (g *Group) joined(ev *rules.Joined) {
	m := g.known(ev.RequestedID, ev.InstanceID)
	if m != nil {
		m.Waiting = time.Time{}
	}
	asked, isNew := g.answered(ev)
	if ev.ErrorCode != 0 {
		g.refused(ev.ErrorCode, rules.Membership{MemberID: ev.RequestedID, InstanceID: ev.InstanceID}, ev.Client, ev.At)
		return
	}
	if m == nil || m.ID != ev.MemberID {
		m = g.replace(m, ev)
	}
	if m == nil {
		return
	}
	if isNew {
		m.take(&asked)
		m.asked = asked.At
	}
	m.Client = ev.Client
	m.lives(ev.At)
	m.nbeats, m.LastBeat = 0, time.Time{}
	g.newGeneration(m, ev)
	if ev.Leader == ev.MemberID && len(ev.Members) > 0 {
		g.census(ev)
	}
}

// replace makes the member that a client has become. A static member that came
// back has a new id, and is the same in all else (KIP-345).
func (g *Group) replace(before *Member, ev *rules.Joined) *Member {
	if before == nil {
		m := g.add(ev.MemberID, ev.InstanceID, ev.Client, ev.At)
		if m != nil {
			g.identified(m)
		}
		return m
	}
	g.Announced++ // it is no less, see drop
	g.drop(before.ID)
	m := g.add(ev.MemberID, ev.InstanceID, ev.Client, ev.At)
	if m != nil {
		m.Joined, m.asked = before.Joined, before.asked
		m.SessionTimeout, m.RebalanceTimeout, m.SessionKnown = before.SessionTimeout, before.RebalanceTimeout, before.SessionKnown
		m.Protocols, m.Topics, m.metadata = before.Protocols, before.Topics, before.metadata
	}
	return m
}
