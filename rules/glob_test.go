package rules_test

import (
	"regexp"
	"strings"
	"testing"

	"warder/rules"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		patterns string // separated by spaces
		yes, no  string
	}{
		{"", "x users", ""},
		{"users", "users", "user users.eu xusers"},
		{"users.*", "users. users.eu users.eu.west", "users xusers.eu"},
		{"*", "x users", ""},
		{"*-changelog", "a-changelog -changelog", "changelog a-changelog-2"},
		{"a*b*c", "abc axxbxxc aabbcc abcbc", "ab acb abcd"},
		{"user-?", "user-1 user-é", "user- user-12"},
		{"{orders,carts}.v?", "orders.v1 carts.v2", "orders.v10 returns.v1"},
		{"{a*,b}x", "ax aaax bx", "bbx a"},
		{"users.* !*.test", "users.eu", "users.test carts"},
		{"!internal-*", "users", "internal-1"},
		{"a b !b", "a", "b c"},
		{"?", "é x", "xx"},
		{"**a", "a ba", "b"},
		{"[ab].+", "[ab].+", "a a+"},
	} {
		g, err := rules.CompileGlobs(strings.Fields(c.patterns)...)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(c.yes) {
			if !g.Match(name) {
				t.Errorf("%q does not match %q", c.patterns, name)
			}
		}
		for name := range strings.FieldsSeq(c.no) {
			if g.Match(name) {
				t.Errorf("%q matches %q", c.patterns, name)
			}
		}
		if g.Empty() != (c.patterns == "") {
			t.Errorf("%q: Empty", c.patterns)
		}
	}
}

func TestBadGlobs(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                              "empty",
		"!":                             "empty",
		"{a":                            "`{` without `}`",
		"a}":                            "`}` without `{`",
		"{a{b}}":                        "`{` without `}`",
		strings.Repeat("{a,b,c,d}", 10): "more than 1024",
	} {
		if _, err := rules.CompileGlobs(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", pattern, err, want)
		}
	}
}

func TestGlobsAreNotSlowedByHostileNames(t *testing.T) {
	g := rules.MustGlobs(strings.Repeat("*a", 50) + "b")
	if g.Match(strings.Repeat("a", 20_000)) { // exponential matchers never come back from here
		t.Error("matched")
	}
}

// regexpOf says the same as a pattern without braces and without `!`.
func regexpOf(pattern string) *regexp.Regexp {
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString("(?s:.*)")
		case '?':
			b.WriteString("(?s:.)")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile(`\A` + b.String() + `\z`)
}

func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{
		{"users.*", "users.eu"}, {"a*b*c", "abcbc"}, {"{a,b*}?", "bé"}, {"!x", "x"}, {"*a*a*a", "aaa"}, {"?*?", "ab"}, {"{,a}b", "b"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := rules.CompileGlobs(pattern)
		if err != nil || len(pattern) > 200 || len(name) > 200 {
			return
		}
		got := g.Match(name)
		if strings.ContainsAny(pattern, "{}!") {
			return // compiled and ran
		}
		if !validUTF8(pattern) || !validUTF8(name) {
			return // a regexp sees runes where a glob sees bytes
		}
		if want := regexpOf(pattern).MatchString(name); got != want {
			t.Errorf("%q on %q: %v, a regexp says %v", pattern, name, got, want)
		}
	})
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }
