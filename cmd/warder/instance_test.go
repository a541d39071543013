package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"warder/configs"
	"warder/proxy/embedded"
)

// served is a warder in front of an embedded cluster, made from a file.
type served struct {
	*instance
	file string
	log  *lines
}

// lines is a log that can be searched while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// users is a topic on which a null value deletes.
var users = []embedded.Topic{{Name: "users", Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact"}}}

// serve starts a warder; more is YAML beside the addresses, admin what the admin
// interface has beside its own.
func serve(t *testing.T, more string, admin ...string) *served {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	cluster, err := embedded.Start(t.Context(), embedded.Options{Brokers: 3, Topics: users})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := &served{file: filepath.Join(t.TempDir(), "warder.yaml"), log: &lines{}}
	text := fmt.Sprintf("upstream: {name: test, bootstrap: [%s]}\nlisteners: [{address: '127.0.0.1:0'}]\nadmin: {%s}\n%s",
		cluster.Bootstrap(), strings.Join(append(admin, "address: '127.0.0.1:0'"), ", "), more)
	s.write(t, text)
	load := func() (*configs.Config, error) {
		return configs.Load(s.file, nil, configs.Overrides{Rules: ruleIDs()})
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if s.instance, err = newInstance(t.Context(), cfg, zerolog.New(s.log), load); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	return s
}

// write replaces the configuration file whole.
func (s *served) write(t *testing.T, text string) {
	t.Helper()
	next := s.file + "~"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, s.file); err != nil {
		t.Fatal(err)
	}
}

// change replaces words of the configuration file.
func (s *served) change(t *testing.T, old, new string) {
	t.Helper()
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in the file", old)
	}
	s.write(t, strings.Replace(string(text), old, new, 1))
}

// ask runs a command against this warder.
func (s *served) ask(t *testing.T, args ...string) outcome {
	t.Helper()
	return warder(t, []string{"WARDER_ADMIN=" + s.admin.Addr()}, args...)
}

// erase writes a null value through warder and gives the error.
func (s *served) erase(t *testing.T) error {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("profile-svc"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return client.ProduceSync(t.Context(), &kgo.Record{Topic: "users", Key: []byte("u-7")}).FirstErr()
}

// refused writes a null value, which must be refused, and waits for the finding.
func (s *served) refused(t *testing.T) {
	t.Helper()
	if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
		t.Fatalf("the tombstone was not refused: %v", err)
	}
	waitFor(t, "the finding", func() bool { return s.engine.Findings().Len() > 0 })
}

// What happens to a client can be read with every command, while it happens and
// afterwards.
func TestCommandsShowARunningWarder(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block, allow: [{client_id: gdpr-eraser, topic: users}]}}\n")
	body, err := (&adminClient{address: s.admin.Addr(), http: http.DefaultClient}).get(t.Context(), "/api/v1/tap", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	s.refused(t)

	seen := bufio.NewScanner(body)
	for seen.Scan() && !strings.Contains(seen.Text(), `"api":"Produce"`) {
	}
	var shown bytes.Buffer
	if err := (&app{stdout: &shown, stderr: io.Discard}).showTap(strings.NewReader(seen.Text()), "text"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"profile-svc", "Produce v", "users/0", "denied"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("tap: no %q in %q", want, shown.String())
		}
	}

	list := s.ask(t, "findings", "--rule", "tombstone", "--client-id", "profile-svc", "--since", "1h", "-o", "json")
	var found []struct{ ID, Rule, Action string }
	if err := json.Unmarshal([]byte(list.stdout), &found); err != nil || len(found) != 1 || found[0].Action != "block" {
		t.Fatalf("findings: %v, %+v\n%+v", err, found, list)
	}
	if text := s.ask(t, "findings"); !strings.Contains(text.stdout, found[0].ID) || !strings.Contains(text.stdout, "critical") {
		t.Errorf("findings as text: %+v", text)
	}
	if none := s.ask(t, "findings", "--topic", "orders"); none.status != 0 || none.stdout != "" || none.stderr != "nothing found\n" {
		t.Errorf("findings of another topic: %+v", none)
	}
	if none := s.ask(t, "findings", "--group", "billing"); none.status != 0 || none.stdout != "" {
		t.Errorf("findings of another group: %+v", none)
	}
	if bad := s.ask(t, "findings", "--since", "yesterday"); bad.status != 2 || !strings.Contains(bad.stderr, "want an age such as 15m") {
		t.Errorf("findings --since yesterday: %+v", bad)
	}

	story := s.ask(t, "explain", strings.ToLower(found[0].ID[18:]))
	for _, want := range []string{
		found[0].ID, "rule      tombstone", "client    profile-svc",
		`{topic: "users", client_id: "gdpr-eraser"}: client_id is "profile-svc", not "gdpr-eraser"`,
		`- {topic: "users", client_id: "profile-svc"`,
	} {
		if !strings.Contains(story.stdout, want) {
			t.Errorf("explain: no %q in\n%s%s", want, story.stdout, story.stderr)
		}
	}
	if none := s.ask(t, "explain", "01ABC"); none.status != 1 {
		t.Errorf("explain of an unknown finding: %+v", none)
	}
}

// The YAML that explain offers does what it says.
func TestExplainedExceptionsAreConfiguration(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block}}\n")
	s.refused(t)
	var story struct {
		Allow, Suppress string
		Finding         struct{ ID string }
	}
	var found []struct{ ID string }
	if err := json.Unmarshal([]byte(s.ask(t, "findings", "-o", "json").stdout), &found); err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if err := json.Unmarshal([]byte(s.ask(t, "explain", found[0].ID, "-o", "json").stdout), &story); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{story.Allow, story.Suppress} {
		if _, err := configs.Parse("offered.yaml", []byte(text), []string{"WARDER_UPSTREAM=k:1"}, configs.Overrides{Rules: ruleIDs()}); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	s.change(t, "rules: {tombstone: {action: block}}\n", strings.Replace(story.Allow, "    allow:", "    action: block\n    allow:", 1))
	if _, err := s.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.erase(t); err != nil {
		t.Errorf("still refused: %v", err)
	}
}

// check --connect foretells the addresses that a running warder gives.
func TestCheckForetellsAddresses(t *testing.T) {
	s := serve(t, "state_file: state.json\n")
	client, err := kgo.NewClient(kgo.SeedBrokers(s.proxy.Addresses()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.save(t); err != nil {
		t.Fatal(err)
	}
	checked := warder(t, nil, "check", "--config", s.file, "--connect", "-o", "json")
	var result struct{ Cluster clusterView }
	if err := json.Unmarshal([]byte(checked.stdout), &result); err != nil {
		t.Fatalf("%v: %+v", err, checked)
	}
	foretold, given := map[int32]string{}, map[int32]string{}
	for _, b := range result.Cluster.Brokers {
		foretold[b.NodeID] = b.Advertised["default"]
	}
	for _, b := range s.proxy.Brokers() {
		given[b.NodeID] = b.Advertised["default"]
	}
	if diff := cmp.Diff(given, foretold); diff != "" || len(given) != 3 {
		t.Errorf("%d brokers; warder gives, check foretells: %s", len(given), diff)
	}
	if text := warder(t, nil, "check", "--config", s.file, "--connect"); !strings.Contains(text.stdout, given[2]) || !strings.Contains(text.stdout, "CLIENTS OF DEFAULT GET") {
		t.Errorf("as text: %+v", text)
	}
}

// With a token file nothing is told without the token, and everything with it.
func TestTokenOpensTheAdminInterface(t *testing.T) {
	token := secret(t, "s3cret\n")
	s := serve(t, "", "token_file: "+token)
	if none := s.ask(t, "findings"); none.status != 1 || !strings.Contains(none.stderr, "--token-file") {
		t.Errorf("without the token: %+v", none)
	}
	if with := s.ask(t, "findings", "--token-file", token); with.status != 0 {
		t.Errorf("with the token: %+v", with)
	}
}

// save writes down the ports that were given, as a restart would find them.
func (s *served) save(t *testing.T) error {
	t.Helper()
	ports := map[int32]int{}
	for _, b := range s.proxy.Brokers() {
		ports[b.NodeID] = configs.Address(b.Advertised["default"]).Port()
	}
	data, err := json.Marshal(map[string]any{"version": 1, "ports": map[string]any{"default": ports}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(s.file), "state.json"), data, 0o600)
}
