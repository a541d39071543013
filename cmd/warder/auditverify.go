package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/proxy/audit"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var format, keyFile, head string
	c := &cobra.Command{
		Use: "audit-verify FILE...", Short: "is an audit trail as it was written", Args: usage(cobra.MinimumNArgs(1)),
		Long: "Reads a trail that `audit` in the configuration has made warder write, the oldest\nfile first, and follows the chain of its hashes. Exits with 1, and names the line,\nwhere one was changed, is missing, was moved or is cut off.",
	}
	outputFlag(c, &format)
	c.Flags().StringVar(&keyFile, "key", "", "file with the key of the chain (audit.key_file)")
	c.Flags().StringVar(&head, "head", "", "hash that the trail must contain, as warder logged it when it began a new file or ended")
	c.RunE = func(_ *cobra.Command, files []string) error {
		key, err := readKey(configs.Path(keyFile))
		if err != nil {
			return usageError("--key: %w", err)
		}
		report, err := audit.Verify(files, key, head)
		if err != nil {
			return err
		}
		if format == "json" {
			err = writeJSON(a.stdout, report)
		} else {
			err = a.showTrail(report)
		}
		if err == nil && !report.Whole {
			err = fmt.Errorf("%s:%d: %s", report.Break.File, report.Break.Line, report.Break.What)
		}
		return err
	}
	return c
}

// showTrail tells a person what a trail holds.
func (a *app) showTrail(r *audit.Report) error {
	if !r.Whole {
		_, err := fmt.Fprintf(a.stdout, "broken after %s\n", several(r.Lines, "line"))
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "whole: %s, %d to %d, of %s of warder\n", several(r.Lines, "line"), r.First, r.Last, several(r.Runs, "run"))
	note := func(n uint64, text string) {
		if n > 0 && err == nil {
			_, err = fmt.Fprintf(a.stdout, "  "+text+"\n", n)
		}
	}
	if r.First > 1 {
		note(r.First-1, "%d lines came before and are not in these files")
	}
	note(r.Lost, "%d lines were lost, and the trail says where")
	note(uint64(r.Torn), "%d times a line was cut off, and the next one says so")
	note(uint64(r.Killed), "%d times warder ended without ending its trail: what waited to be written is not in it")
	note(r.Twice, "%d lines are there twice")
	if err == nil {
		_, err = fmt.Fprintf(a.stdout, "  head: %s\n", r.Head)
	}
	return err
}

func several[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
