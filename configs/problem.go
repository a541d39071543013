package configs

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong with a configuration and where it stands. A
// problem in a value that came from a flag or the environment has that as its
// File and Line 0.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // from 1
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Message string `json:"message"`

	excerpt string // the line of the file
}

// Error is file:line:column: message.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is every problem found, in the order of the file.
type Problems []Problem

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Render writes the problems for a person: each with its line of the file and
// a caret under the place, in colour if wanted.
func (ps Problems) Render(w io.Writer, colour bool) error {
	bold, red, reset := "", "", ""
	if colour {
		bold, red, reset = "\x1b[1m", "\x1b[31m", "\x1b[0m"
	}
	var b strings.Builder
	for _, p := range ps {
		place, _ := strings.CutSuffix(p.Error(), p.Message)
		fmt.Fprintf(&b, "%s%s%s%s\n", bold, place, reset, p.Message)
		if p.Line == 0 || p.excerpt == "" {
			continue
		}
		number := fmt.Sprintf("%5d", p.Line)
		fmt.Fprintf(&b, "%s | %s\n", number, p.excerpt)
		fmt.Fprintf(&b, "%s | %s%s^%s\n", strings.Repeat(" ", len(number)), indentLike(p.excerpt, p.Column-1), red, reset)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// indentLike gives white space as wide as the first n characters of line.
func indentLike(line string, n int) string {
	n = min(n, utf8.RuneCountInString(line))
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// merge adds what was found about meaning, except where the form is wrong already.
func merge(form, meaning Problems) Problems {
	all := slices.Clone(form)
	for _, m := range meaning {
		known := slices.ContainsFunc(form, func(f Problem) bool {
			return f.File == m.File && f.Line == m.Line && f.Column == m.Column
		})
		if !known {
			all = append(all, m)
		}
	}
	return all
}

// err gives the problems sorted as an error, nil when there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	ps.sort()
	return ps
}

// sort puts the file first, in its own order, then environment and flags.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(min(b.Line, 1), min(a.Line, 1)),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column))
	})
}
