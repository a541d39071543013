package state

import (
	"strings"

	"warder/rules"
)

// Cause says why a group rebalanced.
type Cause uint8

// The causes, the one that explains most first: of several the first one holds.
const (
	CauseUnknown        Cause = iota
	CausePollTimeout          // a member did not poll within max.poll.interval.ms
	CauseSessionExpired       // a member was not heard within session.timeout.ms
	CauseInstanceFenced       // two processes share a group.instance.id
	CauseSlowJoin             // a member missed the rebalance timeout
	CauseCoordinator          // the coordinator moved
	CauseMemberLeft           // a member left in good order
	CauseMemberJoined         // a new member
	CauseSubscription         // a member subscribed to other topics
	CauseMetadata             // topics changed: the leader joined again by itself
	NumCauses
)

var causeNames = [...]string{
	"unknown", "poll-timeout", "session-expired", "instance-fenced", "slow-join", "coordinator-moved",
	"member-left", "member-joined", "subscription-changed", "metadata-changed",
}

// String is the cause as evidence and metrics write it.
func (c Cause) String() string { return causeNames[c] }

// Why Java clients say that they leave or join (KIP-800), or how it begins:
// AbstractCoordinator.java and ConsumerCoordinator.java.
const (
	reasonPollTimeout  = "poll timeout"
	reasonRevoke       = "need to revoke partitions"
	reasonSubscription = "subscription has changed"
	reasonMetadata     = "cached metadata has changed"
)

// blame notes a cause. The one that explains most stays, see Cause; nothing does
// once the rebalance is counted. It says whether c is the cause now.
func (r *Rebalance) blame(c Cause, who *rules.Identity, reason string) (taken bool) {
	if c == CauseUnknown || r.counted || r.Cause != CauseUnknown && r.Cause <= c {
		return false
	}
	r.Cause, r.Trigger, r.Reason = c, who, reason
	r.Followup, r.Returning = r.Followup && c == CauseMetadata, false
	return true
}

// rejoining takes in that a member, nil for one that is not known, asks to join
// the round r. begins says that its request is the first that is heard of it.
func (g *Group) rejoining(r *Rebalance, ev *rules.JoinRequested, m *Member, begins bool) {
	if m == nil {
		if d := g.returns(ev.Client, ev.InstanceID, ev.At); d != nil && d.Cause.failure() {
			r.comesBack(d, ev.Client)
			return
		}
	}
	switch {
	case m == nil && ev.MemberID != "": // the second half of KIP-394, or warder came later than the member
	case m == nil:
		r.Joined++
		r.blame(CauseMemberJoined, ev.Client, ev.Reason)
	case strings.HasPrefix(ev.Reason, reasonSubscription), m.metadata != 0 && m.metadata != ev.Metadata:
		r.blame(CauseSubscription, ev.Client, ev.Reason)
	case begins && ev.MemberID == "" && m.InstanceID != "":
		r.blame(CauseMemberJoined, ev.Client, ev.Reason) // a static member that was restarted
	case strings.HasPrefix(ev.Reason, reasonRevoke):
		r.Followup = r.Cause == CauseUnknown
	case begins && g.failedOver(ev.At):
		r.blame(CauseCoordinator, ev.Client, ev.Reason)
	case strings.HasPrefix(ev.Reason, reasonMetadata), begins && m.ID == g.Leader && !r.Followup:
		r.blame(CauseMetadata, ev.Client, ev.Reason)
	}
}

// comesBack takes in that the member comes back which went as d says.
func (r *Rebalance) comesBack(d *Departure, who *rules.Identity) {
	r.Joined++
	if r.blame(d.Cause, who, d.Reason) {
		r.Returning = true
	}
}

// failure says that the cause is something that went wrong with a member, so that
// its coming back is part of the same story.
func (c Cause) failure() bool {
	switch c {
	case CausePollTimeout, CauseSessionExpired, CauseInstanceFenced, CauseSlowJoin, CauseCoordinator:
		return true
	case CauseUnknown, CauseMemberLeft, CauseMemberJoined, CauseSubscription, CauseMetadata, NumCauses:
	}
	return false
}
