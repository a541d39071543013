package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/record"
	"warder/rules"
	"warder/rules/sink"
)

// wire notes what clients send and get, and is the source of it.
type wire struct {
	mu      sync.Mutex
	entries []*record.Entry
	conns   uint64
}

func (w *wire) note(e *record.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.At = time.Now()
	w.entries = append(w.entries, e)
}

// dial is the kgo.Dialer.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.conns++
	id := w.conns
	w.mu.Unlock()
	w.note(&record.Entry{Kind: record.Opened, Conn: id, Remote: netip.MustParseAddrPort(conn.LocalAddr().String()), Broker: address, Node: -1})
	return &wiredConn{conn, w, id}, nil
}

// wiredConn is one of its connections.
type wiredConn struct {
	net.Conn
	wire *wire
	id   uint64
}

func (c *wiredConn) Write(p []byte) (int, error) {
	c.wire.note(&record.Entry{Kind: record.Request, Conn: c.id, Data: slices.Clone(p)})
	return c.Conn.Write(p)
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.wire.note(&record.Entry{Kind: record.Answer, Conn: c.id, Data: slices.Clone(p[:n])})
	}
	return n, err
}

func (c *wiredConn) Close() error {
	c.wire.note(&record.Entry{Kind: record.Closed, Conn: c.id})
	return c.Conn.Close()
}

// Next implements record.Source.
func (w *wire) Next() (*record.Entry, error) {
	if len(w.entries) == 0 {
		return nil, io.EOF
	}
	e := w.entries[0]
	w.entries = w.entries[1:]
	return e, nil
}

// accident is somebody who writes a null value to a compacted topic, and reads it.
func accident(t *testing.T, s *served, w *wire) {
	t.Helper()
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("profile-svc"), kgo.Dialer(w.dial),
		kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("accounts"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	policy := "compact"
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &policy}, "accounts"); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "accounts", Key: []byte("a-1"), Value: []byte("{}")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "accounts", Key: []byte("a-1")}).FirstErr(); !errors.Is(err, kerr.PolicyViolation) {
		t.Fatalf("a null value: %v", err)
	}
	if err := cl.PollFetches(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := cl.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// identities is what makes findings the same, by fingerprint.
func identities(found []rules.Finding) map[string][]any {
	all := map[string][]any{}
	for i := range found {
		f := &found[i]
		all[f.Fingerprint] = []any{f.Rule, f.Severity, f.Action, f.WouldBlock, f.Count, f.Summary}
	}
	return all
}

const guarded = "rules: {tombstone: {action: block}}"

// lookedBack plays what was noted with the given configuration, as a command would.
func lookedBack(t *testing.T, w *wire, file string, flags ...string) (r *pastResult, stdout, stderr string, err error) {
	t.Helper()
	var out, told bytes.Buffer
	a := &app{stdout: &out, stderr: &told}
	cfg, err := configs.Parse("past", []byte("upstream: {name: test, bootstrap: ['x:1']}\n"+file), nil, configs.Overrides{Rules: ruleIDs()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPast(cfg, newLog(&told, cfg.Log), &pastShown{app: a, json: slices.Contains(flags, "json")})
	if err != nil {
		t.Fatal(err)
	}
	played := &wire{entries: slices.Clone(w.entries)}
	if err := p.play(t.Context(), played); err != nil {
		t.Fatal(err)
	}
	r, err = p.end(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.showPast(r, slices.Contains(flags, "json")); err != nil {
		t.Fatal(err)
	}
	return r, out.String(), told.String(), a.judgePast(&pastFlags{failOn: "critical"}, cfg, r)
}

func TestPastMeetsTheRules(t *testing.T) {
	s, w := serve(t, guarded), &wire{}
	accident(t, s, w)
	t.Run("found again", func(t *testing.T) { pastIsFoundAgain(t, s, w) })
	t.Run("another policy", func(t *testing.T) { pastMeetsAnotherPolicy(t, w) })
	t.Run("for programs", func(t *testing.T) { pastForPrograms(t, w) })
}

func pastIsFoundAgain(t *testing.T, s *served, w *wire) {
	t.Helper()
	waitFor(t, "the finding", func() bool { return s.engine.Findings().Len() > 0 })
	live := s.engine.Findings().Query(sink.Query{})
	for i := range live {
		w.note(&record.Entry{Kind: record.Found, Finding: &live[i]})
	}
	w.note(&record.Entry{Kind: record.Found, Finding: &rules.Finding{Rule: "heartbeat-gap", Severity: rules.Warning, Fingerprint: "elsewhere", Summary: "of another day"}})

	r, stdout, stderr, err := lookedBack(t, w, guarded)
	if diff := cmp.Diff(identities(live), identities(r.Findings)); diff != "" {
		t.Errorf("findings (-live +past):\n%s", diff)
	}
	var exit *exitError
	if !errors.As(err, &exit) || exit.status != exitFindings {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{"critical  tombstone  block", "profile-svc wrote a null value", "offset_in_batch="} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout does not say %q:\n%s", want, stdout)
		}
	}
	for _, want := range []string{"tombstone  critical  block   1         1", "live, 2 were found; not found again: 1", "of another day"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not say %q:\n%s", want, stderr)
		}
	}
	if r.Requests["Produce"] != 2 || r.Requests["JoinGroup"] == 0 || len(r.Played.Ended) != 0 {
		t.Errorf("followed %v, not to the end %v", r.Requests, r.Played.Ended)
	}
}

// Another policy is judged by what happened, whatever was done about it then.
func pastMeetsAnotherPolicy(t *testing.T, w *wire) {
	t.Helper()
	for file, want := range map[string]string{
		"rules: {tombstone: {action: alert}}":                                    "alert true",
		"rules: {tombstone: {action: block}}":                                    "block false",
		"rules: {tombstone: {action: block, allow: [{client_id: 'profile-*'}]}}": "",
		"rules: {tombstone: {action: off}}":                                      "",
	} {
		r, _, _, _ := lookedBack(t, w, file) //nolint:dogsled // what was found is the point
		got := ""
		for i := range r.Findings {
			if f := &r.Findings[i]; f.Rule == "tombstone" {
				got = strings.Join([]string{f.Action.String(), map[bool]string{true: "true", false: "false"}[f.WouldBlock]}, " ")
			}
		}
		if got != want {
			t.Errorf("%s: found %q, want %q", file, got, want)
		}
	}
}

func pastForPrograms(t *testing.T, w *wire) {
	t.Helper()
	_, stdout, _, _ := lookedBack(t, w, guarded, "json") //nolint:dogsled // stdout is the point
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var f rules.Finding
	if err := json.Unmarshal([]byte(lines[0]), &f); err != nil || f.Rule != "tombstone" {
		t.Errorf("first line %s: %v", lines[0], err)
	}
	var last struct{ Summary pastSummary }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Summary.Findings != 1 || last.Summary.Requests["Produce"] != 2 {
		t.Errorf("last line %s: %v", lines[len(lines)-1], err)
	}
}
