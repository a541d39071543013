package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// finding is one finding as warder promises it to its users, field by field: a field that is not here is an error.
type finding struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	Rule        string    `json:"rule"`
	Severity    string    `json:"severity"`
	Action      string    `json:"action"`
	WouldBlock  bool      `json:"would_block"`
	Cluster     string    `json:"cluster"`
	Subject     subject   `json:"subject"`
	Summary     string    `json:"summary"`
	Evidence    M         `json:"evidence"`
	Advice      string    `json:"advice"`
	Doc         string    `json:"doc"`
	Fingerprint string    `json:"fingerprint"`
	Count       int       `json:"count"`
	FirstTime   time.Time `json:"first_time"`
	LastTime    time.Time `json:"last_time"`
	Resolved    bool      `json:"resolved"`
}

// subject is who and what a finding is about.
type subject struct {
	Topic           string `json:"topic"`
	Partition       *int   `json:"partition"`
	Group           string `json:"group"`
	Member          string `json:"member"`
	ClientID        string `json:"client_id"`
	Principal       string `json:"principal"`
	Remote          string `json:"remote"`
	Software        string `json:"software"`
	TransactionalID string `json:"transactional_id"`
}

// says tells whether the finding's summary or evidence has all of the words, in any case.
func (f finding) says(words ...string) bool {
	evidence, err := json.Marshal(f.Evidence)
	if err != nil {
		return false
	}
	text := strings.ToLower(f.Summary + " " + string(evidence))
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, strings.ToLower(word)) })
}

// check wants what every finding promises, whatever its rule.
func (f finding) check() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(len(f.ID) == 26, "id %q is no ULID", f.ID)
	want(f.Rule != "" && f.Doc == "docs/rules/"+f.Rule+".md", "rule %q has the page %q", f.Rule, f.Doc)
	want(slices.Contains([]string{"info", "warning", "critical"}, f.Severity), "severity %q", f.Severity)
	want(slices.Contains([]string{"alert", "record", "block"}, f.Action), "action %q", f.Action)
	want(f.Cluster == "e2e" || f.Cluster == "default", "cluster %q", f.Cluster)
	want(f.Summary != "" && (f.Resolved || f.Advice != "" && len(f.Evidence) > 0), "no summary, advice or evidence")
	want(!strings.ContainsAny(f.Summary+f.Advice, "\n\x00"), "summary or advice is no line: %q, %q", f.Summary, f.Advice)
	want(f.Fingerprint != "" && f.Count >= 1, "fingerprint %q, count %d", f.Fingerprint, f.Count)
	want(!f.FirstTime.IsZero() && !f.LastTime.Before(f.FirstTime) && !f.Time.IsZero(), "times %v, %v to %v", f.Time, f.FirstTime, f.LastTime)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("finding %+v: %w", f, err)
	}
	return nil
}

// findingsOf asks the admin interface; query has the parameters of /api/v1/findings.
func findingsOf(ctx context.Context, p *proxy, query url.Values) ([]finding, error) {
	path := "/api/v1/findings?" + query.Encode()
	text, err := p.tells(ctx, path)
	if err != nil {
		return nil, err
	}
	var list struct {
		Findings []finding `json:"findings"`
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range list.Findings {
		if err := f.check(); err != nil {
			return nil, err
		}
	}
	return list.Findings, nil
}

// about is the query for one rule's findings about a topic.
func about(rule, topic string) url.Values {
	return url.Values{"rule": {rule}, "topic": {topic}, "limit": {"100"}}
}

// awaitFinding waits for a finding of the rule about the topic that satisfies ok.
func awaitFinding(ctx context.Context, p *proxy, rule, topic string, ok func(finding) bool) (finding, error) {
	return awaitFindingOf(ctx, p, about(rule, topic), ok)
}

// awaitFindingOf waits for a finding among those that a query gives.
func awaitFindingOf(ctx context.Context, p *proxy, query url.Values, ok func(finding) bool) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	for {
		found, err := findingsOf(ctx, p, query)
		if err != nil && ctx.Err() == nil {
			return finding{}, err
		}
		if i := slices.IndexFunc(found, ok); i >= 0 {
			return found[i], nil
		}
		select {
		case <-ctx.Done():
			return finding{}, fmt.Errorf("no such finding of %s: %w; there are %s", query.Encode(), ctx.Err(), listed(found))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// noFinding wants the rule to have said nothing about the topic. Warder judges traffic in its own time, so call it only when a
// finding has come through about something that happened later.
func noFinding(ctx context.Context, p *proxy, rule, topic string) error {
	found, err := findingsOf(ctx, p, about(rule, topic))
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%s was to be silent about %s: %s", rule, topic, listed(found))
	}
	return err
}

func listed(found []finding) string {
	text := fmt.Sprintf("%d findings", len(found))
	for _, f := range found {
		text += fmt.Sprintf("; %s: %s %v", f.Severity, f.Summary, f.Evidence)
	}
	return text
}
