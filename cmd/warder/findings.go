package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"warder/rules"
)

func (a *app) findingsCommand() *cobra.Command {
	var format, rule, clientID, topic, group, severity, since string
	var limit int
	c := &cobra.Command{Use: "findings", Short: "what a running warder has found, newest first", Args: usage(cobra.NoArgs)}
	client := a.adminFlags(c)
	outputFlag(c, &format)
	c.Flags().StringVar(&rule, "rule", "", "of this rule")
	c.Flags().StringVar(&clientID, "client-id", "", "about this client id")
	c.Flags().StringVar(&topic, "topic", "", "about this topic")
	c.Flags().StringVar(&group, "group", "", "about this consumer group")
	c.Flags().StringVar(&severity, "severity", "", "at least info, warning or critical")
	c.Flags().StringVar(&since, "since", "", "not older than 15m or 7d, or since 2026-11-23T17:20:47Z")
	c.Flags().IntVar(&limit, "limit", 100, "at most this many")
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, value := range map[string]string{"rule": rule, "client_id": clientID, "topic": topic, "group": group, "severity": severity, "since": since} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if format == "json" {
			raw, err := findings[json.RawMessage](c.Context(), client, q)
			if err != nil {
				return err
			}
			return writeJSON(a.stdout, raw)
		}
		found, err := findings[rules.Finding](c.Context(), client, q)
		if err != nil {
			return err
		}
		return a.showFindings(found)
	}
	return c
}

// findings asks for findings in the form T: decoded, or as they came.
func findings[T any](ctx context.Context, client *adminClient, q url.Values) ([]T, error) {
	answer := struct {
		Findings []T `json:"findings"`
	}{}
	err := client.getJSON(ctx, "/api/v1/findings", q, &answer)
	return answer.Findings, err
}

func (a *app) showFindings(found []rules.Finding) error {
	if len(found) == 0 {
		a.say("nothing found")
		return nil
	}
	rows := [][]string{{"LAST SEEN", "SEVERITY", "RULE", "ACTION", "COUNT", "TOPIC", "CLIENT", "ID", "SUMMARY"}}
	for _, f := range found {
		rows = append(rows, []string{
			f.LastTime.Local().Format(time.DateTime), f.Severity.String(), f.Rule, actionOf(f), strconv.Itoa(f.Count),
			or(f.Subject.Topic), or(f.Subject.ClientID), f.ID, f.Summary,
		})
	}
	return table(a.stdout, rows)
}

// actionOf says in a word or two what was done.
func actionOf(f rules.Finding) string {
	if f.WouldBlock {
		return f.Action.String() + " (would block)"
	}
	return f.Action.String()
}
