package proxy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/records"
	"warder/test/fakebroker"
)

const policyViolation = 44

// blocking puts the only rule on block.
func blocking(c *configs.Config) {
	c.Rules.Defaults.Action = "block"
	c.Rules.Defaults.Scope = "partition"
}

// produce makes a request that writes one batch per partition of one topic; texts are the values.
func produce(version, acks int16, topic string, texts ...[]string) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, acks, 1000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	if version >= 13 {
		rt.TopicID = topicID(topic)
	}
	for i, values := range texts {
		b := records.NewBuilder(records.None)
		for _, v := range values {
			b.Add([]byte("key"), []byte(v))
		}
		var blob []byte
		var err error
		if version < 3 {
			blob, err = b.AppendMessageSet(nil, 1)
		} else {
			b.ProducerID, b.ProducerEpoch, b.BaseSequence = 7, 0, 10
			blob, err = b.AppendBatch(nil)
		}
		if err != nil {
			panic(err)
		}
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), blob
		rt.Partitions = append(rt.Partitions, p)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

func topicID(name string) (id [16]byte) {
	copy(id[:], name)
	return id
}

// store answers Produce as a broker does, and keeps what each partition got.
func (r *rig) store() {
	r.broker.Handle(protocol.Produce, func(f *fakebroker.Frame) []byte {
		rq, err := f.Request()
		if err != nil {
			r.t.Error(err)
			return nil
		}
		req, _ := rq.(*kmsg.ProduceRequest)
		if req.Acks == 0 {
			return nil
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = req.Version
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.BaseOffset = p.Partition, 100
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp.AppendTo(nil)
	})
}

// outcomes maps partition to error code and base offset.
func outcomes(resp kmsg.Response) map[int32][2]int64 {
	m := make(map[int32][2]int64)
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			m[p.Partition] = [2]int64{int64(p.ErrorCode), p.BaseOffset}
		}
	}
	return m
}

func TestDeniedPartitionIsTakenOutAndAnswered(t *testing.T) {
	for version := range int16(14) {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			r := newRig(t, blocking)
			r.topics.Learn("orders", topicID("orders"), 3)
			r.store()
			c := r.dial()
			req := produce(version, -1, "orders", []string{"a"}, []string{"b", "forbidden"}, []string{"c"})
			resp, _ := c.Do(req).(*kmsg.ProduceResponse)
			want := map[int32][2]int64{0: {0, 100}, 1: {policyViolation, -1}, 2: {0, 100}}
			if diff := cmp.Diff(want, outcomes(resp)); diff != "" {
				t.Error(diff)
			}
			if len(resp.Topics) != 1 {
				t.Errorf("%d topics in the answer", len(resp.Topics))
			}
			if version >= 8 {
				p := resp.Topics[0].Partitions
				for i := range p {
					if p[i].Partition == 1 && (len(p[i].ErrorRecords) != 1 || p[i].ErrorRecords[0].RelativeOffset != 1 || p[i].ErrorMessage == nil) {
						t.Errorf("the denied partition says %+v", p[i])
					}
				}
			}
			// The broker got the other partitions with their very bytes.
			frames := r.broker.Conn(t, 0).WaitFrames(t, 1)
			rq, err := frames[0].Request()
			if err != nil {
				t.Fatal(err)
			}
			got, _ := rq.(*kmsg.ProduceRequest)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions[:1], req.Topics[0].Partitions[2:]...)
			if !bytes.Equal(got.AppendTo(nil), req.AppendTo(nil)) {
				t.Errorf("the broker got %+v, want %+v", got, req)
			}
		})
	}
}

func TestRequestDeniedAsAWholeNeverReachesTheBroker(t *testing.T) {
	r := newRig(t, blocking)
	r.store()
	c := r.dial()
	if got := outcomes(c.Do(produce(9, -1, "orders", []string{"forbidden"}))); got[0][0] != policyViolation {
		t.Errorf("answered %v", got)
	}
	c.Do(produce(9, -1, "orders", []string{"fine"}))
	if frames := r.broker.Conn(t, 0).WaitFrames(t, 1); len(frames) != 1 {
		t.Errorf("the broker got %d requests", len(frames))
	}
}

func TestAllowedProduceIsUntouched(t *testing.T) {
	r := newRig(t, blocking)
	r.store()
	c := r.dial()
	var sent []byte
	big := string(make([]byte, 3*windowSize))
	for _, texts := range [][]string{{"a"}, {big}, {"b", "c"}, {big, big}} {
		req := produce(9, -1, "orders", texts)
		sent = append(sent, c.Send(req)...)
		if resp, _ := c.Receive(req); outcomes(resp)[0][0] != 0 {
			t.Fatalf("refused: %v", outcomes(resp))
		}
	}
	if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
		t.Errorf("the broker received %d bytes that differ from the %d sent", len(got), len(sent))
	}
}

func TestDenialKeepsItsTurn(t *testing.T) {
	r := newRig(t, blocking)
	r.broker.Handle(opaque, echo)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	c.Write(opaqueRequest(1000, 5))
	req := produce(9, -1, "orders", []string{"forbidden"})
	c.Send(req)
	<-held.Arrived()
	held.Release()
	if got := c.Next(); got.CorrelationID != 1000 {
		t.Fatalf("the denial overtook: correlation id %d", got.CorrelationID)
	}
	if resp, _ := c.Receive(req); outcomes(resp)[0][0] != policyViolation {
		t.Errorf("answered %v", outcomes(resp))
	}
}

func TestAcksZeroTakesNoPlace(t *testing.T) {
	for _, rule := range []string{"off", "alert"} {
		t.Run(rule, func(t *testing.T) {
			r := newRig(t, func(c *configs.Config) {
				c.Rules.Defaults.Action = rule
				c.Listeners[0].Limits.InFlight = 2
			})
			r.store()
			r.broker.Handle(opaque, echo)
			c := r.dial()
			for i := range int32(50) {
				c.Send(produce(7, 0, "orders", []string{"a"}))
				if i%10 == 9 {
					c.Write(opaqueRequest(1000+i, 1))
					if got := c.Next(); got.CorrelationID != 1000+i {
						t.Fatalf("correlation id %d", got.CorrelationID)
					}
				}
			}
			eventually(t, "all exchanges to be done", func() bool { return r.Clients()[0].InFlight == 0 })
		})
	}
}

func TestAcksZeroDenialClosesTheConnection(t *testing.T) {
	r := newRig(t, blocking)
	r.store()
	c := r.dial()
	c.Send(produce(7, 0, "orders", []string{"forbidden"}))
	ended(c)
	r.closedBy(ReasonDenied)
}

func TestConsequenceOfARefusalIsRecognised(t *testing.T) {
	r := newRig(t, blocking)
	r.store()
	c := r.dial()
	c.Do(produce(9, -1, "orders", []string{"forbidden"}))
	r.broker.Handle(protocol.Produce, func(f *fakebroker.Frame) []byte {
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = f.Version
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = "orders"
		p := kmsg.NewProduceResponseTopicPartition()
		p.ErrorCode = outOfOrderSequence
		rt.Partitions = append(rt.Partitions, p)
		resp.Topics = append(resp.Topics, rt)
		return resp.AppendTo(nil)
	})
	if got := outcomes(c.Do(produce(9, -1, "orders", []string{"next"}))); got[0][0] != outOfOrderSequence {
		t.Errorf("the broker's error was changed: %v", got)
	}
	if n := testutil.ToFloat64(r.metrics.consequences); n != 1 {
		t.Errorf("%v consequences counted", n)
	}
}

func TestUndecodableProduce(t *testing.T) {
	broken := fakebroker.AppendRequest(nil, protocol.Produce, 9, 1, nil, []byte{0, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	t.Run("forward", func(t *testing.T) {
		r := newRig(t, blocking)
		r.broker.Script(fakebroker.ExpectRaw(broken), fakebroker.Send([]byte{0, 0, 0, 5, 0, 0, 0, 1, 0}), fakebroker.ExpectEnd())
		c := r.dial()
		c.Write(broken)
		c.Next()
		c.Conn().Close()
		if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues("malformed")); n != 1 {
			t.Errorf("%v counted", n)
		}
	})
	t.Run("refuse", func(t *testing.T) {
		r := newRig(t, func(c *configs.Config) {
			blocking(c)
			c.Inspect.OnUndecodable = "refuse"
		})
		c := r.dial()
		c.Write(broken)
		ended(c)
		r.closedBy(ReasonUndecodable)
	})
}

func TestDenialAndNewLeaderInOneAnswer(t *testing.T) {
	for _, host := range []string{"broker-5.internal", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			r := newRig(t, blocking)
			c := r.dial()
			r.answerWith(protocol.Metadata, func(int16) kmsg.Response { return carriers[0].make(12, []address{{5, host, 9092}}) })
			known := carriers[0].find(c.Do(requestOf(protocol.Metadata, 12)))[0]
			if host == "127.0.0.1" { // an address that is the client's already
				host = known.Host
			}
			r.answerWith(protocol.Produce, func(int16) kmsg.Response {
				resp := kmsg.NewPtrProduceResponse()
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic = "orders"
				p := kmsg.NewProduceResponseTopicPartition()
				p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 6, 5, 3
				rt.Partitions = append(rt.Partitions, p)
				resp.Topics = append(resp.Topics, rt)
				b := kmsg.NewProduceResponseBroker()
				b.NodeID, b.Host, b.Port = 5, host, known.Port
				resp.Brokers = append(resp.Brokers, b)
				return resp
			})
			resp, _ := c.Do(produce(11, -1, "orders", []string{"fine"}, []string{"forbidden"})).(*kmsg.ProduceResponse)
			if got := outcomes(resp); got[0][0] != 6 || got[1][0] != policyViolation {
				t.Errorf("answered %v", got)
			}
			if len(resp.Brokers) != 1 || resp.Brokers[0].Host != known.Host || resp.Brokers[0].Port != known.Port {
				t.Errorf("client is sent to %+v, want %+v", resp.Brokers, known)
			}
		})
	}
}

// TestExchangeWithoutAnswerIsRecycled: acks=0 costs no exchange of its own each time.
func TestExchangeWithoutAnswerIsRecycled(t *testing.T) {
	q := newInflight(10)
	ex := q.get()
	ex.key = 7
	q.put(ex)
	if again := q.get(); again != ex || again.key != 0 {
		t.Errorf("got %+v", again)
	}
}
