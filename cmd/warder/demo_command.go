package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"
)

// demoOptions says how runDemo shows warder at work.
type demoOptions struct {
	duration       time.Duration // 0: until ctx ends
	listen         string        // host:port of warder's bootstrap address; port 0 for any free one
	admin          string        // host:port of the admin interface; port 0 for any free one
	stdout, stderr io.Writer     // findings and the table; what goes on besides
	colour         bool          // stdout is a terminal
}

func (a *app) demoCommand() *cobra.Command {
	o := demoOptions{stdout: a.stdout, stderr: a.stderr, colour: a.colour}
	c := &cobra.Command{
		Use: "demo", Short: "see it at work, without a Kafka", Args: usage(cobra.NoArgs),
		Long: "Starts an embedded Kafka-compatible broker, warder in front of it, and sample\nproducers, consumers and groups that misbehave in turn: every rule is shown at\nwork, beside traffic that looks alike and is fine. The end is a table of what was\ndone and what came of it. The exit status is 1 if something that should have been\nfound was not, or something was that should not.",
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), o) },
	}
	c.Flags().DurationVar(&o.duration, "duration", 0, "how long; without it until Ctrl-C")
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "where warder listens for Kafka clients, HOST:PORT")
	c.Flags().StringVar(&o.admin, "admin", "127.0.0.1:0", "where warder serves its page, HOST:PORT")
	return c
}
