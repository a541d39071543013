package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// recordRules is what the warder of these scenarios is told about the rules that read records: their windows shortened, so that what takes
// minutes in life takes seconds here, and thresholds that so little traffic can reach. It is the one place for both.
var recordRules = []ruleConfig{
	{"tombstone-spike", "{window: 6s, learn: 2s}"},
	{"hot-partition", "{window: 1s, windows: 3, min_records: 100}"},
	{"format-drift", "{first_look: 0s, baseline: 20, window: 100}"},
	{"null-field-drift", "{baseline: 40, window: 20, never_null: 40}"},
	{"wrong-topic", "{unknown_after: 1s, unread_after: 4s, silent_after: 4s}"},
	{"compacted-event-stream", "{set_up: 0s, window: 2s, windows: 2, min_records: 300}"},
	{"timeout-misfit", "{settle: 2s}"},
	{"idle-member", "{after: 4s}"},
	// What the others do is a test all along: advice is for the clients of the scenarios about it.
	{"untuned-producer", "{window: 15s, requests_per_second: 8, clients: [\"tune-*\"]}"},
	{"untuned-consumer", "{window: 15s, min_requests: 50, answers_per_second: 12, clients: [\"tune-*\"]}"},
	{"connection-churn", "{window: 15s, min_requests: 30, clients: [\"tune-*\"]}"},
}

// guardRules is what the warder is told that refuses.
var guardRules = []ruleConfig{
	{"empty-value", "{action: block, learn: 5}"},
	{"partitioner-mix", "{action: block, pins: [{topic: \"partitioner-mix*\", partitioner: java}]}"},
	{"compacted-event-stream", "{action: block, set_up: 0s}"},
	{"format-drift", "{action: block, pins: [{topic: \"format-drift*\", key: text, value: json}]}"},
	{"dangerous-admin", "{action: block, in_use: 15s, min_records: 10}"},
	{"unsafe-producer", "{action: block, critical: [\"unsafe-producer*\"]}"},
}

// ruleConfig is a rule and its YAML, in one line.
type ruleConfig struct{ rule, yaml string }

// throughRules goes through the warder of that name, the one that is told so: "records", "groups" and "members" alert, "guard" refuses;
// "members-one" does as "members" before a cluster of one broker, "one" before the same has every rule as it comes, and "audited" does as
// "records" while somebody captures.
func throughRules(ctx context.Context, name string) (M, error) {
	var rules []string
	for _, r := range map[string][]ruleConfig{"records": recordRules, "groups": groupRules, "members": memberRules, "members-one": memberRules, "guard": guardRules, "audited": recordRules}[name] {
		rules = append(rules, fmt.Sprintf("  %s: %s", r.rule, r.yaml))
	}
	spec := proxySpec{cluster: clusterOf(name), upstream: kafka.Plaintext, listeners: []listenerSpec{{name: "plain"}}, rules: strings.Join(rules, "\n")}
	p, err := startWarder(ctx, name, spec)
	if err != nil {
		return nil, err
	}
	return M{"bootstrap": p.addr["plain"]}, nil
}

// clusterOf is the cluster behind a warder of throughRules.
func clusterOf(name string) *kafka.Cluster {
	if name == "members-one" || name == "one" {
		return w.old
	}
	return w.three
}

// rulePlay is a scenario of one rule: what some clients do together through warder, first the clean twin and then the mistake, so that the
// finding about the mistake shows that warder has seen the twin as well.
type rulePlay struct {
	rule, name string
	clients    []string
	through    string // the name of a warder, see throughRules; default: records
	run        func(sides []*side)
}

// playRule runs one as a parallel subtest.
func playRule(t *testing.T, play rulePlay) {
	t.Helper()
	name := play.rule
	if play.name != "" {
		name += " " + play.name
	}
	who := strings.Join(play.clients, "+")
	t.Run(strings.ReplaceAll(name, " ", "/")+"/"+who, func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		skip, notes, err := play.perform()
		w.sums.add(name, who, skip, err, notes, time.Since(begin))
		switch {
		case err != nil:
			t.Error(err)
		case skip != "":
			t.Skip(skip)
		}
	})
}

func (play rulePlay) perform() (skip string, notes []string, err error) {
	if directOnly {
		return "E2E_MODE=direct", nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	warder := cmp.Or(play.through, "records")
	through := func(ctx context.Context) (M, error) { return throughRules(ctx, warder) }
	var sides []*side
	for _, name := range play.clients {
		if name != "java" && !slices.Contains(clientNames(), name) {
			return "E2E_CLIENTS leaves out " + name, nil, nil
		}
		s, err := scenario{name: strings.TrimSuffix(play.rule+"-"+play.name, "-"), cluster: clusterOf(warder), warder: through}.side(ctx, name, "warder")
		if err != nil {
			return "", nil, err
		}
		s.through = warder
		sides = append(sides, s)
	}
	skip, err = ends(func() { play.run(sides) })
	for _, s := range sides {
		notes = append(notes, s.notes...)
	}
	return skip, notes, err
}

// await waits for a finding about a topic, of that severity, that says these words.
func (s *side) await(rule, topic, severity string, words ...string) finding {
	f, err := awaitFinding(s.ctx, warderNamed(s.through), rule, topic, func(f finding) bool { return f.Severity == severity && f.says(words...) })
	if err != nil {
		s.fail("%s %v: %w", severity, words, err)
	}
	return f
}

// silent wants no finding about a topic.
func (s *side) silent(rule, topic string) {
	if err := noFinding(s.ctx, warderNamed(s.through), rule, topic); err != nil {
		s.fail("%w", err)
	}
}

// together runs the parts of a scenario at the same time; the first that fails ends it.
func together(parts ...func()) {
	failed := make([]any, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() {
			defer func() { failed[i] = recover() }()
			part()
		})
	}
	wg.Wait()
	for _, f := range failed {
		if f != nil {
			panic(f)
		}
	}
}
