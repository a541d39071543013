package proxy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// joining is a JoinGroup request of a consumer.
func joining(version int16, group, member string, topics ...string) *kmsg.JoinGroupRequest {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData = 3, topics, []byte{1, 2, 3}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = version, group, member, "consumer"
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: m.AppendTo(nil)}, {Name: "sticky", Metadata: m.AppendTo(nil)}}
	return req
}

func (r *rig) joins() {
	r.answerWith(protocol.JoinGroup, func(int16) kmsg.Response { return kmsg.NewPtrJoinGroupResponse() })
	r.answerWith(protocol.ConsumerGroupHeartbeat, func(int16) kmsg.Response { return kmsg.NewPtrConsumerGroupHeartbeatResponse() })
	r.answerWith(protocol.ShareGroupHeartbeat, func(int16) kmsg.Response { return kmsg.NewPtrShareGroupHeartbeatResponse() })
}

func TestSubscriptionsAreToldOnce(t *testing.T) {
	for version := range int16(10) {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			r, f := newFollowed(t)
			r.joins()
			c := r.dial()
			var sent []byte
			do := func(req kmsg.Request) {
				sent = append(sent, c.Send(req)...)
				c.Receive(req)
			}
			do(joining(version, "billing", "", "orders", "payments"))
			do(joining(version, "billing", "m-1", "orders", "payments")) // with the id that it was told to use
			do(joining(version, "billing", "m-1", "orders"))
			do(joining(version, "audit", "m-2", "orders"))
			do(joining(version, "billing", "m-1", "orders"))
			connect := joining(version, "connect", "w-1", "orders")
			connect.ProtocolType = "connect"
			do(connect)
			f.wants(t,
				rules.Subscribed{Group: "billing", Topics: []string{"orders", "payments"}},
				rules.Subscribed{Group: "billing", Topics: []string{"orders"}},
				rules.Subscribed{Group: "audit", Topics: []string{"orders"}})
			if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
				t.Errorf("the broker received\n% x, sent were\n% x", got, sent)
			}
			r.dial().Do(joining(version, "billing", "m-1", "orders"))
			f.wants(t, rules.Subscribed{Group: "billing", Topics: []string{"orders"}})
		})
	}
}

func TestSubscriptionsByHeartbeatAreTold(t *testing.T) {
	r, f := newFollowed(t)
	r.joins()
	c := r.dial()
	beat := func(version int16, pattern *string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.SubscribedTopicNames, req.SubscribedTopicRegex = version, "billing", "m-1", topics, pattern
		return req
	}
	var sent []byte
	do := func(req kmsg.Request) {
		sent = append(sent, c.Send(req)...)
		c.Receive(req)
	}
	do(beat(0, nil, "orders"))
	do(beat(0, nil)) // unchanged
	do(beat(0, nil, "orders"))
	do(beat(1, new("orders-.*"), "orders"))
	share := kmsg.NewPtrShareGroupHeartbeatRequest()
	share.Version, share.GroupID, share.SubscribedTopicNames = 1, "workers", []string{"jobs"}
	do(share)
	f.wants(t,
		rules.Subscribed{Group: "billing", Topics: []string{"orders"}},
		rules.Subscribed{Group: "billing", Topics: []string{"orders"}, Pattern: "orders-.*"},
		rules.Subscribed{Group: "workers", Topics: []string{"jobs"}})
	if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
		t.Errorf("the broker received\n% x, sent were\n% x", got, sent)
	}
}

// TestUnwatchedRequestsAreNotRead: nobody listens, so even what is no JoinGroup at all passes uncounted.
func TestUnwatchedRequestsAreNotRead(t *testing.T) {
	r, f := newFollowed(t)
	r.rules("off")
	r.joins()
	r.dial().Do(joining(5, "billing", "", "orders"))
	r.rules("alert")
	r.dial().Do(joining(5, "billing", "", "orders"))
	f.wants(t, rules.Subscribed{Group: "billing", Topics: []string{"orders"}})
}

func TestSubscriptionsOfAConnectionAreBounded(t *testing.T) {
	var m subscriptions
	for i := range 10 * maxSubscriptions {
		s := messages.Subscription{Group: fmt.Sprint("group-", i), Topics: []string{"orders"}}
		if !m.news(&s) || m.news(&s) {
			t.Fatalf("%s is not told just once", s.Group)
		}
		if len(m) > maxSubscriptions {
			t.Fatalf("%d groups remembered", len(m))
		}
	}
	a, b := messages.Subscription{Topics: []string{"ab", "c"}}, messages.Subscription{Topics: []string{"a", "bc"}}
	if m.news(&a); !m.news(&b) {
		t.Error("two lists look alike")
	}
}
