package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"warder/configs"
)

// liveConfig is the configuration in force and what a reload made of it.
type liveConfig struct {
	load  func() (*configs.Config, error) // set at construction
	begun *configs.Config                 // set at construction: what warder started with

	reloading sync.Mutex // one reload at a time

	mu       sync.Mutex
	config   *configs.Config // guarded by mu
	loadedAt time.Time       // guarded by mu
	refused  error           // guarded by mu: why the newest configuration is not in force; nil when it is
}

func (l *liveConfig) init(cfg *configs.Config, load func() (*configs.Config, error)) {
	l.load, l.begun = load, cfg
	l.config, l.loadedAt = cfg, time.Now()
}

func (l *liveConfig) get() (cfg *configs.Config, at time.Time, refused error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.config, l.loadedAt, l.refused
}

func (l *liveConfig) set(cfg *configs.Config, refused error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = refused
	if refused == nil {
		l.config, l.loadedAt = cfg, time.Now()
	}
}

// pending lists the changes since the start that wait for a restart.
func (l *liveConfig) pending() []configs.Change {
	cfg, _, _ := l.get()
	var waiting []configs.Change
	for _, c := range l.begun.Diff(cfg) {
		if !c.Live {
			waiting = append(waiting, c)
		}
	}
	return waiting
}

// reloadResult is what a reload answers.
type reloadResult struct {
	Changes      []configs.Change `json:"changes"`       // against the configuration before
	NeedsRestart []configs.Change `json:"needs_restart"` // changes since the start that are not in force yet
}

var errNothingToReload = errors.New("this warder was started without a configuration that could be read again")

// reload reads the configuration again. A bad one is refused as a whole and the
// old one stays in force.
func (w *instance) reload(context.Context) (any, error) {
	w.live.reloading.Lock()
	defer w.live.reloading.Unlock()
	if w.live.load == nil {
		return nil, errNothingToReload
	}
	old, _, _ := w.live.get()
	next, err := w.live.load()
	if err == nil {
		err = w.apply(next)
	}
	w.metrics.Reloaded(err == nil)
	w.live.set(next, err)
	if err != nil {
		w.auditReload(next, nil, err)
		w.log.Error().Err(err).Msg("the new configuration is refused; the old one stays in force")
		return nil, err
	}
	result := reloadResult{Changes: append([]configs.Change{}, old.Diff(next)...), NeedsRestart: append([]configs.Change{}, w.live.pending()...)} // lists, be they empty
	w.auditReload(next, result.Changes, nil)
	for _, c := range result.Changes {
		w.log.Info().Str("knob", c.Path).Str("old", c.Old).Str("new", c.New).Bool("live", c.Live).Msg("configuration changed")
	}
	w.warn(next)
	if n := len(result.NeedsRestart); n > 0 {
		w.log.Warn().Int("knobs", n).Str("first", result.NeedsRestart[0].Path).Msg("some changes take effect only after a restart")
	}
	w.log.Info().Str("config", next.Path).Int("changes", len(result.Changes)).Msg("configuration reloaded")
	return result, nil
}

// apply puts next in force. What can fail comes before what cannot be undone:
// rules are compiled on the side first, and the proxy keeps its certificates
// when new ones are bad.
func (w *instance) apply(next *configs.Config) error {
	if err := checkRules(next); err != nil {
		return err
	}
	if err := w.sinks.reload(next.Sinks); err != nil {
		return err
	}
	if err := w.proxy.Reload(next); err != nil {
		return err
	}
	if err := w.engine.Configure(next.Rules, next.Suppressions); err != nil {
		return err
	}
	setLogLevel(next.Log)
	return nil
}

// warn logs what is worth saying about a valid configuration.
func (w *instance) warn(cfg *configs.Config) {
	for _, p := range cfg.Warnings {
		w.log.Warn().Msg(p.Error())
	}
}

// watchFiles reloads when a file of the configuration changes, until ctx ends.
func (w *instance) watchFiles(ctx context.Context) {
	if w.live.load == nil {
		return
	}
	configs.NewWatcher(
		func() []string {
			cfg, _, _ := w.live.get()
			return cfg.Files()
		},
		func(files []string) {
			w.log.Info().Strs("files", files).Msg("files changed: reloading")
			_, _ = w.reload(ctx) // told in the log
		},
		func(err error) { w.log.Warn().Err(err).Msg("file events are missed; changes are found within 30 s") },
	).Run(ctx)
}
