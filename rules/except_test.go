package rules_test

import (
	"testing"
	"time"

	"warder/configs"
	"warder/rules"
)

// What is offered for copying must be a configuration, and one that applies.
func TestExceptionsOfFindingsApply(t *testing.T) {
	until := time.Date(2027, 2, 26, 23, 0, 0, 0, time.UTC)
	for name, s := range map[string]rules.Subject{
		"client on topic":  {Topic: "users", ClientID: "profile-svc", Principal: "User:profile"},
		"group":            {Group: "billing"},
		"group and client": {Topic: "orders", Group: "billing", ClientID: "billing-3"},
		"nothing":          {},
		"quotes":           {ClientID: "a\"b'c\\d: #e"},
		"signs of globs":   {ClientID: "!{a,b}*?", Group: "{"},
		"no UTF-8":         {ClientID: "a\xff\xfeb\x00\x1b"},
	} {
		t.Run(name, func(t *testing.T) {
			f := rules.Finding{Rule: "tombstone", Subject: s}
			cfg := parse(t, f.SuppressYAML(until))
			got := cfg.Suppressions[0]
			if got.Rule != "tombstone" || got.Until.Format(time.DateOnly) != "2027-02-26" {
				t.Errorf("suppression %+v", got)
			}
			matches(t, "client_id", string(got.ClientID), s.ClientID)
			matches(t, "principal", string(got.Principal), s.Principal)
			matches(t, "topic", string(got.Topic), s.Topic)
			matches(t, "group", string(got.Group), s.Group)

			if s.Topic+s.ClientID+s.Principal == "" {
				if y := f.AllowYAML(); y != "" {
					t.Errorf("an exception for everybody: %s", y)
				}
				return
			}
			allow := parse(t, f.AllowYAML()).Rules.For("tombstone").Allow[0]
			matches(t, "client_id", string(allow.ClientID), s.ClientID)
			matches(t, "topic", string(allow.Topic), s.Topic)
		})
	}
}

func parse(t *testing.T, text string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse("w.yaml", []byte("upstream: {bootstrap: [k:9092]}\n"+text), nil, configs.Overrides{Rules: []string{"tombstone"}})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return cfg
}

func matches(t *testing.T, field, pattern, name string) {
	t.Helper()
	if name == "" {
		if pattern != "" {
			t.Errorf("%s %q for nothing", field, pattern)
		}
		return
	}
	g, err := rules.CompileGlobs(pattern)
	if err != nil || !g.Match(name) || g.Match(name+"x") && !g.Match(name+"y") {
		t.Errorf("%s: pattern %q does not match %q: %v", field, pattern, name, err)
	}
}
