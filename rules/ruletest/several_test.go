package ruletest

import (
	"strings"
	"testing"
)

func TestLinesOfSeveralClients(t *testing.T) {
	s := &stage{t: t}
	for line, want := range map[string]string{
		"c1 beats g":                            "c1 beats g",
		"c{1..3} beats g":                       "c1 beats g|c2 beats g|c3 beats g",
		"c{9..10} syncs g: orders/{#}":          "c9 syncs g: orders/9|c10 syncs g: orders/10",
		"c1 joins g: members=c{1..3},d{1..2}":   "c1 joins g: members=c1,c2,c3,d1,d2",
		"client c{1..2} id=billing-{#}":         "client c1 id=billing-1|client c2 id=billing-2",
		"shop produces orders/1: k{1..50}=v{#}": "shop produces orders/1: k{1..50}=v{#}",
		"wait 3s":                               "wait 3s",
	} {
		if got := strings.Join(s.several(line), "|"); got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}
