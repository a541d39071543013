package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"one", []string{"one"}},
		{"one two three four", []string{"one two", "three four"}},
		{"1234567890 1", []string{"1234567890", "1"}},
		{"a verylongwordindeed b", []string{"a", "verylongwordindeed", "b"}},
		{"äöü äöü äöü", []string{"äöü äöü", "äöü"}},
		{" much \n space\t", []string{"much space"}},
	} {
		if diff := cmp.Diff(tc.want, wrap(tc.text, 10)); diff != "" {
			t.Errorf("%q: %s", tc.text, diff)
		}
	}
}

func TestDemoFieldsStandBesideTheirLabel(t *testing.T) {
	var b bytes.Buffer
	(&demoPrinter{out: &b}).field("operator", strings.Repeat("word ", 30))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "  operator    word") || !strings.HasPrefix(lines[1], "              word") {
		t.Errorf("%q", lines)
	}
	for _, l := range lines {
		if len(l) > demoWidth {
			t.Errorf("%d columns: %s", len(l), l)
		}
	}
}

func TestDemoBlockKeepsItsLayout(t *testing.T) {
	var b bytes.Buffer
	(&demoPrinter{out: &b}).block("  - " + strings.Repeat("word ", 20))
	(&demoPrinter{out: &b}).block("\n")
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], strings.Repeat(" ", demoIndent)+"  - word") || !strings.HasPrefix(lines[1], strings.Repeat(" ", demoIndent)+"  word") || lines[2] != "" {
		t.Errorf("%q", lines)
	}
}

func TestDemoTable(t *testing.T) {
	rows := [][]string{{"done", "found"}, {"a heading that is long"}, {"a long thing", "ok"}, {"b", "MISSING"}}
	var plain, coloured bytes.Buffer
	(&demoPrinter{out: &plain}).table(rows, []bool{true, true, false})
	const want = "  done          found\n  a heading that is long\n  a long thing  ok\n  b             MISSING\n"
	if diff := cmp.Diff(want, plain.String()); diff != "" {
		t.Error(diff)
	}
	(&demoPrinter{out: &coloured, colour: true}).table(rows, []bool{true, true, false})
	if !strings.Contains(coloured.String(), "\x1b[32mok\x1b[0m") || !strings.Contains(coloured.String(), "\x1b[31mMISSING\x1b[0m") {
		t.Errorf("%q", coloured.String())
	}
}
