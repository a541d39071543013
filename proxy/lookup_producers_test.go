package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/proxy/embedded"
	"warder/rules"
)

// newStalled is a warder that is asked for open transactions.
func newStalled(t *testing.T) (*rig, *embedded.Cluster, *listening) {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Options{Brokers: 2, Topics: []embedded.Topic{{Name: "payments", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &listening{}
	return startRig(t, nil, cluster.ListenAddrs()[0], []rules.Spec{l.spec(rules.ByTopic, rules.KindTransactionsOpen)}, nil), cluster, l
}

func (r *rig) producersAsked(outcome string) float64 {
	return testutil.ToFloat64(r.metrics.lookups.WithLabelValues("DescribeProducers", "own", outcome))
}

func TestOpenTransactionsAreAskedOfTheLeader(t *testing.T) {
	r, cluster, l := newStalled(t)
	begins := func(id string, partition int32) {
		cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "payments", Partition: partition, Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	begins("first", 0)
	begins("second", 0)
	for partition, starts := range []string{"[0 1]", "[]"} {
		q := rules.OpenTransactions{TopicPartition: rules.TopicPartition{Topic: "payments", Partition: int32(partition)}}
		if !r.Ask(q) {
			t.Fatal("the question was not taken")
		}
		ev := heard(t, l, "the answer", func(ev rules.TransactionsOpen) bool { return ev.TopicPartition == q.TopicPartition })
		got := []int64{}
		for _, o := range ev.Open {
			got = append(got, o.StartOffset)
			if o.ProducerID <= 0 || time.Since(o.LastWrite) > time.Hour || o.LastWrite.After(time.Now().Add(time.Minute)) {
				t.Errorf("%+v", o)
			}
		}
		if !ev.Known || fmt.Sprint(got) != starts {
			t.Errorf("partition %d: %+v", partition, ev)
		}
	}
	if n := r.producersAsked("answered"); n != 2 {
		t.Errorf("%v answers", n)
	}
}

// TestWhoeverRefusesIsNotAskedAgain: to see who writes warder needs READ on the topic.
func TestWhoeverRefusesIsNotAskedAgain(t *testing.T) {
	r, cluster, l := newStalled(t)
	cluster.ControlKey(int16(kmsg.DescribeProducers), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		for _, topic := range req.(*kmsg.DescribeProducersRequest).Topics {
			rt := kmsg.NewDescribeProducersResponseTopic()
			rt.Topic = topic.Topic
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.Partition, rp.ErrorCode = topic.Partitions[0], kerr.TopicAuthorizationFailed.Code
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	q := rules.OpenTransactions{TopicPartition: rules.TopicPartition{Topic: "payments"}}
	if !r.Ask(q) {
		t.Fatal("the question was not taken")
	}
	if ev := heard(t, l, "the answer", func(rules.TransactionsOpen) bool { return true }); ev.Known {
		t.Errorf("%+v", ev)
	}
	if r.Ask(q) || r.producersAsked("refused") != 1 {
		t.Error("asked again although the cluster refused")
	}
}
