package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/embedded"
	"warder/record"
	"warder/rules"
	"warder/rules/sink"
)

// recordedRun runs a warder that records everything until clients have done their work,
// and gives the directory and what was found in the end.
func recordedRun(t *testing.T, more string, clients func(t *testing.T, bootstrap string)) (dir string, live []rules.Finding) {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Options{
		Brokers: 3, Topics: append([]embedded.Topic{{Name: "orders", Partitions: 3}}, users...),
		Config: map[string]string{"group.min.session.timeout.ms": "100"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	dir = filepath.Join(t.TempDir(), "recordings")
	text := fmt.Sprintf("upstream: {name: test, bootstrap: [%s]}\nlisteners: [{address: '127.0.0.1:0'}]\nadmin: {address: off}\n%s", cluster.Bootstrap(), more)
	cfg, err := configs.Parse("recorded", []byte(text), nil, configs.Overrides{Rules: ruleIDs()})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Record == nil {
		cfg.Record = &configs.Record{}
		cfg.Record.SetDefaults()
		cfg.Record.Mode, cfg.Record.Payload = "all", "full"
	}
	cfg.Record.Dir = configs.Path(dir) // made when there is something to write
	log := &lines{}
	w, err := newInstance(t.Context(), cfg, zerolog.New(log), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	clients(t, w.proxy.Addresses()[0])
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Log(log)
	}
	return dir, w.engine.Findings().Query(sink.Query{})
}

// beats counts answers to heartbeats.
type beats struct{ atomic.Int64 }

// OnBrokerRead is called by franz-go.
func (b *beats) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == protocol.Heartbeat && err == nil {
		b.Add(1)
	}
}

// shopDay is what a shop does in a day: writing, reading in a group, looking after
// topics, a mistake, and a member that stands still until it is removed.
func shopDay(t *testing.T, bootstrap string) {
	t.Helper()
	var process pausable
	var heard beats
	thrown := make(groupError, 1)
	writer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ClientID("profile-svc"))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ClientID("shop"), kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("readers"),
		kgo.SessionTimeout(2*time.Second), kgo.HeartbeatInterval(100*time.Millisecond), kgo.Dialer(process.dial), kgo.WithHooks(thrown, &heard),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for i := range 30 {
		if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Key: fmt.Append(nil, i), Value: []byte(`{"order": 1}`)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: "users", Key: []byte("u-7")}).FirstErr(); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("a null value: %v", err)
	}
	for got := 0; got < 30; {
		fetches := reader.PollFetches(t.Context())
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	if err := reader.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(writer)
	if _, err := admin.CreateTopics(t.Context(), 2, 1, nil, "invoices", "returns"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DescribeTopicConfigs(t.Context(), "invoices"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "heartbeats enough to know their interval", func() bool { return heard.Load() > 5 })
	process.going.Lock()
	waitFor(t, "the group to be without members", func() bool {
		groups, err := admin.DescribeGroups(t.Context(), "readers")
		return err == nil && groups["readers"].State == "Empty"
	})
	process.going.Unlock()
	waitFor(t, "the member to hear that it is none", func() bool { return len(thrown) > 0 })
}

const shopRules = "rules: {tombstone: {action: block}}\n"

func TestRecording(t *testing.T) {
	dir, live := recordedRun(t, shopRules, shopDay)
	t.Run("found again", func(t *testing.T) { recordingIsFoundAgain(t, dir, live) })
	t.Run("another policy", func(t *testing.T) { policyOnRecord(t, dir) })
	t.Run("info and export", func(t *testing.T) { recordingIsShown(t, dir) })
}

// recordingIsFoundAgain: the same findings by rule, fingerprint, action and count.
func recordingIsFoundAgain(t *testing.T, dir string, live []rules.Finding) {
	t.Helper()
	cfg, err := configs.Parse("replay", []byte("upstream: {name: test, bootstrap: ['x:1']}\n"+shopRules), nil, configs.Overrides{Rules: ruleIDs()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPast(cfg, zerolog.Nop(), &pastShown{app: &app{stdout: &lines{}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := p.play(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	result, err := p.end(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(foundAs(live), foundAs(result.Findings)); diff != "" {
		t.Errorf("findings (-live +replayed):\n%s", diff)
	}
	if diff := cmp.Diff(foundAs(live), foundAs(result.Live)); diff != "" {
		t.Errorf("findings (-live +told by the recording):\n%s", diff)
	}
	for _, rule := range []string{"tombstone", "heartbeat-gap"} {
		if !strings.Contains(fmt.Sprint(foundAs(live)), rule) {
			t.Errorf("live, %s was not found: the comparison says little: %v", rule, foundAs(live))
		}
	}
	if len(result.Played.Ended) != 0 || result.Played.IgnoredBytes != 0 || len(r.Left()) != 0 {
		t.Errorf("not followed to the end: %+v, left %v", result.Played, r.Left())
	}
}

// foundAs is what makes findings the same.
func foundAs(list []rules.Finding) map[string]string {
	all := map[string]string{}
	for i := range list {
		f := &list[i]
		all[f.Rule+" "+f.Fingerprint] = fmt.Sprintf("%s, %d times, over %v", f.Action, f.Count, f.Resolved)
	}
	return all
}

func recordingIsShown(t *testing.T, dir string) {
	t.Helper()
	got := warder(t, nil, "record", "info", dir, "-o", "json")
	var info struct {
		Segments    []record.Header
		Payload     string
		Connections int
		Requests    map[string]int
		Findings    map[string]int
		Gaps        int
		LeftOut     []record.Left `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(got.stdout), &info); err != nil {
		t.Fatal(err, got)
	}
	if len(info.Segments) != 1 || info.Payload != "full" || info.Connections < 3 || info.Gaps != 0 || info.Requests["CreateTopics"] != 1 || info.Requests["Produce"] < 31 || info.Findings["tombstone"] != 1 {
		t.Errorf("%s", got.stdout)
	}
	text := warder(t, nil, "record", "info", dir)
	for _, want := range []string{"1 segments, payload full", "REQUESTS  API", "1         CreateTopics", "FINDINGS  RULE", "1         tombstone"} {
		if !strings.Contains(text.stdout, want) {
			t.Errorf("no %q in\n%s", want, text.stdout)
		}
	}
	exportIsDissected(t, dir, info.Requests)
}

// A policy under which the mistake would have been recorded, and not refused.
func policyOnRecord(t *testing.T, dir string) {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte("rules: {tombstone: {action: record}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := warder(t, nil, "replay", dir, "--rules", policy); got.status != 0 || !strings.Contains(got.stdout, "tombstone  record (would block)") {
		t.Errorf("%+v", got)
	}
}

// exportIsDissected checks that Wireshark finds in the export of a recording the requests
// that it holds, by API.
func exportIsDissected(t *testing.T, dir string, requests map[string]int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "day.pcapng")
	if got := warder(t, nil, "record", "export", dir, "-o", out); got.status != 0 || !strings.Contains(got.stderr, "connections") {
		t.Fatalf("%+v", got)
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Log("tshark is not installed: whether Wireshark dissects the export is not checked here")
		return
	}
	fields, err := exec.CommandContext(t.Context(), tshark, "-r", out, "-Y", "kafka.api_key || kafka.request_key", "-T", "fields", "-e", "kafka.request_key", "-e", "_ws.malformed").CombinedOutput()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, fields)
	}
	counted := map[string]int{}
	for line := range strings.Lines(string(fields)) {
		for key := range strings.SplitSeq(strings.TrimSpace(strings.Split(line, "\t")[0]), ",") {
			if n, err := strconv.ParseInt(key, 10, 16); err == nil {
				counted[protocol.APIName(int16(n))]++
			}
		}
	}
	if diff := cmp.Diff(requests, counted); diff != "" {
		t.Errorf("requests (-recorded +dissected):\n%s", diff)
	}
	if comments, err := exec.CommandContext(t.Context(), tshark, "-r", out, "-Y", "frame.comment contains \"tombstone\"").Output(); err != nil || strings.Count(string(comments), "\n") != 1 {
		t.Errorf("tshark: %v, comments of findings:\n%s", err, comments)
	}
}

// Of a day on which nothing is found nothing is written; of one with a finding whose
// rule is on record, what led to it.
func TestFlightRecorder(t *testing.T) {
	write := func(value []byte) func(*testing.T, string) {
		return func(t *testing.T, bootstrap string) {
			t.Helper()
			client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ClientID("profile-svc"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for _, v := range [][]byte{[]byte("before"), value} {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "users", Key: []byte("u-7"), Value: v}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const flagged = "record: {payload: full}\nrules: {tombstone: {action: record}}\n"
	dir, _ := recordedRun(t, flagged, write([]byte("{}")))
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written for nothing: %v", err)
	}
	dir, live := recordedRun(t, flagged, write(nil))
	if len(live) != 1 || live[0].Action != rules.Keep {
		t.Fatalf("found: %+v", live)
	}
	got := warder(t, nil, "record", "info", dir)
	if !strings.Contains(got.stdout, "2         Produce") || !strings.Contains(got.stdout, "1         tombstone") {
		t.Errorf("%+v", got)
	}
}

func TestRecordCommandsOnNothing(t *testing.T) {
	empty := t.TempDir()
	for line, want := range map[string]outcome{
		"record info":                 {2, "", "see warder record info --help"},
		"record info " + empty:        {1, "", "there is no recording (*.wrec) in this directory"},
		"record export " + empty:      {2, "", "say with -o where the capture goes"},
		"record info /nowhere/x.wrec": {1, "", "/nowhere/x.wrec"},
	} {
		got := warder(t, nil, strings.Fields(line)...)
		if got.status != want.status || !strings.Contains(got.stderr, want.stderr) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
