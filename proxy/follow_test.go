package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/state"
)

// listening is a rule that writes down the events of one kind of key.
type listening struct {
	mu  sync.Mutex
	all []rules.Event
}

func (l *listening) Watch(_ *rules.Watch, ev rules.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, ev)
}

// spec makes it listen to kinds.
func (l *listening) spec(by rules.KeyKind, kinds ...rules.Kind) rules.Spec {
	spec := rules.Spec{
		ID: "listening", Severity: rules.Info, Default: rules.Alert,
		New: func(decode func(any) error) (rules.Rule, error) { return l, decode(&struct{}{}) },
	}
	for _, k := range kinds {
		spec.Watches = append(spec.Watches, rules.Interest{Kind: k, By: by})
	}
	return spec
}

// eventsOf gives the events of one type that were heard so far.
func eventsOf[E rules.Event](l *listening) (list []E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.all {
		if e, ok := ev.(E); ok {
			list = append(list, e)
		}
	}
	return list
}

// heard waits for an event of one type that cond accepts.
func heard[E rules.Event](t *testing.T, l *listening, what string, cond func(E) bool) (found E) {
	t.Helper()
	eventually(t, what, func() bool {
		list := eventsOf[E](l)
		i := slices.IndexFunc(list, cond)
		if i >= 0 {
			found = list[i]
		}
		return i >= 0
	})
	return found
}

// groupRig is a warder in front of the embedded brokers, with somebody who listens to groups.
func groupRig(t *testing.T) (*rig, *listening) {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &listening{}
	spec := l.spec(rules.ByGroup, rules.KindJoinRequested, rules.KindJoined, rules.KindSynced, rules.KindHeartbeat, rules.KindLeft,
		rules.KindMemberGone, rules.KindCommitted, rules.KindOffsetsFetched, rules.KindOffsetsDeleted, rules.KindOffsetsListed, rules.KindMemberPolled,
		rules.KindMemberFetched, rules.KindConsumerHeartbeat, rules.KindAcquired, rules.KindAcknowledged, rules.KindShareOffsets)
	cluster.SetGroupConfigs("billing", map[string]string{"share.auto.offset.reset": "earliest"})
	return startRig(t, nil, cluster.Bootstrap(), []rules.Spec{spec}, nil), l
}

func consumer(t *testing.T, r *rig, id string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.addr()), kgo.ClientID(id), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(100 * time.Millisecond), kgo.SessionTimeout(7 * time.Second),
		kgo.RebalanceTimeout(9 * time.Second), kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.Balancers(kgo.CooperativeStickyBalancer()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func TestLifeOfAMemberIsTold(t *testing.T) {
	r, l := groupRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl := consumer(t, r, "billing-1", kgo.InstanceID("pod-7"))
	defer cl.Close()
	for i := range 10 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Key: fmt.Append(nil, i), Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
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

	asked := heard(t, l, "JoinGroup", func(rules.JoinRequested) bool { return true })
	if asked.Group != "billing" || asked.InstanceID != "pod-7" || asked.SessionTimeout != 7*time.Second || asked.RebalanceTimeout != 9*time.Second ||
		asked.ProtocolType != "consumer" || !slices.Equal(asked.Protocols, []string{"cooperative-sticky"}) || !slices.Equal(asked.Topics, []string{"orders"}) ||
		asked.Client.ClientID != "billing-1" || asked.Metadata == 0 {
		t.Errorf("%+v", asked)
	}
	joined := heard(t, l, "its answer", func(e rules.Joined) bool { return e.ErrorCode == 0 })
	if joined.MemberID == "" || joined.Generation < 1 || joined.Leader != joined.MemberID || len(joined.Members) != 1 || joined.Members[0].InstanceID != "pod-7" ||
		joined.Protocol != "cooperative-sticky" || joined.Requested.After(joined.At) {
		t.Errorf("%+v", joined)
	}
	synced := heard(t, l, "SyncGroup", func(rules.Synced) bool { return true })
	if !synced.Readable || len(synced.Assigned) != 2 || synced.Assigned[0].Topic != "orders" || synced.MemberID != joined.MemberID {
		t.Errorf("%+v", synced)
	}
	beat := heard(t, l, "Heartbeat", func(rules.Heartbeat) bool { return true })
	if beat.Membership != synced.Membership || beat.ErrorCode != 0 {
		t.Errorf("%+v", beat)
	}
	if polled := heard(t, l, "Fetch", func(rules.MemberPolled) bool { return true }); polled.Membership != synced.Membership || polled.Ambiguous || polled.Client.ClientID != "billing-1" {
		t.Errorf("%+v", polled)
	}
	fetched := heard(t, l, "OffsetFetch", func(rules.OffsetsFetched) bool { return true })
	if fetched.Group != "billing" || len(fetched.Offsets) != 2 || fetched.Offsets[0].Offset != -1 {
		t.Errorf("%+v", fetched)
	}
	if listed := heard(t, l, "ListOffsets", func(rules.OffsetsListed) bool { return true }); listed.Timestamp != rules.EarliestTimestamp || listed.Offset != 0 || listed.MemberID != joined.MemberID {
		t.Errorf("%+v", listed)
	}
	committed := heard(t, l, "OffsetCommit", func(rules.Committed) bool { return true })
	total := int64(0)
	for _, o := range committed.Offsets {
		total += o.Offset
	}
	if total != 10 || committed.Membership != synced.Membership || committed.Offsets[0].ErrorCode != 0 {
		t.Errorf("%+v", committed)
	}
	if _, ok := r.members.Find(asked.Client, rules.TopicPartition{Topic: "orders", Partition: 1}); !ok {
		t.Error("who reads orders/1 is not known")
	}

	if _, err := kadm.NewClient(cl).LeaveGroup(ctx, kadm.LeaveGroup("billing").InstanceIDs("pod-7").Reason("scaled down")); err != nil {
		t.Fatal(err)
	}
	left := heard(t, l, "LeaveGroup", func(rules.Left) bool { return true })
	if len(left.Members) != 1 || left.Members[0].InstanceID != "pod-7" || left.Members[0].Reason != "scaled down" || left.ErrorCode != 0 {
		t.Errorf("%+v", left)
	}
}

// A static member does not leave when it ends: its group learns that nobody speaks for it any more.
func TestLostConnectionOfAMemberIsTold(t *testing.T) {
	r, l := groupRig(t)
	cl := consumer(t, r, "billing-1", kgo.InstanceID("pod-7"))
	synced := heard(t, l, "SyncGroup", func(rules.Synced) bool { return true })
	cl.Close()
	gone := heard(t, l, "the end of its connection", func(rules.MemberGone) bool { return true })
	if gone.Group != "billing" || gone.MemberID != synced.MemberID || !gone.ByClient {
		t.Errorf("%+v", gone)
	}
}

// A dynamic member leaves in good order: its connection's end is no loss.
func TestMemberThatLeftIsNotMissed(t *testing.T) {
	r, l := groupRig(t)
	cl := consumer(t, r, "billing-1")
	synced := heard(t, l, "SyncGroup", func(rules.Synced) bool { return true })
	cl.Close()
	left := heard(t, l, "LeaveGroup", func(rules.Left) bool { return true })
	if len(left.Members) != 1 || left.Members[0].MemberID != synced.MemberID || left.Members[0].Reason == "" {
		t.Errorf("%+v", left)
	}
	other := consumer(t, r, "billing-2", kgo.InstanceID("pod-8"))
	heard(t, l, "another member", func(e rules.Synced) bool { return e.InstanceID == "pod-8" })
	other.Close()
	heard(t, l, "its end", func(rules.MemberGone) bool { return true })
	for _, gone := range eventsOf[rules.MemberGone](l) {
		if gone.Left != (gone.MemberID == synced.MemberID) {
			t.Errorf("%+v", gone)
		}
	}
}

// groupOf is the model of the group by what was heard so far.
func groupOf(l *listening) *state.Group {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, _ := state.NewGroups(state.NewLogs(0)).New("billing", time.Now()).(*state.Group)
	for _, ev := range l.all {
		g.Apply(ev)
	}
	return g
}

// rebalancesOf writes down those that are over, by cause; the second halves of
// cooperative changes in parentheses.
func rebalancesOf(g *state.Group) string {
	var list []string
	for _, r := range g.Rebalances() {
		text := r.Cause.String()
		if r.Followup {
			text = "(" + text + ")"
		}
		if !r.Open() {
			list = append(list, text)
		}
	}
	return strings.Join(list, " ")
}

// What the model of a group makes of real consumers: one that is alone, another that
// comes and takes half of the partitions in two steps, and leaves.
func TestModelFollowsRealConsumers(t *testing.T) {
	r, l := groupRig(t)
	first := consumer(t, r, "billing-1")
	defer first.Close()
	expect := func(what, want string) {
		t.Helper()
		eventually(t, what+": "+want, func() bool { return rebalancesOf(groupOf(l)) == want })
	}
	expect("the first member", "member-joined")
	second := consumer(t, r, "billing-2")
	expect("the second", "member-joined member-joined (unknown)")
	if g := groupOf(l); g.Members() != 2 || g.Partial() || g.Rebalances()[2].Moved != 1 || g.Rebalances()[1].Joined != 1 {
		t.Errorf("%+v, last %+v", g, g.Rebalances()[2])
	}
	second.Close()
	expect("it leaves", "member-joined member-joined (unknown) member-left")
	if g := groupOf(l); g.Members() != 1 || len(g.Departures()) != 1 || g.Departures()[0].Reason == "" {
		t.Errorf("%+v", g.Departures())
	}
}

func TestOffsetsThatAreDeletedAreTold(t *testing.T) {
	r, l := groupRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", 1, 42, -1)
	if _, err := admin.CommitOffsets(ctx, "billing", offsets); err != nil {
		t.Fatal(err)
	}
	set := heard(t, l, "offsets set by an administrator", func(rules.Committed) bool { return true })
	if set.MemberID != "" || set.Generation != -1 || len(set.Offsets) != 1 || set.Offsets[0].Offset != 42 || set.Offsets[0].Partition != 1 {
		t.Errorf("%+v", set)
	}
	if _, err := admin.DeleteGroup(ctx, "billing"); err != nil {
		t.Fatal(err)
	}
	if gone := heard(t, l, "DeleteGroups", func(rules.OffsetsDeleted) bool { return true }); gone.Group != "billing" || gone.Partitions != nil || gone.Client.ClientID != "admin" {
		t.Errorf("%+v", gone)
	}
}

// A consumer whose place has been deleted goes on at once with its other partition,
// and with this one from elsewhere: the offset that was out of range is told all the
// same.
func TestOffsetOutOfRangeIsToldWithTheOffset(t *testing.T) {
	r, l := groupRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	gone, places := kadm.Offsets{}, kadm.Offsets{}
	for p := range int32(2) {
		for range 10 {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: p, Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		places.AddOffset("orders", p, 3, -1)
	}
	gone.AddOffset("orders", 0, 8, -1)
	if _, err := admin.CommitOffsets(ctx, "billing", places); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteRecords(ctx, gone); err != nil {
		t.Fatal(err)
	}
	c := consumer(t, r, "billing-1")
	defer c.Close()
	go func() {
		for ctx.Err() == nil {
			c.PollFetches(ctx)
		}
	}()
	out := heard(t, l, "OFFSET_OUT_OF_RANGE", func(e rules.MemberFetched) bool { return e.ErrorCode == 1 })
	if out.FetchOffset != 3 || out.Partition != 0 {
		t.Errorf("%+v", out)
	}
	on := heard(t, l, "how it goes on", func(e rules.MemberFetched) bool { return e.Partition == 0 && e.ErrorCode == 0 && e.Bytes > 0 })
	if on.ReadOffset != 8 {
		t.Errorf("%+v", on)
	}
}

// A broker answers ListOffsets in an order of its own.
func TestListedOffsetsBelongToTheirPartitions(t *testing.T) {
	l := &listening{}
	r := newRigWith(t, []rules.Spec{l.spec(rules.ByGroup, rules.KindOffsetsListed)}, nil)
	offset := func(topic string, partition int32) int64 { return int64(len(topic))*100 + int64(partition) }
	r.answerWith(protocol.ListOffsets, func(int16) kmsg.Response {
		resp := kmsg.NewPtrListOffsetsResponse()
		for _, topic := range []string{"users", "orders"} {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = topic
			for _, p := range []int32{1, 0} {
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.Offset = p, offset(topic, p)
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	})
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 7
	for _, topic := range []string{"orders", "users"} {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		for p := range int32(2) {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = p, rules.LatestTimestamp
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	r.dial().Do(req)
	for _, topic := range []string{"orders", "users"} {
		for p := range int32(2) {
			tp := rules.TopicPartition{Topic: topic, Partition: p}
			if got, _ := r.logs.Find(tp); got.HighWatermark != offset(topic, p) {
				t.Errorf("%v ends at %d, not %d", tp, got.HighWatermark, offset(topic, p))
			}
		}
	}
}
