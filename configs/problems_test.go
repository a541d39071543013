package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Each archive holds a wrong configuration (warder.yaml), perhaps variables
// (env), and what a person is shown (want).
func TestProblemsAsShown(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := shown(t, content(archive, "warder.yaml"), strings.Fields(content(archive, "env")))
			if *update {
				setContent(archive, "want", got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(content(archive, "want"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// shown loads a configuration and gives its problems, or else its warnings, as
// a terminal without colour has them.
func shown(t *testing.T, text string, env []string) string {
	t.Helper()
	c, err := Parse("warder.yaml", []byte(text), env, Overrides{
		Rules: []string{"tombstone", "key-drift", "hot-partition"},
		Now:   func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
	})
	var problems Problems
	ok := errors.As(err, &problems)
	if err != nil && !ok {
		t.Fatalf("not Problems: %v", err)
	}
	if err == nil {
		problems = c.Warnings
	}
	var b strings.Builder
	if err := problems.Render(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func content(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setContent(a *txtar.Archive, name, text string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
}

func TestColourMarksThePlace(t *testing.T) {
	_, err := Parse("w.yaml", []byte("upstraem: {}\n"), nil, Overrides{})
	var b strings.Builder
	if err := func() Problems {
		var target Problems
		_ = errors.As(err, &target)
		return target
	}().Render(&b, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[31m^\x1b[0m") {
		t.Errorf("no coloured caret in %q", b.String())
	}
}

// The caret must stand under the place also after tabs and wide letters.
func TestCaretUnderThePlace(t *testing.T) {
	if got := indentLike("\tñx", 2); got != "\t " {
		t.Errorf("got %q", got)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "WARDER_UPSTREAM=a:1")
	}
	f.Add("a: &a [*a]\nlisteners: [*a]", "WARDER_LISTENERS__0__MAP__1=x:1")
	f.Add("rules: {x: &r {p: *r}}", "WARDER_RULES__X=[")
	f.Fuzz(func(t *testing.T, text, variable string) {
		c, err := Parse("fuzz.yaml", []byte(text), []string{variable}, Overrides{Rules: []string{"tombstone"}})
		if err == nil {
			c.Diff(Default())
			return
		}
		for _, p := range func() Problems {
			var target Problems
			_ = errors.As(err, &target)
			return target
		}() {
			if p.Message == "" || p.File == "" {
				t.Errorf("problem without place or words: %+v", p)
			}
		}
	})
}
