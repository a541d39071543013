package configs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type spikeParams struct {
	Window   time.Duration `yaml:"window" min:"1s" max:"1h"`
	Fraction float64       `yaml:"fraction" min:"0" max:"1"`
	Least    int           // named by its field
	Mode     string        `yaml:"mode" enum:"rate,count"`
	Headers  []string      `yaml:"headers"`
}

func rule(t *testing.T, text string) RuleConfig {
	t.Helper()
	return parse(t, "upstream: {bootstrap: [a:1]}\n"+text, nil).Rules.For("tombstone")
}

func TestRuleParams(t *testing.T) {
	c := rule(t, "rules: {tombstone: {action: block, window: 2m, fraction: 0.5, least: 7, mode: count, headers: [a, b]}}\n")
	got := spikeParams{Window: time.Minute, Mode: "rate"}
	if err := c.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(spikeParams{2 * time.Minute, 0.5, 7, "count", []string{"a", "b"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRuleParamsKeepDefaults(t *testing.T) {
	for _, text := range []string{"", "rules: {tombstone: {action: off}}", "rules: {defaults: {action: off}}"} {
		got := spikeParams{Window: time.Minute, Mode: "rate"}
		if err := rule(t, text).Decode(&got); err != nil || got.Window != time.Minute {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestRuleParamsProblemsHavePlaces(t *testing.T) {
	c := rule(t, "rules:\n  tombstone:\n    widnow: 1m\n    fraction: 2\n    mode: often\n    clinets: [x]\n")
	err := c.Decode(&spikeParams{})
	want := `/etc/warder/warder.yaml:4:5: unknown key ` + "`widnow` in rules.tombstone; did you mean `window`?" + `
/etc/warder/warder.yaml:5:15: rules.tombstone.fraction is 2; the most is 1
/etc/warder/warder.yaml:6:11: unknown value ` + "`often` in rules.tombstone.mode; known: rate, count" + `
/etc/warder/warder.yaml:7:5: unknown key ` + "`clinets` in rules.tombstone; did you mean `clients`?"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestRuleProblemPointsWhereTheKeyWasSet(t *testing.T) {
	for _, c := range []struct{ text, key, want string }{
		{"rules: {tombstone: {action: block}}", "action", "/etc/warder/warder.yaml:2:29: no"},
		{"rules: {tombstone: {window: 1m}}", "window", "/etc/warder/warder.yaml:2:29: no"},
		{"rules: {defaults: {action: block}}", "action", "/etc/warder/warder.yaml:2:28: no"},
		{"rules: {tombstone: {action: off}}", "", "/etc/warder/warder.yaml:2:9: no"},
		{"rules: {}", "action", "/etc/warder/warder.yaml:2:8: no"},
		{"", "action", "configuration: no"},
	} {
		if got := rule(t, c.text).Problem(c.key, "no").Error(); got != c.want {
			t.Errorf("%q, key %q: %s", c.text, c.key, got)
		}
	}
	if got := Default().Rules.For("tombstone").Problem("action", "no").Error(); got != "configuration: no" {
		t.Errorf("without a file: %s", got)
	}
}
