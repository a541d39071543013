package proxy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/state"
)

// FuzzStateFiles: whatever stands in the files of what warder remembers, it starts,
// with what of it makes sense, and its rules go on.
func FuzzStateFiles(f *testing.F) {
	brokers, err := json.Marshal(&savedState{
		Version: stateVersion, ClusterID: "c", Brokers: []BrokerInfo{{NodeID: 1, Address: "b1:9092"}}, Ports: map[string]map[int32]uint16{"default": {1: 9093}},
		Topics: []state.Topic{{Name: "orders", Partitions: 3}},
	})
	if err != nil {
		f.Fatal(err)
	}
	head, err := json.Marshal(groupsHead{groupsVersion, []configs.Address{"127.0.0.1:1"}, 1})
	if err != nil {
		f.Fatal(err)
	}
	group, err := json.Marshal(sixDays(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(brokers, append(append(head, '\n'), group...))
	f.Add([]byte(`{"version":2}`), []byte(`{"version":1,"bootstrap":["127.0.0.1:1"],"groups":1000000000}`))
	f.Fuzz(func(t *testing.T, brokers, groups []byte) {
		path := filepath.Join(t.TempDir(), "state.json")
		for name, content := range map[string][]byte{path: brokers, path + ".groups": groups} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		metrics := startWith(t, path)
		if n := sumOf(t, metrics, "warder_rule_panics_total"); n != 0 {
			t.Errorf("%v panics of rules", n)
		}
	})
}

// startWith starts a server that listens nowhere from a state file, and lets a day pass.
func startWith(t *testing.T, path string) *Metrics {
	t.Helper()
	c, topics, logs, metrics := configs.Default(), state.NewTopics(0), state.NewLogs(0), NewMetrics()
	c.Upstream.Bootstrap, c.StateFile = []configs.Address{"127.0.0.1:1"}, configs.Path(path)
	model := state.NewGroups(logs)
	e, err := engine.New(engine.Options{
		Cluster: "test", Specs: builtin.Specs(), Topics: topics, Models: []rules.Model{model}, Inspect: c.Inspect,
		Meter: metrics.Meter(), Inline: true, Limits: engine.Limits{Shards: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Configure(c.Rules, c.Suppressions); err != nil {
		t.Fatal(err)
	}
	srv, err := New(Options{Config: c, Engine: e, Topics: topics, Logs: logs, Groups: model, Metrics: metrics, Tap: &tap.Hub{}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	for hour := range 24 {
		e.Tick(time.Now().Add(time.Duration(hour) * time.Hour))
	}
	srv.drain()
	srv.lookups.close()
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return metrics
}
