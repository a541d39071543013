package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxAlternatives bounds what the braces of one pattern expand to.
const maxAlternatives = 1024

// Globs is a compiled list of patterns over topics, client ids, principals or
// groups. `*` stands for any run of characters, `?` for one, `{a,b}` for
// either; a leading `!` excludes. A name matches when some pattern without `!`
// matches it (or there is none) and no pattern with `!` does. The zero value
// matches everything.
type Globs struct {
	include, exclude []glob
}

// CompileGlobs compiles patterns; the error names the one at fault.
func CompileGlobs[T ~string](patterns ...T) (Globs, error) {
	var g Globs
	for _, p := range patterns {
		text, negated := strings.CutPrefix(string(p), "!")
		alternatives, err := expand(text)
		if err != nil {
			return Globs{}, fmt.Errorf("pattern %q: %w", string(p), err)
		}
		for _, a := range alternatives {
			if negated {
				g.exclude = append(g.exclude, newGlob(a))
			} else {
				g.include = append(g.include, newGlob(a))
			}
		}
	}
	return g, nil
}

// MustGlobs is CompileGlobs for patterns in the source.
func MustGlobs(patterns ...string) Globs {
	g, err := CompileGlobs(patterns...)
	if err != nil {
		panic(err)
	}
	return g
}

// Empty says whether there are no patterns at all.
func (g *Globs) Empty() bool { return len(g.include)+len(g.exclude) == 0 }

// Match says whether the list matches the name.
func (g *Globs) Match(name string) bool {
	return (len(g.include) == 0 || matchAny(g.include, name)) && !matchAny(g.exclude, name)
}

func matchAny(globs []glob, name string) bool {
	for i := range globs {
		if globs[i].match(name) {
			return true
		}
	}
	return false
}

// expand multiplies out the braces, which do not nest.
func expand(pattern string) ([]string, error) {
	if pattern == "" {
		return nil, errors.New("empty")
	}
	done := []string{""}
	for pattern != "" {
		open := strings.IndexAny(pattern, "{}")
		if open < 0 {
			return crossJoin(done, []string{pattern})
		}
		if pattern[open] == '}' {
			return nil, errors.New("`}` without `{`")
		}
		shut := strings.IndexAny(pattern[open+1:], "{}")
		if shut < 0 || pattern[open+1+shut] == '{' {
			return nil, errors.New("`{` without `}`")
		}
		var err error
		prefix, body := pattern[:open], pattern[open+1:open+1+shut]
		if done, err = crossJoin(done, []string{prefix}); err != nil {
			return nil, err
		}
		if done, err = crossJoin(done, strings.Split(body, ",")); err != nil {
			return nil, err
		}
		pattern = pattern[open+shut+2:]
	}
	return done, nil
}

func crossJoin(heads, tails []string) ([]string, error) {
	if len(heads)*len(tails) > maxAlternatives {
		return nil, fmt.Errorf("braces stand for more than %d patterns", maxAlternatives)
	}
	out := make([]string, 0, len(heads)*len(tails))
	for _, h := range heads {
		for _, t := range tails {
			out = append(out, h+t)
		}
	}
	return out, nil
}

// glob is one pattern of literals, `*` and `?`.
type glob struct {
	pattern string
	literal bool
}

func newGlob(pattern string) glob {
	return glob{pattern: pattern, literal: !strings.ContainsAny(pattern, "*?")}
}

// match runs in len(pattern) * len(name) steps at worst: only the last star is
// ever tried again, since an earlier one could gain nothing.
func (g *glob) match(name string) bool {
	if g.literal {
		return g.pattern == name
	}
	p, n := 0, 0
	star, resume := -1, 0
	for n < len(name) {
		if p < len(g.pattern) && g.pattern[p] == '*' {
			star, resume = p, n
			p++
			continue
		}
		if p < len(g.pattern) {
			if width := step(g.pattern[p], name[n:]); width > 0 {
				p, n = p+1, n+width
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, width := utf8.DecodeRuneInString(name[resume:])
		resume += width
		p, n = star+1, resume
	}
	for p < len(g.pattern) && g.pattern[p] == '*' {
		p++
	}
	return p == len(g.pattern)
}

// step is how many bytes of name one byte of a pattern takes; 0 if none.
func step(c byte, name string) int {
	switch {
	case c == '?':
		_, width := utf8.DecodeRuneInString(name)
		return width
	case c == name[0]:
		return 1
	}
	return 0
}
