package house

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"warder/configs"
	"warder/docs"
	"warder/rules"
	"warder/rules/builtin"
)

// sections is what every page of a rule answers, in this order: a word of each
// heading.
var sections = []string{"what", "why", "comput", "example", "tune", "silence"}

func TestEveryRuleIsComplete(t *testing.T) {
	for _, spec := range builtin.Specs() {
		t.Run(spec.ID, func(t *testing.T) {
			name := strings.ReplaceAll(spec.ID, "-", "_")
			for _, path := range []string{"rules/builtin/" + name + ".go", "rules/builtin/" + name + "_test.go", "docs/rules/" + spec.ID + ".md"} {
				if !exists(path) {
					t.Errorf("%s is missing", path)
				}
			}
			if spec.Doc != "docs/rules/"+spec.ID+".md" {
				t.Errorf("Doc is %q", spec.Doc)
			}
			if spec.Summary == "" || strings.HasSuffix(spec.Summary, ".") {
				t.Errorf("Summary %q is not one line without a full stop", spec.Summary)
			}
			pageOf(t, spec)
			exampleOf(t, spec)
			casesOf(t, spec, name)
		})
	}
}

func pageOf(t *testing.T, spec rules.Spec) {
	t.Helper()
	page, ok := docs.Rule(spec.ID)
	if !ok {
		t.Fatal("the binary has no page for it")
	}
	if !strings.HasPrefix(page, "# "+spec.ID+"\n") {
		t.Errorf("the page does not begin with `# %s`", spec.ID)
	}
	var headings []string
	for line := range strings.Lines(page) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			headings = append(headings, strings.ToLower(heading))
		}
	}
	for _, section := range sections {
		i := slices.IndexFunc(headings, func(h string) bool { return strings.Contains(h, section) })
		if i < 0 {
			t.Errorf("no heading of the page says %q, or not in the order %v", section, sections)
			continue
		}
		headings = headings[i+1:]
	}
}

// exampleOf loads the example as part of a configuration.
func exampleOf(t *testing.T, spec rules.Spec) {
	t.Helper()
	text := "upstream: {bootstrap: [\"kafka:9092\"]}\nrules:\n" + indented(spec.Example)
	cfg, err := configs.Parse("example.yaml", []byte(text), nil, configs.Overrides{Rules: []string{spec.ID}})
	if err != nil {
		t.Fatalf("its example is not valid: %v", err)
	}
	rule, ok := cfg.Rules.ByID[spec.ID]
	if !ok {
		t.Fatalf("its example does not configure it:\n%s", text)
	}
	if _, err := spec.New(rule.Decode); err != nil {
		t.Errorf("its example: %v", err)
	}
}

func indented(yaml string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(yaml, "\n"), "\n", "\n  ") + "\n"
}

// casesOf wants cases that a non-programmer can read.
func casesOf(t *testing.T, spec rules.Spec, name string) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join(root, "rules/builtin/testdata", name, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if name != spec.ID && len(cases) == 0 {
		cases, _ = filepath.Glob(filepath.Join(root, "rules/builtin/testdata", spec.ID, "*.txtar"))
	}
	if len(cases) == 0 {
		t.Errorf("no cases in rules/builtin/testdata/%s", name)
	}
}

// Ids are part of the contract with users: never reused, kebab-case.
func TestRuleIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, spec := range builtin.Specs() {
		if seen[spec.ID] || spec.ID != strings.ToLower(spec.ID) || strings.ContainsAny(spec.ID, "_ ") || spec.ID == "defaults" {
			t.Errorf("id %q", spec.ID)
		}
		seen[spec.ID] = true
	}
	if len(seen) == 0 {
		t.Error("there are no rules")
	}
}
