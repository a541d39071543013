package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/test/fakebroker"
)

// usesRig is a warder in front of the embedded brokers, with somebody who listens to
// how clients use their connections.
func usesRig(t *testing.T) (*rig, *listening) {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &listening{}
	return startRig(t, nil, cluster.Bootstrap(), []rules.Spec{usesSpec(l)}, nil), l
}

func usesSpec(l *listening) rules.Spec {
	return l.spec(rules.ByClient, rules.KindProduceAnswered, rules.KindFetchAnswered, rules.KindConnectionUsed)
}

// What sessions tell adds up to what the client did, with the rest told at the end.
func TestUsesOfAClientAddUp(t *testing.T) {
	r, l := usesRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	probe, err := net.Dial("tcp", r.addr()) // says nothing: it must not be told of
	if err != nil {
		t.Fatal(err)
	}
	probe.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("shop"), kgo.ConsumeTopics("orders"),
		kgo.FetchMinBytes(7), kgo.FetchMaxWait(300*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	const records = 20
	for range records {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: make([]byte, 100)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < records; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	cl.Close()

	var produced rules.ProduceAnswered
	eventually(t, "all Produce requests", func() bool {
		produced = rules.ProduceAnswered{}
		for _, ev := range eventsOf[rules.ProduceAnswered](l) {
			produced.Requests += ev.Requests
			produced.Waited += ev.Waited
			produced.InFlight.Merge(&ev.InFlight)
			produced.Latency.Merge(&ev.Latency)
		}
		return produced.Requests == records
	})
	if produced.InFlight.Quantile(1) != 1 || produced.InFlight.Count() != records || produced.Latency.Count() != records || produced.Waited <= 0 {
		t.Errorf("of requests one after the other: %+v", produced)
	}
	heard(t, l, "fetched records", func(ev rules.FetchAnswered) bool {
		return ev.Bytes >= 100 && ev.MinBytes == 7 && ev.MaxWait == 300*time.Millisecond && ev.Partitions == 1 &&
			ev.Sizes.Count() == ev.Answers-ev.Empty && ev.Sizes.Count() > 0
	})
	connectionsAddUp(t, r, l)
}

// connectionsAddUp wants each connection that said something to have a first event and
// a last one, and only those.
func connectionsAddUp(t *testing.T, r *rig, l *listening) {
	t.Helper()
	var sum rules.ConnectionUsed
	eventually(t, "all connections to have ended", func() bool {
		first, ended := 0, 0
		sum = rules.ConnectionUsed{}
		for _, ev := range eventsOf[rules.ConnectionUsed](l) {
			if ev.First {
				first++
			}
			if ev.Ended {
				ended++
			}
			sum.Requests += ev.Requests
			sum.Metadata += ev.Metadata
			sum.ApiVersions += ev.ApiVersions
			sum.ByClient = sum.ByClient || ev.ByClient
			if ev.Client.ClientID != "shop" || ev.Opened.IsZero() || ev.At.Before(ev.Opened) {
				t.Fatalf("%+v", ev)
			}
		}
		return len(r.Clients()) == 0 && first == ended && first == sum.ApiVersions
	})
	if sum.Metadata == 0 || sum.Requests < sum.Metadata+20 || sum.ApiVersions == 0 || !sum.ByClient {
		t.Errorf("%+v", sum)
	}
}

// Requests that overlap are counted as they come, and so is what a quota says.
func TestOverlappingRequestsAreCounted(t *testing.T) {
	l := &listening{}
	r := newRigWith(t, []rules.Spec{usesSpec(l)}, nil)
	req := produce(9, -1, "orders", []string{"v"})
	resp := kmsg.NewPtrProduceResponse()
	resp.Version, resp.ThrottleMillis = 9, 250
	body := resp.AppendTo(nil)
	r.broker.Script(
		fakebroker.Expect(protocol.Produce), fakebroker.Expect(protocol.Produce), fakebroker.Expect(protocol.Produce),
		fakebroker.Reply(body), fakebroker.Reply(body), fakebroker.Reply(body), fakebroker.ExpectEnd(),
	)
	c := r.dial()
	for range 3 {
		c.Send(req)
	}
	for range 3 {
		c.Next()
	}
	c.Conn().Close()
	ev := heard(t, l, "the answers", func(rules.ProduceAnswered) bool { return true })
	if ev.Requests != 3 || ev.Throttled != 3 || ev.ThrottleTime != 750*time.Millisecond {
		t.Errorf("%+v", ev)
	}
	for depth, q := range map[int64]float64{1: 0.3, 2: 0.6, 3: 1} {
		if got := ev.InFlight.Quantile(q); got != depth {
			t.Errorf("quantile %v of the requests in flight is %d, want %d", q, got, depth)
		}
	}
	if end := heard(t, l, "the end", func(ev rules.ConnectionUsed) bool { return ev.Ended }); !end.ByClient {
		t.Errorf("the client ended it: %+v", end)
	}
}

func TestCountingUsesAllocatesNothing(t *testing.T) {
	request, response := exchangeOf(1000)
	l := &listening{}
	r := startRig(t, nil, fixedBroker(t, len(request), response), []rules.Spec{usesSpec(l)}, nil)
	steady(t, r, request, response)
}
