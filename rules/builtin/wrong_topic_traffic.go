package builtin

import (
	"fmt"
	"slices"
	"time"

	"warder/rules"
)

const (
	// readLately is how long a reader counts after its last Fetch. Watchers are
	// told every ReadEvery that somebody fetches, be the topic silent.
	readLately = 10 * time.Minute
	// surelyOver is how long nothing must have been heard of writes before they
	// have ended: of those that go on there is word every WrittenEvery.
	surelyOver = 2 * rules.WrittenEvery
	// answerPatience is how long the answer to a question is waited for before
	// it is asked again: the event may have been lost.
	answerPatience = 5 * time.Minute
	// stillEvery is how often an incident that goes on is told again, so that it
	// stays one.
	stillEvery = 30 * time.Minute
	// looksPerSpan is how often a topic is looked at again within the time that
	// it may be unread or silent.
	looksPerSpan = 12
)

// topicTraffic is what is known of the writing and reading of one topic.
type topicTraffic struct {
	name string
	// wrote is the first write since warder knows the topic, lastWrote the last,
	// writer whoever wrote last. While an incident is open, that is about the
	// same client throughout.
	wrote, lastWrote time.Time
	writer           *rules.Identity
	// read is the last Fetch, fetched the last one that brought records, reader
	// the client id of who read last.
	read, fetched time.Time
	reader        string
	groups        []*subscriber // at most maxSubscribers

	due    time.Time     // when to look again; zero: now
	asked  time.Time     // when the cluster was asked who reads the topic; zero: no answer is awaited
	unread *openIncident // reported as unread
}

// subscriber is a group that subscribes to a topic.
type subscriber struct {
	group       string
	client      *rules.Identity // who subscribed last, but for an open incident
	since, last time.Time       // first and last subscription
	by          string          // client id of the last one
	silent      *openIncident   // reported as silent
}

// openIncident is what was reported and is not over.
type openIncident struct {
	subject  rules.Subject
	severity rules.Severity
	at       time.Time // of the last report
}

// close tells that the incident is over.
func (o *openIncident) close(w *rules.Watch, why string) {
	if o != nil {
		w.Report(rules.Report{Subject: o.subject, Severity: o.severity, Summary: why, Resolved: true})
	}
}

func (s *clusterTopics) trafficOf(topic string) *topicTraffic {
	tr, ok := s.traffic.Get(topic)
	if !ok {
		tr = &topicTraffic{name: topic}
		s.traffic.Put(topic, tr)
	}
	return tr
}

func (s *clusterTopics) written(ev rules.TopicWritten) {
	tr := s.trafficOf(ev.Topic)
	if tr.wrote.IsZero() {
		tr.wrote = ev.At
	}
	if tr.unread == nil {
		tr.writer = ev.Client
	}
	tr.lastWrote = later(tr.lastWrote, ev.At)
	tr.lookNow(len(tr.groups) > 0 || tr.due.Equal(neverDue))
}

func (s *clusterTopics) read(ev rules.TopicRead) {
	tr := s.trafficOf(ev.Topic)
	tr.read = later(tr.read, ev.At)
	tr.reader = ev.Client.ClientID
	if ev.Bytes > 0 {
		tr.fetched = later(tr.fetched, ev.At)
	}
	tr.lookNow(tr.unread != nil || ev.Bytes > 0 && len(tr.groups) > 0)
}

// lookNow has the topic looked at by the next tick, if what has just happened may
// end an incident.
func (tr *topicTraffic) lookNow(mayEnd bool) {
	if mayEnd {
		tr.due = time.Time{}
	}
}

// subscribe takes in what a group wants to read. A pattern names no topics.
func (s *clusterTopics) subscribe(ev rules.Subscribed) {
	s.subscribed.Put(groupMember{ev.Group, ev.Client.ClientID}, ev.At)
	s.members.Put(ev.Client.ClientID, ev.Group)
	for _, topic := range ev.Topics {
		tr := s.trafficOf(topic)
		tr.due = time.Time{}
		i := slices.IndexFunc(tr.groups, func(g *subscriber) bool { return g.group == ev.Group })
		if i < 0 && len(tr.groups) >= maxSubscribers {
			continue
		}
		if i < 0 {
			i = len(tr.groups)
			tr.groups = append(tr.groups, &subscriber{group: ev.Group, since: ev.At})
		}
		g := tr.groups[i]
		g.last, g.by = ev.At, ev.Client.ClientID
		if g.silent == nil {
			g.client = ev.Client
		}
	}
}

// closeAll ends every incident of the topic.
func (tr *topicTraffic) closeAll(w *rules.Watch, why string) {
	tr.unread.close(w, why)
	tr.unread = nil
	for _, g := range tr.groups {
		g.silent.close(w, why)
		g.silent = nil
	}
}

// look judges a topic and says when to look at it again.
func (t *wrongTopic) look(w *rules.Watch, s *clusterTopics, tr *topicTraffic) {
	next := t.lookUnread(w, s, tr)
	for _, g := range tr.groups {
		next = earlier(next, t.lookSilent(w, s, tr, g))
	}
	tr.due = next
}

// neverDue is later than any time that is waited for.
var neverDue = time.Unix(1<<40, 0)

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// lookUnread looks whether the topic is written and not read, while a look-alike is
// read and not written. Before that is said, and now and then while it goes on,
// the cluster is asked who reads the topic past warder.
func (t *wrongTopic) lookUnread(w *rules.Watch, s *clusterTopics, tr *topicTraffic) (next time.Time) {
	over := func(format string, args ...any) {
		tr.unread.close(w, fmt.Sprintf(format, args...))
		tr.unread = nil
	}
	switch {
	case tr.wrote.IsZero() || t.isQuiet(tr.name):
		return neverDue
	case tr.isRead():
		over("topic %s is read now, by %s", topicNamed(tr.name), tr.readers())
		return neverDue
	}
	if due := later(tr.wrote, s.gap).Add(t.UnreadAfter); w.Now.Before(due) {
		return due
	}
	again := w.Now.Add(t.UnreadAfter / looksPerSpan)
	switch {
	case w.Now.Sub(tr.lastWrote) >= t.UnreadAfter+rules.WrittenEvery:
		over("nobody writes topic %s any more", topicNamed(tr.name))
		return neverDue
	case tr.lastWrote.Sub(tr.wrote) < t.UnreadAfter/2:
		return again // some records at first are no producer
	}
	alike := s.search(tr.name, t.readNotWritten(w, s))
	switch {
	case alike.name == "":
		over("no topic that looks like %s is read and not written any more", topicNamed(tr.name))
	case tr.unread != nil && w.Now.Sub(tr.unread.at) < stillEvery: // told lately
	case tr.asked.IsZero() || w.Now.Sub(tr.asked) >= answerPatience:
		tr.asked = w.Now
		w.Ask(rules.WhoReads{Topic: tr.name})
	}
	return again
}

// isRead says whether anybody was seen to read the topic, or means to.
func (tr *topicTraffic) isRead() bool { return !tr.read.IsZero() || len(tr.groups) > 0 }

// readNotWritten accepts look-alikes that are read, and were not written for as
// long as the other was not read. Records that are fetched were written by
// somebody, past warder perhaps.
func (t *wrongTopic) readNotWritten(w *rules.Watch, s *clusterTopics) func(lookAlike) bool {
	return func(l lookAlike) bool {
		other, ok := s.traffic.Peek(l.name)
		return ok && w.Now.Sub(other.read) <= readLately && !t.isQuiet(l.name) &&
			w.Now.Sub(later(other.lastWrote, other.fetched)) >= max(t.UnreadAfter, surelyOver)
	}
}

// search finds a look-alike, and counts the search.
func (s *clusterTopics) search(topic string, accept func(lookAlike) bool) lookAlike {
	s.searches--
	return s.names.find(topic, accept)
}

// answered takes in who reads a topic, and reports it as unread if that still holds.
func (t *wrongTopic) answered(w *rules.Watch, s *clusterTopics, ev rules.TopicReaders) {
	tr, ok := s.traffic.Peek(ev.Topic)
	if !ok || tr.asked.IsZero() {
		return
	}
	tr.asked = time.Time{}
	if ev.Known && len(ev.Groups) > 0 {
		tr.read, tr.reader = ev.At, "" // as good as seen
		tr.unread.close(w, fmt.Sprintf("topic %s is read past warder, by group %s", topicNamed(tr.name), rules.Excerpt(ev.Groups[0], 80)))
		tr.unread = nil
		return
	}
	alike := s.names.find(tr.name, t.readNotWritten(w, s))
	if alike.name == "" || tr.isRead() || w.Now.Sub(s.gap) < t.UnreadAfter {
		return
	}
	r := t.unreadReport(w, s, tr, alike, ev.Known)
	tr.unread = &openIncident{subject: r.Subject, severity: r.Severity, at: w.Now}
	w.Report(r)
}

// lookSilent looks whether a group waits for records of a topic that nobody writes,
// while a look-alike is written.
func (t *wrongTopic) lookSilent(w *rules.Watch, s *clusterTopics, tr *topicTraffic, g *subscriber) (next time.Time) {
	over := func(why string) time.Time {
		g.silent.close(w, why)
		g.silent = nil
		return neverDue
	}
	switch last, _ := s.subscribed.Peek(groupMember{g.group, g.by}); {
	case t.isQuiet(tr.name):
		return neverDue
	case last.After(g.last):
		return over(fmt.Sprintf("group %s no longer subscribes to topic %s", groupNamed(g.group), topicNamed(tr.name)))
	case !tr.lastWrote.Before(g.since) || !tr.fetched.Before(g.since):
		return over(fmt.Sprintf("topic %s is no longer silent", topicNamed(tr.name)))
	}
	if due := later(g.since, s.gap).Add(t.SilentAfter); w.Now.Before(due) {
		return due
	}
	again := w.Now.Add(t.SilentAfter / looksPerSpan)
	if w.Now.Sub(tr.read) > readLately {
		return again // nobody is seen to fetch: records may reach the group past warder
	}
	alike := s.search(tr.name, t.writtenInstead(w, s, g))
	switch {
	case alike.name == "":
		over(fmt.Sprintf("no topic that looks like %s is left that is written instead", topicNamed(tr.name)))
	case s.isUnread(alike.name): // told already, from the writer's side
	case g.silent == nil || w.Now.Sub(g.silent.at) >= stillEvery:
		r := t.silentReport(w, s, tr, g, alike)
		g.silent = &openIncident{subject: r.Subject, severity: rules.Warning, at: w.Now}
		w.Report(r)
	}
	return again
}

// isUnread says whether the topic was reported as written and not read.
func (s *clusterTopics) isUnread(topic string) bool {
	tr, ok := s.traffic.Peek(topic)
	return ok && tr.unread != nil
}

// writtenInstead accepts look-alikes that are being written and that the group does
// not read as well. Beside a variant of a topic, such as another version, any
// reader of it means that both are in use, as during a migration.
func (t *wrongTopic) writtenInstead(w *rules.Watch, s *clusterTopics, g *subscriber) func(lookAlike) bool {
	return func(l lookAlike) bool {
		other, ok := s.traffic.Peek(l.name)
		if !ok || other.lastWrote.Before(g.since) || w.Now.Sub(other.lastWrote) >= max(t.SilentAfter, surelyOver) || t.isQuiet(l.name) {
			return false
		}
		if l.how == alikeVariant && w.Now.Sub(other.read) <= readLately {
			return false
		}
		return !slices.ContainsFunc(other.groups, func(o *subscriber) bool { return o.group == g.group })
	}
}
