package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"warder/rules"
)

// reportFormat chooses the form of a report by the name of its file.
func reportFormat(file string) (write func(io.Writer, *execResult, rules.Severity) error, err error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".xml":
		return writeJUnit, nil
	case ".json", ".sarif":
		return writeSARIF, nil
	}
	return nil, usageError("--report %s: the name must end in .xml (JUnit) or .json, .sarif (SARIF)", file)
}

// writeReport writes one report; findings from limit on count as failures.
func writeReport(file string, r *execResult, limit rules.Severity) error {
	write, err := reportFormat(file)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := write(&text, r, limit); err != nil {
		return fmt.Errorf("report %s: %w", file, err)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil { //nolint:gosec // for whoever runs the pipeline to read
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// subjectText names what a finding is about, as in "topic users, partition 3, client profile-svc".
func subjectText(s *rules.Subject) string {
	var parts []string
	add := func(what, name string) {
		if name != "" {
			parts = append(parts, what+" "+printable(name))
		}
	}
	add("topic", s.Topic)
	if s.Partition != nil {
		add("partition", strconv.Itoa(int(*s.Partition)))
	}
	add("group", s.Group)
	add("member", s.Member)
	add("client", s.ClientID)
	add("transactional id", s.TransactionalID)
	return strings.Join(parts, ", ")
}

// details is all that a finding says, for where there is room.
func details(f *rules.Finding) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n%s\n\n", printable(f.Summary), printable(f.Advice))
	for _, line := range [][2]string{
		{"about", subjectText(&f.Subject)}, {"evidence", evidenceText(f.Evidence)},
		{"software", printable(f.Subject.Software)}, {"times", strconv.Itoa(f.Count)},
		{"first", f.FirstTime.Format(timeOfReport)}, {"last", f.LastTime.Format(timeOfReport)}, {"page", f.Doc},
	} {
		if line[1] != "" {
			fmt.Fprintf(&text, "%-9s %s\n", line[0], line[1])
		}
	}
	return text.String()
}

// timeOfReport is RFC 3339 with milliseconds.
const timeOfReport = "2006-01-02T15:04:05.000Z07:00"
