package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// silent is how long the member has not been heard.
func (m *gap) silent() time.Duration { return m.now.Sub(m.Alive) }

// left is how long it still has.
func (m *gap) left() time.Duration { return max(m.Expires().Sub(m.now), 0) }

// awayStatic says that it is a static member without a connection: as after a
// restart, for which its partitions wait by design.
func (m *gap) awayStatic() bool { return m.InstanceID != "" && !m.Gone.IsZero() }

func gapReport(g *state.Group, m *gap, s *silence) rules.Report {
	why := silenceOf(m)
	out := rules.Report{
		Severity: gapSeverity(g, m), Subject: s.subject, OwnSubject: true, News: m.level == overdue,
		Summary: gapSummary(g, m), Advice: why.advice(g, m),
		Evidence: rules.Evidence{
			{Name: "kind", Value: m.level.String()},
			{Name: "cause", Value: string(why)},
			{Name: "silent_ms", Value: m.silent().Milliseconds()},
			{Name: "heartbeat_interval_ms", Value: m.HeartbeatInterval().Milliseconds()},
		},
	}
	add := func(name string, value any) {
		out.Evidence = append(out.Evidence, rules.Fact{Name: name, Value: value})
	}
	if m.SessionKnown {
		add("session_timeout_ms", m.SessionTimeout.Milliseconds())
	} else if m.Consumer() {
		add("session_timeout_ms_assumed", m.SessionTimeout.Milliseconds())
	}
	if m.SessionKnown || m.Consumer() {
		add("time_left_ms", m.left().Milliseconds())
	}
	add("partitions", len(m.Assigned))
	if m.InstanceID != "" {
		add("group_instance_id", rules.Excerpt(m.InstanceID, 80))
	}
	if m.others > 0 {
		add("others_silent", m.others)
	}
	return out
}

// gapSeverity is one step lower for a static member without a connection, which is
// most likely being restarted, and in a share group, where others go on.
func gapSeverity(g *state.Group, m *gap) rules.Severity {
	severity := rules.Warning
	if m.level > quiet {
		severity = rules.Critical
	}
	if m.awayStatic() && m.level < overdue || !g.Protocol.Exclusive() {
		severity--
	}
	return severity
}

func gapSummary(g *state.Group, m *gap) string {
	name, group := memberText(m.Member), groupText(g)
	partitions := many(len(m.Assigned), "partition")
	if !m.Readable {
		partitions = "partitions"
	}
	switch {
	case !g.Protocol.Exclusive():
		return sharedGapSummary(m, name, group)
	case m.level == overdue && m.of == 1 && g.Counted() && !g.Partial():
		return fmt.Sprintf("member %s of group %s has been silent for %s, longer than %s session timeout of %s: the coordinator removes it, and nobody is left to read its %s",
			name, group, short(m.silent()), sessionText(m), short(m.SessionTimeout), partitions)
	case m.level == overdue:
		return fmt.Sprintf("member %s of group %s has been silent for %s, longer than %s session timeout of %s: the coordinator removes it, the group rebalances, and others read its %s again from the last commit",
			name, group, short(m.silent()), sessionText(m), short(m.SessionTimeout), partitions)
	case m.awayStatic():
		return fmt.Sprintf("static member %s of group %s has no connection: the group keeps its %s for it until %s (another %s)",
			name, group, partitions, m.Expires().UTC().Format("15:04:05Z"), short(m.left()))
	case !m.Gone.IsZero():
		return fmt.Sprintf("member %s of group %s lost its connection without leaving: nobody reads its %s until it comes back, or for another %s",
			name, group, partitions, short(m.left()))
	case !m.SessionKnown && !m.Consumer():
		return fmt.Sprintf("member %s of group %s has sent no heartbeat for %s (usually every %s); warder has not heard its session timeout",
			name, group, short(m.silent()), short(m.HeartbeatInterval()))
	}
	return fmt.Sprintf("member %s of group %s has sent no heartbeat for %s (usually every %s): its coordinator removes it in %s",
		name, group, short(m.silent()), short(m.HeartbeatInterval()), leftText(m))
}

// leftText says how long a member still has, as far as that is known.
func leftText(m *gap) string {
	if m.SessionKnown {
		return short(m.left())
	}
	return fmt.Sprintf("%s, if the session timeout is the brokers' default of %s", short(m.left()), short(m.SessionTimeout))
}

// sharedGapSummary is gapSummary for a member of a share group, whose partitions
// others read as well.
func sharedGapSummary(m *gap, name, group string) string {
	const then = "what it was given and has not acknowledged goes to others when its lock runs out"
	switch {
	case m.level == overdue:
		return fmt.Sprintf("member %s of share group %s has been silent for %s, longer than %s session timeout of %s: the coordinator removes it; %s",
			name, group, short(m.silent()), sessionText(m), short(m.SessionTimeout), then)
	case !m.Gone.IsZero():
		return fmt.Sprintf("member %s of share group %s lost its connection without leaving: %s", name, group, then)
	}
	return fmt.Sprintf("member %s of share group %s has sent no heartbeat for %s (usually every %s): its coordinator removes it in %s; %s",
		name, group, short(m.silent()), short(m.HeartbeatInterval()), leftText(m), then)
}

// sessionText says whose session timeout it is.
func sessionText(m *gap) string {
	if m.SessionKnown {
		return "its"
	}
	return "the brokers' default"
}

// silenceCause is what a silence looks like.
type silenceCause string

const (
	connectionLost   silenceCause = "connection lost"
	manyAtOnce       silenceCause = "many members at once"
	doesNotPoll      silenceCause = "does not poll"
	noHeartbeats     silenceCause = "no heartbeat thread"
	processStalled   silenceCause = "process stalled"
	heartbeatsMissed silenceCause = "heartbeats only"
	onlyHeartbeats   silenceCause = "no other traffic seen"
)

// silenceOf tells them apart by what else the client does.
func silenceOf(m *gap) silenceCause {
	library := m.Client.Library()
	switch {
	case m.others >= 2 && 2*(m.others+1) > m.of:
		return manyAtOnce
	case !m.Gone.IsZero():
		return connectionLost
	case m.InstanceID != "" && library.PollInterval() && m.RebalanceTimeout > 0 && m.Alive.Sub(m.Progress) >= m.RebalanceTimeout*9/10:
		return doesNotPoll
	case library == rules.KafkaJS || library == rules.UnknownLibrary && m.Client.SoftwareName == "":
		return noHeartbeats
	case m.Fetched.IsZero():
		return onlyHeartbeats
	case m.now.Sub(m.Fetched) > m.silent()/2:
		return processStalled
	}
	return heartbeatsMissed
}

// advice says what to do about it.
func (c silenceCause) advice(g *state.Group, m *gap) string {
	library := m.Client.Library()
	session := sessionSetting(g, library)
	switch c {
	case manyAtOnce:
		return "More than half of the group is silent at once: look at the group's coordinator and the network in front of it before you look at the members."
	case connectionLost:
		if m.InstanceID != "" {
			return fmt.Sprintf("If this is a restart, %s must be longer than it takes. If the process will not come back, remove it with kafka-consumer-groups or the admin client's removeMembersFromConsumerGroup, so that its partitions need not wait.", session)
		}
		if !g.Protocol.Exclusive() {
			return "Look whether the process has ended or was cut off. A share consumer that is closed on shutdown releases what it has in hand at once, so that others need not wait for its locks."
		}
		return fmt.Sprintf("Look whether the process has ended or was cut off. A consumer that is closed on shutdown gives its partitions away at once; static membership (%s) with a %s longer than a restart keeps them for it.",
			setting(library, "group.instance.id"), session)
	case doesNotPoll:
		return fmt.Sprintf("A static member that has not polled within %s stops its heartbeats and does not leave: nobody has its partitions until its session runs out. Shorten what is done between two polls, or raise the interval.",
			setting(library, "max.poll.interval.ms"))
	case noHeartbeats:
		return "kafkajs, and some other clients that do not say what they are, send heartbeats between messages: a slow handler delays them. Call heartbeat() in long handlers, take smaller batches, or raise sessionTimeout."
	case processStalled:
		return fmt.Sprintf("Its fetches stopped together with its heartbeats: the whole process stands still or is cut off. Look for garbage collection pauses, CPU throttling of its container and the network; %s must be longer than the longest pause.", session)
	case heartbeatsMissed:
		return "It still fetches and sends no heartbeats: look for work inside the poll loop or in a rebalance callback that blocks the thread which speaks to the coordinator, and at the network to that broker."
	case onlyHeartbeats:
	}
	return fmt.Sprintf("Look whether the process runs: garbage collection pauses, CPU throttling of its container, the network to the coordinator. %s must be longer than the longest pause.", session)
}

// heardReport ends a silence because the member is heard again.
func heardReport(g *state.Group, s *silence) rules.Report {
	return rules.Report{
		Severity: rules.Info, Subject: s.subject, OwnSubject: true, Resolved: true,
		Summary:  fmt.Sprintf("member %s of group %s is heard again; it was silent for %s at most", s.name, groupText(g), short(s.longest)),
		Evidence: rules.Evidence{{Name: "kind", Value: "heard"}, {Name: "longest_silence_ms", Value: s.longest.Milliseconds()}},
	}
}

// goneReport ends the story of a member that has left, was removed, or is back
// under another id.
func goneReport(g *state.Group, id string, s *silence) rules.Report {
	out := rules.Report{Severity: rules.Info, Subject: s.subject, OwnSubject: true, Resolved: true}
	var kind string
	group, d := groupText(g), departureOf(g, id)
	switch {
	case d == nil:
		kind = "replaced"
		out.Summary = fmt.Sprintf("member %s of group %s is back as another member, or its place was given to another process", s.name, group)
	case d.How == state.Expired:
		kind = "removed"
		out.Severity = rules.Critical
		verb := "was"
		if !d.Told {
			verb = "must have been"
		}
		had := "its " + many(d.Partitions, "partition")
		if !g.Protocol.Exclusive() {
			out.Severity, had = rules.Warning, "what it had in hand"
		}
		now := heirs(g, had)
		if g.Member(id) != nil {
			now = "it has joined again"
		}
		out.Summary = fmt.Sprintf("member %s %s removed from group %s after it had been silent for %s; %s", s.name, verb, group, short(d.At.Sub(d.LastAlive)), now)
		out.Evidence = rules.Evidence{{Name: "confirmed", Value: d.Told}}
	case d.How == state.Fenced:
		kind = "fenced"
		out.Summary = fmt.Sprintf("member %s of group %s was pushed out by another process with its group.instance.id", s.name, group)
	default:
		kind = "left"
		out.Summary = fmt.Sprintf("member %s has left group %s", s.name, group)
	}
	out.Evidence = append(rules.Evidence{{Name: "kind", Value: kind}, {Name: "longest_silence_ms", Value: s.longest.Milliseconds()}}, out.Evidence...)
	return out
}
