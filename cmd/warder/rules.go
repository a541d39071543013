package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/docs"
	"warder/rules/builtin"
)

// ruleInfo is a rule as `rules list --output json` shows it.
type ruleInfo struct {
	ID       string `json:"id"`
	Summary  string `json:"summary"`
	Severity string `json:"severity"`
	Default  string `json:"default"` // action when the configuration names none
	CanBlock bool   `json:"can_block"`
	Doc      string `json:"doc"`
}

func (a *app) rulesCommand() *cobra.Command {
	var format string
	list := &cobra.Command{
		Use: "list", Short: "every rule, its default, and what it can do", Args: usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.listRules(format) },
	}
	outputFlag(list, &format)
	explain := &cobra.Command{
		Use: "explain RULE", Short: "the page of one rule", Args: usage(cobra.ExactArgs(1)),
		ValidArgs: ruleIDs(),
		RunE:      func(_ *cobra.Command, args []string) error { return a.explainRule(args[0]) },
	}
	c := &cobra.Command{Use: "rules", Short: "the rules: list, explain", Args: usage(cobra.NoArgs), RunE: list.RunE}
	outputFlag(c, &format)
	c.AddCommand(list, explain)
	return c
}

func (a *app) listRules(format string) error {
	infos := []ruleInfo{}
	rows := [][]string{{"RULE", "DEFAULT", "CAN BLOCK", "SEVERITY", "WHAT IT FINDS"}}
	for _, s := range builtin.Specs() {
		infos = append(infos, ruleInfo{s.ID, s.Summary, s.Severity.String(), s.Default.String(), s.CanBlock, s.Doc})
		block := "no"
		if s.CanBlock {
			block = "yes"
		}
		rows = append(rows, []string{s.ID, s.Default.String(), block, s.Severity.String(), s.Summary})
	}
	if format == "json" {
		return writeJSON(a.stdout, infos)
	}
	return table(a.stdout, rows)
}

func (a *app) explainRule(id string) error {
	if _, ok := findSpec(id); !ok {
		if near, ok := configs.Nearest(id, ruleIDs()); ok {
			return usageError("there is no rule %q; did you mean %q?", id, near)
		}
		return usageError("there is no rule %q; there are %s", id, strings.Join(ruleIDs(), ", "))
	}
	page, ok := docs.Rule(id)
	if !ok {
		return fmt.Errorf("rule %s has no page", id)
	}
	_, err := fmt.Fprint(a.stdout, page)
	return err
}
