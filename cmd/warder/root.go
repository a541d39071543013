package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"warder/configs"
)

const rootHelp = `warder stands between Kafka clients and brokers. Clients need no change but the
bootstrap address; what passes is looked at by rules, which report and, where
they can and are told to, refuse.

  warder run --upstream kafka-1:9092      the proxy; clients bootstrap from 127.0.0.1:9092
  warder demo                             see it at work, without a Kafka
  warder exec --embedded -- go test ./... a test suite behind it, red when something is found
  warder audit -r kafka.pcap              the same rules on captured traffic
  warder rules                            what it looks for
  warder findings                         what a running warder has found`

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use: "warder", Short: "a Kafka proxy that looks at what passes", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true,
		// A word that is no command is a mistake, not a wish for help.
		RunE: func(c *cobra.Command, args []string) error { return c.Help() },
		Args: usage(cobra.NoArgs),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(
		a.runCommand(), a.demoCommand(), a.execCommand(), a.checkCommand(), a.rulesCommand(), a.tapCommand(), a.recordCommand(), a.replayCommand(),
		a.auditCommand(),
		a.findingsCommand(), a.explainCommand(), a.auditVerifyCommand(), a.versionCommand(),
	)
	return root
}

// usage makes the errors of an argument check count as bad usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			if !c.HasParent() && len(args) > 0 {
				if near, ok := configs.Nearest(args[0], commandNames(c)); ok {
					return usageError("there is no command %q; did you mean %q?", args[0], near)
				}
				return usageError("there is no command %q; warder --help lists them", args[0])
			}
			return usageError("%w; see %s --help", err, c.CommandPath())
		}
		return nil
	}
}

func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// outputFlag adds --output, checked before the command runs.
func outputFlag(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "text", "text for people, json for programs")
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if *format != "text" && *format != "json" {
			return usageError("--output %s: text or json", *format)
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
}

// variable gives an environment variable, or a default.
func (a *app) variable(name, otherwise string) string {
	for _, v := range a.env {
		if n, value, ok := strings.Cut(v, "="); ok && n == name && value != "" {
			return value
		}
	}
	return otherwise
}

// wantsColour says whether f is a terminal and nobody asked for plain text
// (NO_COLOR, see no-color.org).
func wantsColour(f *os.File) bool {
	_, plain := os.LookupEnv("NO_COLOR")
	return isTerminal(f) && !plain && os.Getenv("TERM") != "dumb"
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
