package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warder/record"
	"warder/record/pcapng"
)

func (a *app) recordCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "record", Short: "recordings: info, export", Args: usage(cobra.NoArgs),
		Long: "Recordings are made by `warder run --record`, or as the configuration says under\nrecord. `warder replay` runs rules over them.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.recordInfoCommand(), a.recordExportCommand())
	return c
}

func (a *app) recordInfoCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "info FILE|DIRECTORY…", Short: "what recordings hold: times, connections, requests, findings", Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.recordInfo(c.Context(), args, format) },
	}
	outputFlag(c, &format)
	return c
}

// recordingInfo is what `record info --output json` shows.
type recordingInfo struct {
	Segments []record.Header `json:"segments"`
	Payload  string          `json:"payload"`
	record.Tally
	Left []record.Left `json:"left_out"`
}

func (a *app) recordInfo(ctx context.Context, paths []string, format string) error {
	info := recordingInfo{Segments: []record.Header{}, Left: []record.Left{}}
	err := a.overRecordings(ctx, paths, func(r *record.Reader, source record.Source) error {
		info.Payload, info.Segments = r.Payload(), append(info.Segments, r.Headers()...)
		for {
			e, err := source.Next()
			if err != nil {
				info.Left = append(info.Left, r.Left()...)
				return err
			}
			info.Add(e)
		}
	})
	if err != nil {
		return err
	}
	if format == "json" {
		return writeJSON(a.stdout, info)
	}
	return a.showRecording(&info)
}

// sourceFunc is a Source by a function.
type sourceFunc func() (*record.Entry, error)

// Next implements record.Source.
func (f sourceFunc) Next() (*record.Entry, error) { return f() }

// overRecordings lets read have recordings as a source that ends when ctx does. The end
// is no error. It tells of what could not be read.
func (a *app) overRecordings(ctx context.Context, paths []string, read func(*record.Reader, record.Source) error) error {
	r, err := record.Open(paths...)
	if err != nil {
		return err
	}
	err = read(r, sourceFunc(func() (*record.Entry, error) {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		return r.Next()
	}))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	for _, l := range r.Left() {
		a.say("%s: %d bytes from offset %d on cannot be read: %s", l.File, l.Bytes, l.Offset, l.Reason)
	}
	return errors.Join(err, r.Close())
}

func (a *app) showRecording(i *recordingInfo) error {
	lasted := i.To.Sub(i.From).Round(time.Millisecond)
	fmt.Fprintf(a.stdout, "%d segments, payload %s, %s to %s (%v)\n", len(i.Segments), i.Payload, i.From.Format(time.RFC3339), i.To.Format(time.RFC3339), lasted)
	fmt.Fprintf(a.stdout, "%d connections, %d bytes, %d gaps\n\n", i.Connections, i.Bytes, i.Gaps)
	rows := [][]string{{"REQUESTS", "API"}}
	rows = append(rows, mostFirst(i.Requests)...)
	if err := table(a.stdout, rows); err != nil || len(i.Findings) == 0 {
		return err
	}
	fmt.Fprintln(a.stdout)
	return table(a.stdout, append([][]string{{"FINDINGS", "RULE"}}, mostFirst(i.Findings)...))
}

// mostFirst gives counts and names, the largest first.
func mostFirst(counts map[string]int) (rows [][]string) {
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int {
		if counts[x] != counts[y] {
			return counts[y] - counts[x]
		}
		return strings.Compare(x, y)
	})
	for _, name := range names {
		rows = append(rows, []string{fmt.Sprint(counts[name]), name})
	}
	return rows
}

func (a *app) recordExportCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export FILE|DIRECTORY… -o FILE.pcapng", Short: "a capture for Wireshark", Args: usage(cobra.MinimumNArgs(1)),
		Long: "Writes recordings as a capture that Wireshark opens and dissects as Kafka. Addresses\nof brokers and all of TCP are made up; findings are comments of packets (filter:\nframe.comment).",
		RunE: func(c *cobra.Command, args []string) error { return a.recordExport(c.Context(), args, out) },
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write, replaced if it is there")
	return c
}

func (a *app) recordExport(ctx context.Context, paths []string, out string) error {
	if out == "" {
		return usageError("say with -o where the capture goes")
	}
	return a.overRecordings(ctx, paths, func(r *record.Reader, source record.Source) error {
		f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		written, err := pcapng.Write(f, source, "made by warder from a recording with payload "+r.Payload())
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		a.say("%s: %d connections, %d packets", out, written.Connections, written.Packets)
		return nil
	})
}
