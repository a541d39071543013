package builtin

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Words that the rules about groups share.

// memberSubject names a member, its client and its group.
func memberSubject(g *state.Group, m *state.Member) rules.Subject {
	s := rules.SubjectOf(m.Client)
	s.Group, s.Member = g.ID, m.ID
	return s
}

// goneSubject is memberSubject of one that is a member no longer.
func goneSubject(g *state.Group, d *state.Departure) rules.Subject {
	s := rules.SubjectOf(d.Client)
	s.Group, s.Member = g.ID, d.MemberID
	return s
}

// memberEvents are the events by which the members of a group show themselves. Rules
// about members mostly judge when time passes; these begin their state.
func memberEvents() (list []rules.Interest) {
	for _, kind := range []rules.Kind{rules.KindJoined, rules.KindSynced, rules.KindHeartbeat, rules.KindConsumerHeartbeat} {
		list = append(list, rules.Interest{Kind: kind, By: rules.ByGroup})
	}
	return list
}

func groupText(g *state.Group) string { return rules.Excerpt(g.ID, 80) }

// memberText names a member by its group.instance.id, which people chose, or by its
// member id.
func memberText(m *state.Member) string { return idText(m.ID, m.InstanceID, m.Client) }

// idText is memberText of one that may be a member no longer.
func idText(memberID, instanceID string, client *rules.Identity) string {
	switch {
	case instanceID != "":
		return rules.Excerpt(instanceID, 80)
	case len(memberID) == uuidLength && client != nil && client.ClientID != "":
		return rules.Excerpt(client.ClientID, 80) + " (" + rules.Excerpt(memberID, 80) + ")"
	}
	if name, ok := withoutUUID(memberID); ok {
		return rules.Excerpt(name, 80) + "…"
	}
	return rules.Excerpt(memberID, 80)
}

// withoutUUID shortens a member id that a coordinator has made, of client.id and a
// UUID (GroupMetadata.generateMemberId): people tell members apart by the beginning
// of that. The subject of a finding has all of it.
func withoutUUID(memberID string) (name string, ok bool) {
	const whole, bare, kept = 36, 32, 4 // with its hyphens, and without
	for _, length := range []int{whole, bare} {
		at := len(memberID) - length
		if at > 0 && memberID[at-1] == '-' && strings.Trim(memberID[at:], "0123456789abcdef-") == "" {
			return memberID[:at+kept], true
		}
	}
	return memberID, false
}

// uuidLength is that of the member ids that clients make up with KIP-848: a random Uuid
// in its text form, in which nobody is recognised. Member ids that a coordinator gives
// begin with the client id.
const uuidLength = 22

// short writes a duration for people: in whole seconds from ten on, else in
// tenths.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return spaced(d.Round(100 * time.Millisecond))
	}
	return spaced(d.Round(time.Second))
}

// spaced is 2m10s written as 2 min 10 s.
func spaced(d time.Duration) string {
	if d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	}
	var parts []string
	seconds := int(d / time.Second)
	for _, unit := range []struct {
		seconds int
		name    string
	}{{3600, " h"}, {60, " min"}, {1, " s"}} {
		if n := seconds / unit.seconds; n > 0 {
			parts = append(parts, strconv.Itoa(n)+unit.name)
			seconds -= n * unit.seconds
		}
	}
	return strings.Join(parts, " ")
}

// many counts things: 1 partition, 3 partitions.
func many(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// milliseconds is a setting as people configure it: 300 s are 300000.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// sessionSetting is the name of the setting that says how long a member of a group may
// be silent: its own, or the group's, where the coordinator decides (GroupConfig.java).
func sessionSetting(g *state.Group, l rules.Library) string {
	if g.Protocol.Epochs() {
		return g.Protocol.String() + ".session.timeout.ms of the group"
	}
	return setting(l, "session.timeout.ms")
}

// heirs says what becomes of the partitions of a member that has gone.
func heirs(g *state.Group, partitions string) string {
	switch {
	case g.Members() > 0 || g.Partial():
		return "others get " + partitions
	case g.Counted():
		return "nobody is left to read " + partitions
	}
	return "no other member is seen here that could get " + partitions
}

// departureOf gives the last departure of a member, nil when none is remembered.
func departureOf(g *state.Group, id string) *state.Departure {
	for _, d := range slices.Backward(g.Departures()) {
		if d.MemberID == id {
			return d
		}
	}
	return nil
}

// sortedKeys gives the keys of a map in order: what is reported must not depend on
// the order of a map.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
