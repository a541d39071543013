package proxy

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"warder/protocol"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
	"warder/test/fakebroker"
)

// newTransactional follows what becomes of transactions.
func newTransactional(t *testing.T) (*rig, *follower) {
	t.Helper()
	f := &follower{}
	spec := f.spec()
	spec.Needs, spec.Watches = rules.NeedHeaders, nil
	for _, k := range []rules.Kind{rules.KindProducerInitialised, rules.KindTransactionEnded, rules.KindProduceFailed} {
		spec.Watches = append(spec.Watches, rules.Interest{Kind: k, By: rules.ByTransactionalID})
	}
	return newRigWith(t, []rules.Spec{spec}, nil), f
}

// Batch makes the gate look at what is produced.
func (*follower) Batch(*rules.Case, *rules.Batch) {}

// untouched sends a request and compares what the broker got with what was sent,
// and what the client got with what the broker answered.
func (r *rig) untouched(c *fakebroker.Client, req kmsg.Request, answer kmsg.Response) {
	r.t.Helper()
	answer.SetVersion(req.GetVersion())
	body := answer.AppendTo(nil)
	r.broker.Handle(req.Key(), func(*fakebroker.Frame) []byte { return body })
	before := 0
	if len(r.broker.Conns()) > 0 {
		before = len(r.broker.Conn(r.t, 0).Received())
	}
	sent := c.Send(req)
	if got := c.Next(); !bytes.HasSuffix(got.Raw, body) {
		r.t.Errorf("%s: the client received % x", protocol.APIName(req.Key()), got.Raw)
	}
	if got := r.broker.Conn(r.t, 0).Received()[before:]; !bytes.Equal(got, sent) {
		r.t.Errorf("%s: the broker received % x", protocol.APIName(req.Key()), got)
	}
}

func TestProducersAreTold(t *testing.T) {
	r, f := newTransactional(t)
	c := r.dial()
	for version := range int16(6) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = version, new("T"), 5000
		want := rules.ProducerInitialised{TransactionalID: "T", ProducerID: 7, ProducerEpoch: 3, Timeout: 5 * time.Second}
		if version >= 3 {
			req.ProducerID, req.ProducerEpoch = 7, 2
			want.Resumed = true
		}
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ProducerID, resp.ProducerEpoch = 7, 3
		r.untouched(c, req, resp)
		f.wants(t, want, rules.TransactionEnded{TransactionalID: "T", ProducerID: 7, ProducerEpoch: 3, Initialised: true})
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID = 4, new("T")
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ErrorCode = 51
	r.untouched(c, req, resp) // it will ask again
	resp.ErrorCode = 90
	r.untouched(c, req, resp)
	req.TransactionalID = nil
	r.untouched(c, req, kmsg.NewPtrInitProducerIDResponse()) // idempotent only
	f.wants(t, rules.ProducerInitialised{TransactionalID: "T", ProducerID: -1, ErrorCode: 90, Timeout: time.Duration(req.TransactionTimeoutMillis) * time.Millisecond})
}

func TestRefusedTransactionsAreTold(t *testing.T) {
	r, f := newTransactional(t)
	c := r.dial()
	end := kmsg.NewPtrEndTxnRequest()
	end.Version, end.TransactionalID, end.ProducerID = 3, "T", 7
	ended := kmsg.NewPtrEndTxnResponse()
	ended.ErrorCode = 51
	r.untouched(c, end, ended)
	ended.ErrorCode = 90
	r.untouched(c, end, ended)
	f.wants(t, rules.ProduceFailed{Request: "EndTxn", Partition: -1, TransactionalID: "T", ProducerID: 7, ErrorCode: 90})

	parts := kmsg.NewPtrAddPartitionsToTxnRequest()
	parts.Version, parts.TransactionalID, parts.ProducerID = 3, "T", 7
	parts.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: "orders", Partitions: []int32{0}}}
	added := kmsg.NewPtrAddPartitionsToTxnResponse()
	added.Topics = []kmsg.AddPartitionsToTxnResponseTopic{{Topic: "orders", Partitions: []kmsg.AddPartitionsToTxnResponseTopicPartition{{}}}}
	r.untouched(c, parts, added)
	added.Topics[0].Partitions[0].ErrorCode = 47
	r.untouched(c, parts, added)
	offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
	offsets.Version, offsets.TransactionalID, offsets.ProducerID, offsets.Group = 3, "T", 7, "g"
	refused := kmsg.NewPtrAddOffsetsToTxnResponse()
	refused.ErrorCode = 90
	r.untouched(c, offsets, refused)
	f.wants(t, rules.ProduceFailed{Request: "AddPartitionsToTxn", Partition: -1, TransactionalID: "T", ProducerID: 7, ErrorCode: 47},
		rules.ProduceFailed{Request: "AddOffsetsToTxn", Partition: -1, TransactionalID: "T", ProducerID: 7, ErrorCode: 90})
}

// produced is the answer to a Produce request for one partition.
func produced(version int16, code int16) *kmsg.ProduceResponse {
	resp := kmsg.NewPtrProduceResponse()
	rt := kmsg.NewProduceResponseTopic()
	rt.Topic = "orders"
	if version >= 13 {
		rt.TopicID = topicID("orders")
	}
	p := kmsg.NewProduceResponseTopicPartition()
	p.ErrorCode = code
	rt.Partitions = append(rt.Partitions, p)
	resp.Topics = append(resp.Topics, rt)
	return resp
}

// Answers to Produce name neither transactional id nor producer, and are not even
// parsed below version 10 as long as nobody writes in transactions.
func TestFailedProduceIsTold(t *testing.T) {
	for _, version := range []int16{3, 9, 11, 13} {
		r, f := newTransactional(t)
		r.topics.Learn("orders", topicID("orders"), 6)
		c := r.dial()
		req := produce(version, -1, "orders", []string{"v"})
		req.TransactionID = new("T")
		r.untouched(c, req, produced(version, 0))
		r.untouched(c, req, produced(version, 47))
		f.wants(t, rules.ProduceFailed{Request: "Produce", Topic: "orders", TransactionalID: "T", ProducerID: 7, ErrorCode: 47})
	}
}

// An OUT_OF_ORDER_SEQUENCE_NUMBER that warder has brought about is no news.
func TestConsequenceOfARefusalIsNotTold(t *testing.T) {
	f := &follower{}
	follows := f.spec()
	follows.ID, follows.Doc = "producer-fenced", "docs/rules/producer-fenced.md"
	follows.Watches = []rules.Interest{{Kind: rules.KindProduceFailed, By: rules.ByTopic}}
	r := newRigWith(t, []rules.Spec{forbidden, follows}, blocking)
	c := r.dial()
	c.Do(produce(9, -1, "orders", []string{"forbidden"}))
	for _, code := range []int16{outOfOrderSequence, 2} {
		r.answerWith(protocol.Produce, func(version int16) kmsg.Response { return produced(version, code) })
		c.Do(produce(9, -1, "orders", []string{"next"}))
	}
	eventually(t, "an event", func() bool { return len(f.seen()) > 0 })
	if got := f.seen()[0].(rules.ProduceFailed); got.ErrorCode != 2 || got.Topic != "orders" || got.TransactionalID != "" {
		t.Errorf("told %+v", got)
	}
}

// Requests of one producer name the same transactional id again and again.
func TestTransactionalRequestAllocatesNothing(t *testing.T) {
	r, _ := newTransactional(t)
	kreq := produce(12, -1, "orders", []string{"v"})
	kreq.TransactionID = new("T")
	req, err := protocol.ParseProduceRequest(12, kreq.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := &session{srv: r.Server}
	s.noteTransactional(&req)
	if n := testing.AllocsPerRun(100, func() { s.noteTransactional(&req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := s.transactional.Load(); got == nil || *got != (transactional{"T", 7}) {
		t.Errorf("noted %+v", got)
	}
}

// transact sends a request of the transaction T to whoever coordinates it.
func transact[A kmsg.Response](t *testing.T, cl *kgo.Client, req kmsg.Request) A {
	t.Helper()
	resp, err := cl.Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := resp.(A)
	return answer
}

// Offsets that are committed inside a transaction count when it is committed, and never when it is aborted: as the
// coordinator of the group has it.
func TestOffsetsInTransactionsAreFollowed(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &listening{}
	r := startRigOn(t, nil, cluster.Bootstrap(), nil, func(o *engine.Options, _ *Options) {
		o.Specs = []rules.Spec{l.spec(rules.ByGroup, rules.KindCommitted, rules.KindOffsetsSettled)}
		o.Models = []rules.Model{state.NewGroups(state.NewLogs(0))}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("billing-1"), kgo.MaxVersions(kversion.V4_0_0())) // topics by name
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	direct, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap()))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	begin := kmsg.NewPtrInitProducerIDRequest()
	begin.TransactionalID, begin.TransactionTimeoutMillis = new("T"), 20_000
	var producer *kmsg.InitProducerIDResponse
	initialise := func() { producer = transact[*kmsg.InitProducerIDResponse](t, cl, begin) }
	add := func(offset int64) {
		join := kmsg.NewPtrAddOffsetsToTxnRequest()
		join.TransactionalID, join.ProducerID, join.ProducerEpoch, join.Group = "T", producer.ProducerID, producer.ProducerEpoch, "billing"
		if code := transact[*kmsg.AddOffsetsToTxnResponse](t, cl, join).ErrorCode; code != 0 {
			t.Fatalf("AddOffsetsToTxn: %d", code)
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group, req.Generation = "T", producer.ProducerID, producer.ProducerEpoch, "billing", -1
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: offset, LeaderEpoch: -1}}}}
		if got := transact[*kmsg.TxnOffsetCommitResponse](t, cl, req); got.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("TxnOffsetCommit: %+v", got)
		}
		heard(t, l, "TxnOffsetCommit", func(e rules.Committed) bool {
			return e.Offsets[0].Offset == offset && e.TransactionalID == "T" && e.TransactionTimeout == 20*time.Second
		})
	}
	ends := 0
	ended := func(commit bool) {
		ends++
		eventually(t, "the group to hear of the end", func() bool { return len(eventsOf[rules.OffsetsSettled](l)) == ends })
		if e := eventsOf[rules.OffsetsSettled](l)[ends-1]; e.Committed != commit || e.Group != "billing" || e.TransactionalID != "T" {
			t.Errorf("%+v", e)
		}
	}
	end := func(commit bool) {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = "T", producer.ProducerID, producer.ProducerEpoch, commit
		got := transact[*kmsg.EndTxnResponse](t, cl, req)
		if got.ErrorCode != 0 {
			t.Fatalf("EndTxn: %d", got.ErrorCode)
		}
		if got.ProducerID >= 0 && got.Version >= 5 { // KIP-890
			producer.ProducerID, producer.ProducerEpoch = got.ProducerID, got.ProducerEpoch
		}
		ended(commit)
	}
	want := func(what string, offset int64) {
		t.Helper()
		truth, err := kadm.NewClient(direct).FetchOffsets(t.Context(), "billing")
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Fatal(err)
		}
		at := int64(-1)
		if o, ok := truth.Lookup("orders", 0); ok {
			at = o.At
		}
		known := int64(-2)
		r.engine.View(rules.ByGroup, "billing", func(m rules.ModelState) {
			known = m.(*state.Group).Partition(rules.TopicPartition{Topic: "orders"}).Committed
		})
		if at != offset || known != offset {
			t.Errorf("%s: the coordinator has %d, warder %d, want %d", what, at, known, offset)
		}
	}
	initialise()
	add(5)
	want("a transaction goes on", -1)
	end(true)
	want("it was committed", 5)
	add(8)
	end(false)
	want("it was aborted", 5)
	add(9)
	initialise() // which aborts what is open
	ended(false)
	want("its producer was replaced", 5)
	add(7)
	end(true)
	want("it goes on from there", 7)
	r.engine.View(rules.ByGroup, "billing", func(m rules.ModelState) {
		if moves := m.(*state.Group).Partition(rules.TopicPartition{Topic: "orders"}).Moves(); len(moves) != 0 {
			t.Errorf("nothing went back: %v", moves)
		}
	})
}
