package sink

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"warder/rules"
)

// webhookBodies make the body of a post, by the name of the format.
var webhookBodies = map[string]func(*rules.Finding) ([]byte, error){
	"json":         func(f *rules.Finding) ([]byte, error) { return json.Marshal(f) },
	"alertmanager": alertmanagerBody,
	"slack":        slackBody,
}

// alert is one of Alertmanager's (POST /api/v2/alerts, postableAlert).
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt is given when the incident is over. Without it Alertmanager ends an
	// alert that is not sent again (resolve_timeout).
	EndsAt time.Time `json:"endsAt,omitzero"`
}

// alertmanagerBody makes one alert for each incident. What grows, as its count
// does, is no label: alerts with other labels are other alerts.
func alertmanagerBody(f *rules.Finding) ([]byte, error) {
	a := alert{
		Labels: map[string]string{
			"alertname": f.Rule, "severity": f.Severity.String(), "job": "warder",
			"cluster": f.Cluster, "fingerprint": f.Fingerprint,
		},
		Annotations: map[string]string{
			"summary": f.Summary, "description": f.Advice, "doc": f.Doc, "finding": f.ID,
			"action": f.Action.String(), "count": strconv.Itoa(f.Count),
		},
		StartsAt: f.FirstTime,
	}
	for _, field := range subjectFields(&f.Subject) {
		a.Labels[field[0]] = field[1]
	}
	if f.Resolved {
		a.EndsAt = f.Time
	}
	return json.Marshal([]alert{a})
}

// subjectFields are what identifies a subject, by the names of its JSON. Addresses
// and ports change while an incident goes on, and are left out.
func subjectFields(s *rules.Subject) (fields [][2]string) {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, [2]string{name, value})
		}
	}
	add("topic", s.Topic)
	if s.Partition != nil {
		add("partition", strconv.Itoa(int(*s.Partition)))
	}
	add("group", s.Group)
	add("member", s.Member)
	add("client_id", s.ClientID)
	add("principal", s.Principal)
	add("transactional_id", s.TransactionalID)
	return fields
}

// slackColours are those of the bar beside a message.
var slackColours = map[rules.Severity]string{rules.Info: "#439fe0", rules.Warning: "warning", rules.Critical: "danger"}

// slackBody makes a message of an incoming webhook.
func slackBody(f *rules.Finding) ([]byte, error) {
	type field struct {
		Title string `json:"title"`
		Value string `json:"value"`
		Short bool   `json:"short"`
	}
	type attachment struct {
		Fallback string  `json:"fallback"`
		Color    string  `json:"color"`
		Text     string  `json:"text"`
		Fields   []field `json:"fields"`
		Footer   string  `json:"footer"`
		Time     int64   `json:"ts"`
	}
	head := fmt.Sprintf("%s: %s on %s", f.Severity, f.Rule, f.Cluster)
	a := attachment{
		Color: slackColours[f.Severity], Text: slackText(f.Summary) + "\n\n" + slackText(f.Advice),
		Footer: f.Doc + " | warder explain " + f.ID, Time: f.LastTime.Unix(),
	}
	switch {
	case f.Resolved:
		head, a.Color = "over: "+f.Rule+" on "+f.Cluster, "good"
	case f.Action == rules.Block:
		head += ", refused"
	case f.Count > 1:
		head += fmt.Sprintf(", %d times since %s", f.Count, f.FirstTime.UTC().Format("2006-01-02 15:04 MST"))
	}
	for _, s := range subjectFields(&f.Subject) {
		a.Fields = append(a.Fields, field{strings.ReplaceAll(s[0], "_", " "), slackText(s[1]), true})
	}
	a.Fallback = head + ": " + slackText(f.Summary)
	return json.Marshal(struct {
		Text        string       `json:"text"`
		Attachments []attachment `json:"attachments"`
	}{"*" + slackText(head) + "*", []attachment{a}})
}

// slackText keeps what clients chose from meaning anything to Slack, as a mention
// like <!channel> would.
func slackText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
