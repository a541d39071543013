package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// post asks for a reload over HTTP and gives status and body.
func (s *served) post(t *testing.T) (int, string) {
	t.Helper()
	resp, err := http.Post("http://"+s.admin.Addr()+"/api/v1/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// configuration is the line of /readyz about it.
func (s *served) configuration(t *testing.T) (status, detail string) {
	t.Helper()
	resp, err := http.Get("http://" + s.admin.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ready struct {
		Checks []struct{ Name, Status, Detail string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	for _, c := range ready.Checks {
		if c.Name == "configuration" {
			return c.Status, c.Detail
		}
	}
	t.Fatalf("no check of the configuration in %+v", ready)
	return "", ""
}

func TestReloadAppliesWhatItCan(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: alert}}\ndrain: {deadline: 25s}\n")
	if err := s.erase(t); err != nil {
		t.Fatalf("refused although the rule only alerts: %v", err)
	}
	s.change(t, "action: alert", "action: block")
	s.change(t, "name: test", "name: other")
	status, body := s.post(t)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var result reloadResult
	if err := json.Unmarshal([]byte(body), &result); err != nil {
		t.Fatal(err)
	}
	// A watcher may have been first; what waits for a restart is told either way.
	if len(result.NeedsRestart) != 1 || result.NeedsRestart[0].Path != "upstream.name" {
		t.Errorf("needs restart: %+v", result.NeedsRestart)
	}
	if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("not refused after the reload: %v", err)
	}
	if status, detail := s.configuration(t); status != "degraded" || !strings.Contains(detail, "a restart is needed for upstream.name") {
		t.Errorf("readyz: %s, %s", status, detail)
	}
}

func TestBadConfigurationIsRefusedAndTheOldStays(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block}}\n")
	for _, bad := range []string{"action: blok", "action: alert, knonw_deleters: true", "action: alert}, tombston: {"} {
		s.change(t, "action: block", bad)
		status, body := s.post(t)
		if status == http.StatusOK || !strings.Contains(body, s.file+":") {
			t.Errorf("%s: %d %s", bad, status, body)
		}
		if status, detail := s.configuration(t); status != "degraded" || !strings.Contains(detail, "a newer one was refused: "+s.file+":") {
			t.Errorf("%s: readyz: %s, %s", bad, status, detail)
		}
		if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
			t.Errorf("%s: the old rules are gone: %v", bad, err)
		}
		s.change(t, bad, "action: block")
	}
	if status, body := s.post(t); status != http.StatusOK || !strings.Contains(body, `"needs_restart": []`) {
		t.Errorf("mended: %d %s", status, body)
	}
	if status, detail := s.configuration(t); status != "ok" {
		t.Errorf("mended: readyz: %s, %s", status, detail)
	}
}

// Findings go to a file as soon as the configuration says so.
func TestReloadOpensAndShutsSinks(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block}}\nsinks: {log: {enabled: false}}\n")
	s.change(t, "sinks: {log: {enabled: false}}", "sinks: {log: {enabled: false}, file: {path: findings.jsonl}}")
	if status, body := s.post(t); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
		t.Fatal(err)
	}
	s.change(t, ", file: {path: findings.jsonl}", "")
	waitFor(t, "a finding in the file", func() bool {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "findings.jsonl"))
		return err == nil && strings.Contains(string(data), `"rule":"tombstone"`)
	})
	if strings.Contains(s.log.String(), `"finding"`) {
		t.Error("the finding is in the log although that sink is off")
	}
}
