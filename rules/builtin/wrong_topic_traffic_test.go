package builtin

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"warder/rules"
)

var topicsStart = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

// cluster plays events and seconds to the rule, as a shard does, and answers what
// it asks.
type cluster struct {
	t      testing.TB
	rule   *wrongTopic
	state  any
	size   rules.Store
	now    time.Time
	said   []string
	asked  int
	answer func(rules.WhoReads) (groups []string, known, ever bool)
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	rule, err := newWrongTopic(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	r := rule.(*wrongTopic)
	return &cluster{
		t: t, rule: r, size: r.NewShared(), now: topicsStart,
		answer: func(rules.WhoReads) ([]string, bool, bool) { return nil, true, true },
	}
}

func (c *cluster) call(code func(*rules.Watch)) {
	w := rules.Watch{By: rules.ByCluster, Key: "cluster", Now: c.now, State: c.state, Shared: c.size}
	code(&w)
	c.state = w.State
	reports, questions := w.Left()
	for _, r := range reports {
		what := fmt.Sprint(r.Severity, " ", r.Subject.Topic)
		if r.Resolved {
			what = "over " + r.Subject.Topic
		}
		c.said = append(c.said, what)
	}
	for _, q := range questions {
		c.asked++
		who := q.(rules.WhoReads)
		if groups, known, ever := c.answer(who); ever {
			c.see(rules.TopicReaders{At: c.now, Topic: who.Topic, Known: known, Groups: groups})
		}
	}
}

func (c *cluster) see(ev rules.Event) { c.call(func(w *rules.Watch) { c.rule.Watch(w, ev) }) }

// runs lets time pass while orders-v2 is written and orders is read.
func (c *cluster) runs(d time.Duration) {
	shop, billing := &rules.Identity{ClientID: "shop"}, &rules.Identity{ClientID: "billing"}
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(time.Second) {
		if c.now.Unix()%60 == 0 {
			c.see(rules.TopicWritten{At: c.now, Client: shop, Topic: "orders-v2"})
			c.see(rules.TopicRead{At: c.now, Client: billing, Topic: "orders"})
		}
		c.call(c.rule.Tick)
	}
}

func (c *cluster) wants(said string) {
	c.t.Helper()
	if got := strings.Join(c.said, ", "); got != said {
		c.t.Errorf("said %q, want %q", got, said)
	}
	c.said = nil
}

func TestLostEventsSuspendTheClaim(t *testing.T) {
	c := newCluster(t)
	c.runs(50 * time.Minute)
	c.see(rules.Gap{At: c.now, Lost: 7}) // a Fetch of orders-v2 may have been among them
	c.runs(59 * time.Minute)
	c.wants("")
	if c.asked != 0 {
		t.Error("the cluster was asked for nothing")
	}
	c.runs(2 * time.Minute)
	c.wants("critical orders-v2")
	c.see(rules.Gap{At: c.now, Lost: 7}) // what was claimed is not taken back for that
	c.runs(50 * time.Minute)
	c.wants("")
}

// TestEventsLostWhileTheClusterIsAsked: what was lost between question and answer may have been the read.
func TestEventsLostWhileTheClusterIsAsked(t *testing.T) {
	c := newCluster(t)
	c.answer = func(rules.WhoReads) ([]string, bool, bool) { return nil, false, false }
	c.runs(time.Hour + 2*time.Minute)
	if c.asked != 1 {
		t.Fatalf("asked %d times", c.asked)
	}
	c.see(rules.Gap{At: c.now, Lost: 7})
	c.see(rules.TopicReaders{At: c.now, Topic: "orders-v2", Known: true})
	c.wants("")
}

func TestLostEventsSuspendSilence(t *testing.T) {
	c := newCluster(t)
	billing, shop := &rules.Identity{ClientID: "billing"}, &rules.Identity{ClientID: "shop"}
	minute := func(n int) {
		for range n {
			c.see(rules.TopicRead{At: c.now, Client: billing, Topic: "ordres"})
			c.see(rules.TopicWritten{At: c.now, Client: shop, Topic: "orders"})
			c.now = c.now.Add(time.Minute)
			c.call(c.rule.Tick)
		}
	}
	c.see(rules.Subscribed{At: c.now, Client: billing, Group: "billing", Topics: []string{"ordres"}})
	minute(10)
	c.see(rules.Gap{At: c.now, Lost: 7})
	minute(14)
	c.wants("")
	minute(1)
	c.wants("warning ordres")
}

func TestAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	c := newCluster(t)
	c.answer = func(rules.WhoReads) ([]string, bool, bool) { return nil, false, false }
	c.runs(time.Hour + 12*time.Minute)
	if c.asked != 3 {
		t.Errorf("asked %d times", c.asked)
	}
	c.answer = func(rules.WhoReads) ([]string, bool, bool) { return nil, true, true }
	c.wants("")
	c.runs(5 * time.Minute)
	c.wants("critical orders-v2")
}

func TestAnswerComesTooLate(t *testing.T) {
	c := newCluster(t)
	c.answer = func(rules.WhoReads) ([]string, bool, bool) { return nil, false, false }
	c.runs(time.Hour + time.Minute)
	// While the cluster was asked somebody began to read.
	c.see(rules.TopicRead{At: c.now, Client: &rules.Identity{ClientID: "billing"}, Topic: "orders-v2"})
	c.see(rules.TopicReaders{At: c.now, Topic: "orders-v2", Known: true})
	c.see(rules.TopicReaders{At: c.now, Topic: "nobody-asked", Known: true})
	c.runs(time.Hour)
	c.wants("")
}

// TestOthersAskToo: an answer to another rule's question is no reason to speak.
func TestOthersAskToo(t *testing.T) {
	c := newCluster(t)
	c.runs(30 * time.Minute)
	c.see(rules.TopicReaders{At: c.now, Topic: "orders-v2", Known: true})
	c.runs(29 * time.Minute)
	c.wants("")
}

// TestNothingIsClaimedOfTheTimeBeforeTheStart: the period begins with what warder has seen itself.
func TestNothingIsClaimedOfTheTimeBeforeTheStart(t *testing.T) {
	c := newCluster(t)
	c.runs(59 * time.Minute)
	c.state = nil // a restart
	c.runs(59 * time.Minute)
	c.wants("")
}

func TestReadersPastWarderEndIt(t *testing.T) {
	c := newCluster(t)
	c.runs(time.Hour + time.Minute)
	c.wants("critical orders-v2")
	c.answer = func(rules.WhoReads) ([]string, bool, bool) { return []string{"nightly"}, true, true }
	c.runs(31 * time.Minute)
	c.wants("over orders-v2")
	c.runs(2 * time.Hour)
	c.wants("")
}

func TestProducerThatStopsEndsIt(t *testing.T) {
	c := newCluster(t)
	c.runs(time.Hour + time.Minute)
	c.wants("critical orders-v2")
	for range 120 {
		c.see(rules.TopicRead{At: c.now, Client: &rules.Identity{}, Topic: "orders"})
		c.now = c.now.Add(time.Minute)
		c.call(c.rule.Tick)
	}
	c.wants("critical orders-v2, critical orders-v2, over orders-v2") // it goes on for a while
	c.runs(10 * time.Minute)
	c.wants("critical orders-v2")
}

func TestDeletedTopicIsForgotten(t *testing.T) {
	c := newCluster(t)
	c.runs(time.Hour + time.Minute)
	c.wants("critical orders-v2")
	c.see(rules.TopicDeleted{At: c.now, Client: &rules.Identity{}, Topic: "orders-v2"})
	c.see(rules.TopicDeleted{At: c.now, Client: &rules.Identity{}, Topic: "nobody-knows"})
	c.wants("over orders-v2")
	s := c.state.(*clusterTopics)
	if s.traffic.Len() != 1 || s.names.byName.Len() != 1 {
		t.Errorf("%d topics with traffic, %d names", s.traffic.Len(), s.names.byName.Len())
	}
}

// TestSilentTopicsLeaveSearchesToOthers: more topics than can be searched for in a second wait in silence, and a topic that nobody reads is told all
// the same.
func TestSilentTopicsLeaveSearchesToOthers(t *testing.T) {
	c := newCluster(t)
	c.rule.SilentAfter, c.rule.UnreadAfter = looksPerSpan*time.Second, time.Minute
	for i := range 4 * searchesPerTick {
		waits := &rules.Identity{ClientID: fmt.Sprint("waits-", i)}
		topic := fmt.Sprint("telegrams-of-", i)
		c.see(rules.Subscribed{At: c.now, Client: waits, Group: waits.ClientID, Topics: []string{topic}})
		c.see(rules.TopicRead{At: c.now, Client: waits, Topic: topic})
	}
	c.runs(3 * time.Minute)
	if len(c.said) != 1 || c.said[0] != "critical orders-v2" {
		t.Error(c.said)
	}
}

// TestClusterIsBounded: whatever clients ask for, write, read and subscribe to. The size in metrics is that of the state.
func TestClusterIsBounded(t *testing.T) {
	c := newCluster(t)
	for i := range 25_000 {
		id := &rules.Identity{ClientID: fmt.Sprint("client-", i)}
		topic := fmt.Sprint("topic-", i)
		c.see(rules.TopicWritten{At: c.now, Client: id, Topic: topic})
		c.see(rules.TopicRead{At: c.now, Client: id, Topic: topic})
		c.see(rules.Subscribed{At: c.now, Client: id, Group: fmt.Sprint("group-", i), Topics: []string{"orders", topic}})
		c.see(rules.TopicAsked{At: c.now, Client: id, Topic: fmt.Sprint("missing-", i), ErrorCode: 3})
		c.see(rules.TopicAsked{At: c.now, Client: id, Topic: "missing", ErrorCode: 3})
	}
	c.call(c.rule.Tick)
	s := c.state.(*clusterTopics)
	orders, _ := s.traffic.Peek("orders")
	missing, _ := s.vain.Peek("missing")
	if s.traffic.Len() != maxTopicTraffic || s.vain.Len() != maxVain || s.subscribed.Len() != maxLastSeen || s.members.Len() != maxLastSeen ||
		len(orders.groups) != maxSubscribers || len(missing.clients) != maxVainClients {
		t.Errorf("%d topics with traffic, %d asked for in vain by up to %d, %d members, %d groups of one topic",
			s.traffic.Len(), s.vain.Len(), len(missing.clients), s.subscribed.Len(), len(orders.groups))
	}
	want := s.names.byName.Len() + maxTopicTraffic + maxVain + 2*maxLastSeen
	if c.size.Len() != want || c.size.Evicted() != s.traffic.Evicted()+s.vain.Evicted()+s.subscribed.Evicted()+s.members.Evicted() {
		t.Errorf("metrics show %d entries, %d evicted, want %d", c.size.Len(), c.size.Evicted(), want)
	}
}

// TestMemoryOfTraffic measures what the comment at maxTopicTraffic claims.
func TestMemoryOfTraffic(t *testing.T) {
	c := newCluster(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	id := &rules.Identity{ClientID: "some-service-of-the-shop", Principal: "User:some-service"}
	for i := range maxTopicTraffic {
		topic := fmt.Sprint("acme.billing.invoices-created.", i)
		c.see(rules.TopicWritten{At: c.now, Client: id, Topic: topic})
		for g := range maxSubscribers {
			c.see(rules.Subscribed{At: c.now, Client: id, Group: fmt.Sprint("group-", g), Topics: []string{topic}})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / maxTopicTraffic
	t.Logf("%.0f bytes for each topic with %d groups and its name", per, maxSubscribers)
	runtime.KeepAlive(c)
	if per > 4000 {
		t.Errorf("%.0f bytes for each topic", per)
	}
}

// BenchmarkTopicEvent is what one write of 20,000 topics costs the shard.
func BenchmarkTopicEvent(b *testing.B) {
	c := newCluster(b)
	id := &rules.Identity{ClientID: "shop"}
	events := make([]rules.Event, maxTopicTraffic)
	for i := range events {
		events[i] = rules.TopicWritten{At: c.now, Client: id, Topic: fmt.Sprint("acme.billing.invoices-created.", i)}
		c.see(events[i])
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		c.see(events[n%len(events)])
		n++
	}
}

// BenchmarkClusterTick is a second of a cluster with 20,000 topics that are written and not read.
func BenchmarkClusterTick(b *testing.B) {
	c := newCluster(b)
	id := &rules.Identity{ClientID: "shop"}
	for i := range maxTopicTraffic {
		c.see(rules.TopicWritten{At: c.now, Client: id, Topic: fmt.Sprint("acme.billing.invoices-created.", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		c.now = c.now.Add(time.Second)
		c.call(c.rule.Tick)
	}
}
