package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/record"
	"warder/record/capture"
)

// pastFlags are the flags of commands that look at what has happened.
type pastFlags struct {
	config  *configFlags
	rules   string
	failOn  string
	reports []string
	format  string
}

func (a *app) pastFlags(c *cobra.Command) *pastFlags {
	f := &pastFlags{config: a.configFlags(c, "log-level", "log-format")}
	// There is no broker, and a file of rules need not name one.
	f.config.otherwise([]configs.Flag{
		{Name: c.Name(), Path: "upstream.bootstrap", Value: "127.0.0.1:9092"},
		{Name: c.Name(), Path: "log.level", Value: "error"},
		{Name: c.Name(), Path: "record.mode", Value: "flagged"}, // nothing is recorded, and rules may be on record
	})
	outputFlag(c, &f.format)
	c.Flags().StringVar(&f.rules, "rules", "", "take rules and suppressions from this file, which may hold nothing else")
	c.Flags().StringVar(&f.failOn, "fail-on", never, "fail when a finding is info, warning or critical, or worse; or never")
	c.Flags().StringArrayVar(&f.reports, "report", nil, "write what was found to this file, .xml (JUnit), .json or .sarif; may be repeated")
	return f
}

// load reads the configuration.
func (f *pastFlags) load(a *app) (*configs.Config, error) {
	if _, err := failLimit(f.failOn); err != nil {
		return nil, err
	}
	for _, file := range f.reports {
		if _, err := reportFormat(file); err != nil {
			return nil, err
		}
	}
	cfg, err := a.load(f.config)
	if err != nil || f.rules == "" {
		return cfg, err
	}
	with := *f.config
	with.file, with.given = f.rules, true
	policy, err := a.load(&with)
	if err != nil {
		return nil, err
	}
	cfg.Rules, cfg.Suppressions = policy.Rules, policy.Suppressions
	return cfg, nil
}

// pastTraffic is what there is to look at.
type pastTraffic struct {
	record.Source
	began   time.Time              // when the warder began that saw it live; zero if there was none
	packets func() *capture.Counts // what became of the packets; nil where there were none
}

// lookBack plays traffic, tells what was found, and gives the exit status.
func (a *app) lookBack(ctx context.Context, f *pastFlags, cfg *configs.Config, traffic pastTraffic) error {
	asJSON := f.format == "json"
	p, err := newPast(cfg, newLog(a.stderr, cfg.Log), &pastShown{app: a, json: asJSON}) //nolint:contextcheck // an inline engine starts nothing
	if err != nil {
		return err
	}
	p.player.TickLike(traffic.began)
	playing := p.play(ctx, traffic)
	if traffic.packets != nil {
		p.result.Captured = traffic.packets()
	}
	r, err := p.end(context.WithoutCancel(ctx))
	if err := errors.Join(playing, err, a.showPast(r, asJSON)); err != nil {
		return err
	}
	return a.judgePast(f, cfg, r)
}

// judgePast writes the reports.
func (a *app) judgePast(f *pastFlags, cfg *configs.Config, r *pastResult) error {
	limit, err := failLimit(f.failOn)
	if err != nil {
		return err
	}
	result := &execResult{
		cluster: cfg.Upstream.Name, began: r.From, lasted: max(r.To.Sub(r.From), time.Duration(0)), accepted: r.Played.Connections,
		findings: r.Findings, active: activeRules(cfg.Rules),
	}
	for _, file := range f.reports {
		if err := writeReport(file, result, limit); err != nil {
			return err
		}
	}
	return result.verdict(limit)
}
