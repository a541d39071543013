package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test binary be warder itself, for what only a process can
// show: signals and exit status; and a program that `warder exec` runs.
func TestMain(m *testing.M) {
	if os.Getenv("BE_WARDER") != "" {
		main()
	}
	if suite := os.Getenv("BE_SUITE"); suite != "" {
		os.Exit(beSuite(suite))
	}
	os.Exit(m.Run())
}

// outcome is what a command line did.
type outcome struct {
	status         int
	stdout, stderr string
}

// warder runs one command line within the test.
func warder(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, env: env}
	status := a.execute(t.Context(), args)
	return outcome{status, stdout.String(), stderr.String()}
}

// Data goes to stdout, words for people to stderr, and the status tells bad
// usage (2) from failure (1).
func TestCommandLines(t *testing.T) {
	for line, want := range map[string]outcome{
		"":                                       {0, "Available Commands:", ""},
		"--help":                                 {0, "Available Commands:", ""},
		"chek":                                   {2, "", `there is no command "chek"; did you mean "check"?`},
		"frobnicate":                             {2, "", `there is no command "frobnicate"; warder --help lists them`},
		"run --bogus":                            {2, "", "unknown flag: --bogus; see warder run --help"},
		"run now":                                {2, "", "see warder run --help"},
		"run":                                    {2, "", "no broker to begin with"},
		"run --upstream kafka":                   {2, "", `flag --upstream: upstream.bootstrap[0]: "kafka" is not an address`},
		"run --upstream k:1 --listen 0.0.0.0:1":  {2, "", "no client can connect to"},
		"run --set nonsense":                     {2, "", "--set nonsense: want PATH=VALUE"},
		"run --upstream k:1 -X drain.dedline=1s": {2, "", "did you mean `deadline`?"},
		"run --config /nowhere/warder.yaml":      {2, "", "/nowhere/warder.yaml"},
		"check --upstream k:1":                   {0, "", "flags and environment: valid"},
		"check --upstream k:1 -o yaml":           {2, "", "--output yaml: text or json"},
		"check --upstream k:1 -o json":           {0, `"valid": true`, ""},
		"check -o json":                          {2, `"message": "no broker to begin with`, "1 problems"},
		"check --upstream k:1 -X rules.tombstone.widnow=1": {2, "", "unknown key `widnow` in rules.tombstone"},
		"check --upstream 127.0.0.1:1 --connect":           {1, "", "no broker of upstream.bootstrap could be asked"},
		"rules":                                            {0, "alert    yes        critical  a null value", ""},
		"rules list -o json":                               {0, `"id": "tombstone"`, ""},
		"rules explain tombstone":                          {0, "# tombstone", ""},
		"rules explain tombston":                           {2, "", `did you mean "tombstone"?`},
		"rules explain":                                    {2, "", "see warder rules explain --help"},
		"findings --admin 127.0.0.1:1":                     {1, "", "no warder answers on 127.0.0.1:1"},
		"tap --admin 127.0.0.1:1":                          {1, "", "Is it running there?"},
		"tap --token-file /nowhere/t":                      {2, "", "--token-file: open /nowhere/t"},
		"explain":                                          {2, "", "see warder explain --help"},
		"version":                                          {0, "Produce", ""},
		"version -o json":                                  {0, `"name": "Fetch"`, ""},
	} {
		got := warder(t, nil, strings.Fields(line)...)
		if got.status != want.status || !strings.Contains(got.stdout, want.stdout) || !strings.Contains(got.stderr, want.stderr) {
			t.Errorf("warder %s\nstatus %d, want %d\nstdout: %s\nstderr: %s\nwant stdout with %q, stderr with %q",
				line, got.status, want.status, got.stdout, got.stderr, want.stdout, want.stderr)
		}
		if want.stdout == "" && got.stdout != "" {
			t.Errorf("warder %s: talks on stdout: %s", line, got.stdout)
		}
	}
}

func TestEnvironmentReachesCommands(t *testing.T) {
	got := warder(t, []string{"WARDER_UPSTREAM=kafka-1:9092", "WARDER_DRAIN__DEADLINE=soon"}, "check")
	if got.status != 2 || !strings.Contains(got.stderr, "environment WARDER_DRAIN__DEADLINE: drain.deadline") {
		t.Errorf("status %d, stderr %s", got.status, got.stderr)
	}
	if got := warder(t, []string{"WARDER_ADMIN=127.0.0.1:1"}, "findings"); !strings.Contains(got.stderr, "no warder answers on 127.0.0.1:1") {
		t.Errorf("stderr %s", got.stderr)
	}
}

// What the README tells people to type is understood.
func TestReadmeCommandsAreUnderstood(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(page)) {
		for part := range strings.SplitSeq(line, "`") {
			rest, ok := strings.CutPrefix(strings.TrimSpace(part), "bin/warder ")
			if !ok {
				continue
			}
			found++
			root := (&app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}).command()
			command, args, err := root.Find(strings.Fields(rest))
			if err == nil && command == root {
				t.Errorf("README: no command in %q", rest)
				continue
			}
			if err == nil {
				err = command.ParseFlags(args)
			}
			if err == nil {
				err = command.ValidateArgs(command.Flags().Args())
			}
			if err != nil {
				t.Errorf("README: warder %s: %v", rest, err)
			}
		}
	}
	if found == 0 {
		t.Error("README shows no command")
	}
}
