package house

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"warder/protocol"
	"warder/proxy"
	"warder/rules/builtin"
)

const generated = "<!-- Generated from the declarations by `make docs`; do not edit. -->\n"

// TestReferencePagesAreFresh compares docs/reference with what the declarations
// say. (config.md is made in configs.)
func TestReferencePagesAreFresh(t *testing.T) {
	for name, text := range map[string]string{"metrics.md": metricsPage(t), "rules.md": rulesPage(), "apis.md": apisPage(), "http.md": httpPage(t)} {
		path := filepath.Join(root, "docs/reference", name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, []byte(text)) {
			t.Errorf("docs/reference/%s is stale: run `make docs` and commit the result (%v)", name, err)
		}
	}
}

// metricsPage lists what the registry holds; kinds and labels come from the
// descriptions, since families without a sample are not gathered.
func metricsPage(t *testing.T) string {
	t.Helper()
	var rows []string
	for d := range described() {
		name, help, labels := parts(t, d.String())
		if !strings.HasPrefix(name, "warder_") {
			continue // Go's and the process's own, known everywhere
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", name, labels, help))
	}
	slices.Sort(rows)
	return generated + "# Metrics reference\n\nServed at `/metrics` of the admin interface, beside the usual `go_` and `process_` metrics. Labels have closed sets\nof values: APIs, reasons, rules and listeners; of groups, topics and partitions at most `metrics.max_series` for each metric. None carries a key, a\nmember id or the address of a client.\n\n| metric | labels | meaning |\n|---|---|---|\n" + strings.Join(rows, "")
}

// described gives the description of every metric there is.
func described() <-chan *prometheus.Desc {
	descriptions := make(chan *prometheus.Desc, 1000)
	proxy.NewMetrics().Registry.Describe(descriptions)
	close(descriptions)
	return descriptions
}

// parts reads what a description prints: its fields are not exported.
func parts(t *testing.T, desc string) (name, help, labels string) {
	t.Helper()
	field := func(key string) string {
		_, after, ok := strings.Cut(desc, key+": \"")
		if !ok {
			t.Fatalf("description %s", desc)
		}
		value, _, _ := strings.Cut(after, "\", ")
		return strings.TrimSuffix(value, "\"}")
	}
	_, list, _ := strings.Cut(desc, "variableLabels: {")
	list = strings.TrimSuffix(strings.TrimSuffix(list, "}"), "}")
	for label := range strings.SplitSeq(list, ",") {
		if label = strings.TrimSpace(label); label != "" {
			labels += ", `" + label + "`"
		}
	}
	return field("fqName"), field("help"), strings.TrimPrefix(labels, ", ")
}

func rulesPage() string {
	var b strings.Builder
	b.WriteString(generated + "# Rules reference\n\n`warder rules explain RULE` shows the same pages. A rule that can block does so only where `action: block` says so.\n\n| rule | by default | can block | severity | what it finds |\n|---|---|---|---|---|\n")
	for _, s := range builtin.Specs() {
		block := "no"
		if s.CanBlock {
			block = "yes"
		}
		fmt.Fprintf(&b, "| [%s](../rules/%s.md) | `%s` | %s | %s | %s |\n", s.ID, s.ID, s.Default, block, s.Severity, s.Summary)
	}
	return b.String()
}

// What surrounds the table of rules in the README.
const rulesBegin, rulesEnd = "<!-- rules: from the declarations, by `make docs` -->\n", "<!-- end of rules -->\n"

// TestReadmeListsTheRules compares the table in the README with what the declarations say.
func TestReadmeListsTheRules(t *testing.T) {
	readme := read(t, "README.md")
	before, rest, begins := strings.Cut(readme, rulesBegin)
	_, after, ends := strings.Cut(rest, rulesEnd)
	if !begins || !ends {
		t.Fatalf("README.md has no place for the rules, between %q and %q", rulesBegin, rulesEnd)
	}
	var b strings.Builder
	b.WriteString("| rule | catches | can block |\n|---|---|---|\n")
	for _, s := range builtin.Specs() {
		block := ""
		if s.CanBlock {
			block = "yes"
		}
		fmt.Fprintf(&b, "| [%s](docs/rules/%s.md) | %s | %s |\n", s.ID, s.ID, s.Summary, block)
	}
	fresh := before + rulesBegin + b.String() + rulesEnd + after
	switch {
	case readme == fresh:
	case *update:
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the rules in README.md are stale: run `make docs` and commit the result")
	}
}

func apisPage() string {
	var b strings.Builder
	b.WriteString(generated + "# APIs reference\n\nThe Kafka APIs that warder knows, the versions it lets clients use, and what it does with them. Clients are not\noffered others; see `pass_unknown_apis`.\n\n| API | key | versions | flexible from | treatment |\n|---|---|---|---|---|\n")
	for _, a := range protocol.APIs() {
		versions, flexible := fmt.Sprintf("%d-%d", a.Min, a.Max), fmt.Sprint(a.FlexibleFrom)
		if a.Max < a.Min {
			versions = "none"
		}
		if a.FlexibleFrom < 0 {
			flexible = "never"
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", a.Name, a.Key, versions, flexible, a.Treatment)
	}
	return b.String()
}
