package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/embedded"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/sink"
	"warder/test/fakebroker"
)

// changing is a rule about changes, made of a function, that notes what it is shown.
type changing struct {
	judge func(c *rules.Case, ch *rules.Change)

	mu      sync.Mutex // guards the following
	seen    []rules.Change
	altered []rules.TopicAltered
}

func (r *changing) Change(c *rules.Case, ch *rules.Change) {
	r.mu.Lock()
	r.seen = append(r.seen, *ch)
	r.mu.Unlock()
	r.judge(c, ch)
}

func (r *changing) Watch(_ *rules.Watch, ev rules.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ev, ok := ev.(rules.TopicAltered); ok {
		r.altered = append(r.altered, ev)
	}
}

// count is how many changes the rule was shown.
func (r *changing) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// shown waits for the n-th change that the rule is shown, from 0.
func (r *changing) shown(t *testing.T, n int) rules.Change {
	t.Helper()
	eventually(t, fmt.Sprint("change ", n), func() bool { return r.count() > n })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[n]
}

func (r *changing) spec() rules.Spec {
	return rules.Spec{
		ID: "freeze", Summary: "finds changes", Severity: rules.Warning, Needs: rules.NeedTopicConfig,
		CanBlock: true, Default: rules.Alert, Doc: "docs/rules/freeze.md", FoldBy: rules.FieldTopic,
		Watches: []rules.Interest{{Kind: rules.KindTopicAltered, By: rules.ByTopic}},
		New:     func(decode func(any) error) (rules.Rule, error) { return r, decode(&struct{}{}) },
	}
}

// freeze denies every change of a topic whose name says frozen.
func freeze() *changing {
	return &changing{judge: func(c *rules.Case, ch *rules.Change) {
		if strings.HasPrefix(ch.Topic.Name, "frozen") {
			c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "topic " + ch.Topic.Name + " is frozen"})
			c.Report(rules.Report{Summary: ch.API + " of a frozen topic"})
		}
	}}
}

func freezing(t *testing.T, change func(*configs.Config)) (*rig, *changing) {
	t.Helper()
	rule := freeze()
	r := newRigWith(t, []rules.Spec{rule.spec()}, change)
	for _, topic := range []string{"frozen", "free"} {
		r.topics.Learn(topic, topicID(topic), 3)
		r.topics.LearnConfig(topic, "delete", r.now())
	}
	return r, rule
}

// changeOf is a request of one of the five APIs that changes these topics, preceded
// by a broker where there can be one.
func changeOf(key, version int16, topics ...string) kmsg.Request {
	var req kmsg.Request
	switch key {
	case protocol.CreateTopics:
		rq := kmsg.NewPtrCreateTopicsRequest()
		for _, name := range topics {
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = name, 3, 1
			rq.Topics = append(rq.Topics, t)
		}
		req = rq
	case protocol.DeleteTopics:
		rq := kmsg.NewPtrDeleteTopicsRequest()
		rq.TopicNames = topics
		for i, name := range topics {
			t := kmsg.NewDeleteTopicsRequestTopic()
			if i%2 == 0 {
				t.TopicID = topicID(name)
			} else {
				t.Topic = &name
			}
			rq.Topics = append(rq.Topics, t)
		}
		req = rq
	case protocol.CreatePartitions:
		rq := kmsg.NewPtrCreatePartitionsRequest()
		for _, name := range topics {
			rq.Topics = append(rq.Topics, kmsg.CreatePartitionsRequestTopic{Topic: name, Count: 24})
		}
		req = rq
	case protocol.AlterConfigs:
		rq := kmsg.NewPtrAlterConfigsRequest()
		rq.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1"}}
		for _, name := range topics {
			rq.Resources = append(rq.Resources, kmsg.AlterConfigsRequestResource{ResourceType: 2, ResourceName: name})
		}
		req = rq
	case protocol.IncrementalAlterConfigs:
		rq := kmsg.NewPtrIncrementalAlterConfigsRequest()
		rq.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1"}}
		for _, name := range topics {
			rq.Resources = append(rq.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: 2, ResourceName: name})
		}
		req = rq
	}
	req.SetVersion(version)
	return req
}

// answers lists the entries of an answer as `name code text`.
func answers(resp kmsg.Response) (list []string) {
	add := func(name *string, code int16, text *string) {
		line := "-"
		if name != nil {
			line = *name
		}
		line = fmt.Sprint(line, " ", code)
		if text != nil {
			line += " " + *text
		}
		list = append(list, line)
	}
	switch resp := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		for _, t := range resp.Topics {
			add(&t.Topic, t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.DeleteTopicsResponse:
		for _, t := range resp.Topics {
			add(t.Topic, t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.CreatePartitionsResponse:
		for _, t := range resp.Topics {
			add(&t.Topic, t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.AlterConfigsResponse:
		for _, t := range resp.Resources {
			add(&t.ResourceName, t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, t := range resp.Resources {
			add(&t.ResourceName, t.ErrorCode, t.ErrorMessage)
		}
	}
	return list
}

var changingAPIs = []int16{
	protocol.CreateTopics, protocol.DeleteTopics, protocol.AlterConfigs, protocol.CreatePartitions, protocol.IncrementalAlterConfigs,
}

const (
	frozenText   = "warder: rule freeze refused this change: topic frozen is frozen. Allowed on purpose? Ask the owner of this proxy for an exception for client fakebroker."
	togetherText = "warder: rule freeze refused what the same request asks for topic frozen, and with it all of the request: nothing of it was done. Send the rest in a request of its own."
)

func TestRefusedChangeNeverReachesTheBroker(t *testing.T) {
	for _, key := range changingAPIs {
		api := protocol.LookupAPI(key)
		for version := api.Min; version <= api.Max; version++ {
			t.Run(fmt.Sprintf("%s v%d", api.Name, version), func(t *testing.T) {
				r, _ := freezing(t, blocking)
				r.broker.Handle(opaque, echo)
				c := r.dial()
				c.SetClientID("fakebroker")
				got := answers(c.Do(changeOf(key, version, "frozen", "free")))
				want := []string{"frozen 44 " + frozenText, "free 44 " + togetherText}
				switch {
				case key == protocol.AlterConfigs || key == protocol.IncrementalAlterConfigs:
					want = append([]string{"1 44 " + togetherText}, want...)
				case key == protocol.DeleteTopics && version == 6: // given by id, answered by id
					want[0] = "- 44 " + frozenText
				case key == protocol.DeleteTopics && version < 5, key == protocol.CreateTopics && version < 1:
					want = []string{"frozen 44", "free 44"}
				}
				if !slices.Equal(got, want) {
					t.Errorf("answered\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				c.Write(opaqueRequest(1000, 1))
				c.Next()
				if frames := r.broker.Conn(t, 0).WaitFrames(t, 1); len(frames) != 1 || frames[0].Key != opaque {
					t.Errorf("the broker got %d requests, the first of key %d", len(frames), frames[0].Key)
				}
			})
		}
	}
}

func TestAllowedChangeIsUntouched(t *testing.T) {
	for _, key := range changingAPIs {
		for _, action := range []string{"off", "alert", "block"} {
			api, topic := protocol.LookupAPI(key), map[string]string{"off": "frozen", "alert": "frozen", "block": "free"}[action]
			t.Run(api.Name+" "+action, func(t *testing.T) {
				r, _ := freezing(t, nil)
				r.rules(action)
				r.answerWith(key, func(v int16) kmsg.Response { return kmsg.ResponseForKey(key) })
				c := r.dial()
				req := changeOf(key, api.Max, topic)
				sent := c.Send(req)
				if resp, _ := c.Receive(req); len(answers(resp)) != 0 {
					t.Errorf("answered %v", answers(resp))
				}
				if got := r.broker.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
					t.Errorf("the broker received\n%x\nfor\n%x", got, sent)
				}
			})
		}
	}
}

func TestChangeIsReported(t *testing.T) {
	for _, action := range []string{"alert", "block"} {
		r, rule := freezing(t, nil)
		r.rules(action)
		r.answerWith(protocol.CreatePartitions, func(int16) kmsg.Response { return kmsg.NewPtrCreatePartitionsResponse() })
		c := r.dial()
		c.SetClientID("admin")
		c.Do(changeOf(protocol.CreatePartitions, 3, "free", "frozen"))
		eventually(t, "a finding", func() bool { return r.engine.Findings().Len() > 0 })
		f := r.engine.Findings().Query(sink.Query{})[0]
		if f.Subject.Topic != "frozen" || f.Subject.ClientID != "admin" || f.Subject.Partition != nil || f.Summary != "CreatePartitions of a frozen topic" ||
			(f.Action == rules.Block) != (action == "block") || f.WouldBlock != (action == "alert") || (f.Evidence.Get("changes_refused") == 2) != (action == "block") {
			t.Errorf("%s: %+v", action, f)
		}
		ch := rule.shown(t, 1)
		if ch.Kind != rules.AddPartitions || ch.Partitions != 24 || ch.Ordinal != 1 || ch.API != "CreatePartitions" || ch.Version != 3 || ch.Topic.Partitions != 3 || ch.Identity.ClientID != "admin" {
			t.Errorf("%+v", ch)
		}
	}
}

func TestRefusalOfAChangeKeepsItsTurn(t *testing.T) {
	r, _ := freezing(t, blocking)
	h, held := r.broker.Hold(echo)
	r.broker.Handle(opaque, h)
	c := r.dial()
	c.Write(opaqueRequest(1000, 5))
	req := changeOf(protocol.DeleteTopics, 6, "frozen")
	c.Send(req)
	<-held.Arrived()
	held.Release()
	if got := c.Next(); got.CorrelationID != 1000 {
		t.Fatalf("the refusal overtook: correlation id %d", got.CorrelationID)
	}
	if resp, _ := c.Receive(req); len(answers(resp)) != 1 {
		t.Errorf("answered %v", answers(resp))
	}
}

func TestChangeThatCannotBeRead(t *testing.T) {
	broken := fakebroker.AppendRequest(nil, protocol.DeleteTopics, 6, 1, nil, []byte{0xff})
	large := changeOf(protocol.DeleteTopics, 6, "y", strings.Repeat("x", 300))
	for name, bytes := range map[string][]byte{
		"malformed": broken, "too_large": fakebroker.AppendRequest(nil, protocol.DeleteTopics, 6, 1, nil, large.AppendTo(nil)),
	} {
		small := func(c *configs.Config) { c.Inspect.MaxMessage = 100 }
		t.Run(name+" forward", func(t *testing.T) {
			r, _ := freezing(t, small)
			r.broker.Script(fakebroker.ExpectRaw(bytes), fakebroker.Send([]byte{0, 0, 0, 5, 0, 0, 0, 1, 0}), fakebroker.ExpectEnd())
			c := r.dial()
			c.Write(bytes)
			c.Next()
			c.Conn().Close()
			if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues(name)); n != 1 {
				t.Errorf("%v counted", n)
			}
		})
		t.Run(name+" refuse", func(t *testing.T) {
			r, _ := freezing(t, func(c *configs.Config) { small(c); c.Inspect.OnUndecodable = "refuse" })
			c := r.dial()
			c.Write(bytes)
			ended(c)
			r.closedBy(ReasonUndecodable)
		})
		t.Run(name+" of no interest", func(t *testing.T) {
			r, _ := freezing(t, func(c *configs.Config) { small(c); c.Inspect.OnUndecodable = "refuse" })
			r.rules("off")
			r.broker.Script(fakebroker.ExpectRaw(bytes), fakebroker.Send([]byte{0, 0, 0, 5, 0, 0, 0, 1, 0}), fakebroker.ExpectEnd())
			c := r.dial()
			c.Write(bytes)
			c.Next()
			c.Conn().Close()
		})
	}
}

// TestChangesOfARequestAreBounded: what asks for too much is not judged, and
// resources that are no topics cannot make a refusal many times its request.
func TestChangesOfARequestAreBounded(t *testing.T) {
	r, rule := freezing(t, blocking)
	r.answerWith(protocol.DeleteTopics, func(int16) kmsg.Response { return kmsg.NewPtrDeleteTopicsResponse() })
	c := r.dial()
	c.SetClientID("fakebroker")
	names := make([]string, maxChanges+1)
	for i := range names {
		names[i] = "frozen"
	}
	if got := answers(c.Do(changeOf(protocol.DeleteTopics, 5, names...))); len(got) != 0 {
		t.Errorf("%d topics are refused", len(got))
	}
	if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues("too_large")); n != 1 || rule.count() != 0 {
		t.Errorf("%v counted, %d changes judged", n, rule.count())
	}
	got := answers(c.Do(changeOf(protocol.DeleteTopics, 5, names[:maxChanges]...)))
	if len(got) != maxChanges || got[maxChanges-1] != "frozen 44 "+frozenText {
		t.Errorf("%d topics are refused, the last with %q", len(got), got[len(got)-1])
	}
	req := changeOf(protocol.AlterConfigs, 1, "frozen").(*kmsg.AlterConfigsRequest)
	for range 2 * maxChanges {
		req.Resources = append(req.Resources, kmsg.AlterConfigsRequestResource{ResourceType: 4, ResourceName: "1"})
	}
	got = answers(c.Do(req))
	if want := 2*maxChanges + 2; len(got) != want || got[want-1] != "1 44 " || !strings.HasPrefix(got[2], "1 44 warder") {
		t.Errorf("%d resources are refused, the last with %q", len(got), got[len(got)-1])
	}
}

func TestTapShowsARefusedChange(t *testing.T) {
	r, _ := freezing(t, blocking)
	sub, err := r.tap.Subscribe(tap.Filter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	r.dial().Do(changeOf(protocol.CreatePartitions, 3, "frozen"))
	if x := <-sub.C(); x.Outcome != tap.OutcomeDenied || x.API != "CreatePartitions" {
		t.Errorf("%+v", x)
	}
}

// TestAlterationIsJudgedWithKnowledge: what a change means depends on what there is
// to change, which warder asks for first, also on alert.
func TestAlterationIsJudgedWithKnowledge(t *testing.T) {
	for _, action := range []string{"alert", "block"} {
		rule := &changing{judge: func(*rules.Case, *rules.Change) {}}
		r := newRigWith(t, []rules.Spec{rule.spec()}, nil)
		r.rules(action)
		asked := r.describes("delete")
		r.answerWith(protocol.IncrementalAlterConfigs, func(int16) kmsg.Response { return kmsg.NewPtrIncrementalAlterConfigsResponse() })
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version, req.ValidateOnly = 1, true
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: "orders", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{
			{Name: "cleanup.policy", Op: 2, Value: new("compact")}, {Name: "retention.ms", Op: 1},
		}}}
		r.dial().Do(req)
		ch := rule.shown(t, 0)
		if ch.Kind != rules.AlterTopic || ch.CleanupBefore != rules.CleanupDelete || ch.CleanupAfter != rules.CleanupDelete|rules.CleanupCompact || !ch.ValidateOnly || ch.Replaces {
			t.Errorf("%+v", ch)
		}
		if want := (rules.ConfigChange{Name: "cleanup.policy", Op: rules.ConfigAppend, Value: "compact"}); len(ch.Configs) != 2 || ch.Configs[0] != want || ch.Configs[1].Op != rules.ConfigDelete {
			t.Errorf("%+v", ch.Configs)
		}
		if len(asked) != 1 {
			t.Errorf("%s: asked %d times", action, len(asked))
		}
	}
}

// TestDeletionByIDIsJudgedByName: warder asks for a name that it does not know.
func TestDeletionByIDIsJudgedByName(t *testing.T) {
	rule := freeze()
	spec := rule.spec()
	spec.Needs = 0 // the name is enough
	r := newRigWith(t, []rules.Spec{spec}, blocking)
	r.names("frozen-too")
	c := r.dial()
	if got := answers(c.Do(changeOf(protocol.DeleteTopics, 6, "frozen-too"))); len(got) != 1 || !strings.Contains(got[0], "topic frozen-too is frozen") {
		t.Errorf("answered %v", got)
	}
	if ch := rule.shown(t, 0); ch.Kind != rules.DeleteTopic || ch.Topic.ID != rules.TopicID(topicID("frozen-too")) {
		t.Errorf("%+v", ch)
	}
}

func TestNewTopicIsJudged(t *testing.T) {
	r, rule := freezing(t, blocking)
	req := changeOf(protocol.CreateTopics, 7, "frozen", "frozen").(*kmsg.CreateTopicsRequest)
	req.Topics[0].Topic = "frozen-new"
	req.Topics[0].Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "cleanup.policy", Value: new("compact")}, {Name: "retention.ms"}}
	req.Topics[1].NumPartitions = -1
	if got := answers(r.dial().Do(req)); len(got) != 2 || !strings.HasPrefix(got[0], "frozen-new 44") {
		t.Errorf("answered %v", got)
	}
	ch := rule.shown(t, 0)
	if ch.Kind != rules.CreateTopic || ch.Partitions != 3 || ch.CleanupBefore.Known() || ch.CleanupAfter != rules.CleanupCompact || len(ch.Configs) != 1 {
		t.Errorf("%+v", ch)
	}
	if ch := rule.shown(t, 1); ch.Partitions != 0 || ch.CleanupAfter.Known() {
		t.Errorf("%+v", ch)
	}
}

// TestAlteredPolicyIsTold: with what was before and after where that is known.
func TestAlteredPolicyIsTold(t *testing.T) {
	const unknown, del, compact = rules.CleanupUnknown, rules.CleanupDelete, rules.CleanupCompact
	set := func(name, value string, op kmsg.IncrementalAlterConfigOp) []kmsg.IncrementalAlterConfigsRequestResourceConfig {
		return []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Op: op, Value: &value}}
	}
	for name, tt := range map[string]struct {
		before   string
		configs  []kmsg.IncrementalAlterConfigsRequestResourceConfig
		replaces bool
		code     int16
		dry      bool
		told     []rules.CleanupPolicy // before and after
	}{
		"set":                    {before: "delete", configs: set("cleanup.policy", "compact", 0), told: []rules.CleanupPolicy{del, compact}},
		"set to the same":        {before: "compact", configs: set("cleanup.policy", "compact", 0)},
		"appended":               {before: "delete", configs: set("cleanup.policy", "compact", 2), told: []rules.CleanupPolicy{del, compact | del}},
		"appended to unknown":    {configs: set("cleanup.policy", "compact", 2), told: []rules.CleanupPolicy{unknown, unknown}},
		"set, unknown before":    {configs: set("cleanup.policy", "compact", 0), told: []rules.CleanupPolicy{unknown, compact}},
		"something else":         {before: "delete", configs: set("retention.ms", "1", 0)},
		"something of unknown":   {configs: set("retention.ms", "1", 0)},
		"replaced, not named":    {before: "compact", configs: set("retention.ms", "1", 0), replaces: true, told: []rules.CleanupPolicy{compact, unknown}},
		"replaced, unknown":      {configs: set("retention.ms", "1", 0), replaces: true},
		"refused by the cluster": {before: "delete", configs: set("cleanup.policy", "compact", 0), code: 44},
		"validated":              {before: "delete", configs: set("cleanup.policy", "compact", 0), dry: true},
	} {
		t.Run(name, func(t *testing.T) {
			rule := &changing{judge: func(*rules.Case, *rules.Change) {}}
			spec := rule.spec()
			spec.Needs = 0 // or it would ask for what is not known
			r := newRigWith(t, []rules.Spec{spec}, nil)
			for _, topic := range []string{"orders", "marker"} {
				r.topics.LearnConfig(topic, "delete", r.now())
			}
			if tt.before == "" {
				r.topics.ForgetConfig("orders")
			} else {
				r.topics.LearnConfig("orders", tt.before, r.now())
			}
			c := r.dial()
			r.alter(c, "orders", tt.configs, tt.replaces, tt.dry, tt.code)
			r.alter(c, "marker", set("cleanup.policy", "compact", 0), false, false, 0)
			var got []rules.CleanupPolicy
			eventually(t, "the marker", func() bool {
				rule.mu.Lock()
				defer rule.mu.Unlock()
				n := len(rule.altered)
				if n == 2 {
					got = []rules.CleanupPolicy{rule.altered[0].Before, rule.altered[0].After}
				}
				return n > 0 && rule.altered[n-1].Topic == "marker"
			})
			if !slices.Equal(got, tt.told) {
				t.Errorf("told %v, want %v", got, tt.told)
			}
		})
	}
}

// alter sends an alteration of one topic, which the broker answers with code.
func (r *rig) alter(c *fakebroker.Client, topic string, entries []kmsg.IncrementalAlterConfigsRequestResourceConfig, replaces, dry bool, code int16) {
	r.t.Helper()
	if !replaces {
		r.answerWith(protocol.IncrementalAlterConfigs, func(int16) kmsg.Response {
			resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
			resp.Resources = []kmsg.IncrementalAlterConfigsResponseResource{{ResourceType: 2, ResourceName: topic, ErrorCode: code}}
			return resp
		})
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version, req.ValidateOnly = 1, dry
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: topic, Configs: entries}}
		c.Do(req)
		return
	}
	r.answerWith(protocol.AlterConfigs, func(int16) kmsg.Response {
		resp := kmsg.NewPtrAlterConfigsResponse()
		resp.Resources = []kmsg.AlterConfigsResponseResource{{ResourceType: 2, ResourceName: topic, ErrorCode: code}}
		return resp
	})
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Version, req.ValidateOnly = 2, dry
	res := kmsg.AlterConfigsRequestResource{ResourceType: 2, ResourceName: topic}
	for _, e := range entries {
		res.Configs = append(res.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: e.Name, Value: e.Value})
	}
	req.Resources = []kmsg.AlterConfigsRequestResource{res}
	c.Do(req)
}

// TestClientReadsWhyItsChangeWasRefused: a real client, through warder, to a
// cluster in the process.
func TestClientReadsWhyItsChangeWasRefused(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "frozen", Partitions: 1}, {Name: "free", Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := startRig(t, nil, cluster.Bootstrap(), []rules.Spec{freeze().spec()}, blocking)
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("terraform"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	admin, ctx := kadm.NewClient(cl), t.Context()
	check := func(what string, err error, text string) {
		t.Helper()
		if err != kerr.PolicyViolation || !strings.Contains(text, "warder: rule freeze refused this change: topic frozen") || !strings.HasSuffix(text, "for client terraform.") { //nolint:errorlint // kadm returns the bare error of the code
			t.Errorf("%s: %v, %q", what, err, text)
		}
	}
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: new("1")}}, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	check("alter", altered[0].Err, altered[0].ErrMessage)
	altered, err = admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: new("1")}}, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	check("alter to a state", altered[0].Err, altered[0].ErrMessage)
	deleted, err := admin.DeleteTopics(ctx, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	check("delete", deleted["frozen"].Err, deleted["frozen"].ErrMessage)
	grown, err := admin.UpdatePartitions(ctx, 2, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	check("partitions", grown["frozen"].Err, grown["frozen"].ErrMessage)
	created, err := admin.CreateTopics(ctx, 1, 1, nil, "frozen-new")
	if err != nil {
		t.Fatal(err)
	}
	check("create", created["frozen-new"].Err, created["frozen-new"].ErrMessage)

	topics, err := admin.ListTopics(ctx)
	if err != nil || !topics.Has("frozen") || topics.Has("frozen-new") || len(topics["frozen"].Partitions) != 1 {
		t.Errorf("the cluster has %v, %v", topics, err)
	}
	if deleted, err := admin.DeleteTopics(ctx, "free"); err != nil || deleted["free"].Err != nil {
		t.Errorf("a free topic is not deleted: %v %v", err, deleted)
	}
}

// TestSwitchToCompactIsRefused: the rule that ships, on a topic that warder has
// never heard of before.
func TestSwitchToCompactIsRefused(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{
		{Name: "orders", Partitions: 1, Configs: map[string]string{"cleanup.policy": "delete"}},
		{Name: "users", Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := startRig(t, nil, cluster.Bootstrap(), builtin.Specs(), blocking)
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.ClientID("terraform"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	admin, compact := kadm.NewClient(cl), []kadm.AlterConfig{{Name: "cleanup.policy", Value: new("compact")}}
	altered, err := admin.AlterTopicConfigs(t.Context(), compact, "orders")
	if err != nil {
		t.Fatal(err)
	}
	want := "warder: rule compacted-event-stream refused this change: topic orders would be compacted, which keeps only the last record of each key. Allowed on purpose? Ask the owner of this proxy for an exception for client terraform."
	if altered[0].Err != kerr.PolicyViolation || altered[0].ErrMessage != want { //nolint:errorlint // kadm returns the bare error of the code
		t.Errorf("%v, %q", altered[0].Err, altered[0].ErrMessage)
	}
	described, err := admin.DescribeTopicConfigs(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range described[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "delete" {
			t.Errorf("the policy is %s", c.MaybeValue())
		}
	}
	if altered, err = admin.AlterTopicConfigs(t.Context(), compact, "users"); err != nil || altered[0].Err != nil {
		t.Errorf("what changes nothing is refused: %v %+v", err, altered)
	}
}
