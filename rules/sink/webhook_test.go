package sink_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
)

// endpoint takes posts, and answers them with its statuses in turn; 200 after them.
type endpoint struct {
	*httptest.Server

	mu       sync.Mutex // guards the following
	statuses []int
	posts    []string
	headers  []http.Header
	arrived  chan struct{}
}

func newEndpoint(t *testing.T, statuses ...int) *endpoint {
	t.Helper()
	e := &endpoint{statuses: statuses, arrived: make(chan struct{}, 100)}
	e.Server = httptest.NewServer(http.HandlerFunc(e.take))
	t.Cleanup(e.Server.Close)
	return e
}

func (e *endpoint) take(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	status := http.StatusOK
	if len(e.statuses) > 0 {
		status, e.statuses = e.statuses[0], e.statuses[1:]
	}
	e.posts, e.headers = append(e.posts, string(body)), append(e.headers, r.Header)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "because\nof that")
	e.arrived <- struct{}{}
}

func (e *endpoint) bodies() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.posts
}

func webhook(t *testing.T, url string, change func(*configs.WebhookSink)) *sink.Webhook {
	t.Helper()
	c := configs.WebhookSink{}
	c.SetDefaults()
	c.URL = url
	if change != nil {
		change(&c)
	}
	s, err := sink.NewWebhook(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Hasten(time.Millisecond)
	return s
}

func format(name string) func(*configs.WebhookSink) {
	return func(c *configs.WebhookSink) { c.Format = name }
}

// incident is a finding with all that a body shows.
func incident(change func(*rules.Finding)) *rules.Finding {
	partition := int32(3)
	at := time.Date(2026, 11, 23, 17, 20, 47, 0, time.UTC)
	f := &rules.Finding{
		ID: "01J", Time: at, Rule: "lag-skew", Severity: rules.Warning, Action: rules.Alert, Cluster: "prod", Fingerprint: "f1",
		Subject: rules.Subject{Topic: "orders", Partition: &partition, Group: "<!channel>", Remote: "10.0.0.1:5"},
		Summary: "group a & b <lags>", Evidence: rules.Evidence{{Name: "lag", Value: 7}}, Advice: "Look.", Doc: "docs/rules/lag-skew.md",
		Count: 1, FirstTime: at, LastTime: at,
	}
	if change != nil {
		change(f)
	}
	return f
}

func TestWebhookBodies(t *testing.T) {
	for _, tc := range []struct {
		format string
		change func(*rules.Finding)
		want   []string
	}{
		{"json", nil, []string{`{"id":"01J","time":"2026-11-23T17:20:47Z","rule":"lag-skew","severity":"warning"`, `"evidence":{"lag":7}`}},
		{"alertmanager", nil, []string{
			`[{"labels":{"alertname":"lag-skew","cluster":"prod","fingerprint":"f1","group":"\u003c!channel\u003e","job":"warder","partition":"3","severity":"warning","topic":"orders"}`,
			`"startsAt":"2026-11-23T17:20:47Z"}]`, `"description":"Look."`,
		}},
		{
			"alertmanager", func(f *rules.Finding) { f.Resolved, f.Time = true, f.Time.Add(time.Hour) },
			[]string{`"startsAt":"2026-11-23T17:20:47Z","endsAt":"2026-11-23T18:20:47Z"}]`},
		},
		{"slack", nil, []string{
			`{"text":"*warning: lag-skew on prod*","attachments":[{"fallback":"warning: lag-skew on prod: group a \u0026amp; b \u0026lt;lags\u0026gt;","color":"warning"`,
			`{"title":"group","value":"\u0026lt;!channel\u0026gt;","short":true}`, `warder explain 01J`,
		}},
		{"slack", func(f *rules.Finding) { f.Count = 9 }, []string{`9 times since 2026-11-23 17:20 UTC`}},
		{"slack", func(f *rules.Finding) { f.Action, f.Severity = rules.Block, rules.Critical }, []string{`*critical: lag-skew on prod, refused*`, `"danger"`}},
		{"slack", func(f *rules.Finding) { f.Action = rules.Keep }, []string{`*warning: lag-skew on prod*`}},
	} {
		e := newEndpoint(t)
		if err := webhook(t, e.URL, format(tc.format)).Write(incident(tc.change)); err != nil {
			t.Fatal(err)
		}
		body := e.bodies()[0]
		if !json.Valid([]byte(body)) || e.headers[0].Get("Content-Type") != "application/json" {
			t.Errorf("%s is no JSON", body)
		}
		for _, want := range tc.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in\n%s", tc.format, want, body)
			}
		}
	}
}

func TestWebhookTriesAgain(t *testing.T) {
	e := newEndpoint(t, 503, 429, 408, 500)
	if err := webhook(t, e.URL, nil).Write(incident(nil)); err != nil {
		t.Error(err)
	}
	if n := len(e.bodies()); n != 5 {
		t.Errorf("%d attempts, want 5", n)
	}
}

func TestWebhookGivesUp(t *testing.T) {
	for _, tc := range []struct {
		status   int
		retryFor time.Duration
		want     string
	}{
		{400, time.Hour, "the endpoint answers 400 Bad Request: because?of that"},
		{503, 0, "the endpoint answers 503 Service Unavailable"},
	} {
		e := newEndpoint(t, tc.status, 200)
		err := webhook(t, e.URL, func(c *configs.WebhookSink) { c.RetryFor = tc.retryFor }).Write(incident(nil))
		if err == nil || err.Error() != tc.want || len(e.bodies()) != 1 {
			t.Errorf("%d: %v after %d attempts", tc.status, err, len(e.bodies()))
		}
	}
}

// Whoever closes a sink does not wait until an endpoint comes back.
func TestInterruptedWebhookEndsSoon(t *testing.T) {
	e := newEndpoint(t, 500, 500, 500)
	s := webhook(t, e.URL, func(c *configs.WebhookSink) { c.RetryFor = time.Hour })
	s.Hasten(30 * time.Minute)
	written := make(chan error)
	go func() { written <- s.Write(incident(nil)) }()
	<-e.arrived
	s.Interrupt()
	if err := <-written; err == nil {
		t.Error("no error")
	}
	if err := s.Write(incident(nil)); err == nil || len(e.bodies()) != 2 {
		t.Errorf("afterwards: %v after %d attempts in all", err, len(e.bodies()))
	}
}

func TestWebhookLeavesOutRepeats(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		format string
		want   int
	}{{"slack", 3}, {"json", 5}, {"alertmanager", 5}} {
		e := newEndpoint(t)
		s := webhook(t, e.URL, func(c *configs.WebhookSink) { c.Format, c.MinSeverity = tc.format, "warning" })
		s.SetNow(func() time.Time { return now })
		post := func(change func(*rules.Finding)) {
			t.Helper()
			if err := s.Write(incident(change)); err != nil {
				t.Fatal(err)
			}
			now = now.Add(31 * time.Minute)
		}
		over := func(f *rules.Finding) { f.Resolved = true }
		post(nil)
		post(func(f *rules.Finding) { f.Count = 2 })
		post(func(f *rules.Finding) { f.Count = 3 }) // an hour after the first
		post(over)
		post(func(f *rules.Finding) { f.ID, f.Severity = "02J", rules.Info }) // too small
		post(func(f *rules.Finding) { f.ID, f.Resolved = "03J", true })       // nobody was told of it
		if n := len(e.bodies()); n != tc.want {
			t.Errorf("%s: %d posts, want %d", tc.format, n, tc.want)
		}
	}
}

func TestWebhookAuthorizesItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "authorization")
	e := newEndpoint(t)
	s := webhook(t, e.URL, func(c *configs.WebhookSink) { c.AuthorizationFile = configs.Path(file) })
	for _, secret := range []string{"Bearer one", "Bearer two"} {
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(incident(nil)); err != nil {
			t.Fatal(err)
		}
		if got := e.headers[len(e.headers)-1].Get("Authorization"); got != secret {
			t.Errorf("%q, want %q", got, secret)
		}
	}
}

// The URLs of some services are secrets, and errors go to the log.
func TestWebhookKeepsItsURLToItself(t *testing.T) {
	e := newEndpoint(t)
	e.Server.Close()
	err := webhook(t, e.URL+"/services/T0/S3CRET", func(c *configs.WebhookSink) { c.RetryFor = 0 }).Write(incident(nil))
	if err == nil || strings.Contains(err.Error(), "S3CRET") {
		t.Errorf("%v", err)
	}
}
