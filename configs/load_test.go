package configs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string, env []string, flags ...Flag) *Config {
	t.Helper()
	c, err := Parse("/etc/warder/warder.yaml", []byte(text), env, Overrides{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestUpstreamAloneIsComplete(t *testing.T) {
	c, err := Load("", nil, Overrides{Flags: []Flag{{"--upstream", "upstream.bootstrap", "kafka-1:9092,kafka-2:9092"}}, Rules: []string{"tombstone"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Listeners) != 1 {
		t.Fatalf("listeners: %+v", c.Listeners)
	}
	l := c.Listeners[0]
	want := Listener{Name: "default", Address: "127.0.0.1:9092", Advertise: "127.0.0.1", Ports: &PortRange{9093, 9192}, Limits: l.Limits}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Address{"kafka-1:9092", "kafka-2:9092"}, c.Upstream.Bootstrap); diff != "" {
		t.Error(diff)
	}
	if a := c.Rules.For("tombstone").Action; a != "alert" {
		t.Errorf("tombstone is on %q", a)
	}
	if c.Admin.Address != "127.0.0.1:9644" {
		t.Errorf("admin on %q", c.Admin.Address)
	}
}

func TestFlagOverEnvironmentOverFileOverDefault(t *testing.T) {
	file := "upstream: {name: file, bootstrap: [file:1]}\nlisteners: [{address: 127.0.0.1:1001, advertise: file}]\n"
	env := []string{"WARDER_UPSTREAM=env:2", "WARDER_LISTEN=127.0.0.1:1002"}
	flag := Flag{"--upstream", "upstream.bootstrap", "flag:3"}
	for name, step := range map[string]struct {
		file  string
		env   []string
		flags []Flag
		want  [4]string // bootstrap, name, address, advertise
	}{
		"file":             {file, nil, nil, [4]string{"file:1", "file", "127.0.0.1:1001", "file"}},
		"environment":      {file, env, nil, [4]string{"env:2", "file", "127.0.0.1:1002", "file"}},
		"flag":             {file, env, []Flag{flag}, [4]string{"flag:3", "file", "127.0.0.1:1002", "file"}},
		"environment only": {"", env, nil, [4]string{"env:2", "default", "127.0.0.1:1002", "127.0.0.1"}},
		"last flag":        {"", nil, []Flag{{"--upstream", "upstream.bootstrap", "first:1"}, flag}, [4]string{"flag:3", "default", "127.0.0.1:9092", "127.0.0.1"}},
	} {
		c := parse(t, step.file, step.env, step.flags...)
		got := [4]string{string(c.Upstream.Bootstrap[0]), c.Upstream.Name, string(c.Listeners[0].Address), c.Listeners[0].Advertise}
		if got != step.want {
			t.Errorf("%s: got %v, want %v", name, got, step.want)
		}
	}
}

func TestEnvironmentReachesEveryKnob(t *testing.T) {
	c := parse(t, "rules: {key-drift: {action: off}}", []string{
		"WARDER_UPSTREAM__BOOTSTRAP=[a:1, b:2]",
		"WARDER_UPSTREAM__NAME=prod",
		"WARDER_LISTENERS__0__LIMITS__FRAME=32MiB",
		"WARDER_LISTENERS__0__MAP={1: one.example:9092}",
		"WARDER_RULES__TOMBSTONE__ACTION=block",
		"WARDER_RULES__KEY_DRIFT__TOPICS=orders.*,!orders.tmp",
		"WARDER_STATE_FILE=state.json",
		"WARDER_DRAIN__DEADLINE=1m",
		"WARDER_METRICS__MAX_SERIES=", // empty: not set
		"HOME=/root",
	})
	if diff := cmp.Diff([]Address{"a:1", "b:2"}, c.Upstream.Bootstrap); diff != "" {
		t.Error(diff)
	}
	if c.Upstream.Name != "prod" || c.Listeners[0].Limits.Frame != 32*MiB || c.Listeners[0].Map[1] != "one.example:9092" {
		t.Errorf("got %+v, %+v", c.Upstream, c.Listeners[0])
	}
	if c.Listeners[0].Limits.Connections != 10000 || c.Metrics.MaxSeries != 10000 {
		t.Error("a variable took the defaults beside it away")
	}
	if c.Rules.For("tombstone").Action != "block" || c.Rules.For("key-drift").Action != "off" || c.Rules.For("idle-member").Action != "alert" {
		t.Errorf("rules: %+v", c.Rules)
	}
	if diff := cmp.Diff([]Pattern{"orders.*", "!orders.tmp"}, c.Rules.For("key-drift").Topics); diff != "" {
		t.Error(diff)
	}
	if c.StateFile != "state.json" || c.Drain.Deadline != time.Minute {
		t.Errorf("state file %q, drain %s", c.StateFile, c.Drain.Deadline)
	}
}

// Kubernetes describes every service of the namespace in the environment of
// every container; a service named warder must not stop warder.
func TestKubernetesServiceVariablesSetNothing(t *testing.T) {
	c := parse(t, "", []string{
		"WARDER_UPSTREAM=kafka:9092",
		"WARDER_SERVICE_HOST=10.0.0.1", "WARDER_SERVICE_PORT=9092", "WARDER_SERVICE_PORT_KAFKA=9092",
		"WARDER_PORT=tcp://10.0.0.1:9092", "WARDER_PORT_9092_TCP=tcp://10.0.0.1:9092",
		"WARDER_PORT_9092_TCP_PROTO=tcp", "WARDER_PORT_9092_TCP_PORT=9092", "WARDER_PORT_9092_TCP_ADDR=10.0.0.1",
		"WARDER_ADMIN_SERVICE_HOST=10.0.0.2", "WARDER_ADMIN_PORT=tcp://10.0.0.2:9644",
		"WARDER_CONFIG=/etc/warder/warder.yaml", "WARDER_BOOTSTRAP=127.0.0.1:9092",
	})
	if c.Admin.Address != "127.0.0.1:9644" || c.Upstream.Bootstrap[0] != "kafka:9092" {
		t.Errorf("got %+v, %+v", c.Admin, c.Upstream)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	c := parse(t, "upstream: {bootstrap: [a:1]}\nsinks: {file: {path: findings.jsonl}}\nstate_file: /var/state.json\n", nil)
	if c.Sinks.File.Path != "/etc/warder/findings.jsonl" || c.StateFile != "/var/state.json" {
		t.Errorf("got %q and %q", c.Sinks.File.Path, c.StateFile)
	}
	c = parse(t, "upstream: {bootstrap: [a:1]}\n", nil, Flag{"--state-file", "state_file", "state.json"})
	if c.StateFile != "state.json" {
		t.Errorf("from a flag: %q", c.StateFile)
	}
}

func TestListenersGetNamesAndPortsOfTheirOwn(t *testing.T) {
	c := parse(t, "upstream: {bootstrap: [a:1]}\nlisteners: [{}, {address: '127.0.0.1:19092'}, {address: '127.0.0.1:0'}, {address: '[::1]:65500'}]\n", nil)
	want := []Listener{
		{Name: "default", Address: "127.0.0.1:9092", Advertise: "127.0.0.1", Ports: &PortRange{9093, 9192}},
		{Name: "listener-2", Address: "127.0.0.1:19092", Advertise: "127.0.0.1", Ports: &PortRange{19093, 19192}},
		{Name: "listener-3", Address: "127.0.0.1:0", Advertise: "127.0.0.1", Ports: &PortRange{}},
		{Name: "listener-4", Address: "[::1]:65500", Advertise: "::1", Ports: &PortRange{65501, 65535}},
	}
	for i := range c.Listeners {
		c.Listeners[i].Limits = Limits{}
	}
	if diff := cmp.Diff(want, c.Listeners); diff != "" {
		t.Error(diff)
	}
}

func TestLoadOfMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil, Overrides{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestRuleListsReplaceThoseOfDefaults(t *testing.T) {
	c := parse(t, `upstream: {bootstrap: [a:1]}
rules:
  tombstone: {topics: [users]}
  key-drift: {action: off}
  defaults: {action: block, topics: ["*"], allow: [{client_id: admin}], scope: request}
`, nil)
	tomb, drift, other := c.Rules.For("tombstone"), c.Rules.For("key-drift"), c.Rules.For("hot-partition")
	if tomb.Action != "block" || tomb.Scope != "request" || tomb.Topics[0] != "users" || tomb.Allow[0].ClientID != "admin" {
		t.Errorf("tombstone: %+v", tomb)
	}
	if drift.Action != "off" || drift.Topics[0] != "*" || other.Action != "block" {
		t.Errorf("key-drift: %+v, hot-partition: %+v", drift, other)
	}
}

// A command's defaults stand below everything that somebody wrote.
func TestDefaultsOfACommand(t *testing.T) {
	const file = "upstream: {bootstrap: [k:1]}\nlisteners: [{address: '127.0.0.1:1'}]\nadmin:\n"
	over := Overrides{
		Flags: []Flag{{Name: "--log-level", Path: "log.level", Value: "debug"}},
		Defaults: []Flag{
			{Name: "d", Path: "listeners.0.address", Value: "127.0.0.1:2"}, {Name: "d", Path: "listeners.0.advertise", Value: "here"},
			{Name: "d", Path: "admin.address", Value: "127.0.0.1:500"}, {Name: "d", Path: "log.level", Value: "error"},
			{Name: "d", Path: "log.format", Value: "json"}, {Name: "d", Path: "upstream.name", Value: "ci"},
		},
	}
	c, err := Parse("warder.yaml", []byte(file), []string{"WARDER_LOG_FORMAT=console"}, over)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{string(c.Listeners[0].Address), c.Listeners[0].Advertise, string(c.Admin.Address), c.Log.Level, c.Log.Format, c.Upstream.Name}
	if want := []string{"127.0.0.1:1", "here", "127.0.0.1:500", "debug", "console", "ci"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
