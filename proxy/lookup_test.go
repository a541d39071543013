package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// describes answers DescribeConfigs for every topic with a cleanup.policy, and notes who asked.
func (r *rig) describes(policy string) <-chan string {
	asked := make(chan string, 100)
	r.broker.Handle(protocol.DescribeConfigs, func(f *fakebroker.Frame) []byte {
		rq, err := f.Request()
		if err != nil {
			r.t.Error(err)
			return nil
		}
		req, _ := rq.(*kmsg.DescribeConfigsRequest)
		resp := kmsg.NewPtrDescribeConfigsResponse()
		resp.Version = f.Version
		for _, res := range req.Resources {
			rr := kmsg.NewDescribeConfigsResponseResource()
			rr.ResourceType, rr.ResourceName = res.ResourceType, res.ResourceName
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Value = "cleanup.policy", &policy
			rr.Configs = append(rr.Configs, c)
			resp.Resources = append(resp.Resources, rr)
			if f.ClientID != nil {
				asked <- *f.ClientID
			}
		}
		return resp.AppendTo(nil)
	})
	return asked
}

// names answers Metadata with these topics.
func (r *rig) names(topics ...string) {
	r.answerWith(protocol.Metadata, func(int16) kmsg.Response {
		resp := kmsg.NewPtrMetadataResponse()
		for _, name := range topics {
			t := kmsg.NewMetadataResponseTopic()
			t.Topic, t.TopicID = &name, topicID(name)
			t.Partitions = make([]kmsg.MetadataResponseTopicPartition, 3)
			resp.Topics = append(resp.Topics, t)
		}
		return resp
	})
}

func (r *rig) compacted(topic string) bool {
	t, ok := r.topics.ByName([]byte(topic))
	return ok && t.Cleanup.Compacts()
}

func TestQuestionInBandIsInvisible(t *testing.T) {
	r := newRig(t, nil)
	r.sasl() // a cluster that wants credentials, of which warder has none
	r.goesOnBeside(r.describes("compact"))
	eventually(t, "the policy to be known", func() bool { return r.compacted("users") })
	if n := len(r.broker.Conns()); n != 1 {
		t.Errorf("%d connections; the question must ride on the client's", n)
	}
}

// goesOnBeside has a client bring up a topic that warder asks about in band, and get its own answers, and no others.
func (r *rig) goesOnBeside(asked <-chan string) {
	r.t.Helper()
	r.names("users")
	r.broker.Handle(opaque, echo)
	c := r.dial()
	authenticate(c, "alice", "x")
	c.Do(requestOf(protocol.Metadata, 12))
	if who := <-asked; who != sideClientID {
		r.t.Errorf("asked by client id %q", who)
	}
	for i := range int32(20) {
		c.Write(opaqueRequest(i, 10))
		if got := c.Next(); got.CorrelationID != i {
			r.t.Fatalf("answer %d in place of %d", got.CorrelationID, i)
		}
	}
}

// A broker that answers warder's own question with a frame that has no whole header has
// not harmed the client, which did not ask.
func TestMalformedAnswerToAQuestion(t *testing.T) {
	r := newRig(t, nil)
	r.sasl()
	asked := make(chan string, 100)
	r.broker.Handle(protocol.DescribeConfigs, func(f *fakebroker.Frame) []byte {
		answer := fakebroker.AppendResponse(nil, protocol.DescribeConfigs, 0, f.CorrelationID, nil) // of version 0, without tagged fields
		if err := r.broker.Conn(t, 0).Send(answer); err != nil {
			t.Error(err)
		}
		asked <- *f.ClientID
		return nil
	})
	r.goesOnBeside(asked)
}

func TestQuestionWaitsWhileTheConnectionIsBusy(t *testing.T) {
	r := newRig(t, nil)
	r.sasl()
	asked := r.describes("compact")
	r.names("users")
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	authenticate(c, "alice", "x")
	// Metadata and, behind it at once, something that takes its time.
	c.Write(append(c.Encode(requestOf(protocol.Metadata, 12)), opaqueRequest(99, 1)...))
	c.Next()
	<-held.Arrived()
	select {
	case <-asked:
		t.Error("asked behind an open request, or in front of it")
	default:
	}
	held.Release()
	c.Next()
	<-asked
	eventually(t, "the policy to be known", func() bool { return r.compacted("users") })
}

func TestQuestionOnOwnConnection(t *testing.T) {
	r := newRig(t, nil)
	asked := r.describes("compact,delete")
	r.names("users")
	c := r.dial()
	c.Do(requestOf(protocol.Metadata, 12))
	<-asked
	eventually(t, "the policy to be known", func() bool { return r.compacted("users") })
	// It is fresh: nothing is asked again.
	c.Do(requestOf(protocol.Metadata, 12))
	select {
	case <-asked:
		t.Error("asked again for what is fresh")
	case <-time.After(50 * time.Millisecond): // nothing can announce that nothing happens
	}
}

// TestRefusedQuestionIsNotAskedAgain: a client whose principal may not describe
// topics is neither delayed nor are the brokers asked at every Produce.
func TestRefusedQuestionIsNotAskedAgain(t *testing.T) {
	r := newRigWith(t, []rules.Spec{compactOnly}, blocking)
	asked := make(chan struct{}, 100)
	r.answerWith(protocol.DescribeConfigs, func(int16) kmsg.Response {
		asked <- struct{}{}
		resp := kmsg.NewPtrDescribeConfigsResponse()
		x := kmsg.NewDescribeConfigsResponseResource()
		x.ResourceType, x.ResourceName, x.ErrorCode = 2, "users", 29
		resp.Resources = append(resp.Resources, x)
		return resp
	})
	r.store()
	c := r.dial()
	for range 5 {
		if got := outcomes(c.Do(produce(9, -1, "users", []string{"a"}))); got[0][0] != 0 {
			t.Errorf("answered %v though nothing is known", got)
		}
	}
	if n := len(asked); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestTopicTooNewIsAskedAgain: a broker may not know yet what another just created.
func TestTopicTooNewIsAskedAgain(t *testing.T) {
	r := newRigWith(t, []rules.Spec{compactOnly}, blocking)
	r.answerWith(protocol.DescribeConfigs, func(int16) kmsg.Response {
		resp := kmsg.NewPtrDescribeConfigsResponse()
		x := kmsg.NewDescribeConfigsResponseResource()
		x.ResourceType, x.ResourceName, x.ErrorCode = 2, "users", 3
		resp.Resources = append(resp.Resources, x)
		return resp
	})
	r.store()
	c := r.dial()
	if got := outcomes(c.Do(produce(9, -1, "users", []string{"a"}))); got[0][0] != 0 {
		t.Errorf("answered %v though nothing is known", got)
	}
	r.describes("compact")
	if got := outcomes(c.Do(produce(9, -1, "users", []string{"a"}))); got[0][0] != policyViolation {
		t.Errorf("answered %v", got)
	}
}

func TestConfigurationIsFollowedOnTheWire(t *testing.T) {
	r := newRig(t, nil)
	ok := func(key int16, resp func(version int16) kmsg.Response) { r.answerWith(key, resp) }
	ok(protocol.CreateTopics, func(v int16) kmsg.Response {
		resp := kmsg.NewPtrCreateTopicsResponse()
		for _, name := range []string{"users", "refused"} {
			rt := kmsg.NewCreateTopicsResponseTopic()
			rt.Topic, rt.TopicID = name, topicID(name)
			if name == "refused" {
				rt.ErrorCode = 36
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	})
	ok(protocol.IncrementalAlterConfigs, func(int16) kmsg.Response {
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		x := kmsg.NewIncrementalAlterConfigsResponseResource()
		x.ResourceType, x.ResourceName = 2, "users"
		resp.Resources = append(resp.Resources, x)
		return resp
	})
	ok(protocol.AlterConfigs, func(int16) kmsg.Response {
		resp := kmsg.NewPtrAlterConfigsResponse()
		x := kmsg.NewAlterConfigsResponseResource()
		x.ResourceType, x.ResourceName = 2, "users"
		resp.Resources = append(resp.Resources, x)
		return resp
	})
	ok(protocol.DeleteTopics, func(int16) kmsg.Response {
		resp := kmsg.NewPtrDeleteTopicsResponse()
		x := kmsg.NewDeleteTopicsResponseTopic()
		x.Topic, x.TopicID = new("users"), topicID("users")
		resp.Topics = append(resp.Topics, x)
		return resp
	})
	c := r.dial()
	compact := "compact"
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 4
	for _, name := range []string{"users", "refused"} {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic = name
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "cleanup.policy", Value: &compact}}
		create.Topics = append(create.Topics, rt)
	}
	c.Do(create)
	r.policy("users", rules.CleanupCompact)
	if _, known := r.topics.ByName([]byte("refused")); known {
		t.Error("a topic that was not created is known")
	}

	incremental := kmsg.NewPtrIncrementalAlterConfigsRequest()
	incremental.Version = 1
	incremental.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: "users", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{
		{Name: "cleanup.policy", Op: 2, Value: new("delete")},
	}}}
	c.Do(incremental)
	r.policy("users", rules.CleanupCompact|rules.CleanupDelete)

	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Version = 1
	alter.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: "users", Configs: []kmsg.AlterConfigsRequestResourceConfig{
		{Name: "retention.ms", Value: new("1000")},
	}}}
	c.Do(alter) // replaces the set: the policy is back at the broker's default
	r.policy("users", rules.CleanupUnknown)

	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Version = 6
	del.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: new("users")}}
	c.Do(del)
	if _, known := r.topics.ByName([]byte("users")); known {
		t.Error("a deleted topic is known")
	}
}

func (r *rig) policy(topic string, want rules.CleanupPolicy) {
	r.t.Helper()
	if got, _ := r.topics.ByName([]byte(topic)); got.Cleanup != want {
		r.t.Errorf("cleanup.policy of %s is %q, want %q", topic, got.Cleanup, want)
	}
}

// compactOnly is a rule that blocks every batch on a compacted topic, and needs to know which those are.
var compactOnly = rules.Spec{
	ID: "tombstone", Summary: "finds batches on compacted topics", Severity: rules.Critical,
	Needs: rules.NeedHeaders | rules.NeedTopicConfig, CanBlock: true, Default: rules.Alert, Doc: "docs/rules/tombstone.md",
	New: func(decode func(any) error) (rules.Rule, error) { return compactOnlyRule{}, decode(&struct{}{}) },
}

type compactOnlyRule struct{}

func (compactOnlyRule) Batch(c *rules.Case, b *rules.Batch) {
	if b.Topic.Cleanup.Compacts() {
		c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "the topic is compacted"})
	}
}

// TestFirstProduceIsJudgedWithKnowledge: warder has just started, the client has
// not. It knows the topic since long and writes to it by id or name at once.
func TestFirstProduceIsJudgedWithKnowledge(t *testing.T) {
	for _, sasl := range []bool{false, true} {
		for _, version := range []int16{9, 13} {
			t.Run(fmt.Sprintf("SASL %t, Produce v%d", sasl, version), func(t *testing.T) {
				r := newRigWith(t, []rules.Spec{compactOnly}, blocking)
				r.describes("compact")
				r.names("users")
				r.store()
				c := r.dial()
				if sasl {
					r.sasl()
					authenticate(c, "alice", "x")
				}
				if got := outcomes(c.Do(produce(version, -1, "users", []string{"a"}))); got[0][0] != policyViolation {
					t.Errorf("answered %v", got)
				}
			})
		}
	}
}
