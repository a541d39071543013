package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/sink"
)

// execOptions says what runs behind warder, and when that counts as failed.
type execOptions struct {
	embedded bool
	failOn   string
	reports  []string
	command  []string
}

// never is the value of --fail-on that no finding reaches.
const never = "never"

func (a *app) execCommand() *cobra.Command {
	var o execOptions
	c := &cobra.Command{
		Use: "exec (--upstream HOST:PORT | --embedded) [flags] -- COMMAND [ARGUMENT…]", Short: "a program, such as a test suite, behind warder",
		Long: `Runs a program whose Kafka clients go through warder, and tells at its end what
was found. The program finds warder's address in KAFKA_BOOTSTRAP_SERVERS and
WARDER_BOOTSTRAP. With --embedded it gets a Kafka-compatible broker of its own,
in memory, which creates topics when they are asked for.

The exit status is that of the program; if that is 0 and a finding is at least
as bad as --fail-on says, it is 3. Reports are JUnit (.xml) or SARIF (.json,
.sarif), by the name of the file.

warder listens on free ports of the loopback interface unless a flag, a variable
or the file says otherwise.`,
		Example: "  warder exec --embedded --fail-on warning --report findings.xml -- go test ./...",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("what to run? Write it after --, as in `warder exec --embedded -- go test ./...`")
			}
			return nil
		},
	}
	flags := a.configFlags(c)
	flags.otherwise(execDefaults())
	c.Flags().BoolVar(&o.embedded, "embedded", false, "start a Kafka-compatible broker in memory")
	c.Flags().StringVar(&o.failOn, "fail-on", rules.Critical.String(), "fail when a finding is info, warning or critical, or worse; or never")
	c.Flags().StringArrayVar(&o.reports, "report", nil, "write what was found to this file, .xml, .json or .sarif; may be repeated")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.command = args
		if err := o.check(c); err != nil {
			return err
		}
		return a.execBehind(c.Context(), o, flags)
	}
	return c
}

// execDefaults are what exec has for knobs that nobody sets: free ports, and quiet
// but for what the program writes.
func execDefaults() (flags []configs.Flag) {
	for _, knob := range [][2]string{
		{"listeners.0.address", "127.0.0.1:0"}, {"admin.address", "127.0.0.1:0"},
		{"sinks.log.enabled", "false"}, {"log.level", "warn"},
	} {
		flags = append(flags, configs.Flag{Name: "exec", Path: knob[0], Value: knob[1]})
	}
	return flags
}

// check finds mistakes before anything is started.
func (o *execOptions) check(c *cobra.Command) error {
	if _, err := failLimit(o.failOn); err != nil {
		return err
	}
	if o.embedded && c.Flags().Changed("upstream") {
		return usageError("--embedded is a broker of its own, and --upstream another: give one of them")
	}
	for _, file := range o.reports {
		if _, err := reportFormat(file); err != nil {
			return err
		}
	}
	return nil
}

// failLimit is the severity from which on findings count as failure; 0 for none.
func failLimit(failOn string) (s rules.Severity, err error) {
	if failOn == never {
		return 0, nil
	}
	if err := s.UnmarshalText([]byte(failOn)); err != nil {
		return 0, usageError("--fail-on: %w, or never", err)
	}
	return s, nil
}

// execBehind runs the program behind a warder, which ends with it.
func (a *app) execBehind(ctx context.Context, o execOptions, flags *configFlags) error {
	// A signal is for the program; warder stays until that has ended.
	whole := context.WithoutCancel(ctx)
	if o.embedded {
		cluster, err := embedded.Start(whole, embedded.Options{AutoCreateTopics: true})
		if err != nil {
			return err
		}
		defer cluster.Close()
		if err := flags.flags.Set("upstream", cluster.Bootstrap()); err != nil {
			return err
		}
	}
	cfg, err := a.load(flags)
	if err != nil {
		return err
	}
	began := time.Now()
	in, err := newInstance(whole, cfg, newLog(a.stderr, cfg.Log), nil)
	if err != nil {
		return err
	}
	in.warn(cfg)
	serving, stop := context.WithCancel(whole)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- in.run(serving) }()
	status, err := a.runChild(ctx, o.command, in.proxy.Addresses()[0])
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	return a.tellExec(&o, status, &execResult{
		cluster: cfg.Upstream.Name, began: began, lasted: time.Since(began), accepted: in.metrics.Accepted(),
		findings: inOrder(in.engine.Findings().Query(sink.Query{})), active: activeRules(cfg.Rules),
	})
}

// execResult is what a run behind warder came to.
type execResult struct {
	cluster  string
	began    time.Time
	lasted   time.Duration
	accepted int // connections of clients
	findings []rules.Finding
	active   []string // ids of the rules that ran
}

// activeRules are the ids of the rules that are not off.
func activeRules(c configs.Rules) (ids []string) {
	for _, id := range ruleIDs() {
		if c.For(id).Action != rules.Off.String() {
			ids = append(ids, id)
		}
	}
	return ids
}

// inOrder puts the worst first, and of equals the one that came first.
func inOrder(found []rules.Finding) []rules.Finding {
	slices.SortStableFunc(found, func(a, b rules.Finding) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return a.FirstTime.Compare(b.FirstTime)
	})
	return found
}

// reaching counts the findings that are at least as bad as limit.
func (r *execResult) reaching(limit rules.Severity) (n int) {
	for i := range r.findings {
		if limit > 0 && r.findings[i].Severity >= limit {
			n++
		}
	}
	return n
}

// tellExec writes the reports and the table, and gives the exit status.
func (a *app) tellExec(o *execOptions, status int, r *execResult) error {
	limit, err := failLimit(o.failOn)
	if err != nil {
		return err
	}
	for _, file := range o.reports {
		if err := writeReport(file, r, limit); err != nil {
			return err
		}
	}
	if err := a.showExec(r); err != nil {
		return err
	}
	if status != 0 {
		return &exitError{status, fmt.Errorf("%s ended with status %d", o.command[0], status)}
	}
	return r.verdict(limit)
}

// verdict is the error of findings that are at least as bad as limit.
func (r *execResult) verdict(limit rules.Severity) error {
	if n := r.reaching(limit); n > 0 {
		return &exitError{exitFindings, fmt.Errorf("%d of %d findings are %s or worse: status %d (--fail-on)", n, len(r.findings), limit, exitFindings)}
	}
	return nil
}

// showExec tells a person what was found.
func (a *app) showExec(r *execResult) error {
	switch {
	case r.accepted == 0:
		a.say("warder: nobody connected: does the program read KAFKA_BOOTSTRAP_SERVERS or WARDER_BOOTSTRAP?")
		return nil
	case len(r.findings) == 0:
		a.say("warder: nothing found (%d connections, %d rules, %s)", r.accepted, len(r.active), r.lasted.Round(10*time.Millisecond))
		return nil
	}
	a.say("\nwarder found:")
	for i := range r.findings {
		f := &r.findings[i]
		times := ""
		if f.Count > 1 {
			times = fmt.Sprintf(" (%d times)", f.Count)
		}
		a.say("\n  %s  %s  %s%s", inkOf(f.Severity, a.stderrColour), f.Rule, actionOf(*f), times)
		a.say("    %s", printable(f.Summary))
		if evidence := evidenceText(f.Evidence); evidence != "" {
			a.say("    %s", evidence)
		}
		a.say("    %s", printable(f.Advice))
	}
	a.say("")
	return nil
}

// inkOf is the severity, coloured where that is wanted.
func inkOf(s rules.Severity, colour bool) string {
	p := demoPrinter{colour: colour}
	if s == rules.Critical {
		return p.ink(inkRed, s.String())
	}
	return p.ink(inkBold, s.String())
}

// evidenceText is the evidence on one line.
func evidenceText(e rules.Evidence) string {
	words := make([]string, len(e))
	for i, item := range e {
		words[i] = printable(fmt.Sprintf("%s=%v", item.Name, item.Value))
	}
	return strings.Join(words, " ")
}
