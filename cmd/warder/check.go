package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/rules/engine"
)

// checkResult is what `check --output json` shows.
type checkResult struct {
	Valid    bool             `json:"valid"`
	Config   string           `json:"config"` // path of the file; empty when there is none
	Problems configs.Problems `json:"problems"`
	Warnings configs.Problems `json:"warnings"`
	Cluster  *clusterView     `json:"cluster,omitempty"` // with --connect
}

func (a *app) checkCommand() *cobra.Command {
	var format string
	var connect bool
	c := &cobra.Command{
		Use: "check", Short: "is the configuration valid, and with --connect: what will clients be told", Args: usage(cobra.NoArgs),
		Long: "Reads the configuration as `run` would and lists everything wrong with it, as\nfile:line:column: message. --connect also dials the upstream and prints every\nbroker with the address that clients of each listener will be given.",
	}
	flags := a.configFlags(c)
	outputFlag(c, &format)
	c.Flags().BoolVar(&connect, "connect", false, "dial the upstream and print the table of addresses")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := a.load(flags)
		if err == nil {
			err = checkRules(cfg)
		}
		result := checkResult{Valid: err == nil, Config: flags.path(a), Problems: configs.Problems{}, Warnings: configs.Problems{}}
		if err != nil {
			if format != "json" || !errors.As(err, &result.Problems) {
				return err
			}
			if err := writeJSON(a.stdout, result); err != nil {
				return err
			}
			return &exitError{exitUsage, fmt.Errorf("%d problems", len(result.Problems))}
		}
		result.Warnings = append(result.Warnings, cfg.Warnings...)
		if connect {
			if result.Cluster, err = askCluster(c.Context(), cfg); err != nil {
				return err
			}
		}
		if format == "json" {
			return writeJSON(a.stdout, result)
		}
		return a.showCheck(cfg, result)
	}
	return c
}

// checkRules compiles the rules as a running warder would: whether a rule can
// block and what its own knobs mean is known there.
func checkRules(cfg *configs.Config) error {
	if err := engine.Check(specs(), cfg.Rules, cfg.Suppressions); err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}

func (a *app) showCheck(cfg *configs.Config, r checkResult) error {
	if err := cfg.Warnings.Render(a.stderr, a.stderrColour); err != nil {
		return err
	}
	where := "flags and environment"
	if r.Config != "" {
		where = r.Config
	}
	a.say("%s: valid", where)
	if r.Cluster == nil {
		return nil
	}
	if r.Cluster.Note != "" {
		a.say("%s", r.Cluster.Note)
		return nil
	}
	rows := [][]string{{"NODE", "BROKER", "RACK"}}
	for _, l := range cfg.Listeners {
		rows[0] = append(rows[0], "CLIENTS OF "+strings.ToUpper(l.Name)+" GET")
	}
	for _, b := range r.Cluster.Brokers {
		row := []string{fmt.Sprint(b.NodeID), b.Address, or(b.Rack)}
		for _, l := range cfg.Listeners {
			row = append(row, b.Advertised[l.Name])
		}
		rows = append(rows, row)
	}
	a.say("cluster %s", or(r.Cluster.ID))
	return table(a.stdout, rows)
}
