package proxy

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// follower is a rule that keeps the events about topics and groups.
type follower struct {
	mu     sync.Mutex
	events []rules.Event
}

func (f *follower) Watch(_ *rules.Watch, ev rules.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, ev)
}

func (f *follower) spec() rules.Spec {
	kinds := []rules.Kind{rules.KindTopicAsked, rules.KindTopicAppeared, rules.KindTopicDeleted, rules.KindSubscribed, rules.KindTopicReaders}
	s := rules.Spec{
		ID: "tombstone", Severity: rules.Info, Default: rules.Alert, Doc: "docs/rules/tombstone.md",
		New: func(decode func(any) error) (rules.Rule, error) { return f, decode(&struct{}{}) },
	}
	for _, k := range kinds {
		s.Watches = append(s.Watches, rules.Interest{Kind: k, By: rules.ByCluster})
	}
	return s
}

func (f *follower) seen() []rules.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]rules.Event(nil), f.events...)
}

// wants waits for exactly these events, times apart, and takes them.
func (f *follower) wants(t *testing.T, want ...rules.Event) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events", len(want)), func() bool { return len(f.seen()) >= len(want) })
	f.mu.Lock()
	got := f.events
	f.events = nil
	f.mu.Unlock()
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".At" || name == ".Client"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, ev := range got {
		if ev.When().IsZero() || ev.Key(rules.ByCluster)+ev.Key(rules.ByTransactionalID) == "" {
			t.Errorf("%+v has no time or no key", ev)
		}
	}
}

func newFollowed(t *testing.T) (*rig, *follower) {
	t.Helper()
	f := &follower{}
	r := newRigWith(t, []rules.Spec{f.spec()}, nil)
	r.describes("delete") // warder asks for the configuration of what clients name
	return r, f
}

// holds answers Metadata as a cluster that has these topics.
func (r *rig) holds(topics ...string) {
	has := map[string]bool{}
	for _, name := range topics {
		has[name] = true
	}
	r.broker.Handle(protocol.Metadata, func(f *fakebroker.Frame) []byte {
		rq, err := f.Request()
		if err != nil {
			r.t.Error(err)
			return nil
		}
		req, _ := rq.(*kmsg.MetadataRequest)
		resp := kmsg.NewPtrMetadataResponse()
		resp.Version = f.Version
		add := func(name string) {
			t := kmsg.NewMetadataResponseTopic()
			t.Topic = &name
			if has[name] {
				t.TopicID, t.Partitions = topicID(name), make([]kmsg.MetadataResponseTopicPartition, 3)
			} else {
				t.ErrorCode = 3
			}
			resp.Topics = append(resp.Topics, t)
		}
		for _, rt := range req.Topics {
			add(*rt.Topic)
		}
		if req.Topics == nil {
			for _, name := range topics {
				add(name)
			}
		}
		return resp.AppendTo(nil)
	})
}

func metadata(version int16, autoCreate bool, topics ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.AllowAutoTopicCreation = version, autoCreate
	for _, name := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func TestWhatClientsAskForIsTold(t *testing.T) {
	for version := range int16(14) {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			r, f := newFollowed(t)
			r.holds("orders")
			c := r.dial()
			var sent []byte
			do := func(req kmsg.Request) {
				sent = append(sent, c.Send(req)...)
				c.Receive(req)
			}
			do(metadata(version, false, "ordres", "orders"))
			f.wants(t,
				rules.TopicAsked{Topic: "ordres", ErrorCode: 3, AutoCreate: version < 4},
				rules.TopicAppeared{Topic: "orders", Partitions: 3, Asked: true})
			do(metadata(version, true, "ordres", "orders")) // orders is no news any more
			f.wants(t, rules.TopicAsked{Topic: "ordres", ErrorCode: 3, AutoCreate: true})
			r.holds("orders", "ordres")
			do(metadata(version, true, "ordres"))
			f.wants(t, rules.TopicAppeared{Topic: "ordres", Partitions: 3, Asked: true})
			if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
				t.Errorf("the broker received\n% x, sent were\n% x", got, sent)
			}
		})
	}
}

// TestListedTopicsAreToldLater: a listing may bring up more than a queue holds.
func TestListedTopicsAreToldLater(t *testing.T) {
	r, f := newFollowed(t)
	r.topics.Learn("saved", [16]byte{9}, 6) // as the state file does
	r.holds("orders")
	r.dial().Do(metadata(12, true))
	if got := f.seen(); len(got) != 0 {
		t.Errorf("told at once: %v", got)
	}
	r.tellSome(true)
	f.wants(t, rules.TopicAppeared{Topic: "saved", Partitions: 6}, rules.TopicAppeared{Topic: "orders", Partitions: 3})
	r.tellSome(true)
	r.tellSome(false) // somebody has just begun to listen
	f.wants(t, rules.TopicAppeared{Topic: "saved", Partitions: 6}, rules.TopicAppeared{Topic: "orders", Partitions: 3})
	for _, ev := range f.seen() {
		if ev.(rules.TopicAppeared).Client == nil {
			t.Error("an event without a client")
		}
	}
	r.rules("off")
	if r.tellSome(true) {
		t.Error("nobody listens")
	}
}

func TestManyAskedTopicsAreBounded(t *testing.T) {
	r, f := newFollowed(t)
	r.holds()
	names := make([]string, maxTold+500)
	for i := range names {
		names[i] = fmt.Sprint("topic-", i)
	}
	r.dial().Do(metadata(12, true, names...))
	eventually(t, "the events", func() bool { return len(f.seen()) >= maxTold })
	r.tellSome(true)
	if n := len(f.seen()); n != maxTold {
		t.Errorf("%d events", n)
	}
}

func TestCreatedAndDeletedTopicsAreTold(t *testing.T) {
	r, f := newFollowed(t)
	r.answerWith(protocol.CreateTopics, func(int16) kmsg.Response {
		resp := kmsg.NewPtrCreateTopicsResponse()
		made := kmsg.NewCreateTopicsResponseTopic()
		made.Topic, made.TopicID, made.NumPartitions = "orders", topicID("orders"), -1
		refused := kmsg.NewCreateTopicsResponseTopic()
		refused.Topic, refused.ErrorCode = "refused", 36
		resp.Topics = append(resp.Topics, made, refused)
		return resp
	})
	r.answerWith(protocol.DeleteTopics, func(int16) kmsg.Response {
		resp := kmsg.NewPtrDeleteTopicsResponse()
		gone := kmsg.NewDeleteTopicsResponseTopic()
		gone.Topic, gone.TopicID = new("orders"), topicID("orders")
		refused := kmsg.NewDeleteTopicsResponseTopic()
		refused.Topic, refused.ErrorCode = new("refused"), 29
		resp.Topics = append(resp.Topics, gone, refused)
		return resp
	})
	c := r.dial()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	for _, name := range []string{"orders", "refused"} {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions = name, 6
		create.Topics = append(create.Topics, rt)
	}
	c.Do(create)
	f.wants(t, rules.TopicAppeared{Topic: "orders", Partitions: 6, Created: true})
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Version = 6
	del.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: topicID("orders")}, {Topic: new("refused")}}
	c.Do(del)
	f.wants(t, rules.TopicDeleted{Topic: "orders"})
	c.Do(create)
	f.wants(t, rules.TopicAppeared{Topic: "orders", Partitions: 6, Created: true})
}

// TestUnreadableQuestionPasses: what warder cannot read is for the broker to judge.
func TestUnreadableQuestionPasses(t *testing.T) {
	r, f := newFollowed(t)
	r.holds("orders")
	c := r.dial()
	req := metadata(12, true, "orders")
	broken := c.Encode(req)
	broken[len(broken)-1] = 7 // tagged fields that are not there
	r.broker.Handle(protocol.Metadata, func(*fakebroker.Frame) []byte { return kmsg.NewPtrMetadataResponse().AppendTo(nil) })
	c.Write(broken)
	c.Next()
	if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, broken) {
		t.Errorf("the broker received % x", got)
	}
	if got := f.seen(); len(got) != 0 {
		t.Errorf("told %v", got)
	}
}

func TestTellingEndsWithItsContext(t *testing.T) {
	r, f := newFollowed(t)
	r.topics.Learn("saved", [16]byte{9}, 6) // as the state file does
	ctx, cancel := context.WithCancel(t.Context())
	var task sync.WaitGroup
	task.Go(func() { r.tellTopics(ctx) })
	f.wants(t, rules.TopicAppeared{Topic: "saved", Partitions: 6})
	cancel()
	task.Wait()
}
