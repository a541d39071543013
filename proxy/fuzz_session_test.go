package proxy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/fixture"
	"warder/proxy/tap"
	"warder/record"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/state"
	"warder/test/fakebroker"
)

// fixtureExchange is one request of every API with its answer, in one version, as
// Kafka's own definitions write them.
type fixtureExchange struct {
	key, version    int16
	request, answer []byte // bodies
}

// fixtureExchanges gives those of a kind, in the order of keys and versions.
func fixtureExchanges(tb testing.TB, kind string) (all []fixtureExchange) {
	tb.Helper()
	messages, err := fixture.Load("../protocol/testdata/fixtures")
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range messages {
		api := protocol.LookupAPI(m.Key)
		if m.Kind != kind || api == nil || api.Treatment == protocol.TreatRefuse || !api.Decodes(m.Version) {
			continue
		}
		i := slices.IndexFunc(all, func(x fixtureExchange) bool { return x.key == m.Key && x.version == m.Version })
		if i < 0 {
			i = len(all)
			all = append(all, fixtureExchange{key: m.Key, version: m.Version})
		}
		if m.Response {
			all[i].answer = m.Body
		} else {
			all[i].request = m.Body
		}
	}
	return all
}

// newestVersions leaves one exchange of each API.
func newestVersions(all []fixtureExchange) (newest []fixtureExchange) {
	for i, x := range all {
		if i+1 == len(all) || all[i+1].key != x.key {
			newest = append(newest, x)
		}
	}
	return newest
}

func (x fixtureExchange) requestFrame(correlationID int32) []byte {
	name := "shop"
	return fakebroker.AppendRequest(nil, x.key, x.version, correlationID, &name, x.request)
}

func (x fixtureExchange) answerFrame(correlationID int32) []byte {
	return fakebroker.AppendResponse(nil, x.key, x.version, correlationID, x.answer)
}

// captures are scripts of real clients at a real broker.
func captures(tb testing.TB) (scripts [][]byte) {
	tb.Helper()
	names, err := filepath.Glob("testdata/captures/*.script")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		script, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	return scripts
}

// FuzzSession plays mutated traffic, several connections at a time and in any
// pieces, to whole sessions with every rule and the model of groups behind them.
// Whatever comes, no session and no rule panics, and all of them end.
func FuzzSession(f *testing.F) {
	for _, kind := range []string{fixture.Empty, fixture.Random} {
		for i, x := range newestVersions(fixtureExchanges(f, kind)) {
			conn, cut := uint8(i%maxScriptConns), uint8(i%len(scriptPieces))
			script := scriptEntry{scriptRequest, conn, cut, x.requestFrame(int32(i))}.appendTo(nil)
			script = scriptEntry{scriptAnswer, conn, 15 - cut, x.answerFrame(int32(i))}.appendTo(script)
			f.Add(scriptEntry{what: scriptLost, conn: conn, data: []byte{1, 60}}.appendTo(script))
		}
	}
	for _, script := range captures(f) {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		metrics := playEverything(t, script)
		for _, name := range []string{"warder_panics_total", "warder_rule_panics_total"} {
			if n := sumOf(t, metrics, name); n != 0 {
				t.Errorf("%s is %v", name, n)
			}
		}
	})
}

// playEverything plays a script to sessions with every rule on block.
func playEverything(t *testing.T, script []byte) *Metrics {
	t.Helper()
	return playBetween(t, script, func(*Player, *record.Entry) {})
}

// playBetween is playEverything with something done before each entry.
func playBetween(t *testing.T, script []byte, before func(*Player, *record.Entry)) *Metrics {
	t.Helper()
	clock, c, topics, logs, metrics := &Clock{}, configs.Default(), state.NewTopics(0), state.NewLogs(0), NewMetrics()
	c.Rules.Defaults.Action, c.Inspect.FetchRecords = "block", "all"
	e, err := engine.New(engine.Options{
		Cluster: "test", Specs: builtin.Specs(), Topics: topics, Models: []rules.Model{state.NewGroups(logs)}, Inspect: c.Inspect,
		Meter: metrics.Meter(), Now: clock.Now, Inline: true, Limits: engine.Limits{Shards: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Configure(c.Rules, c.Suppressions); err != nil {
		t.Fatal(err)
	}
	p, err := NewPlayer(Options{Config: c, Engine: e, Topics: topics, Logs: logs, Metrics: metrics, Tap: &tap.Hub{}, Log: zerolog.Nop()}, clock)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range recordingOf(script) {
		before(p, entry)
		if err := p.Play(entry); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return metrics
}

// sumOf adds up a metric over its labels.
func sumOf(t *testing.T, metrics *Metrics, name string) (sum float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// What real clients said is followed to its end.
func TestCapturesAreFollowed(t *testing.T) {
	scripts := captures(t)
	if len(scripts) < 20 {
		t.Fatalf("only %d captures", len(scripts))
	}
	for i, script := range scripts {
		metrics := playEverything(t, script)
		unnamed := testutil.ToFloat64(metrics.uninspected.WithLabelValues("topic_unknown")) // its Metadata was on another connection
		if n := sumOf(t, metrics, "warder_uninspected_total"); n != unnamed {
			t.Errorf("capture %d: %v were not inspected", i, n-unnamed)
		}
		if n := sumOf(t, metrics, "warder_requests_total"); n < 2 {
			t.Errorf("capture %d: %v requests", i, n)
		}
		for _, reason := range []CloseReason{ReasonMalformedRequest, ReasonMalformedResponse, ReasonFrameLimit, ReasonInternal} {
			if n := testutil.ToFloat64(metrics.closedBy.WithLabelValues(string(reason))); n != 0 {
				t.Errorf("capture %d ends as %s", i, reason)
			}
		}
	}
}
