package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/record"
	"warder/rules/engine"
)

func (a *app) replayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "replay RECORDING…", Short: "the rules over recordings, in recorded time",
		Long: `Plays recordings, files or whole directories, to the rules as if it happened
now, and tells what is found. Nothing is sent anywhere.

With the configuration that was live it finds what was found live. With --rules
it answers what another policy would have done: what is shown as block would
have been refused. What live has found and this has not is listed at the end.`,
		Example: "  warder replay recordings --rules stricter.yaml",
		Args:    usage(cobra.MinimumNArgs(1)),
	}
	f := a.pastFlags(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		cfg, err := f.load(a)
		if err != nil {
			return err
		}
		return a.replay(c.Context(), f, cfg, files)
	}
	return c
}

func (a *app) replay(ctx context.Context, f *pastFlags, cfg *configs.Config, files []string) error {
	return a.overRecordings(ctx, files, func(r *record.Reader, source record.Source) error {
		payload := r.Payload()
		if payload != "full" {
			a.say("recorded with payload %s: %s", payload, unseen[payload])
		}
		if payload == "none" { // that records cannot be read is no news
			cfg.Suppressions = append(cfg.Suppressions, configs.Suppression{
				Rule: engine.Uninspected, Until: configs.Date{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, Reason: "recorded with payload none",
			})
		}
		return a.lookBack(ctx, f, cfg, pastTraffic{Source: source, began: r.Headers()[0].Began})
	})
}

// unseen says what rules do not see in recordings.
var unseen = map[string]string{
	"none": "rules that look at records see nothing of them here; what they found live is below, as not found again",
	"keys": "rules that look at values see whether they are null, and how long they are",
}
