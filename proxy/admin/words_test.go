package admin

import (
	"strings"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 420 * time.Millisecond: "420 ms", 1500 * time.Millisecond: "1.5 s", 42 * time.Second: "42 s",
		5*time.Minute + 51*time.Second: "5 min 51 s", 2 * time.Hour: "2 h", 26*time.Hour + 5*time.Minute: "26 h 5 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Hour: "now", 0: "now", 42 * time.Second: "42 s ago", 61 * time.Second: "1 min ago", 3 * time.Hour: "3 h ago", 72 * time.Hour: "3 days ago"} {
		if got := since(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLinks(t *testing.T) {
	for name, want := range map[string]string{
		"team/billing": `<a class="name" href="/groups/team%2Fbilling">team/billing</a>`,
		`"><script>`:   `<a class="name" href="/groups/%22%3E%3Cscript%3E">&#34;&gt;&lt;script&gt;</a>`,
		"..":           `<span class="name">..</span>`,
		"":             `<span class="name"></span>`,
	} {
		if got := string(link(toGroup, name)); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if got := string(link(toGroup, strings.Repeat("x", 5000))); strings.Contains(got, "href") || len(got) > 1000 {
		t.Errorf("%.100s", got)
	}
}
