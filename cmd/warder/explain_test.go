package main

import (
	"strings"
	"testing"
	"time"

	"warder/configs"
	"warder/rules"
)

// What explain offers is configuration, and names all that the finding is about.
func TestOfferedExceptionsOfAnySubject(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		subject         rules.Subject
		allow, suppress string
	}{
		{
			rules.Subject{Group: "team/billing"},
			"", `{rule: tombstone, group: "team/billing", until: 2027-02-23, reason: "…"}`,
		},
		{
			rules.Subject{Topic: "users", ClientID: "svc", Principal: "User:svc", Group: "g"},
			`{topic: "users", client_id: "svc", principal: "User:svc", reason: "…"}`,
			`{rule: tombstone, topic: "users", client_id: "svc", principal: "User:svc", group: "g", until: 2027-02-23, reason: "…"}`,
		},
		{
			rules.Subject{ClientID: "a \"quoted\": name,\n" + string(rune(0x200b))},
			`{client_id: "a \"quoted\": name,\n\u200b", reason: "…"}`, `{rule: tombstone, client_id: "a \"quoted\": name,\n\u200b", until: 2027-02-23, reason: "…"}`,
		},
	} {
		f := rules.Finding{Rule: "tombstone", Subject: c.subject}
		allow, suppress := f.AllowYAML(), f.SuppressYAML(now.AddDate(0, 3, 0))
		if c.allow == "" && allow != "" || !strings.Contains(allow, c.allow) || !strings.Contains(suppress, c.suppress) {
			t.Errorf("%+v:\n%s%s", c.subject, allow, suppress)
		}
		over := configs.Overrides{Rules: ruleIDs(), Now: func() time.Time { return now }}
		if _, err := configs.Parse("offered.yaml", []byte(allow+suppress), []string{"WARDER_UPSTREAM=k:1"}, over); err != nil {
			t.Errorf("%s%s%v", allow, suppress, err)
		}
		var shown strings.Builder
		if err := (explanation{Finding: f, Allow: allow, Suppress: suppress}).write(&shown); err != nil || strings.Contains(shown.String(), "To allow it") != (c.allow != "") {
			t.Errorf("%v\n%s", err, shown.String())
		}
	}
}
