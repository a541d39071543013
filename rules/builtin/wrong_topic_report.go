package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// unreadReport says that records go where nobody reads them.
func (t *wrongTopic) unreadReport(w *rules.Watch, s *clusterTopics, tr *topicTraffic, alike lookAlike, known bool) rules.Report {
	other, _ := s.traffic.Peek(alike.name)
	writer := clientNamed(tr.writer.ClientID)
	subject := rules.SubjectOf(tr.writer)
	subject.Topic = tr.name
	r := rules.Report{
		Subject: subject, Severity: rules.Critical,
		Summary: unreadSummary(known, writer, topicNamed(tr.name), timeSpan(w.Now.Sub(tr.wrote)), other.readers(), topicNamed(alike.name)),
		Evidence: rules.Evidence{
			{Name: "unread_for", Value: timeSpan(w.Now.Sub(tr.wrote))},
			{Name: "last_write", Value: agoText(w.Now, tr.lastWrote)},
		},
		Advice: fmt.Sprintf("Find out which name is right, and correct it in the producer %s or in the consumers. Records that are in %s already have to be read from there, or written again.", writer, topicNamed(tr.name)),
	}
	r.Evidence = append(append(r.Evidence, alike.evidence()...),
		rules.Fact{Name: "look_alike_last_write", Value: agoText(w.Now, other.lastWrote)},
		rules.Fact{Name: "look_alike_last_read", Value: agoText(w.Now, other.read)},
		rules.Fact{Name: "cluster_asked", Value: known},
	)
	if !known {
		r.Severity = rules.Warning
		r.Advice += " To be sure of groups that bypass warder it has to ask the cluster for them, which needs `upstream.lookup` with DESCRIBE on the cluster, all groups and all topics."
	}
	return r
}

// unreadSummary says no more than what is known: that no group reads the topic can only
// the cluster say.
func unreadSummary(known bool, writer, topic, span, readers, alike string) string {
	if known {
		return fmt.Sprintf("%s writes topic %s, which no group has read for %s, while %s reads %s, which nobody writes: the records reach no consumer",
			writer, topic, span, readers, alike)
	}
	return fmt.Sprintf("%s writes topic %s, which nobody has read through warder for %s, while %s reads %s, which nobody writes: the records may reach no consumer (the cluster could not be asked for groups that bypass warder)",
		writer, topic, span, readers, alike)
}

// silentReport says that a group waits where nothing comes.
func (t *wrongTopic) silentReport(w *rules.Watch, s *clusterTopics, tr *topicTraffic, g *subscriber, alike lookAlike) rules.Report {
	other, _ := s.traffic.Peek(alike.name)
	subject := rules.SubjectOf(g.client)
	subject.Topic, subject.Group = tr.name, g.group
	r := rules.Report{
		Subject: subject, Severity: rules.Warning,
		Summary: fmt.Sprintf("group %s subscribes to topic %s, which has been silent for %s, while %s writes %s",
			groupNamed(g.group), topicNamed(tr.name), timeSpan(w.Now.Sub(g.since)), clientNamed(other.writer.ClientID), topicNamed(alike.name)),
		Evidence: rules.Evidence{
			{Name: "silent_for", Value: timeSpan(w.Now.Sub(g.since))},
			{Name: "last_fetch", Value: agoText(w.Now, tr.read)},
		},
		Advice: fmt.Sprintf("If %s was meant, correct the subscription of group %s: it has processed nothing since it began. auto.offset.reset decides whether it then starts at the beginning.", topicNamed(alike.name), groupNamed(g.group)),
	}
	r.Evidence = append(append(r.Evidence, alike.evidence()...),
		rules.Fact{Name: "look_alike_last_write", Value: agoText(w.Now, other.lastWrote)})
	return r
}

// readers names who reads the topic: its groups, else the client that was seen.
func (tr *topicTraffic) readers() string {
	switch n := len(tr.groups); {
	case n == 1:
		return "group " + groupNamed(tr.groups[0].group)
	case n > 1:
		return fmt.Sprintf("group %s and %d more", groupNamed(tr.groups[0].group), n-1)
	}
	return clientNamed(tr.reader)
}

func groupNamed(group string) string { return rules.Excerpt(group, 80) }

// agoText says how long ago something happened.
func agoText(now, at time.Time) string {
	if at.IsZero() {
		return "not seen"
	}
	return timeSpan(now.Sub(at)) + " ago"
}
