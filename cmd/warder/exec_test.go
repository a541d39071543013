package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// beSuite is somebody's test suite: what it does is its name, and it ends with the
// status that its tests would.
func beSuite(name string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch name {
	case "offline":
		return 0
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "patient":
		fmt.Println("begun")
		select {} // until a signal ends it
	}
	if err := writeUsers(ctx, os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), name != "clean"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 7
	}
	if name == "failing" {
		return 5
	}
	return 0
}

// writeUsers stores a user on a compacted topic and, by accident, a null for it.
func writeUsers(ctx context.Context, bootstrap string, accident bool) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ClientID("profile-tests"))
	if err != nil {
		return err
	}
	defer cl.Close()
	policy := "compact"
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, map[string]*string{"cleanup.policy": &policy}, "users"); err != nil {
		return err
	}
	records := []*kgo.Record{{Topic: "users", Key: []byte("u-1"), Value: []byte(`{"name":"Ada"}`)}}
	if accident {
		records = append(records, &kgo.Record{Topic: "users", Key: []byte("u-1")})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// execSuite runs a suite behind warder on an embedded broker.
func execSuite(t *testing.T, suite string, flags ...string) outcome {
	t.Helper()
	args := append([]string{"exec", "--embedded"}, flags...)
	return warder(t, []string{"BE_SUITE=" + suite, "KAFKA_BOOTSTRAP_SERVERS=elsewhere:9092"}, append(args, "--", os.Args[0])...)
}

func TestExecTellsAtItsEnd(t *testing.T) {
	for _, tc := range []struct {
		suite, flag string
		status      int
		says        []string
	}{
		{"clean", "--fail-on=info", 0, []string{"warder: nothing found ("}},
		{"accident", "--fail-on=critical", 3, []string{"critical  tombstone  alert (would block)", "compacted topic users", "offset_in_batch=", "1 of 1 findings are critical or worse: status 3"}},
		{"accident", "--fail-on=never", 0, []string{"critical  tombstone"}},
		{"failing", "--fail-on=critical", 5, []string{"critical  tombstone", "ended with status 5"}},
		{"offline", "--fail-on=info", 0, []string{"nobody connected: does the program read KAFKA_BOOTSTRAP_SERVERS"}},
		{"killed", "--fail-on=info", 128 + 9, []string{"ended with status 137"}},
	} {
		t.Run(tc.suite+tc.flag, func(t *testing.T) {
			got := execSuite(t, tc.suite, tc.flag)
			if got.status != tc.status {
				t.Errorf("status %d, want %d", got.status, tc.status)
			}
			for _, words := range tc.says {
				if !strings.Contains(got.stderr, words) {
					t.Errorf("does not say %q", words)
				}
			}
			if got.stdout != "" {
				t.Errorf("writes into the program's output: %q", got.stdout)
			}
			if t.Failed() {
				t.Log(got.stderr)
			}
		})
	}
}

// What may be refused is refused to the program as to any other client.
func TestExecBlocksWhereItIsTold(t *testing.T) {
	got := execSuite(t, "accident", "--set", "rules.tombstone.action=block")
	if got.status != 7 || !strings.Contains(got.stderr, "POLICY_VIOLATION") || !strings.Contains(got.stderr, "critical  tombstone  block") {
		t.Errorf("%d\n%s", got.status, got.stderr)
	}
}

func TestExecWritesReports(t *testing.T) {
	dir := t.TempDir()
	junit, sarif := filepath.Join(dir, "found.xml"), filepath.Join(dir, "found.json")
	if got := execSuite(t, "accident", "--report", junit, "--report", sarif); got.status != exitFindings {
		t.Fatalf("%d\n%s", got.status, got.stderr)
	}
	t.Run("JUnit", func(t *testing.T) { checkJUnit(t, junit) })
	t.Run("SARIF", func(t *testing.T) { checkSARIF(t, sarif) })
}

func checkJUnit(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all junitSuites
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	failed := 0
	names := map[string]bool{}
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			names[c.Name] = true
			if c.Failure != nil {
				failed++
				if c.Class != "warder.tombstone" || c.Failure.Type != "critical" || !strings.Contains(c.Failure.Text, "offset_in_batch=") ||
					!strings.Contains(c.Failure.Text, "docs/rules/tombstone.md") {
					t.Errorf("%+v", c)
				}
			}
		}
	}
	if failed != 1 || all.Failures != 1 || all.Tests != len(ruleIDs()) || !names["wrong-topic"] || !names["tombstone: topic users, partition 0, client profile-tests"] {
		t.Errorf("%d failed\n%s", failed, text)
	}
}

func checkSARIF(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&log); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	run := log.Runs[0]
	if len(run.Results) != 1 || len(run.Tool.Driver.Rules) != len(ruleIDs()) {
		t.Fatalf("%s", text)
	}
	res := run.Results[0]
	if res.Level != "error" || run.Tool.Driver.Rules[res.RuleIndex].ID != "tombstone" || res.Properties.Evidence.Get("offset_in_batch") == nil ||
		res.Locations[0].Physical.Artifact.URI != "kafka/default/topics/users/clients/profile-tests" || res.Locations[0].Logical[0].Name != "users/0" {
		t.Errorf("%s", text)
	}
}

// Mistakes are told before anything runs.
func TestExecChecksFirst(t *testing.T) {
	for _, tc := range []struct{ flags, says string }{
		{"--embedded", "what to run? Write it after --"},
		{"--embedded --report found.txt -- /bin/false", "found.txt: the name must end in .xml (JUnit) or .json, .sarif (SARIF)"},
		{"--embedded --fail-on bad -- /bin/false", `--fail-on: "bad" is not a severity; write info, warning or critical, or never`},
		{"--embedded --upstream k:1 -- /bin/false", "--embedded is a broker of its own"},
		{"-- /bin/false", "no broker to begin with"},
	} {
		got := warder(t, nil, append([]string{"exec"}, strings.Fields(tc.flags)...)...)
		if got.status != exitUsage || !strings.Contains(got.stderr, tc.says) {
			t.Errorf("%s: %d %s", tc.flags, got.status, got.stderr)
		}
	}
	if got := warder(t, nil, "exec", "--embedded", "--", "/nowhere/program"); got.status != exitFailed || !strings.Contains(got.stderr, "cannot start /nowhere/program") {
		t.Errorf("%d %s", got.status, got.stderr)
	}
}

// A signal is handed to the program, and warder ends with it.
func TestExecHandsOnSignals(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "exec", "--embedded", "--", "/usr/bin/env", "-u", "BE_WARDER", "BE_SUITE=patient", os.Args[0])
	cmd.Env = append(os.Environ(), "BE_WARDER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the program has begun
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("ended with %v", err)
	}
}

// Help tells the defaults that exec has, not those of run.
func TestExecHelpHasItsDefaults(t *testing.T) {
	help := warder(t, nil, "exec", "--help").stdout
	if !strings.Contains(help, "HOST:PORT or off (default 127.0.0.1:0)") || !strings.Contains(help, "warn or error (default warn)") || strings.Contains(help, "9644") {
		t.Error(help)
	}
}

// The file's own addresses are kept; what nobody sets is exec's.
func TestExecListensWhereTheFileSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "warder.yaml")
	if err := os.WriteFile(file, []byte("upstream: {bootstrap: [k:1]}\nlisteners: [{name: ci}, {name: more, address: '127.0.0.1:19092'}]\nadmin: {address: 'off'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{}
	c := a.execCommand()
	if err := c.ParseFlags([]string{"--config", file}); err != nil {
		t.Fatal(err)
	}
	flags := &configFlags{flags: c.Flags(), file: file, defaults: execDefaults()}
	cfg, err := a.load(flags)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Listeners[0].Address != "127.0.0.1:0" || cfg.Listeners[1].Address != "127.0.0.1:19092" || cfg.Admin.Enabled() || cfg.Log.Level != "warn" {
		t.Errorf("%+v", cfg)
	}
}
