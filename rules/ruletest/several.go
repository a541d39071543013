package ruletest

import (
	"regexp"
	"strconv"
	"strings"
)

// span is {A..B} in a name.
var span = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)

// several gives the lines that stand for one whose client is several: `c{1..3}
// beats g` is three lines, and {#} the number in each. Behind the client
// members=c{1..3} is a list.
func (s *stage) several(line string) []string {
	s.t.Helper()
	first, rest, _ := strings.Cut(line, " ")
	client := first == "client"
	if client {
		first, rest, _ = strings.Cut(rest, " ")
	}
	verb, _, _ := strings.Cut(rest, " ")
	if verb == "produces" || verb == "fetches" { // which have many of their own, of records
		return []string{line}
	}
	rest = s.lists(rest)
	at := span.FindStringSubmatchIndex(first)
	if at == nil {
		if client {
			first = "client " + first
		}
		return []string{strings.TrimSuffix(first+" "+rest, " ")}
	}
	var out []string
	for n := s.number(first[at[2]:at[3]]); n <= s.number(first[at[4]:at[5]]); n++ {
		number := strconv.Itoa(n)
		one := first[:at[0]] + number + first[at[1]:] + " " + strings.ReplaceAll(rest, "{#}", number)
		if client {
			one = "client " + one
		}
		out = append(out, one)
	}
	return out
}

// lists writes out words with a span, separated by commas.
func (s *stage) lists(text string) string {
	s.t.Helper()
	for {
		at := span.FindStringSubmatchIndex(text)
		if at == nil {
			return text
		}
		from := strings.LastIndexAny(text[:at[0]], " =,") + 1
		prefix := text[from:at[0]]
		var names []string
		for n := s.number(text[at[2]:at[3]]); n <= s.number(text[at[4]:at[5]]); n++ {
			names = append(names, prefix+strconv.Itoa(n))
		}
		text = text[:from] + strings.Join(names, ",") + text[at[1]:]
	}
}
