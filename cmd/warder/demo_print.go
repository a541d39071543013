package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"warder/rules"
)

// demoWidth is the width that the demo writes for, in columns.
const demoWidth = 100

// demoIndent is the column where text begins beside its label.
const demoIndent = 14

// demoPrinter writes the demo for people: a label in the margin, wrapped text beside it.
type demoPrinter struct {
	out    io.Writer
	colour bool
}

const (
	inkBold  = "1"
	inkDim   = "2"
	inkRed   = "31"
	inkGreen = "32"
)

func (p *demoPrinter) ink(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// line writes one line as it is.
func (p *demoPrinter) line(text string) { fmt.Fprintln(p.out, text) }

// heading begins an act.
func (p *demoPrinter) heading(n, of int, text string) {
	p.line("")
	p.line(p.ink(inkBold, fmt.Sprintf("  %-*s%s", demoIndent-2, fmt.Sprintf("%d of %d", n, of), text)))
}

// field writes text, wrapped, with a label before its first line.
func (p *demoPrinter) field(label, text string) {
	for i, l := range wrap(text, demoWidth-demoIndent) {
		if i > 0 {
			label = ""
		}
		p.line(p.ink(inkDim, fmt.Sprintf("  %-*s", demoIndent-2, label)) + l)
	}
}

// block writes a line of a text that has its own layout, wrapped below where it begins.
func (p *demoPrinter) block(line string) {
	text := strings.TrimLeft(line, " ")
	indent := demoIndent + len(line) - len(text)
	for _, l := range wrap(text, demoWidth-indent) {
		p.line(strings.TrimRight(strings.Repeat(" ", indent)+l, " "))
	}
}

// chapter begins acts of one kind.
func (p *demoPrinter) chapter(title string) {
	p.line("")
	p.line(p.ink(inkBold, fmt.Sprintf("  ── %s %s", title, strings.Repeat("─", demoWidth-6-utf8.RuneCountInString(title)))))
}

// finding writes what the operator sees of a finding.
func (p *demoPrinter) finding(f *rules.Finding) {
	over := ""
	if f.Resolved {
		over = ", over"
	}
	p.field("operator", p.ink(inkRed, fmt.Sprintf("%s %s %s %s%s", clock(f.LastTime.Local()), f.Severity, f.Rule, f.Action, over)))
	p.field("", f.Summary)
	if f.Advice != "" {
		p.field("advice", f.Advice)
	}
}

// wrap breaks text at spaces into lines of at most width runes; longer words stay whole.
func wrap(text string, width int) []string {
	var lines []string
	var line strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, line.String())
			line.Reset()
			length = 0
		}
		if length > 0 {
			line.WriteByte(' ')
			length++
		}
		line.WriteString(word)
		length += n
	}
	return append(lines, line.String())
}

// table writes rows under a heading row, columns as wide as their longest cell. A row of one cell is a heading. The last
// column is painted: green where ok says so, else red.
func (p *demoPrinter) table(rows [][]string, ok []bool) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			if len(row) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for i, row := range rows {
		if len(row) == 1 {
			p.line("  " + p.ink(inkBold, row[0]))
			continue
		}
		var b strings.Builder
		for j, cell := range row {
			padded := cell
			if j < len(row)-1 {
				padded += strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+2)
			}
			switch {
			case i == 0:
				padded = p.ink(inkDim, padded)
			case j == len(row)-1 && ok[i-1]:
				padded = p.ink(inkGreen, padded)
			case j == len(row)-1:
				padded = p.ink(inkRed, padded)
			}
			b.WriteString(padded)
		}
		p.line("  " + strings.TrimRight(b.String(), " "))
	}
}

func clock(t time.Time) string { return t.Format("15:04:05") }
