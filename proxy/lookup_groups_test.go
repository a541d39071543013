package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"warder/configs"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/state"
)

// outside is a server in front of an embedded cluster in which much goes on that
// does not come through it.
type outside struct {
	*rig
	cluster *embedded.Cluster
	client  *kgo.Client
	admin   *kadm.Client
	later   atomic.Int64 // how far the clock of warder is ahead
}

func newOutside(t *testing.T, o embedded.Options, client []kgo.Opt, change func(*configs.Config)) *outside {
	t.Helper()
	o.Topics = []embedded.Topic{{Name: "orders", Partitions: 3}, {Name: "carts", Partitions: 1}}
	o.Brokers, o.Client = 2, client
	cluster, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := &outside{cluster: cluster}
	s.client = s.direct(t, client...)
	s.admin = kadm.NewClient(s.client)
	s.rig = startModelled(t, cluster.ListenAddrs()[0], []rules.Spec{forbidden}, func(c *configs.Config) {
		c.Upstream.Lookup = &configs.Lookup{}
		c.Upstream.Lookup.SetDefaults()
		if change != nil {
			change(c)
		}
	})
	s.lookups.groups.now = s.clock
	s.lookups.groups.pause = time.Millisecond
	return s
}

// clock is warder's, where it asks for groups.
func (s *outside) clock() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }

// direct is a client that does not come through warder.
func (s *outside) direct(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func (s *outside) writes(topic string, partition int32, n int) {
	s.t.Helper()
	for range n {
		if err := s.client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte("v")}).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *outside) commits(group, topic string, partition int32, offset int64) {
	s.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, offset, -1)
	if err := s.admin.CommitAllOffsets(context.Background(), group, offsets); err != nil {
		s.t.Fatal(err)
	}
}

// looks makes the next round of questions, half a minute after the last.
func (s *outside) looks() {
	s.t.Helper()
	s.later.Add(int64(30 * time.Second))
	if err := s.lookups.groups.look(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

// view gives what is known of a group.
func (s *outside) view(group string) (v state.GroupView, known bool) {
	s.t.Helper()
	s.engine.View(rules.ByGroup, group, func(m rules.ModelState) {
		g := m.(*state.Group)
		g.Tick(s.clock())
		v, known = g.View(s.clock()), true
	})
	return v, known
}

// stands says where a group is.
func (s *outside) stands(group string) string {
	s.t.Helper()
	v, known := s.view(group)
	if !known {
		return "nothing is known"
	}
	text := fmt.Sprintf("%s, %d members here, %d elsewhere, partial %t", v.State, len(v.Members), v.Elsewhere, v.Partial)
	for i := range v.Partitions {
		p := &v.Partitions[i]
		text += fmt.Sprintf("; %s/%d committed %s of %s to %s, lag %s", p.Topic, p.Partition, numberOr(p.Committed), numberOr(p.LogStart), numberOr(p.End), numberOr(p.Lag))
		if !p.CommittedAt.IsZero() {
			text += ", seen to commit"
		}
		if !p.Forgotten.IsZero() {
			text += ", forgotten"
		}
		for _, m := range p.Moves {
			text += ", " + m.Kind
		}
	}
	return text
}

func numberOr(n *int64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

func (s *outside) wants(group, want string) {
	s.t.Helper()
	if got := s.stands(group); got != want {
		s.t.Errorf("group %s:\n%s\nwant\n%s", group, got, want)
	}
}

func (s *outside) asked(question, outcome string) float64 {
	return testutil.ToFloat64(s.metrics.lookups.WithLabelValues(question, "own", outcome))
}

func TestGroupsThatAreNotSeenAreAskedFor(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, nil)
	s.writes("orders", 0, 9)
	s.writes("carts", 0, 4)
	s.commits("billing", "orders", 0, 3)
	s.commits("billing", "carts", 0, 4)
	for i := range 2*lookedGroups + 3 { // more than one request holds, on both brokers
		s.commits(fmt.Sprintf("other-%02d", i), "orders", 1, 0)
	}
	s.looks()
	s.wants("billing", "Empty, 0 members here, 0 elsewhere, partial false; carts/0 committed 4 of 0 to 4, lag 0; orders/0 committed 3 of 0 to 9, lag 6")
	for i := range 2*lookedGroups + 3 {
		s.wants(fmt.Sprintf("other-%02d", i), "Empty, 0 members here, 0 elsewhere, partial false; orders/1 committed 0 of 0 to 0, lag 0")
	}
	for _, topic := range []string{"orders", "carts"} { // which no client has named
		if got, _ := s.topics.ByName([]byte(topic)); !got.Cleanup.Deletes() || got.Settings.RetentionMs != 604_800_000 {
			t.Errorf("%s: %+v", topic, got)
		}
	}
	s.writes("orders", 0, 11)
	s.commits("billing", "orders", 0, 15)
	s.looks()
	s.wants("billing", "Empty, 0 members here, 0 elsewhere, partial false; carts/0 committed 4 of 0 to 4, lag 0; orders/0 committed 15 of 0 to 20, lag 5, seen to commit")
	s.commits("billing", "orders", 0, 2) // while it has no members
	s.looks()
	s.wants("billing", "Empty, 0 members here, 0 elsewhere, partial false; carts/0 committed 4 of 0 to 4, lag 0; orders/0 committed 2 of 0 to 20, lag 18, seen to commit, set-by-admin")
	if resp, err := s.admin.DeleteOffsets(t.Context(), "billing", kadm.TopicsSet{"carts": {0: {}}}); err != nil || resp.Error() != nil {
		t.Fatal(err, resp)
	}
	s.looks()
	s.wants("billing", "Empty, 0 members here, 0 elsewhere, partial false; carts/0 committed 4 of 0 to 4, lag ?, forgotten, expired; orders/0 committed 2 of 0 to 20, lag 18, seen to commit, set-by-admin")
	if _, err := s.admin.DeleteGroup(t.Context(), "billing"); err != nil {
		t.Fatal(err)
	}
	s.looks()
	s.wants("billing", "Dead, 0 members here, 0 elsewhere, partial false; carts/0 committed 4 of 0 to 4, lag ?, forgotten, expired; orders/0 committed 2 of 0 to 20, lag ?, seen to commit, forgotten, set-by-admin, expired")
	n := s.asked("OffsetFetch", "answered")
	s.looks()
	if s.asked("OffsetFetch", "answered") <= n || len(s.lookups.groups.known) != 2*lookedGroups+3 {
		t.Errorf("%d groups are remembered", len(s.lookups.groups.known))
	}
}

// TestMembersElsewhere: a group whose members do not come through warder is not
// empty, and what it commits is its own.
func TestMembersElsewhere(t *testing.T) {
	for protocol, opt := range map[string]kgo.Opt{"classic": kgo.ClientID("c"), "consumer": kgo.WithContext(context.WithValue(context.Background(), "opt_in_kafka_next_gen_balancer_beta", true))} { //nolint:staticcheck,revive // as the library wants it
		t.Run(protocol, func(t *testing.T) {
			s := newOutside(t, embedded.Options{}, nil, nil)
			s.writes("carts", 0, 10)
			cl := s.direct(t, opt, kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("carts"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for n := 0; n < 10; {
				f := cl.PollFetches(ctx)
				if err := f.Err(); err != nil {
					t.Fatal(err)
				}
				n += f.NumRecords()
			}
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				t.Fatal(err)
			}
			s.looks()
			s.wants("billing", "Stable, 0 members here, 1 elsewhere, partial true; carts/0 committed 10 of 0 to 10, lag 0")
			cl.Close()
			eventually(t, "the group to be empty", func() bool {
				s.looks()
				v, _ := s.view("billing")
				return v.State == state.GroupEmpty
			})
			if v, _ := s.view("billing"); v.Empty.IsZero() || v.EmptyBefore || v.Partial {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestGroupsThroughWarderAreSeldomAskedFor: what their members do is seen.
func TestGroupsThroughWarderAreSeldomAskedFor(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, nil)
	s.writes("carts", 0, 10)
	s.commits("billing", "orders", 2, 0) // before warder saw it
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addr()), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("carts"), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for n := 0; n < 10; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	eventually(t, "the member to be seen", func() bool { v, _ := s.view("billing"); return len(v.Members) == 1 })
	asked := func() float64 { return s.asked("OffsetFetch", "answered") }
	for round := range 2*seldom + 1 {
		before := asked()
		s.looks()
		if news, want := asked()-before, round%seldom == 0; news > 0 != want {
			t.Errorf("round %d: asked %v times", round, news)
		}
	}
	v, _ := s.view("billing")
	if v.Partial || v.Elsewhere != 0 || len(v.Partitions) < 2 || v.Partitions[len(v.Partitions)-1].Topic != "orders" {
		t.Errorf("%+v", v)
	}
}

func TestOnlyTheGroupsThatAreWantedAreAskedFor(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, func(c *configs.Config) {
		c.Upstream.Lookup.Groups.Patterns = []configs.Pattern{"bill*", "!billing-old"}
	})
	for _, g := range []string{"billing", "billing-old", "audit"} {
		s.commits(g, "orders", 0, 0)
	}
	s.looks()
	for g, want := range map[string]bool{"billing": true, "billing-old": false, "audit": false} {
		if _, known := s.view(g); known != want {
			t.Errorf("group %s: %v", g, known)
		}
	}
}

func TestTooManyGroupsAreCut(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, nil)
	for i := range maxGroups + 1 {
		s.commits(fmt.Sprintf("group-%04d", i), "orders", 0, 0)
	}
	s.lookups.groups.pause = 0
	for range 2 {
		s.looks()
	}
	if _, known := s.view(fmt.Sprintf("group-%04d", maxGroups)); known {
		t.Error("more groups than the limit")
	}
	if _, known := s.view(fmt.Sprintf("group-%04d", maxGroups-1)); !known || s.asked("ListGroups", "cut") != 2 || len(s.lookups.groups.known) != maxGroups {
		t.Errorf("%v, %d", known, len(s.lookups.groups.known))
	}
	s.logged("upstream.lookup.groups.patterns")
}

// TestTopicsThatWarderMayNotSee: a coordinator leaves them out, or does not say where their logs end.
func TestTopicsThatWarderMayNotSee(t *testing.T) {
	password := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	acl := func(resource kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationDescribe, Allow: true}
	}
	admin := []kgo.Opt{kgo.SASL(plain.Auth{User: "admin", Pass: "pw"}.AsMechanism())}
	s := newOutside(t, embedded.Options{Kfake: []kfake.Opt{
		kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "pw"),
		kfake.User("PLAIN", "warder", "pw", acl(kmsg.ACLResourceTypeGroup, "mine"), acl(kmsg.ACLResourceTypeTopic, "orders")),
	}}, admin, func(c *configs.Config) {
		c.Upstream.Lookup.Mechanism, c.Upstream.Lookup.Username, c.Upstream.Lookup.PasswordFile = "PLAIN", "warder", configs.Path(password)
	})
	s.writes("orders", 0, 3)
	s.commits("mine", "orders", 0, 1)
	s.commits("mine", "carts", 0, 0)
	s.commits("yours", "orders", 0, 1)
	s.looks()
	s.looks()
	if got := s.stands("mine"); !strings.Contains(got, "orders/0 committed 1 of 0 to 3, lag 2") || strings.Contains(got, "expired") {
		t.Error(got)
	}
	s.wants("yours", "nothing is known")
}

// TestRefusedGroupsAreLeftAlone: ListGroups may list groups whose offsets are refused.
func TestRefusedGroupsAreLeftAlone(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, nil)
	s.commits("mine", "orders", 0, 0)
	s.commits("yours", "orders", 0, 0)
	s.cluster.ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, g := range req.(*kmsg.OffsetFetchRequest).Groups {
			rg := kmsg.NewOffsetFetchResponseGroup()
			if rg.Group = g.Group; g.Group == "yours" {
				rg.ErrorCode = kerr.GroupAuthorizationFailed.Code
			}
			resp.Groups = append(resp.Groups, rg)
		}
		return resp, nil, true
	})
	s.looks()
	s.looks()
	s.wants("yours", "nothing is known")
	s.wants("mine", "Empty, 0 members here, 0 elsewhere, partial false")
	if n := s.asked("OffsetFetch", "refused"); n != 1 {
		t.Errorf("asked %v times for what was refused", n)
	}
	s.later.Add(int64(refusalLifetime))
	if s.looks(); s.asked("OffsetFetch", "refused") != 2 {
		t.Error("not asked again for good")
	}
}

// TestDeadClusterIsLeftAlone: after an error warder waits longer each time, and it ends when it is told to.
func TestDeadClusterIsLeftAlone(t *testing.T) {
	s := newOutside(t, embedded.Options{}, nil, nil)
	s.cluster.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.lookups.groups.run(ctx)
	}()
	s.logged("cannot ask the cluster for groups")
	cancel()
	<-ended
	l, some := s.lookups.groups, errors.New("refused")
	wait := l.every
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, longestBackoff, longestBackoff} {
		if wait = l.wait(wait, some); wait != want {
			t.Errorf("waits %v, want %v", wait, want)
		}
	}
	if l.wait(wait, nil) != l.every {
		t.Error("does not go on as before")
	}
}

// TestNobodyIsAskedUnlessConfigured: without upstream.lookup, or with every: 0s, nobody asks.
func TestNobodyIsAskedUnlessConfigured(t *testing.T) {
	for name, lookup := range map[string]*configs.Lookup{"no lookup": nil, "never": {}} {
		s := newOutside(t, embedded.Options{}, nil, func(c *configs.Config) { c.Upstream.Lookup = lookup })
		s.lookups.groups.run(t.Context()) // returns
		if s.lookups.groups.round != 0 {
			t.Errorf("%s: asked", name)
		}
	}
}
