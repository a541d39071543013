package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"warder/configs"
	"warder/proxy/embedded"
	"warder/rules"
)

// library is a server in front of an embedded cluster, with the readers of topics.
type library struct {
	*rig
	follower *follower
	cluster  *embedded.Cluster
	admin    *kadm.Client
}

func newLibrary(t *testing.T, o embedded.Options, client []kgo.Opt, change func(*configs.Config)) *library {
	t.Helper()
	o.Topics = []embedded.Topic{{Name: "orders", Partitions: 3}, {Name: "orders-v2", Partitions: 2}}
	o.Brokers, o.Client = 2, client
	cluster, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}, client...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	f := &follower{}
	l := &library{follower: f, cluster: cluster, admin: kadm.NewClient(cl)}
	l.rig = startRig(t, nil, cluster.ListenAddrs()[0], []rules.Spec{f.spec()}, change)
	l.lookups.readers.pause = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var task sync.WaitGroup
	task.Go(func() { l.lookups.readers.run(ctx) })
	t.Cleanup(func() {
		cancel()
		task.Wait()
	})
	return l
}

// commits gives a group an offset in the first partition of a topic.
func (l *library) commits(group, topic string) {
	l.t.Helper()
	os := kadm.Offsets{}
	os.AddOffset(topic, 0, 1, -1)
	if err := l.admin.CommitAllOffsets(context.Background(), group, os); err != nil {
		l.t.Fatal(err)
	}
}

// pass makes what was found out so much older.
func (l *library) pass(d time.Duration) {
	readers := l.lookups.readers
	readers.mu.Lock()
	defer readers.mu.Unlock()
	readers.refused = readers.refused.Add(-d)
	readers.answers.Each(func(topic string, a readersAnswer) {
		a.at = a.at.Add(-d)
		readers.answers.Replace(topic, a)
	})
}

func (l *library) asked(outcome string) float64 {
	return testutil.ToFloat64(l.metrics.lookups.WithLabelValues("WhoReads", "own", outcome))
}

func TestWhoReadsIsAnsweredByTheCluster(t *testing.T) {
	l := newLibrary(t, embedded.Options{}, nil, nil)
	for i := range 2*groupsPerRequest + 5 { // on both brokers, and more than one request holds
		l.commits(fmt.Sprintf("other-%03d", i), "orders-v2")
	}
	l.commits("billing", "orders")
	l.commits("audit", "orders")
	for _, q := range []struct {
		topic  string
		groups []string
	}{{"orders", []string{"audit", "billing"}}, {"ordres", nil}} {
		if q.topic == "ordres" { // it has no readers, and warder does not know it
			if _, err := l.admin.CreateTopic(t.Context(), 4, 1, nil, "ordres"); err != nil {
				t.Fatal(err)
			}
		}
		if !l.Ask(rules.WhoReads{Topic: q.topic}) {
			t.Fatal("the question was not taken")
		}
		l.follower.wants(t, rules.TopicReaders{Topic: q.topic, Known: true, Groups: q.groups})
	}
	if !l.Ask(rules.WhoReads{Topic: "orders-v2"}) {
		t.Fatal("the question was not taken")
	}
	eventually(t, "the answer", func() bool { return len(l.follower.seen()) == 1 })
	if got, _ := l.follower.seen()[0].(rules.TopicReaders); !got.Known || len(got.Groups) != namedReaders {
		t.Errorf("%+v", got)
	}
	// What was found out lately is not asked again.
	n := l.asked("answered")
	l.commits("late", "orders")
	l.Ask(rules.WhoReads{Topic: "orders"})
	eventually(t, "the answer", func() bool { return len(l.follower.seen()) == 2 })
	if l.asked("answered") != n || n != 3 {
		t.Errorf("asked %v times, before %v", l.asked("answered"), n)
	}
	l.pass(readersLifetime)
	l.Ask(rules.WhoReads{Topic: "orders"})
	eventually(t, "the new answer", func() bool { return len(l.follower.seen()) == 3 })
	if got, _ := l.follower.seen()[2].(rules.TopicReaders); fmt.Sprint(got.Groups) != "[audit billing late]" {
		t.Errorf("%+v", got)
	}
}

func TestOfTooManyGroupsNobodyCanSay(t *testing.T) {
	l := newLibrary(t, embedded.Options{}, nil, nil)
	for i := range maxGroups + 1 {
		l.commits(fmt.Sprint("group-", i), "orders")
	}
	for range 2 {
		l.Ask(rules.WhoReads{Topic: "orders"})
		l.follower.wants(t, rules.TopicReaders{Topic: "orders"})
	}
	if n := l.asked("failed"); n != 1 {
		t.Errorf("asked %v times", n)
	}
}

func TestShareGroupsCannotBeAsked(t *testing.T) {
	l := newLibrary(t, embedded.Options{}, nil, nil)
	beat := kmsg.NewPtrShareGroupHeartbeatRequest()
	beat.GroupID, beat.MemberID, beat.SubscribedTopicNames = "workers", "AAAAAAAAAAAAAAAAAAAAAQ", []string{"orders"}
	cl, err := kgo.NewClient(kgo.SeedBrokers(l.cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if resp, err := beat.RequestWith(t.Context(), cl); err != nil || resp.ErrorCode != 0 {
		t.Fatalf("%+v, %v", resp, err)
	}
	l.Ask(rules.WhoReads{Topic: "orders"})
	l.follower.wants(t, rules.TopicReaders{Topic: "orders"})
}

// TestPartialSightIsNoSight: brokers leave out, without a word, the groups that a principal may not see.
func TestPartialSightIsNoSight(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(dir, "pw")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	acl := func(resource kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	topics := acl(kmsg.ACLResourceTypeTopic, "*", kmsg.ACLOperationDescribe)
	mine := acl(kmsg.ACLResourceTypeGroup, "mine", kmsg.ACLOperationDescribe)
	groups := acl(kmsg.ACLResourceTypeGroup, "*", kmsg.ACLOperationDescribe)
	cluster := acl(kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLOperationDescribe)
	for name, tt := range map[string]struct {
		acls  []kfake.ACL
		known bool
	}{
		"own groups":            {[]kfake.ACL{topics, mine}, false},
		"groups, not the topic": {[]kfake.ACL{groups, cluster}, false},
		"all":                   {[]kfake.ACL{topics, groups, cluster}, true},
	} {
		t.Run(name, func(t *testing.T) {
			admin := []kgo.Opt{kgo.SASL(plain.Auth{User: "admin", Pass: "pw"}.AsMechanism())}
			l := newLibrary(t, embedded.Options{Kfake: []kfake.Opt{
				kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "pw"), kfake.User("PLAIN", "warder", "pw", tt.acls...),
			}}, admin, func(c *configs.Config) {
				c.Upstream.Lookup = &configs.Lookup{Mechanism: "PLAIN", Username: "warder", PasswordFile: configs.Path(password)}
			})
			l.topics.Learn("orders", topicID("orders"), 3)
			l.commits("billing", "orders")
			if !l.Ask(rules.WhoReads{Topic: "orders"}) {
				t.Fatal("the question was not taken")
			}
			if tt.known {
				l.follower.wants(t, rules.TopicReaders{Topic: "orders", Known: true, Groups: []string{"billing"}})
				return
			}
			l.follower.wants(t, rules.TopicReaders{Topic: "orders"})
			eventually(t, "the refusal to be counted", func() bool { return l.asked("refused") == 1 })
			if l.Ask(rules.WhoReads{Topic: "orders"}) {
				t.Error("asked again although the cluster refused")
			}
			l.pass(refusalLifetime)
			if !l.Ask(rules.WhoReads{Topic: "orders"}) {
				t.Error("not asked again for good")
			}
			l.follower.wants(t, rules.TopicReaders{Topic: "orders"})
		})
	}
}

// TestRefusedGroupsAreNotGroupsWithoutOffsets: brokers list what the principal may see by DESCRIBE on the
// cluster, and may still refuse a group's offsets.
func TestRefusedGroupsAreNotGroupsWithoutOffsets(t *testing.T) {
	part := func(code int16, offset int64) kmsg.OffsetFetchResponseGroupTopicPartition {
		return kmsg.OffsetFetchResponseGroupTopicPartition{ErrorCode: code, Offset: offset}
	}
	for _, tt := range []struct {
		group          int16
		parts          []kmsg.OffsetFetchResponseGroupTopicPartition
		reads, refused bool
	}{
		{parts: []kmsg.OffsetFetchResponseGroupTopicPartition{part(0, -1), part(0, 0)}, reads: true},
		{parts: []kmsg.OffsetFetchResponseGroupTopicPartition{part(0, -1)}},
		{parts: []kmsg.OffsetFetchResponseGroupTopicPartition{part(29, -1)}, refused: true},
		{group: 30, refused: true},
		{group: 69}, // it has gone meanwhile
	} {
		g := kmsg.OffsetFetchResponseGroup{ErrorCode: tt.group, Topics: []kmsg.OffsetFetchResponseGroupTopic{{Partitions: tt.parts}}}
		reads, err := hasCommitted(&g)
		if reads != tt.reads || errors.Is(err, errRefused) != tt.refused || err != nil && !tt.refused {
			t.Errorf("%+v: %v, %v", tt, reads, err)
		}
	}
	if _, err := hasCommitted(&kmsg.OffsetFetchResponseGroup{ErrorCode: 14}); err == nil || errors.Is(err, errRefused) {
		t.Errorf("a coordinator that loads: %v", err)
	}
}

// TestWithoutConnectionOfItsOwnWarderAsksNobody: the clients log in, and there are no credentials for warder.
func TestWithoutConnectionOfItsOwnWarderAsksNobody(t *testing.T) {
	r, _ := newFollowed(t)
	r.sasl()
	authenticate(r.dial(), "alice", "x")
	if r.Ask(rules.WhoReads{Topic: "orders"}) {
		t.Error("the question was taken")
	}
}

func TestWaitingQuestionsAreBounded(t *testing.T) {
	r, _ := newFollowed(t)
	taken := 0
	for i := range 2 * maxReaderQuestions { // nobody runs
		if r.Ask(rules.WhoReads{Topic: fmt.Sprint("topic-", i)}) {
			taken++
		}
	}
	if taken != maxReaderQuestions {
		t.Errorf("%d questions wait", taken)
	}
}

// TestDeadClusterIsNotKnown: no answer is no answer, and nothing is remembered of it.
func TestDeadClusterIsNotKnown(t *testing.T) {
	l := newLibrary(t, embedded.Options{}, nil, nil)
	l.cluster.Close()
	l.Ask(rules.WhoReads{Topic: "orders"})
	l.follower.wants(t, rules.TopicReaders{Topic: "orders"})
	if l.asked("failed") != 1 {
		t.Error("the failure is not counted")
	}
}
