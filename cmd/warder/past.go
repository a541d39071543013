package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy"
	"warder/proxy/tap"
	"warder/record"
	"warder/record/capture"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/sink"
	"warder/rules/state"
)

// past is a warder without a network: traffic of the past meets the same rules.
type past struct {
	clock   *proxy.Clock
	engine  *engine.Engine
	metrics *proxy.Metrics
	player  *proxy.Player
	result  pastResult
}

// pastResult is what playing came to.
type pastResult struct {
	From, To time.Time // of the entries; zero when there were none
	Played   proxy.PlayReport
	Requests map[string]int  // that were followed, by API
	Skipped  map[string]int  // messages and batches that rules could not look into, by reason
	Findings []rules.Finding // as they are at the end, the worst first
	Live     []rules.Finding // that the recording tells of, likewise
	Captured *capture.Counts // what became of the packets; nil where there were none
}

// maxLive bounds the findings of a recording that are kept for comparison.
const maxLive = sink.DefaultRing

// newPast makes one. shown is told of findings as they come.
func newPast(cfg *configs.Config, log zerolog.Logger, shown sink.Sink) (*past, error) {
	p := &past{clock: &proxy.Clock{}, metrics: proxy.NewMetrics()}
	topics, logs := state.NewTopics(0), state.NewLogs(0)
	var err error
	p.engine, err = engine.New(engine.Options{
		Cluster: cfg.Upstream.Name, Specs: specs(), Topics: topics, Models: []rules.Model{state.NewGroups(logs)}, Sinks: []sink.Sink{shown},
		Inspect: cfg.Inspect, Meter: p.metrics.Meter(), Log: log, Now: p.clock.Now, Inline: true,
		Limits: engine.Limits{Shards: 1}, // which shard a key goes to is chosen at random, and so would be the order of findings
	})
	if err != nil {
		return nil, err
	}
	if err := p.engine.Configure(cfg.Rules, cfg.Suppressions); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	p.player, err = proxy.NewPlayer(proxy.Options{
		Config: cfg, Engine: p.engine, Topics: topics, Logs: logs, Metrics: p.metrics, Tap: &tap.Hub{}, Log: log,
	}, p.clock)
	return p, err
}

// play plays all that a source gives, or until ctx ends.
func (p *past) play(ctx context.Context, source record.Source) error {
	live := map[string]int{} // fingerprint to its place in result.Live
	for ctx.Err() == nil {
		e, err := source.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if p.result.From.IsZero() {
			p.result.From = e.At
		}
		p.result.To = e.At
		if e.Kind == record.Found {
			p.noteLive(live, e.Finding)
		}
		if err := p.player.Play(e); err != nil {
			return err
		}
	}
	return nil
}

// noteLive keeps what a finding came to in the end.
func (p *past) noteLive(places map[string]int, f *rules.Finding) {
	place, known := places[f.Fingerprint]
	switch {
	case known:
		p.result.Live[place] = *f
	case len(p.result.Live) < maxLive:
		places[f.Fingerprint] = len(p.result.Live)
		p.result.Live = append(p.result.Live, *f)
	}
}

// end ends what is still open and gives what all came to.
func (p *past) end(ctx context.Context) (*pastResult, error) {
	r := &p.result
	r.Played = p.player.Close()
	err := p.engine.Close(ctx)
	r.Requests, r.Skipped = p.tally("warder_requests_total"), p.tally("warder_uninspected_total")
	r.Findings, r.Live = inOrder(p.engine.Findings().Query(sink.Query{})), inOrder(r.Live)
	return r, err
}

// tally is a metric by its first label, what is 0 left out.
func (p *past) tally(name string) map[string]int {
	counts := map[string]int{}
	families, _ := p.metrics.Registry.Gather() // an error concerns other families
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := int(m.GetCounter().GetValue()); n > 0 {
				counts[m.GetLabel()[0].GetValue()] += n
			}
		}
	}
	return counts
}

// notFoundAgain are the findings of the recording that playing it did not lead to.
func (r *pastResult) notFoundAgain() (missing []rules.Finding) {
	again := map[string]bool{}
	for i := range r.Findings {
		again[r.Findings[i].Fingerprint] = true
	}
	for i := range r.Live {
		if !again[r.Live[i].Fingerprint] {
			missing = append(missing, r.Live[i])
		}
	}
	return missing
}
