package state_test

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// TestSessionByConfiguration: members by KIP-848 are not told how long they may be silent; the cluster says it.
func TestSessionByConfiguration(t *testing.T) {
	s := newGroupStory(t)
	beat := func(member string, epoch int32) {
		s.group.Apply(rules.ConsumerHeartbeat{
			At: s.now, Requested: s.now, Client: client(member), Membership: rules.Membership{Group: "g", MemberID: member, Generation: epoch},
			Epoch: epoch + 1, HeartbeatInterval: 5 * time.Second,
		})
	}
	wants := func(member string, session time.Duration, known bool) {
		t.Helper()
		if m := s.group.Member(member); m.SessionTimeout != session || m.SessionKnown != known {
			t.Errorf("%s: %v, known %v", member, m.SessionTimeout, m.SessionKnown)
		}
	}
	beat("m1", 0)
	wants("m1", state.DefaultSessionTimeout, false)
	s.group.Apply(rules.GroupConfigured{At: s.now, Group: "g", SessionTimeout: 20 * time.Second})
	wants("m1", 20*time.Second, true)
	beat("m2", 0)
	wants("m2", 20*time.Second, true)
	s.wait(41 * time.Second)
	if s.group.Members() != 0 {
		t.Error("members that must have been removed are kept")
	}
	classic := consuming(t)
	classic.group.Apply(rules.GroupConfigured{At: classic.now, Group: "g", SessionTimeout: 20 * time.Second})
	if m := classic.group.Member("m1"); m.SessionTimeout != 10*time.Second {
		t.Errorf("a classic member has %v", m.SessionTimeout)
	}
}
