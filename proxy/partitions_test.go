package proxy

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
)

// countingRule hears of partitions that were added.
type countingRule struct{ heard chan rules.PartitionsAdded }

func (c countingRule) Watch(_ *rules.Watch, ev rules.Event) { c.heard <- ev.(rules.PartitionsAdded) }

func counting() (rules.Spec, countingRule) {
	rule := countingRule{make(chan rules.PartitionsAdded, 10)}
	return rules.Spec{
		ID: "tombstone", Summary: "hears of partitions that were added", Severity: rules.Info, Needs: rules.NeedKeys,
		Default: rules.Alert, Doc: "docs/rules/tombstone.md",
		Watches: []rules.Interest{{Kind: rules.KindPartitionsAdded, By: rules.ByTopic}},
		New:     func(decode func(any) error) (rules.Rule, error) { return rule, decode(&struct{}{}) },
	}, rule
}

// next is the next event, which has to come.
func (c countingRule) next(t *testing.T) rules.PartitionsAdded {
	t.Helper()
	select {
	case ev := <-c.heard:
		return ev
	case <-time.After(patience):
		t.Fatal("nothing was told")
		return rules.PartitionsAdded{}
	}
}

// hasPartitions makes the broker say that topics have so many partitions.
func (r *rig) hasPartitions(n int, topics ...string) {
	r.answerWith(protocol.Metadata, func(int16) kmsg.Response {
		resp := kmsg.NewPtrMetadataResponse()
		for _, name := range topics {
			rt := kmsg.NewMetadataResponseTopic()
			rt.Topic, rt.TopicID = &name, topicID(name)
			rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, n)
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	})
}

func metadataOf(topics ...string) *kmsg.MetadataRequest {
	rq := kmsg.NewPtrMetadataRequest()
	rq.Version = 12
	for _, name := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		rq.Topics = append(rq.Topics, rt)
	}
	return rq
}

func createPartitions(validateOnly bool, n int32, topics ...string) *kmsg.CreatePartitionsRequest {
	rq := kmsg.NewPtrCreatePartitionsRequest()
	rq.Version, rq.ValidateOnly = 3, validateOnly
	for _, name := range topics {
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = name, n
		rq.Topics = append(rq.Topics, rt)
	}
	return rq
}

func TestPartitionsThatAreAddedAreTold(t *testing.T) {
	spec, rule := counting()
	r := newRigWith(t, []rules.Spec{spec}, nil)
	r.answerWith(protocol.CreatePartitions, func(int16) kmsg.Response {
		resp := kmsg.NewPtrCreatePartitionsResponse()
		for name, code := range map[string]int16{"orders": 0, "refused": 41} {
			rt := kmsg.NewCreatePartitionsResponseTopic()
			rt.Topic, rt.ErrorCode = name, code
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	})
	r.describes("delete")
	c := r.dial()
	r.hasPartitions(12, "orders", "refused")
	c.Do(metadataOf("orders", "refused"))
	c.Do(createPartitions(true, 99, "orders"))
	c.Do(createPartitions(false, 16, "orders", "refused"))
	if ev := rule.next(t); ev.Topic != "orders" || ev.Before != 12 || ev.After != 16 || !ev.Asked || ev.Client.ClientID != "fakebroker-client" {
		t.Errorf("%+v", ev)
	}
	if known, _ := r.topics.ByName([]byte("orders")); known.Partitions != 16 {
		t.Errorf("known: %+v", known)
	}
	for _, n := range []int{16, 12, 16, 24, 24} { // the broker of the 12 has not heard of it yet
		r.hasPartitions(n, "orders")
		c.Do(metadataOf("orders"))
	}
	if ev := rule.next(t); ev.Before != 16 || ev.After != 24 || ev.Asked {
		t.Errorf("%+v", ev)
	}
	if seen := r.engine.Keys().Writer(identityOf(r), "orders", time.Now()).Seen(time.Now()); seen != (rules.PartitionsSeen{Now: 24, Before: 16}) {
		t.Errorf("the client saw %+v", seen)
	}
	if len(rule.heard) != 0 {
		t.Errorf("told besides: %+v", <-rule.heard)
	}
}

// identityOf is the identity of the only session.
func identityOf(r *rig) *rules.Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		return s.identity.Load()
	}
	return nil
}

// A topic that is deleted takes its number with it, and so does one that comes
// back with another id.
func TestTopicMadeAnewHasNoPartitionsAdded(t *testing.T) {
	spec, rule := counting()
	r := newRigWith(t, []rules.Spec{spec}, nil)
	r.answerWith(protocol.DeleteTopics, func(int16) kmsg.Response {
		resp := kmsg.NewPtrDeleteTopicsResponse()
		x := kmsg.NewDeleteTopicsResponseTopic()
		x.Topic, x.TopicID = new("orders"), topicID("orders")
		resp.Topics = append(resp.Topics, x)
		return resp
	})
	r.describes("delete")
	c := r.dial()
	see := func(n int, id [16]byte) {
		r.answerWith(protocol.Metadata, func(int16) kmsg.Response {
			resp := kmsg.NewPtrMetadataResponse()
			rt := kmsg.NewMetadataResponseTopic()
			rt.Topic, rt.TopicID, rt.Partitions = new("orders"), id, make([]kmsg.MetadataResponseTopicPartition, n)
			resp.Topics = append(resp.Topics, rt)
			return resp
		})
		c.Do(metadataOf("orders"))
	}
	see(12, topicID("orders"))
	see(24, topicID("another"))
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Version = 6
	del.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: new("orders")}}
	c.Do(del)
	see(36, topicID("a third"))
	see(40, topicID("a third")) // which now is news
	if ev := rule.next(t); ev.Before != 36 || ev.After != 40 {
		t.Errorf("%+v", ev)
	}
}
