package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/messages"
	"warder/proxy/audit"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/engine"
	"warder/test/fakebroker"
)

// memory is a sink for the lines of a trail.
type memory struct {
	mu     sync.Mutex
	lines  []string // guarded by mu
	broken bool     // guarded by mu
}

var errBroken = errors.New("the disk is gone")

func (m *memory) Open(context.Context) (audit.Found, error) { return audit.Found{}, nil }
func (m *memory) Sync() error                               { return nil }
func (m *memory) Close() error                              { return nil }

func (m *memory) Write(_ context.Context, lines [][]byte) (int, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return 0, false, errBroken
	}
	for _, line := range lines {
		m.lines = append(m.lines, string(line))
	}
	return len(lines), false, nil
}

func (m *memory) breaks(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = broken
}

func (m *memory) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lines)
}

// line waits for one that contains all of texts.
func (m *memory) line(t *testing.T, texts ...string) map[string]any {
	t.Helper()
	var found string
	eventually(t, "a line with "+strings.Join(texts, " and "), func() bool {
		for _, line := range m.all() {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				found = line
				return true
			}
		}
		return false
	})
	var members map[string]any
	if err := json.Unmarshal([]byte(found), &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// newAudited is a rig with a trail.
func newAudited(t *testing.T, c configs.Audit, change func(*configs.Config)) (*rig, *memory) {
	t.Helper()
	m := &memory{}
	broker := fakebroker.New(t)
	var trail *audit.Trail
	t.Cleanup(func() {
		if err := trail.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r := startRigOn(t, broker, broker.Addr(), change, func(eo *engine.Options, o *Options) {
		eo.Specs = []rules.Spec{forbidden}
		var err error
		if trail, err = audit.New(audit.Options{Config: &c, Sink: m, Meter: o.Metrics.Audit(), Log: o.Log, Wait: true}); err != nil {
			t.Fatal(err)
		}
		o.Audit = trail
	})
	return r, m
}

var everything = configs.Audit{APIs: []string{"all"}, OnFailure: "drop"}

func TestTrailOfAnExchange(t *testing.T) {
	r, m := newAudited(t, everything, nil)
	r.broker.Handle(protocol.DeleteTopics, answerWith(&kmsg.DeleteTopicsResponse{Version: 1, Topics: []kmsg.DeleteTopicsResponseTopic{
		{Topic: new("orders")}, {Topic: new("users"), ErrorCode: 29},
	}}))
	c := r.dial()
	c.Do(&kmsg.DeleteTopicsRequest{Version: 1, TopicNames: []string{"orders", "users"}})
	got := m.line(t, `"api":"DeleteTopics"`)
	want := []any{
		map[string]any{"topic": "orders", "partition": -1.0},
		map[string]any{"topic": "users", "partition": -1.0, "error": "TOPIC_AUTHORIZATION_FAILED"},
	}
	if diff := cmp.Diff(want, got["partitions"]); diff != "" || got["outcome"] != "TOPIC_AUTHORIZATION_FAILED" {
		t.Errorf("%v: %s", got["outcome"], diff)
	}
	if got["remote"] != c.Conn().LocalAddr().String() || got["client_id"] != "fakebroker-client" || got["session"] != 1.0 ||
		got["request_bytes"].(float64) == 0 || got["response_bytes"].(float64) == 0 || got["latency_ns"].(float64) == 0 {
		t.Errorf("%v", got)
	}
	c.Conn().Close()
	m.line(t, `"event":"opened"`, `"session":1`)
	if got := m.line(t, `"event":"closed"`); got["reason"] != "client_gone" || got["requests"] != 1.0 {
		t.Errorf("%v", got)
	}
}

func TestTrailNamesRulesThatRefuse(t *testing.T) {
	r, m := newAudited(t, everything, blocking)
	c := r.dial()
	c.Do(produce(9, 1, "orders", []string{"forbidden"}))
	c.Send(produce(9, 0, "orders", []string{"forbidden"}))
	r.closedBy(ReasonDenied)
	for _, acks := range []string{"1", "0"} {
		got := m.line(t, `"api":"Produce"`, `"acks":`+acks+",")
		if !cmp.Equal(got["rules"], []any{"tombstone"}) || got["outcome"] != "denied" {
			t.Errorf("acks=%s: %v", acks, got)
		}
	}
	m.line(t, `"event":"closed"`, `"reason":"denied"`)
}

// Who logs in, and who does not; what they log in with is nowhere.
func TestTrailOfLogins(t *testing.T) {
	r, m := newAudited(t, everything, nil)
	r.broker.Handle(protocol.SaslHandshake, answerWith(&kmsg.SASLHandshakeResponse{Version: 1, SupportedMechanisms: []string{"PLAIN"}}))
	r.broker.Handle(protocol.SaslAuthenticate, func(f *fakebroker.Frame) []byte {
		resp := &kmsg.SASLAuthenticateResponse{Version: 1}
		if !bytes.Contains(f.Body, []byte("letmein")) {
			resp.ErrorCode, resp.ErrorMessage = 58, new("Authentication failed")
		}
		return resp.AppendTo(nil)
	})
	for _, token := range []string{"\x00alice\x00letmein", "\x00mallory\x00hunter2"} {
		c := r.dial()
		c.Do(&kmsg.SASLHandshakeRequest{Version: 1, Mechanism: "PLAIN"})
		c.Do(&kmsg.SASLAuthenticateRequest{Version: 1, SASLAuthBytes: []byte(token)})
		c.Conn().Close()
	}
	if got := m.line(t, `"event":"authenticated"`); got["principal"] != "User:alice" || got["mechanism"] != "PLAIN" {
		t.Errorf("%v", got)
	}
	if got := m.line(t, `"event":"authentication_failed"`); got["principal"] != nil || got["claimed"] != "mallory" || got["mechanism"] != "PLAIN" {
		t.Errorf("%v", got)
	}
	m.line(t, `"api":"SaslAuthenticate"`, `"outcome":"SASL_AUTHENTICATION_FAILED"`)
	m.line(t, `"event":"closed"`, `"principal":"User:alice"`)
	for _, line := range m.all() {
		if strings.Contains(line, "letmein") || strings.Contains(line, "hunter2") {
			t.Errorf("a password: %s", line)
		}
	}
}

func TestTrailOfRefusedConnections(t *testing.T) {
	r, m := newAudited(t, everything, func(c *configs.Config) { c.Listeners[0].Limits.Connections = 1 })
	c := r.dial()
	c.Do(kmsg.NewPtrApiVersionsRequest())
	ended(r.dial())
	m.line(t, `"event":"refused"`, `"reason":"connection_limit"`)
}

// Requests that need a trail end their connection while there is none; others do not
// notice, and all works again by itself.
func TestNothingIsServedWithoutItsTrail(t *testing.T) {
	r, m := newAudited(t, configs.Audit{APIs: []string{"admin"}, OnFailure: "stop"}, nil)
	r.broker.Handle(protocol.DeleteTopics, answerWith(&kmsg.DeleteTopicsResponse{Version: 1}))
	deletion := &kmsg.DeleteTopicsRequest{Version: 1, TopicNames: []string{"orders"}}
	other, c := r.dial(), r.dial()
	other.Do(&kmsg.MetadataRequest{Version: 1})
	m.line(t, `"event":"begun"`)
	m.breaks(true)
	c.Do(deletion) // let through before anybody could know
	eventually(t, "the failure", func() bool { return r.checkAudit().Status == checkFailed })
	c.Send(deletion)
	r.closedBy(ReasonAudit)
	other.Do(&kmsg.MetadataRequest{Version: 1})
	c.End()
	m.breaks(false)
	eventually(t, "the trail to be written", func() bool { return r.checkAudit().Status == checkOK })
	r.dial().Do(deletion)
	eventually(t, "both deletions", func() bool { return strings.Count(strings.Join(m.all(), ""), `"api":"DeleteTopics"`) == 2 })
	m.line(t, `"event":"closed"`, `"reason":"audit_unavailable"`)
	if n := len(r.broker.Conns()); n != 3 {
		t.Errorf("%d connections to the broker", n)
	}
}

// BenchmarkShown is what a request and its answer cost more while the trail, or a tap, looks at them.
func BenchmarkShown(b *testing.B) {
	s := &session{srv: &Server{}}
	rq := &kmsg.DeleteTopicsRequest{Version: 5, TopicNames: []string{"orders", "users"}}
	asked := rq.AppendTo(nil)
	answered := (&kmsg.DeleteTopicsResponse{Version: 5, Topics: []kmsg.DeleteTopicsResponseTopic{
		{Topic: new("orders")}, {Topic: new("users"), ErrorCode: 29},
	}}).AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		x := &tap.Exchange{}
		q, err := messages.DecodeRequest(protocol.DeleteTopics, 5, asked, messages.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		naming{s, x}.request(q)
		a, err := messages.DecodeResponse(protocol.DeleteTopics, 5, answered, messages.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		failures{s, x}.walk(reflect.ValueOf(a).Elem(), "", -1)
		if len(x.Partitions) != 2 || x.Outcome == "" {
			b.Fatalf("%+v", x)
		}
	}
}
