package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// auditLine is what these tests look at.
type auditLine struct {
	Event, API, Outcome, Error string
	ClientID                   string `json:"client_id"`
	Rules, Changed             []string
	Partitions                 []struct{ Topic, Error string }
}

func trailOf(t *testing.T, file string) (list []auditLine) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for text := range bytes.Lines(data) {
		var l auditLine
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, l)
	}
	return list
}

func find(t *testing.T, list []auditLine, what string, is func(*auditLine) bool) *auditLine {
	t.Helper()
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}
	t.Errorf("there is no line of %s in %+v", what, list)
	return &auditLine{}
}

func TestAuditTrailOfARunningWarder(t *testing.T) {
	dir := t.TempDir()
	file, keyFile := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("runs", func(t *testing.T) {
		s := serve(t, "rules: {tombstone: {action: block}}\naudit: {file: {path: '"+file+"'}, key_file: '"+keyFile+"', sample: {produce: 1}}\n")
		client := s.client(t, "ops")
		defer client.Close()
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": new("31415926")}, "orders"); err != nil {
			t.Fatal(err)
		}
		s.refused(t)
		s.change(t, "action: block", "action: alert")
		s.post(t)
		s.change(t, "action: alert", "action: nothing")
		s.post(t)
	})
	trail := trailOf(t, file)
	find(t, trail, "the beginning", func(l *auditLine) bool { return l.Event == "begun" })
	find(t, trail, "a connection", func(l *auditLine) bool { return l.Event == "opened" })
	find(t, trail, "the end of one", func(l *auditLine) bool { return l.Event == "closed" && l.ClientID == "ops" })
	find(t, trail, "the new topic", func(l *auditLine) bool {
		return l.API == "CreateTopics" && l.ClientID == "ops" && l.Outcome == "ok" && l.Partitions[0].Topic == "orders"
	})
	find(t, trail, "the refused record", func(l *auditLine) bool {
		return l.API == "Produce" && l.Outcome == "denied" && len(l.Rules) == 1 && l.Rules[0] == "tombstone" && l.Partitions[0].Error == "POLICY_VIOLATION"
	})
	find(t, trail, "the reload", func(l *auditLine) bool {
		return l.Event == "reloaded" && l.Outcome == "ok" && len(l.Changed) == 1 && l.Changed[0] == "rules.tombstone.action"
	})
	find(t, trail, "the refused reload", func(l *auditLine) bool {
		return l.Event == "reloaded" && l.Outcome == "refused" && strings.Contains(l.Error, "nothing")
	})
	if last := trail[len(trail)-1]; last.Event != "ended" {
		t.Errorf("the last line: %+v", last)
	}
	data, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(data), "31415926") || !strings.Contains(string(data), "retention.ms") {
		t.Errorf("names of settings and nothing else belong into the trail (%v):\n%s", err, data)
	}
	verifyByCommand(t, file, keyFile, data)
}

func verifyByCommand(t *testing.T, file, keyFile string, data []byte) {
	t.Helper()
	got := warder(t, nil, "audit-verify", "--key", keyFile, file)
	if got.status != exitOK || !strings.HasPrefix(got.stdout, "whole: ") || !strings.Contains(got.stdout, "of 1 run of warder") {
		t.Errorf("%+v", got)
	}
	_, head, _ := strings.Cut(strings.TrimSpace(got.stdout), "head: ")
	if got := warder(t, nil, "audit-verify", "--key", keyFile, "--head", head, "--output", "json", file); got.status != exitOK || !strings.Contains(got.stdout, `"whole": true`) {
		t.Errorf("%+v", got)
	}
	if got := warder(t, nil, "audit-verify", file); got.status != exitFailed || !strings.Contains(got.stderr, file+":1: from here on hashes are made with a key") {
		t.Errorf("without the key: %+v", got)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(`"topic":"orders"`), []byte(`"topic":"orderz"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	line := 1 + bytes.Count(data[:bytes.Index(data, []byte(`"topic":"orders"`))], []byte("\n"))
	want := file + ":" + strconv.Itoa(line) + ": line " + strconv.Itoa(line) + " of the chain was changed"
	if got := warder(t, nil, "audit-verify", "--key", keyFile, file); got.status != exitFailed || !strings.Contains(got.stderr, want) {
		t.Errorf("want %q: %+v", want, got)
	}
	if got := warder(t, nil, "audit-verify", "--key", file+".none", file); got.status != exitUsage {
		t.Errorf("no key: %+v", got)
	}
	if got := warder(t, nil, "audit-verify"); got.status != exitUsage {
		t.Errorf("no file: %+v", got)
	}
}

func (s *served) readyz(t *testing.T) int {
	t.Helper()
	resp, err := http.Get("http://" + s.admin.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Brokers of the trail may come later than warder; with on_failure: stop nobody deletes a topic before.
func TestAuditTrailInATopicThatComesLate(t *testing.T) {
	s := serve(t, "audit: {kafka: {topic: trail}, on_failure: stop}\n")
	direct, err := kgo.NewClient(kgo.SeedBrokers(string(s.live.begun.Upstream.Bootstrap[0])))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	waitFor(t, "the trail to be missed", func() bool {
		return strings.Contains(s.log.String(), "the audit trail cannot be written")
	})
	if got := s.readyz(t); got != 503 {
		t.Errorf("readyz: %d", got)
	}
	client := s.client(t, "ops", kgo.RequestRetries(0))
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopics(t.Context(), "users"); err == nil {
		t.Error("a topic was deleted without a trail")
	}
	waitFor(t, "the reason to be told", func() bool { return strings.Contains(s.log.String(), `"reason":"audit_unavailable"`) })
	if _, err := kadm.NewClient(direct).CreateTopic(t.Context(), 1, 1, nil, "trail"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the trail to be written", func() bool { return strings.Contains(s.log.String(), "can be written again") })
	if got := s.readyz(t); got != 200 {
		t.Errorf("readyz: %d", got)
	}
	if _, err := kadm.NewClient(client).DeleteTopics(t.Context(), "users"); err != nil {
		t.Error(err)
	}
}
