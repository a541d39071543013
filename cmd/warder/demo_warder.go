package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"warder/configs"
	"warder/rules/sink"
)

// demoWarder is the warder of the demo: the same parts as `warder run`, made of demoConfig.
type demoWarder struct {
	bootstrap string
	admin     string
	found     *sink.Ring
	cancel    context.CancelFunc
	ended     chan error
}

// demoRules is the configuration of the rules that the scenes show, one on each line, as it would stand in a file.
func demoRules(scenes []demoScene) []string {
	lines := make([]string, len(scenes))
	for i, s := range scenes {
		lines[i] = s.rule + ": " + s.config
	}
	return lines
}

// demoConfig is the whole configuration, as a file would have it.
func demoConfig(o demoOptions, upstream string, scenes []demoScene) (*configs.Config, error) {
	text := fmt.Sprintf(`
upstream: {name: demo, bootstrap: [%s]}
listeners: [{name: demo, address: %q}]
admin: {address: %q}
rules:
  %s
suppressions:
  - {rule: group-expiry, group: "!season-*", until: 2999-12-31, reason: "the groups of other scenes end when these do"}
  - {rule: timeout-misfit, group: "!route-planner", until: 2999-12-31, reason: "nobody has to wait for a session timeout here"}
sinks: {log: {enabled: false}}
log: {level: error}
drain: {deadline: 5s}
`, strings.ReplaceAll(upstream, ",", ", "), o.listen, o.admin, strings.Join(demoRules(scenes), "\n  "))
	return configs.Parse("demo", []byte(text), nil, configs.Overrides{Rules: ruleIDs()})
}

// startDemoWarder starts warder in front of upstream. It serves until stop.
func startDemoWarder(ctx context.Context, cfg *configs.Config, stderr io.Writer) (*demoWarder, error) {
	in, err := newInstance(ctx, cfg, newLog(stderr, cfg.Log), nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &demoWarder{
		bootstrap: in.proxy.Addresses()[0], admin: in.admin.Addr(), found: in.engine.Findings(),
		cancel: cancel, ended: make(chan error, 1),
	}
	go func() { w.ended <- in.run(ctx) }()
	return w, nil
}

// stop drains warder and waits for its end.
func (w *demoWarder) stop() error {
	w.cancel()
	return <-w.ended
}
