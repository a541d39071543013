package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy"
	"warder/proxy/admin"
	"warder/proxy/audit"
	"warder/proxy/tap"
	"warder/record"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
)

// engineStop is how long sinks may take for what is queued when warder ends.
const engineStop = 5 * time.Second

// instance is one warder: configuration -> engine -> proxy -> admin interface.
type instance struct {
	log     zerolog.Logger
	engine  *engine.Engine
	topics  *state.Topics
	logs    *state.Logs
	model   *state.Groups
	metrics *proxy.Metrics
	proxy   *proxy.Server
	admin   *admin.Server // nil when it is off
	tap     *tap.Hub
	audit   *audit.Trail // nil when there is none
	sinks   *sinks
	// recorder is nil when nothing is recorded
	recorder *record.Recorder
	asked    asker
	started  time.Time
	live     liveConfig
}

// newInstance makes a warder and binds its addresses; run or close must follow.
// load reads the configuration anew for a reload; nil when there is nothing to
// read again.
func newInstance(ctx context.Context, cfg *configs.Config, log zerolog.Logger, load func() (*configs.Config, error)) (*instance, error) {
	w := &instance{log: log, topics: state.NewTopics(0), logs: state.NewLogs(0), metrics: proxy.NewMetrics(), tap: &tap.Hub{}, started: time.Now()}
	w.model = state.NewGroups(w.logs)
	v := thisVersion()
	w.metrics.Build(v.Version, v.Commit)
	w.live.init(cfg, load)
	var err error
	if w.sinks, err = openSinks(cfg, log); err != nil {
		return nil, err
	}
	w.startRecorder(cfg)
	w.engine, err = engine.New(engine.Options{ //nolint:contextcheck // the engine lives until close
		Cluster: cfg.Upstream.Name, Specs: specs(), Topics: w.topics, Models: []rules.Model{w.model}, Sinks: w.allSinks(), Inspect: cfg.Inspect,
		Meter: w.metrics.Meter(), Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, w.sinks.Close(), w.recorder.Close(ctx))
	}
	if err := w.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return w, nil
}

// open gives the engine its rules and binds every address.
func (w *instance) open(ctx context.Context, cfg *configs.Config) error {
	if err := w.engine.Configure(cfg.Rules, cfg.Suppressions); err != nil {
		return &exitError{exitUsage, err}
	}
	var err error
	if w.audit, err = openAudit(cfg, w.metrics, w.log); err != nil {
		return err
	}
	w.proxy, err = proxy.New(proxy.Options{
		Config: cfg, Engine: w.engine, Topics: w.topics, Logs: w.logs, Groups: w.model, Metrics: w.metrics, Tap: w.tap, Audit: w.audit, Log: w.log, Recorder: w.recorder,
	})
	if err != nil {
		return err
	}
	if w.asked, err = newAsker(cfg, w.proxy.Ask, w.engine.Emit, w.log); err != nil {
		return err
	}
	w.engine.AnswerWith(w.asked.ask)
	if cfg.Admin.Enabled() {
		w.admin, err = admin.Listen(ctx, admin.Options{
			Address: string(cfg.Admin.Address), TokenFile: string(cfg.Admin.TokenFile), Gatherer: w.metrics.Registry,
			Source: w.source(cfg), Tap: w.tap, Pprof: cfg.Profiling.Pprof, Log: w.log,
		})
		if err != nil {
			return err
		}
		w.log.Info().Str("address", w.admin.Addr()).Msg("admin interface")
	}
	if err := w.proxy.Listen(); err != nil {
		if w.admin != nil {
			err = errors.Join(err, w.admin.Close())
		}
		return err
	}
	return nil
}

// run serves until ctx ends and everything is drained and flushed. The admin
// interface stays up while connections drain, so that /readyz can say so.
func (w *instance) run(ctx context.Context) error {
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	adminDone := make(chan error, 1)
	go func() {
		err := w.serveAdmin(adminCtx)
		if err != nil {
			stop(err) // without it nobody could see or steer the rest
		}
		adminDone <- err
	}()
	var beside sync.WaitGroup
	beside.Go(func() { w.watchFiles(ctx) })
	beside.Go(func() { w.asked.run(ctx) })
	err := w.proxy.Run(ctx)
	stop(nil)
	beside.Wait()
	stopAdmin()
	err = errors.Join(err, <-adminDone, w.close(ctx))
	w.log.Info().Msg("ended")
	return err
}

func (w *instance) serveAdmin(ctx context.Context) error {
	if w.admin == nil {
		<-ctx.Done()
		return nil
	}
	return w.admin.Serve(ctx)
}

// close flushes findings and the audit trail, also when ctx has ended. Sessions must have ended.
func (w *instance) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineStop)
	defer cancel()
	w.tap.Close()
	err := w.engine.Close(ctx)
	if err != nil {
		err = fmt.Errorf("findings: %w", err)
	}
	return errors.Join(err, w.audit.Close(ctx), w.recorder.Close(ctx))
}
