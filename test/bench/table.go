package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is Markdown that can be read as it stands, too.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(to *strings.Builder) {
	if len(t.rows) < 2 {
		return // a heading alone
	}
	width := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c), 3)
		}
	}
	for n, row := range t.rows {
		for i, c := range row {
			fmt.Fprintf(to, "| %s%s ", c, strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
		}
		to.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				to.WriteString("|" + strings.Repeat("-", w+2))
			}
			to.WriteString("|\n")
		}
	}
	to.WriteString("\n")
}

// number writes a figure with about three digits.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1 || x == 0:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

// text is the median, with the least and the greatest of the rounds where they are wanted.
func (f figure) text() string { return number(f.median) }

func (f figure) spread() string {
	return fmt.Sprintf("%s (%s to %s)", number(f.median), number(f.least), number(f.most))
}
