package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// report puts a misfit into words, by the worst of those that have it.
func (r *timeoutMisfit) report(g *state.Group, kind misfitKind, list []misfit) rules.Report {
	m := &list[0]
	library := m.Client.Library()
	out := rules.Report{
		Aspect: kind.String(), Subject: memberSubject(g, m.Member), OwnSubject: true,
		Evidence: rules.Evidence{{Name: "kind", Value: kind.String()}, {Name: "members", Value: len(list)}, {Name: "of", Value: g.Members()}},
	}
	who, group := memberText(m.Member), groupText(g)
	if others := len(list) - 1; others > 0 {
		who += " and " + many(others, "more member")
	}
	add := func(name string, d time.Duration) {
		out.Evidence = append(out.Evidence, rules.Fact{Name: name, Value: d.Milliseconds()})
	}
	session, heartbeat := setting(library, "session.timeout.ms"), setting(library, "heartbeat.interval.ms")
	switch kind {
	case rareHeartbeats:
		beat := m.HeartbeatInterval()
		out.Summary = fmt.Sprintf("%s of group %s: a heartbeat every %s for a session of %s (%s); when %s late or lost, the coordinator removes the member",
			who, group, short(beat), short(m.SessionTimeout), session, lateBeats(beat, m.SessionTimeout))
		add("heartbeat_interval_ms", beat)
		add("session_timeout_ms", m.SessionTimeout)
		out.Advice = fmt.Sprintf("%s should be at most a third of %s: %s, or raise %s to %s.",
			heartbeat, session, milliseconds(m.SessionTimeout/3), session, milliseconds(max((3*beat).Round(time.Second), r.MinSession)))
		if library == rules.KafkaJS || library == rules.UnknownLibrary {
			out.Advice += " Where heartbeats are sent between messages, as by kafkajs, they come as rarely as the work lets them: call heartbeat() in long batches."
		}
	case shortSession:
		out.Severity = rules.Info
		out.Summary = fmt.Sprintf("%s of group %s: a session of %s (%s); a pause as short as that, of the process or the network, removes the member, and the group rebalances",
			who, group, short(m.SessionTimeout), session)
		add("session_timeout_ms", m.SessionTimeout)
		out.Advice = fmt.Sprintf("45000 is the default of Kafka since 3.0 (KIP-735). A consumer that is closed leaves at once whatever %s is; a long session only makes that of one which crashes last longer.", session)
	case tightPolls:
		out.Summary = fmt.Sprintf("%s of group %s: up to %s from one poll to the next, and %d of %s more than %.0f %% of %s (%s); when a batch takes still longer once, others get its partitions",
			who, group, short(m.polls.longest), m.polls.long, several(m.polls.n, "time"), 100*r.PollShare, setting(library, maxPollInterval), short(m.polls.limit))
		add("longest_ms", m.polls.longest)
		add("max_poll_interval_ms", m.polls.limit)
		out.Evidence = append(out.Evidence, rules.Fact{Name: "long", Value: m.polls.long}, rules.Fact{Name: "polls", Value: m.polls.n})
		out.Advice = m.polls.advice(library)
	}
	out.Evidence = append(out.Evidence, rules.Fact{Name: "library", Value: library.String()})
	return out
}

// lateBeats says how many heartbeats must fail for the session to end.
func lateBeats(every, session time.Duration) string {
	if n := int(session / every); n > 1 {
		return many(n, "heartbeat") + " are"
	}
	return "one heartbeat is"
}

// fitsReport ends what was told.
func fitsReport(g *state.Group, kind misfitKind, t *misfitTold) rules.Report {
	what := [...]string{"heartbeats that are too rare for their session", "a session as short as that", "so little time left between two polls"}[kind]
	return rules.Report{
		Severity: rules.Info, Aspect: kind.String(), Subject: t.subject, OwnSubject: true, Resolved: true,
		Summary:  fmt.Sprintf("no member of group %s has %s any longer", groupText(g), what),
		Evidence: rules.Evidence{{Name: "kind", Value: kind.String()}},
	}
}
