package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"warder/proxy/tap"
)

func (a *app) tapCommand() *cobra.Command {
	var format string
	var apis, topics, clients, groups []string
	c := &cobra.Command{
		Use: "tap", Short: "requests and answers as they pass a running warder, one line each", Args: usage(cobra.NoArgs),
		Long: "Shows time, client, connection, node, API and version, sizes, latency, outcome,\ngroups and what else a request names, and what was done to which partitions.\nFilters may be repeated; topics, clients and groups are patterns.",
	}
	client := a.adminFlags(c)
	outputFlag(c, &format)
	c.Flags().StringArrayVar(&apis, "api", nil, "only this API, by name or key")
	c.Flags().StringArrayVar(&topics, "topic", nil, "only what touches topics of this pattern")
	c.Flags().StringArrayVar(&clients, "client", nil, "only client ids of this pattern")
	c.Flags().StringArrayVar(&groups, "group", nil, "only what names groups of this pattern, or comes from their members")
	c.RunE = func(c *cobra.Command, _ []string) error {
		body, err := client.get(c.Context(), "/api/v1/tap", url.Values{"api": apis, "topic": topics, "client": clients, "group": groups})
		if err != nil {
			return err
		}
		defer body.Close()
		err = a.showTap(body, format)
		switch {
		case c.Context().Err() != nil:
			return nil // the user has seen enough
		case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("that warder has ended")
		default:
			return err
		}
	}
	return c
}

// maxTapLine bounds one exchange of the stream, in bytes.
const maxTapLine = 1 << 20

// showTap writes a stream of exchanges until it ends.
func (a *app) showTap(stream io.Reader, format string) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxTapLine)
	formatter := tap.Formatter{Color: a.colour, Zone: time.Local}
	var out []byte
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue // the stream shows that it lives
		}
		if format == "json" {
			out = append(append(out[:0], line...), '\n')
		} else {
			var x struct {
				tap.Exchange
				Dropped uint64 `json:"dropped"`
			}
			if err := json.Unmarshal(line, &x); err != nil {
				return fmt.Errorf("a line of the tap is not understood: %w", err)
			}
			if x.Dropped > 0 {
				a.say("(%d exchanges left out: this reader was too slow)", x.Dropped)
				continue
			}
			out = formatter.Append(out[:0], &x.Exchange)
		}
		if _, err := a.stdout.Write(out); err != nil {
			return err
		}
	}
	return lines.Err()
}
