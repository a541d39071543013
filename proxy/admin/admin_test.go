package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"warder/proxy"
	"warder/proxy/admin"
	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// serve starts an interface that ends with the test, and returns its base URL.
func serve(t *testing.T, o admin.Options) string {
	t.Helper()
	base, stop := serveUntil(t, o)
	t.Cleanup(stop)
	return base
}

func serveUntil(t *testing.T, o admin.Options) (base string, stop func()) {
	t.Helper()
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	s, err := admin.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return "http://" + s.Addr(), func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, method, url string, change ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func get(t *testing.T, url string, change ...func(*http.Request)) answer {
	t.Helper()
	return do(t, http.MethodGet, url, change...)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }

func tombstone() rules.Finding {
	f := rules.Finding{ID: "01F", Time: noon, Rule: "tombstone", Severity: rules.Critical, Action: rules.Block, Summary: "<b>profile-svc</b> wrote a null value", Count: 2, LastTime: noon}
	f.Subject.Topic, f.Subject.ClientID = "users", "profile-svc"
	return f
}

func ring(found ...rules.Finding) *sink.Ring {
	r := sink.NewRing(0)
	for i := range found {
		r.Put(&found[i])
	}
	return r
}

func source() admin.Source {
	return admin.Source{
		Info:      func() admin.Info { return admin.Info{Version: "1.2.3", Cluster: "prod", Started: noon.Add(-time.Hour)} },
		Ready:     func() []admin.Check { return []admin.Check{{Name: "listeners", Status: admin.StatusOK}} },
		Findings:  ring(tombstone()),
		Clients:   func() []admin.Client { return []admin.Client{} },
		Brokers:   func() []proxy.BrokerView { return []proxy.BrokerView{} },
		Listeners: func() []proxy.ListenerView { return []proxy.ListenerView{} },
		Topics:    func() state.TopicList { return state.TopicList{Topics: []state.TopicLine{}} },
		Topic: func(name string) (state.TopicView, bool) {
			return state.TopicView{TopicLine: state.TopicLine{Topic: rules.Topic{Name: name, Cleanup: rules.CleanupCompact}}}, name == "users"
		},
		Groups: func() state.GroupList {
			return state.GroupList{Groups: []state.GroupLine{{ID: "billing", Protocol: "classic", Members: 2, Partitions: 3, Lag: 7}}, Partial: true, Note: "some are missing"}
		},
		Group: func(name string) (state.GroupView, bool, error) {
			if name == "busy" {
				return state.GroupView{}, false, errors.New("too busy to say")
			}
			return state.GroupView{ID: name, Protocol: "classic"}, name == "team/billing", nil
		},
		Config: func() map[string]any { return map[string]any{"upstream": map[string]any{"name": "prod"}} },
		Reload: func(context.Context) (any, error) { return map[string]bool{"changed": true}, nil },
	}
}

const teamBilling = `{"id":"team/billing","protocol":"classic","generation":0,"since":"0001-01-01T00:00:00Z","last_event":"0001-01-01T00:00:00Z","partial":false,"learning":false,"topics":null,"members":null,"partitions":null,"rebalances":null}`

func TestPathsAnswerJSON(t *testing.T) {
	base := serve(t, admin.Options{Source: source()})
	for path, want := range map[string]string{
		"/healthz":                      `{"status":"ok"}`,
		"/readyz":                       `{"status":"ok","checks":[{"name":"listeners","status":"ok"}]}`,
		"/api/v1/clients":               `{"clients":[]}`,
		"/api/v1/brokers":               `{"brokers":[]}`,
		"/api/v1/listeners":             `{"listeners":[]}`,
		"/api/v1/topics":                `{"topics":[]}`,
		"/api/v1/topics/users":          `{"name":"users","cleanup_policy":"compact","logs":null}`,
		"/api/v1/config":                `{"upstream":{"name":"prod"}}`,
		"/api/v1/groups":                `{"groups":[{"id":"billing","protocol":"classic","members":2,"partitions":3,"lag":7,"partial":false,"learning":false}],"partial":true,"note":"some are missing"}`,
		"POST /api/v1/reload":           `{"changed":true}`,
		"404 /api/v1/topics/x":          `{"error":"topic x is not known: no client has asked for it through this proxy yet"}`,
		"/api/v1/groups/team%2Fbilling": teamBilling,
		"/api/v1/groups/team/billing":   teamBilling,
		"404 /api/v1/groups/g":          `{"error":"group g was never seen through this warder; /api/v1/groups lists those that were"}`,
		"503 /api/v1/groups/busy":       `{"error":"too busy to say"}`,
		"400 /api/v1/groups?x=":         `{"error":"unknown parameter \"x\": this path takes none"}`,
		"404 /nowhere":                  `{"error":"no such path; GET / lists them"}`,
		"404 /debug/pprof/":             `{"error":"no such path; GET / lists them"}`,
		"405 /api/v1/reload":            `{"error":"this path wants POST"}`,
		"405 POST /readyz":              `{"error":"this path wants GET"}`,
		"400 /api/v1/topics?x=":         `{"error":"unknown parameter \"x\": this path takes none"}`,
	} {
		t.Run(path, func(t *testing.T) {
			status, method := http.StatusOK, http.MethodGet
			fields := strings.Fields(path)
			for _, f := range fields[:len(fields)-1] {
				switch f {
				case "POST":
					method = f
				case "400":
					status = 400
				case "404":
					status = 404
				case "405":
					status = 405
				case "503":
					status = 503
				}
			}
			a := do(t, method, base+fields[len(fields)-1])
			if a.status != status || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, %s", a.status, a.header.Get("Content-Type"))
			}
			if got := compact(t, a.body); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// compact removes the indentation of a JSON text without changing the order of its names.
func compact(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	if !json.Valid([]byte(text)) {
		t.Fatalf("not JSON: %s", text)
	}
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		b.WriteString(strings.Replace(strings.TrimSpace(sc.Text()), `": `, `":`, 1))
	}
	return b.String()
}

func TestReadiness(t *testing.T) {
	for name, tc := range map[string]struct {
		statuses []admin.Status
		code     int
		want     admin.Status
	}{
		"all well":              {[]admin.Status{admin.StatusOK, admin.StatusOK}, 200, admin.StatusOK},
		"nothing to check":      {nil, 200, admin.StatusOK},
		"upstream unreachable":  {[]admin.Status{admin.StatusOK, admin.StatusDegraded}, 200, admin.StatusDegraded},
		"one failed":            {[]admin.Status{admin.StatusFailed, admin.StatusOK}, 503, admin.StatusFailed},
		"failed after degraded": {[]admin.Status{admin.StatusDegraded, admin.StatusFailed}, 503, admin.StatusFailed},
		"unknown word":          {[]admin.Status{"odd"}, 200, admin.StatusDegraded},
	} {
		t.Run(name, func(t *testing.T) {
			src := admin.Source{Ready: func() []admin.Check {
				var cs []admin.Check
				for _, s := range tc.statuses {
					cs = append(cs, admin.Check{Name: "c", Status: s})
				}
				return cs
			}}
			a := get(t, serve(t, admin.Options{Source: src})+"/readyz")
			var got struct {
				Status admin.Status
				Checks []admin.Check
			}
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatal(err)
			}
			if a.status != tc.code || got.Status != tc.want || len(got.Checks) != len(tc.statuses) {
				t.Errorf("%d %+v", a.status, got)
			}
		})
	}
}

func TestRefusedReloadKeepsItsReason(t *testing.T) {
	src := source()
	src.Reload = func(context.Context) (any, error) { return nil, errors.New("w.yaml:3:5: unknown key `lisen`") }
	a := do(t, http.MethodPost, serve(t, admin.Options{Source: src})+"/api/v1/reload")
	if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "w.yaml:3:5") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAbsentSourcesAnswerWithASentence(t *testing.T) {
	base := serve(t, admin.Options{})
	for _, p := range []string{"findings", "findings/stream", "clients", "brokers", "listeners", "topics", "topics/x", "groups", "groups/x", "config", "tap"} {
		if a := get(t, base+"/api/v1/"+p); a.status != 404 || !strings.Contains(a.body, "there is no ") {
			t.Errorf("%s: %d %s", p, a.status, a.body)
		}
	}
	if a := get(t, base+"/"); a.status != 200 {
		t.Errorf("page: %d %s", a.status, a.body)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "warder_things_total", Help: "Things."})
	reg.MustRegister(c)
	c.Inc()
	a := get(t, serve(t, admin.Options{Gatherer: reg})+"/metrics")
	if a.status != 200 || !strings.Contains(a.body, "\nwarder_things_total 1\n") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPprofOnlyWhenAskedFor(t *testing.T) {
	a := get(t, serve(t, admin.Options{Pprof: true})+"/debug/pprof/goroutine?debug=1")
	if a.status != 200 || !strings.Contains(a.body, "goroutine profile") {
		t.Errorf("%d %.100s", a.status, a.body)
	}
}

func TestEveryListedEndpointExists(t *testing.T) {
	src := source()
	base := serve(t, admin.Options{Source: src, Gatherer: prometheus.NewRegistry()})
	for _, e := range admin.Endpoints() {
		if strings.HasSuffix(e.Path, "/tap") || strings.HasSuffix(e.Path, "/stream") { // see stream_test.go; they have no end
			continue
		}
		if a := do(t, e.Method, base+e.Path); a.status != 200 {
			t.Errorf("%s %s: %d %s", e.Method, e.Path, a.status, a.body)
		}
	}
}

func writeToken(t *testing.T, token string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(p, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}
