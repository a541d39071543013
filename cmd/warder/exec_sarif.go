package main

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"warder/rules"
)

// The objects of a SARIF 2.1.0 log that findings need (OASIS, sarif-schema-2.1.0).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string    `json:"id"`
		Short   sarifText `json:"shortDescription"`
		Help    sarifText `json:"help"`
		Default struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Occurrences  int               `json:"occurrenceCount"`
		Properties   sarifProperties   `json:"properties"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
		Logical []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifProperties struct {
		Severity   rules.Severity `json:"severity"`
		Action     rules.Action   `json:"action"`
		WouldBlock bool           `json:"would_block"`
		Subject    rules.Subject  `json:"subject"`
		Evidence   rules.Evidence `json:"evidence"`
		FirstTime  string         `json:"first_time"`
		LastTime   string         `json:"last_time"`
	}
)

// writeSARIF writes a log of one run. Its levels are those of severities, whatever
// the limit: SARIF's readers have limits of their own.
func writeSARIF(w io.Writer, r *execResult, _ rules.Severity) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "warder", Version: thisVersion().Version, Rules: []sarifRule{}}
	var ids []string
	for _, s := range specs() {
		rule := sarifRule{ID: s.ID, Short: sarifText{s.Summary}, Help: sarifText{"See `warder rules explain " + s.ID + "`, or " + s.Doc}}
		rule.Default.Level = sarifLevel(s.Severity)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		ids = append(ids, s.ID)
	}
	for i := range r.findings {
		run.Results = append(run.Results, sarifResultOf(&r.findings[i], ids))
	}
	return writeJSON(w, sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func sarifResultOf(f *rules.Finding, ids []string) sarifResult {
	res := sarifResult{
		RuleID: f.Rule, RuleIndex: slices.Index(ids, f.Rule), Level: sarifLevel(f.Severity),
		Message:      sarifText{printable(f.Summary) + "\n\n" + printable(f.Advice)},
		Fingerprints: map[string]string{"warder/v1": f.Fingerprint}, Occurrences: f.Count,
		Properties: sarifProperties{
			f.Severity, f.Action, f.WouldBlock, f.Subject, f.Evidence,
			f.FirstTime.Format(timeOfReport), f.LastTime.Format(timeOfReport),
		},
	}
	// Readers of SARIF insist on a file. What there is is a place in the cluster.
	var at sarifLocation
	path := []string{"kafka", f.Cluster}
	for _, part := range [][2]string{{"topic", f.Subject.Topic}, {"group", f.Subject.Group}, {"client", f.Subject.ClientID}} {
		if part[1] != "" {
			path = append(path, part[0]+"s", pathPart(part[1]))
			at.Logical = append(at.Logical, sarifLogical{part[1], part[0]})
		}
	}
	if p := f.Subject.Partition; p != nil && f.Subject.Topic != "" {
		at.Logical[0].Name += "/" + strconv.Itoa(int(*p))
	}
	at.Physical.Artifact.URI = strings.Join(path, "/")
	res.Locations = []sarifLocation{at}
	return res
}

// pathPart is a name that clients chose as one part of a URI's path.
func pathPart(name string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`/%?#\"<>^{|}`+"`", r) {
			return r
		}
		return '_'
	}, name)
}

func sarifLevel(s rules.Severity) string {
	switch s {
	case rules.Critical:
		return "error"
	case rules.Warning:
		return "warning"
	default:
		return "note"
	}
}
