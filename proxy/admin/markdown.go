package admin

import (
	"html/template"
	"regexp"
	"strings"
)

// markdown writes a page of our documentation as HTML. It knows what those pages use: headings, paragraphs, lists that may
// nest, tables, fenced code, and within a line code, bold, italics and links. Everything else is text; all of it is
// escaped. resolve gives the address of a link's target, empty for none.
func markdown(text string, resolve func(target string) string) template.HTML {
	m := &markdownWriter{resolve: resolve}
	m.blocks(strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
	return template.HTML(m.b.String()) //nolint:gosec // escaped piece by piece
}

type markdownWriter struct {
	b       strings.Builder
	resolve func(string) string
}

var (
	headingLine = regexp.MustCompile(`^(#{1,6}) +(.*)$`)
	itemLine    = regexp.MustCompile(`^( *)(?:[-*]|[0-9]+\.) +(.*)$`)
	rulerLine   = regexp.MustCompile(`^\|[-:| ]+\|$`)
	inline      = regexp.MustCompile("`([^`]+)`|\\*\\*(.+?)\\*\\*|\\*([^* ][^*]*)\\*|\\[([^\\]]+)\\]\\(([^) ]+)\\)")
	notAnchor   = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// blocks writes lines that begin at the same indentation.
func (m *markdownWriter) blocks(lines []string) {
	for i := 0; i < len(lines); {
		line := lines[i]
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "<!--") && strings.HasSuffix(line, "-->"):
			i++
		case strings.HasPrefix(line, "```"):
			i = m.fence(lines, i)
		case headingLine.MatchString(line):
			m.heading(line)
			i++
		case strings.HasPrefix(line, "|"):
			i = m.table(lines, i)
		case itemLine.MatchString(line):
			i = m.list(lines, i)
		default:
			i = m.paragraph(lines, i)
		}
	}
}

func (m *markdownWriter) heading(line string) {
	parts := headingLine.FindStringSubmatch(line)
	tag := "h" + string(rune('0'+len(parts[1])))
	m.b.WriteString("<" + tag + ` id="` + anchorOf(parts[2]) + `">`)
	m.line(parts[2])
	m.b.WriteString("</" + tag + ">\n")
}

// anchorOf is the id of a heading, as GitHub makes it.
func anchorOf(text string) string {
	return strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(text), ""), " ", "-")
}

func (m *markdownWriter) fence(lines []string, i int) (next int) {
	m.b.WriteString(`<pre tabindex="0"><code>`)
	for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
		m.b.WriteString(template.HTMLEscapeString(lines[i]) + "\n")
	}
	m.b.WriteString("</code></pre>\n")
	return i + 1
}

func (m *markdownWriter) paragraph(lines []string, i int) (next int) {
	begin := i
	for i < len(lines) && strings.TrimSpace(lines[i]) != "" && (i == begin || !starts(lines[i])) {
		i++
	}
	m.b.WriteString("<p>")
	m.line(strings.Join(lines[begin:i], "\n"))
	m.b.WriteString("</p>\n")
	return i
}

// starts says that a line begins something other than a paragraph.
func starts(line string) bool {
	return strings.HasPrefix(line, "```") || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "<!--") || headingLine.MatchString(line) || itemLine.MatchString(line)
}

// list writes items until a line that belongs to none. What stands deeper than its mark belongs to an item, and may be
// blocks again.
func (m *markdownWriter) list(lines []string, i int) (next int) {
	tag := "ul"
	if c := strings.TrimLeft(lines[i], " ")[0]; c >= '0' && c <= '9' {
		tag = "ol"
	}
	m.b.WriteString("<" + tag + ">\n")
	for i < len(lines) {
		parts := itemLine.FindStringSubmatch(lines[i])
		if parts == nil {
			break
		}
		depth := len(lines[i]) - len(parts[2]) // where the text of the item begins
		inner := []string{parts[2]}
		for i++; i < len(lines) && (indentOf(lines[i]) >= depth || strings.TrimSpace(lines[i]) == "" && i+1 < len(lines) && indentOf(lines[i+1]) >= depth); i++ {
			inner = append(inner, strings.TrimPrefix(lines[i], strings.Repeat(" ", depth)))
		}
		m.b.WriteString("<li>")
		m.item(inner)
		m.b.WriteString("</li>\n")
		for i+1 < len(lines) && strings.TrimSpace(lines[i]) == "" && itemLine.MatchString(lines[i+1]) {
			i++
		}
	}
	m.b.WriteString("</" + tag + ">\n")
	return i
}

// item writes the first lines of an item without a paragraph around them, and the rest as blocks.
func (m *markdownWriter) item(lines []string) {
	n := 1
	for n < len(lines) && strings.TrimSpace(lines[n]) != "" && !starts(lines[n]) {
		n++
	}
	m.line(strings.Join(lines[:n], "\n"))
	if n < len(lines) {
		m.b.WriteByte('\n')
		m.blocks(lines[n:])
	}
}

func indentOf(line string) int {
	if strings.TrimSpace(line) == "" {
		return -1
	}
	return len(line) - len(strings.TrimLeft(line, " "))
}

func (m *markdownWriter) table(lines []string, i int) (next int) {
	m.b.WriteString(`<div class="wide" tabindex="0"><table>` + "\n")
	for first := i; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
		if rulerLine.MatchString(strings.TrimSpace(lines[i])) {
			continue
		}
		row := cells(lines[i])
		cell := "td"
		if i == first {
			if strings.Join(row, "") == "" {
				continue // a table without a head
			}
			cell = "th"
		}
		m.b.WriteString("<tr>")
		for _, text := range row {
			m.b.WriteString("<" + cell + ">")
			m.line(text)
			m.b.WriteString("</" + cell + ">")
		}
		m.b.WriteString("</tr>\n")
	}
	m.b.WriteString("</table></div>\n")
	return i
}

// cells splits a row at its bars, but not at those that are escaped or stand in code.
func cells(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	var row []string
	var cell strings.Builder
	code := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line) && line[i+1] == '|':
			i++
			cell.WriteByte('|')
		case c == '|' && !code:
			row = append(row, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			code = code != (c == '`')
			cell.WriteByte(c)
		}
	}
	return append(row, strings.TrimSpace(cell.String()))
}

// line writes text with what may stand in a line.
func (m *markdownWriter) line(text string) {
	for text != "" {
		at := inline.FindStringSubmatchIndex(text)
		if at == nil {
			m.b.WriteString(template.HTMLEscapeString(text))
			return
		}
		m.b.WriteString(template.HTMLEscapeString(text[:at[0]]))
		group := func(n int) string { return text[at[2*n]:at[2*n+1]] }
		switch {
		case at[2] >= 0:
			m.b.WriteString("<code>" + template.HTMLEscapeString(group(1)) + "</code>")
		case at[4] >= 0:
			m.around("strong", group(2))
		case at[6] >= 0:
			m.around("em", group(3))
		default:
			m.linkTo(group(4), group(5))
		}
		text = text[at[1]:]
	}
}

func (m *markdownWriter) around(tag, text string) {
	m.b.WriteString("<" + tag + ">")
	m.line(text)
	m.b.WriteString("</" + tag + ">")
}

func (m *markdownWriter) linkTo(text, target string) {
	if !strings.HasPrefix(target, "https://") && !strings.HasPrefix(target, "http://") {
		if target = m.resolve(target); target == "" {
			m.line(text)
			return
		}
	}
	m.b.WriteString(`<a href="` + template.HTMLEscapeString(target) + `">`)
	m.line(text)
	m.b.WriteString("</a>")
}
