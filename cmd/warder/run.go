package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grafana/pyroscope-go"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"warder/configs"
	"warder/proxy/tap"
)

func (a *app) runCommand() *cobra.Command {
	var tapped bool
	c := &cobra.Command{
		Use: "run", Short: "the proxy", Args: usage(cobra.NoArgs),
		Long: "Serves until SIGTERM or SIGINT, then drains; a second signal ends at once.\nSIGHUP, or a change of the files, reloads rules, suppressions, sinks, limits and\ncertificates without closing a connection.\n\n--upstream alone is a complete configuration.",
	}
	flags := a.configFlags(c)
	c.Flags().BoolVar(&tapped, "tap", false, "print one line per request and answer to stdout")
	c.RunE = func(c *cobra.Command, _ []string) error {
		load := func() (*configs.Config, error) { return a.load(flags) }
		cfg, err := load()
		if err != nil {
			return err
		}
		log := newLog(a.stderr, cfg.Log)
		return a.run(c.Context(), cfg, log, load, tapped)
	}
	return c
}

func (a *app) run(ctx context.Context, cfg *configs.Config, log zerolog.Logger, load func() (*configs.Config, error), tapped bool) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before anyone can take this for running: unheard, SIGHUP kills
	defer signal.Stop(hangups)
	v := thisVersion()
	log.Info().Str("version", v.Version).Str("commit", v.Commit).Str("config", cfg.Path).Str("config_hash", cfg.Hash).Msg("warder begins")
	stopProfiling, err := startProfiling(cfg.Profiling.Pyroscope, v.Version, log)
	if err != nil {
		return err
	}
	defer stopProfiling()
	w, err := newInstance(ctx, cfg, log, load)
	if err != nil {
		return err
	}
	w.warn(cfg)
	defer w.reloadOn(ctx, hangups)()
	if tapped {
		done, err := a.printTap(w.tap)
		if err != nil {
			return err
		}
		defer done()
	}
	return w.run(ctx)
}

// reloadOn reloads on each signal until stop is called, which waits for a
// reload under way.
func (w *instance) reloadOn(ctx context.Context, signals <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				_, _ = w.reload(ctx) // told in the log
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// tapQueue is how many exchanges may wait for a slow terminal.
const tapQueue = 4096

// printTap prints what passes until stop is called or the hub is closed.
func (a *app) printTap(hub *tap.Hub) (stop func(), err error) {
	sub, err := hub.Subscribe(tap.Filter{}, tapQueue)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		formatter := tap.Formatter{Color: a.colour, Zone: time.Local}
		var line []byte
		var told uint64
		for x := range sub.C() {
			if n := sub.Dropped(); n > told {
				a.say("(%d exchanges left out: the terminal was too slow)", n-told)
				told = n
			}
			line = formatter.Append(line[:0], x)
			if _, err := a.stdout.Write(line); err != nil {
				sub.Close()
				return
			}
		}
	}()
	return func() {
		sub.Close()
		<-ended
	}, nil
}

// startProfiling sends profiles to Pyroscope if a server is given.
func startProfiling(c configs.Pyroscope, version string, log zerolog.Logger) (stop func(), err error) {
	if c.ServerAddress == "" {
		return func() {}, nil
	}
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: c.Application, ServerAddress: c.ServerAddress, Tags: map[string]string{"version": version},
		Logger: pyroscopeLog{log},
	})
	if err != nil {
		return nil, fmt.Errorf("profiling.pyroscope: %w", err)
	}
	return func() {
		if err := profiler.Stop(); err != nil {
			log.Warn().Err(err).Msg("stopping the profiler")
		}
	}, nil
}

// pyroscopeLog brings the profiler's own words into our log.
type pyroscopeLog struct{ zerolog.Logger }

func (l pyroscopeLog) Infof(format string, args ...any) {
	l.Debug().Msgf("pyroscope: "+format, args...)
}
func (l pyroscopeLog) Debugf(format string, args ...any) {
	l.Trace().Msgf("pyroscope: "+format, args...)
}
func (l pyroscopeLog) Errorf(format string, args ...any) {
	l.Logger.Warn().Msgf("pyroscope: "+format, args...)
}
