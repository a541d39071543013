package builtin

import (
	"fmt"
	"strings"
	"time"

	"warder/rules"
)

// unknownTopic is UNKNOWN_TOPIC_OR_PARTITION, leaderNotAvailable is what brokers
// before KRaft answer for a topic that they have just created.
const (
	unknownTopic       = 3
	leaderNotAvailable = 5
)

// forgetAfter is how many windows without a question end what is known of them.
const forgetAfter = 5

// Members of groups ask seldom for the one topic that is missing while their others
// are there: librdkafka each topic.metadata.refresh.interval.ms, franz-go each
// MetadataMaxAge, both five minutes. They name it nowhere else, least of all in
// JoinGroup. So of them fewer questions are enough, in a window so many times as long.
const (
	memberAsks    = 2
	memberWindows = 6
)

// vainTopic is a topic that clients ask for although it does not exist.
type vainTopic struct{ clients []*vainClient }

// vainClient is one client that asks in vain.
type vainClient struct {
	subject rules.Subject // its group, once reported, is the one it was reported with
	// first and last question of this run, of which no two were further apart
	// than the window.
	first, last time.Time
	count       int
	// recent are the times of the last questions, oldest first, as many as
	// make a finding.
	recent []time.Time
	// autoCreate says that the broker was allowed to create the topic.
	autoCreate bool
	// group is one that the client is a member of, "" if it is of none.
	group    string
	reported time.Time // zero: not yet
}

// client finds the entry of a client, or makes one; nil when there are too many.
func (v *vainTopic) client(id *rules.Identity) *vainClient {
	for _, c := range v.clients {
		if c.subject.ClientID == id.ClientID && c.subject.Principal == id.Principal {
			return c
		}
	}
	if len(v.clients) >= maxVainClients {
		return nil
	}
	c := &vainClient{subject: rules.SubjectOf(id)}
	v.clients = append(v.clients, c)
	return c
}

// asked takes in a question for a topic that the cluster answered with an error.
func (t *wrongTopic) asked(w *rules.Watch, s *clusterTopics, ev rules.TopicAsked) {
	if ev.ErrorCode != unknownTopic && ev.ErrorCode != leaderNotAvailable || brokerTopics.Match(ev.Topic) {
		return
	}
	v, ok := s.vain.Get(ev.Topic)
	if !ok {
		v = &vainTopic{}
		s.vain.Put(ev.Topic, v)
	}
	c := v.client(ev.Client)
	if c == nil {
		return
	}
	c.group, _ = s.members.Peek(ev.Client.ClientID)
	if window, _ := t.patience(c); c.count == 0 || ev.At.Sub(c.last) > window {
		c.first, c.count, c.recent = ev.At, 0, c.recent[:0]
		group := c.subject.Group
		c.subject = rules.SubjectOf(ev.Client)
		c.subject.Topic, c.subject.Group = ev.Topic, group
	}
	c.last = ev.At
	c.count++
	c.autoCreate = c.autoCreate || ev.AutoCreate
	if len(c.recent) >= t.UnknownAsks {
		c.recent = append(c.recent[:0], c.recent[len(c.recent)-t.UnknownAsks+1:]...)
	}
	c.recent = append(c.recent, ev.At)
	t.reportVain(w, s, c)
}

// patience is how many questions make a finding about a client, within which time.
func (t *wrongTopic) patience(c *vainClient) (window time.Duration, asks int) {
	if c.group == "" {
		return t.UnknownWindow, t.UnknownAsks
	}
	return memberWindows * t.UnknownWindow, min(memberAsks, t.UnknownAsks)
}

// reportVain reports a client that has asked in vain often and long enough, and
// once in each window as long as it goes on. It is called with each question:
// a client that stops asking may have got its answer, which nobody tells of.
func (t *wrongTopic) reportVain(w *rules.Watch, s *clusterTopics, c *vainClient) {
	window, asks := t.patience(c)
	often := len(c.recent) >= asks && c.last.Sub(c.recent[len(c.recent)-asks]) <= window
	again := !c.reported.IsZero() && (w.Now.Sub(c.reported) < t.UnknownWindow || !c.last.After(c.reported))
	if !often || again || c.last.Sub(c.first) < t.UnknownAfter {
		return
	}
	if c.reported.IsZero() {
		c.subject.Group = c.group // and stays so: the subject makes the finding one
	}
	c.reported = w.Now
	w.Report(c.report(w.Now, s.names.find(c.subject.Topic, s.isThere)))
}

// report says that a client asks in vain, and what it may have meant.
func (c *vainClient) report(now time.Time, alike lookAlike) rules.Report {
	client, topic, group := clientNamed(c.subject.ClientID), topicNamed(c.subject.Topic), c.subject.Group
	who, waits := client, "A producer waits max.block.ms for every record, a consumer gets nothing, and both may look healthy."
	if group != "" {
		who = fmt.Sprintf("%s, a member of group %s,", client, groupNamed(group))
		waits = "If it subscribes to the topic it gets nothing from it, and most libraries only log that, and look again minutes later."
	}
	r := rules.Report{
		Subject: c.subject, Severity: rules.Warning,
		Summary: fmt.Sprintf("%s asks for topic %s, which does not exist", who, topic),
		Evidence: rules.Evidence{
			{Name: "error", Value: "UNKNOWN_TOPIC_OR_PARTITION"},
			{Name: "asked", Value: c.count},
			{Name: "for", Value: timeSpan(now.Sub(c.first))},
			{Name: "auto_create", Value: c.autoCreate},
		},
		Advice: waits + " Create the topic, or correct its name in the configuration of " + client + ".",
	}
	if alike.name != "" {
		r.Summary += "; did you mean " + topicNamed(alike.name) + "?"
		r.Evidence = append(r.Evidence, alike.evidence()...)
	}
	return r
}

// isThere leaves out names that are asked for in vain themselves.
func (s *clusterTopics) isThere(l lookAlike) bool {
	_, vain := s.vain.Peek(l.name)
	return !vain
}

// evidence names the look-alike.
func (l *lookAlike) evidence() rules.Evidence {
	return rules.Evidence{{Name: "look_alike", Value: topicNamed(l.name)}, {Name: "differs_in", Value: l.how.String()}}
}

// tickVain forgets who has stopped asking.
func (t *wrongTopic) tickVain(w *rules.Watch, s *clusterTopics) {
	s.vain.Each(func(topic string, v *vainTopic) {
		left := v.clients[:0]
		for _, c := range v.clients {
			if window, _ := t.patience(c); w.Now.Sub(c.last) <= max(window, forgetAfter*t.UnknownWindow) {
				left = append(left, c)
				continue
			}
			c.resolve(w, clientNamed(c.subject.ClientID)+" no longer asks for topic "+topicNamed(topic))
		}
		clear(v.clients[len(left):])
		if v.clients = left; len(left) == 0 {
			s.vain.Delete(topic)
		}
	})
}

// resolve ends what was reported of the topic.
func (v *vainTopic) resolve(w *rules.Watch, why string) {
	for _, c := range v.clients {
		c.resolve(w, why)
	}
}

func (c *vainClient) resolve(w *rules.Watch, why string) {
	if !c.reported.IsZero() {
		w.Report(rules.Report{Subject: c.subject, Severity: rules.Warning, Summary: why, Resolved: true})
	}
}

// autoCreated reports a topic that appeared right after a client had asked for it
// and allowed the broker to create it. One that was asked for much longer was
// created by somebody else: brokers that may create topics do so at once.
func (t *wrongTopic) autoCreated(w *rules.Watch, s *clusterTopics, v *vainTopic, ev rules.TopicAppeared) {
	var c *vainClient
	for _, asking := range v.clients {
		if asking.autoCreate && ev.At.Sub(asking.first) < t.UnknownAfter && (c == nil || asking.first.Before(c.first)) {
			c = asking
		}
	}
	if c == nil {
		return
	}
	alike := s.names.find(ev.Topic, s.isThere)
	r := rules.Report{
		Subject: c.subject, Severity: rules.Info,
		Summary: fmt.Sprintf("topic %s was created by the broker because %s asked for it", topicNamed(ev.Topic), clientNamed(c.subject.ClientID)),
		Evidence: rules.Evidence{
			{Name: "asked", Value: c.count},
			{Name: "created_after", Value: timeSpan(ev.At.Sub(c.first))},
			{Name: "partitions", Value: int(ev.Partitions)},
		},
		Advice: "It has the broker's default partitions, replication and retention. auto.create.topics.enable=false on the brokers, or allow.auto.create.topics=false in the client, keeps names from becoming topics by accident.",
	}
	if alike.name != "" {
		r.Severity = rules.Warning
		r.Summary += "; it looks like " + topicNamed(alike.name)
		r.Evidence = append(r.Evidence, alike.evidence()...)
		r.Advice = "If " + topicNamed(alike.name) + " was meant, correct the name in the configuration of " + clientNamed(c.subject.ClientID) + " and delete the new topic. " + r.Advice
	}
	w.Report(r)
}

// timeSpan is a time span as people write it: 1h30m, not 1h30m0s.
func timeSpan(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
