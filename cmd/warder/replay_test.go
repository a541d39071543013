package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"warder/rules"
)

// What a run behind warder recorded is found again; where the recording has no
// records, what live found stands in it.
func TestReplay(t *testing.T) {
	for _, payload := range []string{"none", "keys", "full"} {
		t.Run(payload, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "recordings")
			run := execSuite(t, "accident", "--record", "-X", "record.dir="+dir, "-X", "record.payload="+payload, "--fail-on=critical")
			if run.status != exitFindings {
				t.Fatalf("%+v", run)
			}
			replay := warder(t, nil, "replay", dir, "--output", "json", "--fail-on", "critical")
			found, s := jsonLines(t, replay.stdout)
			switch {
			case s.Live != 1 || s.Requests["Produce"] == 0:
				t.Errorf("the recording is not whole: %+v", s)
			case payload == "none" && (len(found) != 0 || len(s.NotFoundAgain) != 1 || s.NotFoundAgain[0].Rule != "tombstone" || replay.status != exitOK):
				t.Errorf("status %d, %s", replay.status, replay.stdout)
			case payload != "none" && (len(found) != 1 || found[0].Rule != "tombstone" || len(s.NotFoundAgain) != 0 || replay.status != exitFindings):
				t.Errorf("status %d, %s", replay.status, replay.stdout)
			}
			if payload != "full" {
				return
			}
			policy := filepath.Join(t.TempDir(), "stricter.yaml")
			if err := os.WriteFile(policy, []byte("rules: {tombstone: {action: block}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if text := warder(t, nil, "replay", dir, "--rules", policy); !strings.Contains(text.stderr, "tombstone  critical  block   1         1") {
				t.Errorf("under another policy: %s", text.stderr)
			}
		})
	}
}

// jsonLines reads what --output json prints.
func jsonLines(t *testing.T, stdout string) (found []rules.Finding, s pastSummary) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		if strings.HasPrefix(line, `{"summary":{`) {
			if err := json.Unmarshal([]byte(line), &struct{ Summary *pastSummary }{&s}); err != nil {
				t.Fatal(line, err)
			}
			continue
		}
		var f rules.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(line, err)
		}
		found = append(found, f)
	}
	return found, s
}

func TestReplayOfNothing(t *testing.T) {
	empty := t.TempDir()
	if got := warder(t, nil, "replay", empty); got.status != exitFailed || !strings.Contains(got.stderr, "there is no recording (*.wrec) in this directory") {
		t.Errorf("%+v", got)
	}
	if got := warder(t, nil, "replay"); got.status != exitUsage {
		t.Errorf("%+v", got)
	}
}
