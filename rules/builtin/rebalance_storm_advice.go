package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// stormAdvice says what to do about the main cause, and how the group could stop
// less.
func stormAdvice(g *state.Group, s *stormSurvey, cause state.Cause) string {
	advice := causeAdvice(g, cause)
	if s.planned == s.count {
		advice = "Each of these is a deployment or scaling, and together they are many: with static membership (group.instance.id, and a session.timeout.ms longer than a restart) a restart needs no rebalance."
	}
	if softer := softerAdvice(g, cause); softer != "" {
		advice += " " + softer
	}
	return advice
}

func causeAdvice(g *state.Group, cause state.Cause) string {
	library := libraryOf(g)
	instance, session := setting(library, "group.instance.id"), sessionSetting(g, library)
	switch cause {
	case state.CausePollTimeout:
		return pollAdvice(g)
	case state.CauseSessionExpired:
		if staticMembers(g) {
			return fmt.Sprintf("%s must be longer than a restart takes, and than the longest pause of a process (garbage collection, CPU throttling).", session)
		}
		return fmt.Sprintf("Look for processes that die without closing their consumer, for garbage collection pauses and CPU throttling; %s must be longer than the longest pause.", session)
	case state.CauseInstanceFenced:
		return fmt.Sprintf("Give every process a %s of its own.", instance)
	case state.CauseSlowJoin:
		return "A member must join again within the rebalance timeout (max.poll.interval.ms in Java and librdkafka, Consumer.Group.Rebalance.Timeout in sarama): let handlers end when the group rebalances. A lower timeout makes the others wait less."
	case state.CauseMemberLeft, state.CauseMemberJoined:
		if staticMembers(g) {
			return fmt.Sprintf("Look why members come and go. Some have no %s: give it to all of them.", instance)
		}
		return fmt.Sprintf("Look why members come and go. With %s, the same for a process after its restart, and a %s longer than a restart, the group does not rebalance for it.", instance, session)
	case state.CauseSubscription:
		return "Let all members subscribe to the same topics, or to one pattern, and do not change it while they run."
	case state.CauseMetadata:
		return "The topics that the group subscribes to, or their partitions, keep changing: make the pattern of the subscription narrower, and create topics and partitions in one go."
	case state.CauseUnknown, state.CauseCoordinator, state.NumCauses:
	}
	if g.Partial() {
		return "Look at the members that do not come through this warder: their own sidecars, or the log of the group's coordinator, say why they come and go."
	}
	return "The log of the group's coordinator says who joined or left (GroupCoordinator, \"Preparing to rebalance group\")."
}

// pollAdvice has the numbers of the slowest batch that was measured.
func pollAdvice(g *state.Group) string {
	var took, limit time.Duration
	library := libraryOf(g)
	for _, d := range g.Departures() {
		if d.Cause != state.CausePollTimeout || d.Returned.IsZero() {
			continue // what goes on is not measured
		}
		if worked := d.Returned.Sub(d.LastProgress); worked > took {
			took, limit, library = worked, d.RebalanceTimeout, d.Client.Library()
		}
	}
	advice := pollSettings(library, took, limit)
	if took > limit && limit > 0 {
		advice = fmt.Sprintf("The longest batch took %s. ", short(took)) + advice
	}
	return advice
}

// softerAdvice says how members could stop less for each other, where the library can
// do that.
func softerAdvice(g *state.Group, cause state.Cause) string {
	library := libraryOf(g)
	if g.Cooperative() || cause == state.CauseInstanceFenced || library != rules.Java && library != rules.Librdkafka {
		return ""
	}
	return "Its assignor stops all members at each rebalance: partition.assignment.strategy=cooperative-sticky (beside the present one for one rolling restart, then alone) or group.protocol=consumer stops only what moves."
}

// staticMembers says whether any member has a group.instance.id.
func staticMembers(g *state.Group) (static bool) {
	g.EachMember(func(m *state.Member) { static = static || m.InstanceID != "" })
	return static
}

// libraryOf is the library of most members.
func libraryOf(g *state.Group) rules.Library {
	count := map[rules.Library]int{}
	g.EachMember(func(m *state.Member) { count[m.Client.Library()]++ })
	most := rules.UnknownLibrary
	for l := rules.UnknownLibrary; l <= rules.KafkaGo; l++ {
		if count[l] > count[most] {
			most = l
		}
	}
	return most
}
