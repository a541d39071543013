package admin

import (
	"strings"
	"testing"
	"time"

	"warder/rules"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// seen is a finding that was first and last seen so long before noon.
func seen(severity rules.Severity, first, last time.Duration, summary string) rules.Finding {
	return rules.Finding{ID: summary, Severity: severity, Summary: summary, FirstTime: noon.Add(-first), LastTime: noon.Add(-last)}
}

func TestHeadline(t *testing.T) {
	stuck := seen(rules.Critical, time.Minute, time.Second, "group billing is stuck on partition 17 of topic orders for 5m51s at offset 2000: member billing-3-7c1e lives, but does not get on")
	storm := seen(rules.Critical, time.Hour, 0, "group search-index (3 members) rebalanced 7 times in 1 min: 4 times because members joined")
	tombstone := seen(rules.Critical, time.Second, 0, "profile-svc wrote a null value for key sha256:9f2c to compacted topic users: compaction will delete the key")
	tombstone.Action = rules.Block
	drift := seen(rules.Warning, 0, 0, "warehouse changed its keys")
	advice := seen(rules.Info, 0, 0, "mail-queue sends small batches")
	over := stuck
	over.Resolved = true
	info := &Info{Connections: 14, Brokers: 3}
	down := []Check{{"listeners", StatusOK, ""}, {"upstream", StatusDegraded, "no bootstrap broker answers"}}
	for name, tc := range map[string]struct {
		found  []rules.Finding
		checks []Check
		info   *Info
		word   string
		want   string
	}{
		"nothing":                     {nil, nil, info, "ok", "Healthy: 14 connections, 3 brokers, nothing wrong in the last 10 minutes."},
		"nothing is known":            {nil, nil, nil, "ok", "Healthy: nothing wrong in the last 10 minutes."},
		"only advice":                 {[]rules.Finding{advice}, nil, nil, "ok", "Healthy: nothing wrong in the last 10 minutes. 1 piece of advice."},
		"one":                         {[]rules.Finding{stuck}, nil, info, "critical", "Group billing is stuck on partition 17 of topic orders for 5m51s at offset 2000."},
		"resolved":                    {[]rules.Finding{over}, nil, nil, "ok", "Healthy: nothing wrong in the last 10 minutes."},
		"not seen for long":           {[]rules.Finding{seen(rules.Critical, time.Hour, 12*time.Minute, "x")}, nil, nil, "ok", "Healthy: nothing wrong in the last 10 minutes."},
		"told every ten minutes":      {[]rules.Finding{seen(rules.Critical, time.Hour, 10*time.Minute+30*time.Second, "x stands")}, nil, nil, "critical", "x stands."},
		"the newest of the worst":     {[]rules.Finding{drift, storm, stuck, advice}, nil, nil, "critical", "Group billing is stuck on partition 17 of topic orders for 5m51s at offset 2000. 2 more problems, 1 critical."},
		"refused is no more urgent":   {[]rules.Finding{tombstone, storm}, nil, nil, "critical", "Group search-index rebalanced 7 times in 1 min. 1 more problem."},
		"names keep their letters":    {[]rules.Finding{tombstone}, nil, nil, "critical", "profile-svc wrote a null value for key sha256:9f2c to compacted topic users."},
		"warnings":                    {[]rules.Finding{drift, advice}, nil, nil, "warning", "warehouse changed its keys."},
		"degraded before warnings":    {[]rules.Finding{drift}, down, nil, "warning", "Degraded: upstream: no bootstrap broker answers. 1 more problem."},
		"critical before degraded":    {[]rules.Finding{stuck}, down, nil, "critical", "Group billing is stuck on partition 17 of topic orders for 5m51s at offset 2000."},
		"failed before everything":    {[]rules.Finding{stuck}, []Check{{"certificates", StatusFailed, "s.pem ended."}}, nil, "critical", "Warder itself is not well: certificates: s.pem ended. 1 more problem."},
		"what is long is cut":         {[]rules.Finding{seen(rules.Critical, 0, 0, strings.Repeat("word ", 100))}, nil, nil, "critical", strings.TrimSpace(strings.Repeat("word ", 36)) + " …"},
		"a long name is cut":          {[]rules.Finding{seen(rules.Critical, 0, 0, strings.Repeat("ü", 4000))}, nil, nil, "critical", strings.Repeat("ü", 90) + " …"},
		"no summary is still a state": {[]rules.Finding{seen(rules.Critical, 0, 0, "")}, nil, nil, "critical", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := headlineOf(open(tc.found, noon), tc.checks, tc.info)
			if got.Word != tc.word || got.Sentence != tc.want {
				t.Errorf("%s: %q\nwant %s: %q", got.Word, got.Sentence, tc.word, tc.want)
			}
		})
	}
}
