package configs

import (
	"errors"
	"fmt"
	"strings"
)

// Pattern is a glob over topics, client ids, principals or groups. `*` stands
// for any run of characters, `?` for one, `{a,b}` for either; a leading `!`
// excludes what the rest matches. Everything else stands for itself. In a list
// a name matches when some pattern without `!` matches it (or there is none)
// and no pattern with `!` does.
type Pattern string

// UnmarshalText reads and checks a pattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	*p = Pattern(text)
	if err := p.check(); err != nil {
		return fmt.Errorf("pattern %q: %w", text, err)
	}
	return nil
}

// Negated says whether the pattern excludes, and gives it without the `!`.
func (p Pattern) Negated() (rest Pattern, negated bool) {
	s, ok := strings.CutPrefix(string(p), "!")
	return Pattern(s), ok
}

func (p Pattern) check() error {
	rest, _ := p.Negated()
	if rest == "" {
		return errors.New("empty")
	}
	open := false
	for i, r := range rest {
		switch r {
		case '{':
			if open {
				return errors.New("braces cannot be nested")
			}
			open = true
		case '}':
			if !open {
				return errors.New("`}` without `{`")
			}
			open = false
		case '!':
			if i == 0 {
				return errors.New("`!` twice")
			}
		}
	}
	if open {
		return errors.New("`{` without `}`")
	}
	return nil
}
