package proxy

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// sessionRig is a warder whose broker knows a group by KIP-848 and answers what it is configured to with answer.
func sessionRig(t *testing.T, answer func(*kmsg.DescribeConfigsResponseResource)) (r *rig, l *listening, asked chan string) {
	t.Helper()
	l = &listening{}
	r = newRigWith(t, []rules.Spec{l.spec(rules.ByGroup, rules.KindConsumerHeartbeat, rules.KindGroupConfigured)}, nil)
	r.answerWith(protocol.ConsumerGroupHeartbeat, func(int16) kmsg.Response {
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.MemberEpoch, resp.HeartbeatIntervalMillis = 3, 5000
		return resp
	})
	asked = make(chan string, 100)
	r.broker.Handle(protocol.DescribeConfigs, func(f *fakebroker.Frame) []byte {
		rq, err := f.Request()
		if err != nil {
			t.Error(err)
			return nil
		}
		resp := kmsg.NewPtrDescribeConfigsResponse()
		resp.Version = f.Version
		for _, res := range rq.(*kmsg.DescribeConfigsRequest).Resources {
			rr := kmsg.NewDescribeConfigsResponseResource()
			rr.ResourceType, rr.ResourceName = res.ResourceType, res.ResourceName
			answer(&rr)
			resp.Resources = append(resp.Resources, rr)
			asked <- res.ResourceType.String() + " " + res.ResourceName + " " + res.ConfigNames[0]
		}
		return resp.AppendTo(nil)
	})
	return r, l, asked
}

func session20(rr *kmsg.DescribeConfigsResponseResource) {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value = "consumer.session.timeout.ms", new("20000")
	rr.Configs = append(rr.Configs, c)
}

func beats(c *fakebroker.Client) {
	rq := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	rq.Version, rq.Group, rq.MemberID, rq.MemberEpoch = 1, "billing", "m1", 3
	c.Do(rq)
}

// TestSessionTimeoutOfAGroupIsAskedOnce: on a connection of warder's own, and in band where clients log in.
func TestSessionTimeoutOfAGroupIsAskedOnce(t *testing.T) {
	for name, sasl := range map[string]bool{"own": false, "in band": true} {
		t.Run(name, func(t *testing.T) {
			r, l, asked := sessionRig(t, session20)
			c := r.dial()
			if sasl {
				r.sasl()
				authenticate(c, "alice", "x")
			}
			beats(c)
			ev := heard(t, l, "the session timeout", func(rules.GroupConfigured) bool { return true })
			if ev.Group != "billing" || ev.SessionTimeout != 20*time.Second || ev.At.IsZero() {
				t.Errorf("%+v", ev)
			}
			if got := <-asked; got != "GROUP_CONFIG billing consumer.session.timeout.ms" {
				t.Errorf("asked for %q", got)
			}
			for range 5 {
				beats(c)
			}
			if len(asked) != 0 {
				t.Error("asked again for what is known")
			}
		})
	}
}

// TestUnknownSessionTimeoutIsNoNews: refused, or of a broker that has no configuration of groups.
func TestUnknownSessionTimeoutIsNoNews(t *testing.T) {
	for name, code := range map[string]int16{"refused": 30, "an old broker": 42} {
		t.Run(name, func(t *testing.T) {
			r, l, asked := sessionRig(t, func(rr *kmsg.DescribeConfigsResponseResource) { rr.ErrorCode = code })
			c := r.dial()
			beats(c)
			<-asked
			eventually(t, "the answer", func() bool {
				r.lookups.mu.Lock()
				defer r.lookups.mu.Unlock()
				_, known := r.lookups.sessions.Peek("billing")
				return known
			})
			for range 5 {
				beats(c)
			}
			if len(asked) != 0 || len(eventsOf[rules.GroupConfigured](l)) != 0 {
				t.Errorf("asked %d times again", len(asked))
			}
		})
	}
}
