package proxy

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/rules/state"
	"warder/test/fakebroker"
)

func shareConsumer(t *testing.T, r *rig, id string) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID(id), kgo.ShareGroup("billing"), kgo.ConsumeTopics("orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// What the model makes of a real share consumer: a record that it gives back until the
// broker archives it, and others that it accepts; then the group's offsets are set.
func TestModelFollowsAShareGroup(t *testing.T) {
	r, l := groupRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl := shareConsumer(t, r, "billing-1")
	for i := range 10 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var bad rules.TopicPartition
	deliveries := 0
	for deliveries < 5 {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(rec *kgo.Record) {
			if string(rec.Value) != "7" {
				rec.Ack(kgo.AckAccept)
				return
			}
			bad = rules.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}
			deliveries++
			rec.Ack(kgo.AckRelease)
		})
		if err := cl.FlushAcks(ctx); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all that was acknowledged", func() bool {
		accepted, released := int64(0), int64(0)
		groupOf(l).EachPartition(func(p *state.GroupPartition) {
			if s := p.Share(); s != nil {
				accepted, released = accepted+s.Accepted, released+s.Released
			}
		})
		return accepted == 9 && released == 5
	})
	g := groupOf(l)
	if g.Protocol != state.ShareProtocol || g.Members() != 1 || g.Partitions() != 2 {
		t.Errorf("%v, %d members, %d partitions", g.Protocol, g.Members(), g.Partitions())
	}
	if again := g.Partition(bad).Share().Again(); len(again) != 1 || again[0].Deliveries != 5 || again[0].Releases != 5 || !again[0].Waits {
		t.Errorf("%+v", again)
	}
	cl.Close()
	eventually(t, "the member to leave", func() bool { return groupOf(l).Members() == 0 })
	if d := groupOf(l).Departures(); len(d) != 1 || d[0].How != state.LeftByItself || d[0].Cause != state.CauseMemberLeft {
		t.Errorf("%+v", d)
	}
	for _, gone := range eventsOf[rules.MemberGone](l) {
		if !gone.Left {
			t.Errorf("%+v is missed", gone)
		}
	}
	shareOffsets(ctx, t, r, l)
}

// shareOffsets asks for the offsets of the group, sets one and deletes them.
func shareOffsets(ctx context.Context, t *testing.T, r *rig, l *listening) {
	t.Helper()
	plain, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	admin := kadm.NewClient(plain)
	if _, err := admin.DescribeShareGroupOffsets(ctx, "billing"); err != nil {
		t.Fatal(err)
	}
	described := heard(t, l, "DescribeShareGroupOffsets", func(e rules.ShareOffsets) bool { return !e.Set })
	sum := int64(0)
	for _, o := range described.Offsets {
		sum += o.Offset
	}
	if described.Group != "billing" || sum != 10 {
		t.Errorf("%+v", described)
	}
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 1, At: 1})
	if _, err := admin.AlterShareGroupOffsets(ctx, "billing", offsets); err != nil {
		t.Fatal(err)
	}
	altered := heard(t, l, "AlterShareGroupOffsets", func(e rules.ShareOffsets) bool { return e.Set && e.Topics == nil })
	if len(altered.Offsets) != 1 || altered.Offsets[0] != (rules.PartitionOffset{TopicPartition: rules.TopicPartition{Topic: "orders", Partition: 1}, Offset: 1}) {
		t.Errorf("%+v", altered)
	}
	if _, err := admin.DeleteShareGroupOffsets(ctx, "billing", "orders"); err != nil {
		t.Fatal(err)
	}
	if deleted := heard(t, l, "DeleteShareGroupOffsets", func(e rules.ShareOffsets) bool { return e.Topics != nil }); deleted.Topics[0] != "orders" {
		t.Errorf("%+v", deleted)
	}
}

// shareFetching is a ShareFetch that acknowledges records, and its answer with records
// of some bytes.
func shareFetching(version int16, records int) (*kmsg.ShareFetchRequest, *kmsg.ShareFetchResponse) {
	req := kmsg.NewPtrShareFetchRequest()
	req.Version, req.GroupID, req.MemberID = version, new("billing"), new("m-1")
	batch := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
	batch.FirstOffset, batch.LastOffset, batch.AcknowledgeTypes = 10, 15, []int8{1, 1, 2, 0, 3, 3}
	whole := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
	whole.FirstOffset, whole.LastOffset, whole.AcknowledgeTypes = 20, 29, []int8{1}
	senseless := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
	senseless.FirstOffset, senseless.LastOffset, senseless.AcknowledgeTypes = 0, math.MaxInt64, []int8{2}
	asked := kmsg.NewShareFetchRequestTopicPartition()
	asked.Partition, asked.AcknowledgementBatches = 3, []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{batch, senseless, whole}
	for _, name := range []string{"orders", "never heard of"} {
		rt := kmsg.NewShareFetchRequestTopic()
		rt.TopicID, rt.Partitions = topicID(name), []kmsg.ShareFetchRequestTopicPartition{asked}
		req.Topics = append(req.Topics, rt)
	}
	resp := kmsg.NewPtrShareFetchResponse()
	resp.Version = version
	given := kmsg.NewShareFetchResponseTopicPartition()
	given.Partition, given.Records = 3, bytes.Repeat([]byte{7}, records)
	a := kmsg.NewShareFetchResponseTopicPartitionAcquiredRecord()
	a.FirstOffset, a.LastOffset, a.DeliveryCount = 30, 39, 2
	given.AcquiredRecords = append(given.AcquiredRecords, a)
	rt := kmsg.NewShareFetchResponseTopic()
	rt.TopicID, rt.Partitions = topicID("orders"), []kmsg.ShareFetchResponseTopicPartition{given}
	resp.Topics = append(resp.Topics, rt)
	return req, resp
}

var acknowledgedOrders = []rules.AcknowledgedRecords{
	{TopicPartition: ordersThree, First: 10, Last: 11, Type: rules.AckAccept},
	{TopicPartition: ordersThree, First: 12, Last: 12, Type: rules.AckRelease},
	{TopicPartition: ordersThree, First: 13, Last: 13, Type: rules.AckGap},
	{TopicPartition: ordersThree, First: 14, Last: 15, Type: rules.AckReject},
	{TopicPartition: ordersThree, First: 20, Last: 29, Type: rules.AckAccept},
}

var ordersThree = rules.TopicPartition{Topic: "orders", Partition: 3}

// shareRig listens to what is said of records, in front of a scripted broker.
func shareRig(t *testing.T) (*rig, *listening) {
	t.Helper()
	l := &listening{}
	r := newRigWith(t, []rules.Spec{l.spec(rules.ByGroup, rules.KindAcquired, rules.KindAcknowledged, rules.KindMemberPolled)}, nil)
	r.topics.Learn("orders", topicID("orders"), 12)
	return r, l
}

func TestShareFetchIsToldAndPassesUntouched(t *testing.T) {
	for _, version := range []int16{1, 2} {
		for _, size := range []int{10, 3 * windowSize} {
			t.Run(fmt.Sprintf("v%d/%d bytes", version, size), func(t *testing.T) {
				r, l := shareRig(t)
				req, resp := shareFetching(version, size)
				r.untouched(r.dial(), req, resp)
				said := heard(t, l, "what is acknowledged", func(rules.Acknowledged) bool { return true })
				if fmt.Sprint(said.Records) != fmt.Sprint(acknowledgedOrders) || said.Group != "billing" || said.MemberID != "m-1" {
					t.Errorf("%+v", said)
				}
				given := heard(t, l, "what is given", func(rules.Acquired) bool { return true })
				want := []rules.AcquiredRecords{{TopicPartition: ordersThree, First: 30, Last: 39, DeliveryCount: 2}}
				if fmt.Sprint(given.Records) != fmt.Sprint(want) || given.Group != "billing" || given.MemberID != "m-1" {
					t.Errorf("%+v", given)
				}
				heard(t, l, "that the member fetches", func(e rules.MemberPolled) bool { return e.MemberID == "m-1" })
			})
		}
	}
}

func TestShareAcknowledgeIsTold(t *testing.T) {
	r, l := shareRig(t)
	fetch, _ := shareFetching(2, 0)
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.Version, req.GroupID, req.MemberID = 2, fetch.GroupID, fetch.MemberID
	rt := kmsg.NewShareAcknowledgeRequestTopic()
	rt.TopicID = topicID("orders")
	p := kmsg.NewShareAcknowledgeRequestTopicPartition()
	p.Partition = 3
	for _, b := range fetch.Topics[0].Partitions[0].AcknowledgementBatches {
		p.AcknowledgementBatches = append(p.AcknowledgementBatches, kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch(b))
	}
	rt.Partitions = append(rt.Partitions, p)
	req.Topics = append(req.Topics, rt)
	r.untouched(r.dial(), req, kmsg.NewPtrShareAcknowledgeResponse())
	said := heard(t, l, "what is acknowledged", func(rules.Acknowledged) bool { return true })
	if fmt.Sprint(said.Records) != fmt.Sprint(acknowledgedOrders) || said.MemberID != "m-1" {
		t.Errorf("%+v", said)
	}
}

// A ShareFetch answer that is too large to be held is under way when its addresses come
// into sight: they change, its length does not.
func TestLargeShareFetchAnswerIsRewrittenAtEqualLength(t *testing.T) {
	for _, host := range []string{"a-broker-with-a-long-name.internal", "b"} {
		r, l := shareRig(t)
		req, resp := shareFetching(2, 3*windowSize)
		e := kmsg.NewShareFetchResponseNodeEndpoint()
		e.NodeID, e.Host, e.Port = 5, host, 9092
		resp.NodeEndpoints = append(resp.NodeEndpoints, e)
		body := resp.AppendTo(nil)
		r.broker.Handle(protocol.ShareFetch, func(*fakebroker.Frame) []byte { return body })
		c := r.dial()
		c.Send(req)
		got := kmsg.NewPtrShareFetchResponse()
		got.Version = 2
		raw := c.Next().Raw
		if err := got.ReadFrom(raw[len(raw)-len(body):]); err != nil || bytes.Contains(raw, []byte(host+"\x00")) {
			t.Fatalf("error %v, or the broker's own address is still there", err)
		}
		if !bytes.Equal(got.Topics[0].Partitions[0].Records, resp.Topics[0].Partitions[0].Records) {
			t.Error("records differ")
		}
		switch {
		case host == "b": // no room for 127.0.0.1
			if len(got.NodeEndpoints) != 0 {
				t.Errorf("%+v", got.NodeEndpoints)
			}
		case len(got.NodeEndpoints) != 1 || got.NodeEndpoints[0].Host != "127.0.0.1" || got.NodeEndpoints[0].NodeID != 5:
			t.Errorf("%+v", got.NodeEndpoints)
		}
		heard(t, l, "what is given", func(rules.Acquired) bool { return true })
	}
}

// What is no ShareFetch passes all the same, and is counted.
func TestUnreadableShareFetchPasses(t *testing.T) {
	for _, size := range []int{100, 2 * windowSize} {
		r, l := shareRig(t)
		answer := fakebroker.AppendResponse(nil, protocol.ShareFetch, 2, 1, bytes.Repeat([]byte{0x7f}, size))
		r.broker.Script(fakebroker.Expect(protocol.ShareFetch), fakebroker.Send(answer), fakebroker.ExpectEnd())
		c := r.dial()
		client := "c"
		sent := fakebroker.AppendRequest(nil, protocol.ShareFetch, 2, 1, &client, bytes.Repeat([]byte{0xff}, 50))
		c.Write(sent)
		if got := c.Next(); !bytes.Equal(got.Raw, answer) {
			t.Error("the answer differs")
		}
		c.Conn().Close()
		if got := r.broker.Conn(t, 0).WaitReceived(t, len(sent)); !bytes.Equal(got, sent) {
			t.Error("the request differs")
		}
		for _, reason := range []string{"malformed", "unreadable_answer"} {
			if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues(reason)); n != 1 {
				t.Errorf("%s: counted %v", reason, n)
			}
		}
		if n := len(eventsOf[rules.Acquired](l)) + len(eventsOf[rules.Acknowledged](l)); n != 0 {
			t.Errorf("%d events", n)
		}
	}
}
