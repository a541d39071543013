package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Names that say nothing about what is inside.
var drawers = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "shared", "base", "lib"}

func TestNoDrawers(t *testing.T) {
	for _, name := range files() {
		if strings.HasPrefix(name, "test/e2e/clients/") { // each in the manner of its language
			continue
		}
		path := strings.TrimSuffix(strings.TrimSuffix(name, ".go"), "_test")
		for part := range strings.SplitSeq(path, "/") {
			if slices.Contains(drawers, part) {
				t.Errorf("%s: a drawer; name what is inside", name)
			}
		}
	}
}

// What would tie the repository to one machine, one network or one tracker.
var bannedText = []*regexp.Regexp{
	regexp.MustCompile(`/(root|home|Users)/[a-z]`),
	regexp.MustCompile(`(?i)https?://(registry|proxy|repo\d?|files)\.`), // package registries: the machine's set-up chooses them
	regexp.MustCompile(`(?i)\bissues? #?[0-9]+\b`),
}

// excused files may hold banned text, each for a reason.
var excused = map[string]string{
	"test/house/names_test.go": "names what is banned",
	"configs/tools/lint.sum":   "checksums",
	"configs/tools/lint.mod":   "module paths",
	"configs/tools/sbom.sum":   "checksums",
	"configs/tools/vuln.sum":   "checksums",
}

func TestNothingNamesThisMachine(t *testing.T) {
	for _, name := range files() {
		if excused[name] != "" || strings.HasSuffix(name, "go.sum") || strings.Contains(name, "/testdata/fuzz/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) {
			continue // captures and the like
		}
		for number, line := range strings.Split(string(text), "\n") {
			for _, banned := range bannedText {
				if found := banned.FindString(line); found != "" {
					t.Errorf("%s:%d names %q", name, number+1, found)
				}
			}
		}
	}
}

// A test file is named after what it tests, not after the work that made it.
func TestTestFilesAreNamedAfterTheirSubject(t *testing.T) {
	vague := regexp.MustCompile(`(?i)(fix|bug|issue|review|regress|extra|more|new|misc|improve|phase|step|task)[0-9]*_test\.go$`)
	for _, name := range files() {
		if base := path.Base(name); vague.MatchString(base) {
			t.Errorf("%s: name the subject", name)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string]bool{}
	for _, s := range sources() {
		if s.test() {
			continue
		}
		said[s.pkg()] = said[s.pkg()] || s.file.Doc.Text() != ""
	}
	for pkg, ok := range said {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

// Left-overs that were meant to come back to.
func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	for _, s := range sources() {
		if s.path == "test/house/names_test.go" {
			continue
		}
		for number, line := range strings.Split(s.text, "\n") {
			if later.MatchString(line) {
				t.Errorf("%s:%d: %s", s.path, number+1, strings.TrimSpace(line))
			}
		}
	}
}
