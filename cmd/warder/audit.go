package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"warder/configs"
	"warder/record/capture"
	"warder/rules"
)

// auditOptions say what to look at.
type auditOptions struct {
	files    []string
	device   string
	ports    []uint
	duration time.Duration
}

func (a *app) auditCommand() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use: "audit (-r FILE… | -i INTERFACE) [flags]", Short: "the rules, on captured traffic",
		Long: `Reads captures of the network (pcap, pcapng, also compressed with gzip), or an
interface as traffic passes, and tells what the rules find in it. Nothing is
proxied, asked of the cluster or refused: a rule that would block only says so.

What could not be followed is counted at the end by reason: TLS, bytes that are
missing in the capture, connections that began before it.

Without --port, connections to port 9092 are looked at, and in files those to any
port that begin with a Kafka request. An interface needs Linux and CAP_NET_RAW;
it ends with SIGINT, SIGTERM or --duration.`,
		Example: `  tcpdump -i eth0 -s 0 -w kafka.pcap tcp port 9092
  warder audit -r kafka.pcap
  tcpdump -i eth0 -s 0 -U -w - tcp port 9092 | warder audit -r -
  warder audit -i any --port 9092,9093 --duration 10m`,
		Args: usage(cobra.NoArgs),
	}
	flags := a.pastFlags(c)
	c.Flags().StringArrayVarP(&o.files, "read", "r", nil, "a pcap or pcapng file, or - for stdin; several are read one after the other")
	c.Flags().StringVarP(&o.device, "interface", "i", "", "capture on this interface, or any for all (Linux)")
	c.Flags().UintSliceVar(&o.ports, "port", nil, "ports that brokers listen on (default 9092)")
	c.Flags().DurationVar(&o.duration, "duration", 0, "with -i: end after this long, as in 10m")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		cfg, err := flags.load(a)
		if err != nil {
			return err
		}
		onlyAlert(cfg)
		return a.audit(c.Context(), &o, flags, cfg)
	}
	return c
}

func (o *auditOptions) check() error {
	switch {
	case len(o.files) == 0 && o.device == "":
		return usageError("what to look at? -r FILE reads a capture, -i INTERFACE captures")
	case len(o.files) > 0 && o.device != "":
		return usageError("-r reads what was captured and -i captures: give one of them")
	case o.duration != 0 && o.device == "":
		return usageError("--duration is for -i: a file ends by itself")
	case o.duration < 0:
		return usageError("--duration %s: must not be negative", o.duration)
	}
	for _, p := range o.ports {
		if p == 0 || p > 65535 {
			return usageError("--port %d: ports are 1 to 65535", p)
		}
	}
	return nil
}

// onlyAlert has rules that would refuse say so instead.
func onlyAlert(c *configs.Config) {
	alert := func(r configs.RuleConfig) configs.RuleConfig {
		if r.Action == rules.Block.String() {
			r.Action = rules.Alert.String()
		}
		return r
	}
	c.Rules.Defaults = alert(c.Rules.Defaults)
	for id, r := range c.Rules.ByID {
		c.Rules.ByID[id] = alert(r)
	}
}

// audit looks at files, or at an interface.
func (a *app) audit(ctx context.Context, o *auditOptions, flags *pastFlags, cfg *configs.Config) error {
	ports := make([]uint16, len(o.ports))
	for i, p := range o.ports {
		ports[i] = uint16(p)
	}
	if o.device == "" {
		feed, done, err := openCaptures(o.files)
		defer done()
		if err != nil {
			return err
		}
		packets := capture.New(feed, ports)
		return a.lookBack(ctx, flags, cfg, pastTraffic{Source: packets, packets: packets.Counts})
	}
	if len(ports) == 0 {
		ports = []uint16{capture.DefaultPort}
	}
	until := ctx
	if o.duration > 0 {
		var cancel context.CancelFunc
		until, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	live, err := capture.Listen(until, o.device, ports)
	if err != nil {
		return err
	}
	defer live.Close() //nolint:errcheck // what was captured has been told
	a.say("warder: looking at what passes %s", o.device)
	// The capture ends by itself, with what was on its way to us.
	packets := capture.New(live, ports)
	return a.lookBack(context.WithoutCancel(ctx), flags, cfg, pastTraffic{Source: packets, packets: packets.Counts})
}

// openCaptures opens files, to be read one after the other.
func openCaptures(names []string) (feed capture.Feed, done func(), err error) {
	var feeds []capture.Feed
	var open []io.Closer
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	for _, name := range names {
		file := os.Stdin
		if name != "-" {
			if file, err = os.Open(name); err != nil {
				return nil, done, err
			}
			open = append(open, file)
		}
		one, err := capture.Open(file)
		if err != nil {
			return nil, done, fmt.Errorf("%s: %w", name, err)
		}
		feeds = append(feeds, one)
	}
	return capture.Files(feeds...), done, nil
}
