package rules

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// AllowYAML is the configuration that would have let pass what f is about. It is
// empty for a finding about a group alone: there is nobody to be allowed what
// happened.
func (f *Finding) AllowYAML() string {
	s := &f.Subject
	who := flow("topic", s.Topic, "client_id", s.ClientID, "principal", s.Principal)
	if who == "" {
		return ""
	}
	return fmt.Sprintf("rules:\n  %s:\n    allow:\n      - {%s, reason: \"…\"}\n", f.Rule, who)
}

// SuppressYAML is the configuration that keeps findings like f quiet up to and
// including the day of until.
func (f *Finding) SuppressYAML(until time.Time) string {
	s := &f.Subject
	about := flow("topic", s.Topic, "client_id", s.ClientID, "principal", s.Principal, "group", s.Group)
	if about != "" {
		about = ", " + about
	}
	return fmt.Sprintf("suppressions:\n  - {rule: %s%s, until: %s, reason: \"…\"}\n", f.Rule, about, until.UTC().Format(time.DateOnly))
}

// flow writes names and the patterns of values as the inside of a YAML flow
// mapping, without those whose value is empty.
func flow(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, fmt.Sprintf("%s: %q", pairs[i], PatternOf(pairs[i+1])))
		}
	}
	return strings.Join(parts, ", ")
}

// PatternOf is a pattern that matches name, and nothing else as far as patterns can
// say that: a question mark stands for what cannot be written, or would mean
// something else.
func PatternOf(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r == utf8.RuneError || r == '{' || r == '}' || i == 0 && r == '!' {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
