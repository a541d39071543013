package ruletest

import (
	"fmt"
	"slices"
	"strings"

	"warder/rules"
)

// A stage is the sink of its engine and writes findings as a case shows them.

// Name is "case".
func (s *stage) Name() string { return "case" }

// Close does nothing.
func (s *stage) Close() error { return nil }

// Write renders one finding. What is random (id) or derived (fingerprint, doc) is
// left out, and advice, which is long and much the same, has a section of its own.
func (s *stage) Write(f *rules.Finding) error {
	b := &s.findings
	fmt.Fprintf(b, "%v %s %s %s", f.Time.Sub(start), f.Rule, f.Severity, f.Action)
	if f.WouldBlock {
		b.WriteString(" would-block")
	}
	if f.Resolved {
		b.WriteString(" resolved")
	}
	if f.Count > 1 {
		fmt.Fprintf(b, " x%d", f.Count)
	}
	if line := f.Advice + "\n"; f.Advice != "" && !slices.Contains(s.advice, line) {
		s.advice = append(s.advice, line)
	}
	fmt.Fprintf(b, "\n  %s\n  about: %s\n  evidence:%s\n", f.Summary, subject(&f.Subject), evidence(f.Evidence))
	if f.Advice == "" && !f.Resolved {
		b.WriteString("  no advice\n")
	}
	return nil
}

func subject(s *rules.Subject) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("topic", s.Topic)
	if s.Partition != nil {
		add("partition", fmt.Sprint(*s.Partition))
	}
	add("group", s.Group)
	add("member", s.Member)
	add("client_id", s.ClientID)
	add("principal", s.Principal)
	add("transactional_id", s.TransactionalID)
	return strings.Join(parts, " ")
}

func evidence(e rules.Evidence) string {
	var b strings.Builder
	for _, f := range e {
		fmt.Fprintf(&b, " %s=%v", f.Name, f.Value)
	}
	return b.String()
}
