package configs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEffectiveIsTheConfigurationAsJSON(t *testing.T) {
	c := parse(t, "upstream: {bootstrap: [a:1]}\nrules: {tombstone: {action: block, window: 1m, deep: {1: [x]}}}\nsuppressions: [{rule: x, until: 2099-01-01, reason: r}]\n", nil)
	text, err := json.Marshal(c.Effective())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"bootstrap":["a:1"]`, `"dial_timeout":"10s"`, `"frame":"100MiB"`, `"ports":"9093-9192"`, `"max_series":10000`, `"until":"2099-01-01"`,
		`"tombstone":{"action":"block"`, `"window":"1m"`, `"deep":{"1":["x"]}`, `"tls":null`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestEffectiveHoldsNoPassword(t *testing.T) {
	c := parse(t, "upstream: {bootstrap: [a:1]}\nprofiling: {pyroscope: {server_address: 'https://user:hunter2@profiles.example/x'}}\n", nil)
	text, _ := json.Marshal(c.Effective())
	if strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "https://user:xxxxx@profiles.example/x") {
		t.Errorf("got %s", text)
	}
}

func TestDiffSaysWhatNeedsARestart(t *testing.T) {
	before := parse(t, "upstream: {bootstrap: [a:1]}\nrules: {tombstone: {action: alert}}\n", nil)
	after := parse(t, "upstream: {bootstrap: [a:1, b:2]}\nrules: {tombstone: {action: block}}\nlisteners: [{limits: {frame: 1MiB}, ports: 9100-9110}]\n", nil)
	want := []Change{
		{"listeners.0.limits.frame", "100MiB", "1MiB", true},
		{"listeners.0.ports", "9093-9192", "9100-9110", false},
		{"rules.tombstone.action", "alert", "block", true},
		{"upstream.bootstrap.1", "", "b:2", false},
	}
	if diff := cmp.Diff(want, before.Diff(after)); diff != "" {
		t.Error(diff)
	}
	if before.Hash == after.Hash || before.Hash != parse(t, "# same\nupstream: {bootstrap: ['a:1']}\nrules: {tombstone: {}}\n", nil).Hash {
		t.Error("the hash does not follow the content")
	}
}
