package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

func (a *app) explainGroupCommand() *cobra.Command {
	var format string
	var all bool
	c := &cobra.Command{
		Use: "group G [topic T]", Short: "what became of the records that a consumer group should have read",
		Long: "Tells of each partition where the group last committed and what the log still\nholds, what was skipped, lost or read again, when, by whom and why, who reads it\nnow, and what to do; then why the group rebalanced.",
		Args: usage(groupArguments),
	}
	client := a.adminFlags(c)
	outputFlag(c, &format)
	c.Flags().BoolVar(&all, "all", false, "every partition, rebalance and finding, not just the worst and the last")
	c.RunE = func(c *cobra.Command, args []string) error {
		t := teller{now: time.Now(), zone: time.Local, all: all}
		if len(args) == 3 {
			t.topic = args[2]
		}
		story, err := client.story(c.Context(), &t, args[0])
		if err != nil {
			return err
		}
		if format == "json" {
			return writeJSON(a.stdout, story)
		}
		return t.write(a.stdout, story)
	}
	return c
}

func groupArguments(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 1, len(args) == 3 && args[1] == "topic":
		return nil
	case len(args) == 0:
		return errors.New("which group? explain group G [topic T]")
	default:
		return errors.New("want: explain group G [topic T]")
	}
}

// story asks for all that is known of a group, and tells it.
func (c *adminClient) story(ctx context.Context, t *teller, name string) (*groupStory, error) {
	group, err := c.group(ctx, name)
	if err != nil {
		return nil, err
	}
	found, err := c.findingsAbout(ctx, group.ID)
	if err != nil {
		return nil, err
	}
	return t.tell(group, found), nil
}

// group asks for all that is known of a group. One that is not known is an error
// that says which are.
func (c *adminClient) group(ctx context.Context, name string) (state.GroupView, error) {
	var list state.GroupList
	var view state.GroupView
	if err := c.getJSON(ctx, "/api/v1/groups", nil, &list); err != nil {
		return view, err
	}
	if !list.Partial && !slices.ContainsFunc(list.Groups, func(l state.GroupLine) bool { return l.ID == name }) {
		return view, unknownGroup(name, list.Groups)
	}
	err := c.getJSON(ctx, "/api/v1/groups/"+url.PathEscape(name), nil, &view)
	return view, err
}

// namesShown bounds how many names a sentence lists.
const namesShown = 10

func unknownGroup(name string, known []state.GroupLine) error {
	ids := make([]string, 0, len(known))
	for _, l := range known {
		ids = append(ids, l.ID)
	}
	text := fmt.Sprintf("group %s was never seen through this warder, which says nothing of what passes elsewhere", excerpt(name))
	if near, ok := configs.Nearest(name, ids); ok {
		text += fmt.Sprintf("; did you mean %s?", excerpt(near))
	}
	if len(ids) == 0 {
		return errors.New(text + "\nIt has seen no group at all yet: do consumers bootstrap from its address?")
	}
	return errors.New(text + "\nIt has seen: " + nameList(ids))
}

// nameList lists names, the first ones of many.
func nameList(names []string) string {
	shown := make([]string, 0, namesShown)
	for _, n := range names[:min(len(names), namesShown)] {
		shown = append(shown, excerpt(n))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// excerpt makes a name that a client chose fit for a sentence.
func excerpt(name string) string { return rules.Excerpt(name, 80) }

// topicRules are the rules whose findings about a topic say why its readers miss
// records although nothing happened to the group.
var topicRules = []string{"wrong-topic", "key-drift", "partitioner-mix", "format-drift"}

// findingsAbout asks for the findings about a group, and for those about topics
// that may explain what it misses.
func (c *adminClient) findingsAbout(ctx context.Context, group string) ([]rules.Finding, error) {
	list, err := findings[rules.Finding](ctx, c, url.Values{"group": {group}, "limit": {"100"}})
	if err != nil {
		return nil, err
	}
	for _, rule := range topicRules {
		more, err := findings[rules.Finding](ctx, c, url.Values{"rule": {rule}, "limit": {"1000"}})
		if err != nil {
			return nil, err
		}
		for _, f := range more {
			if f.Subject.Group == "" { // those about the group are there already, those about others do not matter
				list = append(list, f)
			}
		}
	}
	return list, nil
}
