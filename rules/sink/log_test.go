package sink_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"warder/rules"
	"warder/rules/sink"
)

// Names of the fields are a contract with log searches.
func TestLogLineHasTheNamesOfTheFinding(t *testing.T) {
	f := finding(1, func(f *rules.Finding) {
		f.Severity, f.Action, f.Resolved = rules.Critical, rules.Block, true
		f.Subject = rules.Subject{Topic: "users", Partition: new(int32(3))}
		f.Evidence = rules.Evidence{{Name: "records", Value: 120}}
	})
	var log bytes.Buffer
	s := sink.NewLog(zerolog.New(&log))
	if err := s.Write(f); err != nil {
		t.Fatal(err)
	}
	if bytes.Count(log.Bytes(), []byte("\n")) != 1 {
		t.Errorf("not one line: %s", log.Bytes())
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("action advice cluster count doc evidence fingerprint first_time id last_time level message resolved rule severity subject would_block")
	if got := slices.Sorted(maps.Keys(line)); !slices.Equal(got, want) {
		t.Errorf("fields %v", got)
	}
	for name, want := range map[string]any{
		"level": "error", "message": "s", "rule": "tombstone", "severity": "critical", "action": "block", "count": 1.0, "resolved": true,
		"last_time": "2026-11-23T17:00:01Z",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if topic := line["subject"].(map[string]any)["topic"]; topic != "users" {
		t.Errorf("topic %v", topic)
	}
}

func TestLogLevelFollowsTheSeverity(t *testing.T) {
	for severity, level := range map[rules.Severity]string{rules.Info: "info", rules.Warning: "warn", rules.Critical: "error"} {
		var log bytes.Buffer
		if err := sink.NewLog(zerolog.New(&log)).Write(finding(1, func(f *rules.Finding) { f.Severity = severity })); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), `"level":"`+level+`"`) {
			t.Errorf("%v: %s", severity, log.String())
		}
	}
}

// flaky fails while it is told to.
type flaky struct {
	fail    bool
	written int
}

func (*flaky) Name() string { return "flaky" }
func (*flaky) Close() error { return errors.New("closed badly") }
func (f *flaky) Write(*rules.Finding) error {
	if f.fail {
		return errors.New("disk full")
	}
	f.written++
	return nil
}

func TestQueueCountsEachFailureAndLogsTheTurns(t *testing.T) {
	var log bytes.Buffer
	failed, f := 0, &flaky{}
	q := sink.NewQueue(f, sink.QueueOptions{Depth: 4, Inline: true, Failed: func() { failed++ }, Log: zerolog.New(&log)})
	for _, fail := range []bool{false, true, true, true, false, false} {
		f.fail = fail
		q.Put(finding(1, nil))
	}
	if failed != 3 || f.written != 3 {
		t.Errorf("%d failed, %d written", failed, f.written)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "disk full") || !strings.Contains(log.String(), "again") {
		t.Errorf("log:\n%s", log.String())
	}
	if err := q.Close(t.Context()); err == nil {
		t.Error("the error of Close is lost")
	}
}
