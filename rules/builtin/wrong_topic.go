package builtin

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// wrongTopic finds clients that talk past each other because a topic name is wrong:
// names that do not exist, topics that a broker created because somebody asked
// for them, and topics that are written and not read, or read and not written,
// beside one of nearly the same name where it is the other way round. That a name
// looks like another is never a finding by itself.
//
// It watches the cluster as a whole, with one state (clusterTopics) in one shard.
type wrongTopic struct {
	wrongTopicKnobs

	quiet rules.Globs
}

// wrongTopicKnobs are the keys below `rules.wrong-topic` that only it knows.
type wrongTopicKnobs struct {
	// A topic that a client asks for in vain at least so many times …
	UnknownAsks int `yaml:"unknown_asks" min:"2" max:"100"`
	// … within this time …
	UnknownWindow time.Duration `yaml:"unknown_window" min:"1s" max:"1h"`
	// … for at least so long is reported as unknown. One that appears sooner was
	// created by the broker because the client asked.
	UnknownAfter time.Duration `yaml:"unknown_after" min:"1s" max:"10m"`
	// How long a topic may be written and not read, and a look-alike read and not
	// written.
	UnreadAfter time.Duration `yaml:"unread_after" min:"1s" max:"168h"`
	// How long a topic that a group subscribes to may stay silent while a
	// look-alike is written.
	SilentAfter time.Duration `yaml:"silent_after" min:"1s" max:"168h"`
	// Patterns, in lower case, of topics that are unread or silent by design.
	QuietTopics []string `yaml:"quiet_topics"`
}

// quietTopics are dead letters and retries, which nobody may read or write for
// weeks; changelogs of Kafka Streams; internal topics of Connect, MirrorMaker 2
// and others; what is kept for later.
var quietTopics = []string{
	"*dlq*", "*dead*letter*", "*.dlt", "*-dlt", "*_dlt", "*retry*",
	"*-changelog", "*-repartition", "*-subscription-registration-topic", "*-subscription-response-topic",
	"_*", "connect-{configs,offsets,status}", "mm2-*", "*.checkpoints.internal", "*heartbeats",
	"*archive*", "*backup*",
}

func wrongTopicSpec() rules.Spec {
	return rules.Spec{
		ID:       "wrong-topic",
		Summary:  "a client that asks for, writes or reads a topic whose name is wrong",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/wrong-topic.md",
		Example:  "wrong-topic:\n  unread_after: 2h\n  topics: [\"!*.scratch\"]\n",
		FoldBy:   rules.FieldTopic | rules.FieldGroup | rules.FieldClientID | rules.FieldPrincipal,
		Watches: []rules.Interest{
			{Kind: rules.KindTopicAsked, By: rules.ByCluster},
			{Kind: rules.KindTopicAppeared, By: rules.ByCluster},
			{Kind: rules.KindTopicDeleted, By: rules.ByCluster},
			{Kind: rules.KindTopicWritten, By: rules.ByCluster},
			{Kind: rules.KindTopicRead, By: rules.ByCluster},
			{Kind: rules.KindSubscribed, By: rules.ByCluster},
			{Kind: rules.KindTopicReaders, By: rules.ByCluster},
		},
		New: newWrongTopic,
	}
}

func newWrongTopic(decode func(any) error) (rules.Rule, error) {
	t := &wrongTopic{wrongTopicKnobs: wrongTopicKnobs{
		UnknownAsks: 3, UnknownWindow: time.Minute, UnknownAfter: 10 * time.Second,
		UnreadAfter: time.Hour, SilentAfter: 15 * time.Minute, QuietTopics: quietTopics,
	}}
	if err := decode(&t.wrongTopicKnobs); err != nil {
		return nil, err
	}
	var err error
	t.quiet, err = rules.CompileGlobs(t.QuietTopics...)
	return t, err
}

// isQuiet says whether a topic may be unread or silent by design.
func (t *wrongTopic) isQuiet(topic string) bool {
	return !t.quiet.Empty() && t.quiet.Match(strings.ToLower(topic)) || brokerTopics.Match(topic)
}

// Bounds of what is kept for the cluster, beside maxTopicNames. All of it takes
// at most some 60 MB, of which a cluster of a thousand topics uses 1 MB.
const (
	maxTopicTraffic = 20_000 // topics that are written, read or subscribed to; some 450 bytes each and 90 for each group
	maxVain         = 2000   // topics that are asked for in vain; some 350 bytes for each client
	maxVainClients  = 8      // of one topic; further clients are not counted
	maxSubscribers  = 8      // groups of one topic; further groups are not followed
	maxLastSeen     = 4096   // members whose last subscription is known, and client ids whose group is
)

// groupMember is all members of a group with one client id.
type groupMember struct{ group, client string }

// clusterTopics is what is known of the cluster. Beyond its bounds, what was not
// heard of for the longest is forgotten, and with it what is open about it.
type clusterTopics struct {
	names   *topicNames
	traffic *state.LRU[string, *topicTraffic]
	vain    *state.LRU[string, *vainTopic]
	// subscribed is when each member of a group subscribed last, to whatever topics:
	// members of one group may subscribe to different ones, as those of an application
	// with several listeners and one group.id do.
	subscribed *state.LRU[groupMember, time.Time]
	// members is the group that each client id subscribed for last.
	members *state.LRU[string, string]
	// gap is when events were lost last: what was not seen since need not
	// mean that it did not happen.
	gap time.Time
	// searches is how many look-alikes may still be searched for in this tick.
	searches int
	// looks is the room of allDue.
	looks []*topicTraffic
}

func newClusterTopics() *clusterTopics {
	return &clusterTopics{
		names: newTopicNames(maxTopicNames), traffic: state.NewLRU[string, *topicTraffic](maxTopicTraffic),
		vain: state.NewLRU[string, *vainTopic](maxVain), subscribed: state.NewLRU[groupMember, time.Time](maxLastSeen),
		members: state.NewLRU[string, string](maxLastSeen),
	}
}

// topicsSize shows in metrics how much clusterTopics holds; the state itself
// belongs to the watching shard.
type topicsSize struct{ entries, evicted atomic.Int64 }

// Len is the number of names, topics with traffic, questions and members.
func (s *topicsSize) Len() int { return int(s.entries.Load()) }

// Evicted counts those that were forgotten for want of room.
func (s *topicsSize) Evicted() uint64 { return uint64(s.evicted.Load()) }

// NewShared makes what metrics show of the rule.
func (*wrongTopic) NewShared() rules.Store { return &topicsSize{} }

func (s *clusterTopics) measure(size rules.Store) {
	if size, ok := size.(*topicsSize); ok {
		size.entries.Store(int64(s.names.byName.Len() + s.traffic.Len() + s.vain.Len() + s.subscribed.Len() + s.members.Len()))
		size.evicted.Store(int64(s.names.byName.Evicted() + s.traffic.Evicted() + s.vain.Evicted() + s.subscribed.Evicted() + s.members.Evicted()))
	}
}

// Watch takes in what happens to topics.
func (t *wrongTopic) Watch(w *rules.Watch, ev rules.Event) {
	s, _ := w.State.(*clusterTopics)
	if s == nil {
		s = newClusterTopics()
		w.State = s
	}
	switch ev := ev.(type) {
	case rules.TopicAsked:
		t.asked(w, s, ev)
	case rules.TopicAppeared:
		t.appeared(w, s, ev)
	case rules.TopicDeleted:
		t.deleted(w, s, ev)
	case rules.TopicWritten:
		t.exists(w, s, ev.Topic)
		s.written(ev)
	case rules.TopicRead:
		t.exists(w, s, ev.Topic)
		s.read(ev)
	case rules.Subscribed:
		s.subscribe(ev)
	case rules.TopicReaders:
		t.answered(w, s, ev)
	case rules.Gap:
		s.gap = ev.At
	}
}

// searchesPerTick bounds the searches for look-alikes in one tick; the others
// wait for the next.
const searchesPerTick = 16

// Tick looks for what has not happened for too long.
func (t *wrongTopic) Tick(w *rules.Watch) {
	s, ok := w.State.(*clusterTopics)
	if !ok {
		return
	}
	s.searches = searchesPerTick
	t.tickVain(w, s)
	for _, tr := range s.allDue(w.Now) {
		if s.searches <= 0 {
			break
		}
		t.look(w, s, tr)
	}
	clear(s.looks)
	s.measure(w.Shared)
}

// allDue gives the topics that are to be looked at, first those that have waited
// longest: else topics that nobody writes could take the searches of every tick, and
// no other would ever have its turn.
func (s *clusterTopics) allDue(now time.Time) []*topicTraffic {
	s.looks = s.looks[:0]
	s.traffic.Each(func(_ string, tr *topicTraffic) {
		if !now.Before(tr.due) {
			s.looks = append(s.looks, tr)
		}
	})
	slices.SortStableFunc(s.looks, func(a, b *topicTraffic) int { return a.due.Compare(b.due) })
	return s.looks
}

// exists ends what is open about a topic that was thought not to exist.
func (t *wrongTopic) exists(w *rules.Watch, s *clusterTopics, topic string) {
	s.names.learn(topic)
	if v, ok := s.vain.Peek(topic); ok {
		s.vain.Delete(topic)
		v.resolve(w, "topic "+topicNamed(topic)+" exists now")
	}
}

// appeared takes in a topic that is new to warder.
func (t *wrongTopic) appeared(w *rules.Watch, s *clusterTopics, ev rules.TopicAppeared) {
	if v, ok := s.vain.Peek(ev.Topic); ok && !ev.Created {
		t.autoCreated(w, s, v, ev)
	}
	t.exists(w, s, ev.Topic)
}

// deleted forgets a topic and ends what is open about it.
func (t *wrongTopic) deleted(w *rules.Watch, s *clusterTopics, ev rules.TopicDeleted) {
	s.names.forget(ev.Topic)
	if tr, ok := s.traffic.Peek(ev.Topic); ok {
		tr.closeAll(w, "topic "+topicNamed(ev.Topic)+" was deleted")
		s.traffic.Delete(ev.Topic)
	}
}

// topicNamed is a topic's name for a person.
func topicNamed(topic string) string { return rules.Excerpt(topic, maxTopicName) }
