package main

import (
	"encoding/xml"
	"fmt"
	"io"

	"warder/rules"
)

// The elements of a JUnit report, as far as CI systems agree on them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class     string        `xml:"classname,attr"`
		Name      string        `xml:"name,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitFailure `xml:"failure"`
		SystemOut *junitText    `xml:"system-out"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
)

// writeJUnit writes one test case for each finding, failed from limit on, and a
// passed one for each rule that found nothing.
func writeJUnit(w io.Writer, r *execResult, limit rules.Severity) error {
	found := map[string]bool{}
	var cases []junitCase
	for i := range r.findings {
		f := &r.findings[i]
		found[f.Rule] = true
		c := junitCase{Class: "warder." + f.Rule, Name: f.Rule + ": " + subjectText(&f.Subject), Time: "0"}
		if limit > 0 && f.Severity >= limit {
			c.Failure = &junitFailure{Message: printable(f.Summary), Type: f.Severity.String(), Text: details(f)}
		} else {
			c.SystemOut = &junitText{f.Severity.String() + ": " + details(f)}
		}
		cases = append(cases, c)
	}
	for _, id := range r.active {
		if !found[id] {
			cases = append(cases, junitCase{Class: "warder." + id, Name: id, Time: "0"})
		}
	}
	seconds := fmt.Sprintf("%.3f", r.lasted.Seconds())
	suite := junitSuite{
		Name: "warder", Tests: len(cases), Failures: r.reaching(limit), Time: seconds,
		Timestamp: r.began.UTC().Format("2006-01-02T15:04:05"), Cases: cases,
	}
	all := junitSuites{Name: "warder", Tests: suite.Tests, Failures: suite.Failures, Time: seconds, Suites: []junitSuite{suite}}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
