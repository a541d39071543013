package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy"
	"warder/proxy/registry"
	"warder/rules"
)

// asker brings the questions of rules to whoever can answer them.
type asker struct {
	cluster func(rules.Question) bool
	schemas *registry.Registry // nil without a schema registry
}

// newAsker makes the askers that the configuration gives an address for, beside
// cluster, which asks the brokers; answers go to emit.
func newAsker(cfg *configs.Config, cluster func(rules.Question) bool, emit func(rules.Event), log zerolog.Logger) (asker, error) {
	a := asker{cluster: cluster}
	c := cfg.Upstream.SchemaRegistry
	if c == nil {
		return a, nil
	}
	tls, err := proxy.UpstreamTLS(c.TLS)
	if err != nil {
		return a, fmt.Errorf("schema registry: %w", err)
	}
	a.schemas = registry.New(registry.Options{Config: c, TLS: tls, Answer: emit, Failed: func(err error) {
		if err != nil {
			log.Warn().Err(err).Msg("the schema registry does not answer; findings tell schema ids alone")
			return
		}
		log.Info().Msg("the schema registry answers again")
	}})
	return a, nil
}

// ask hands on a question; false when nobody could answer it.
func (a asker) ask(q rules.Question) bool {
	switch q := q.(type) {
	case rules.SubjectsOfSchema:
		return a.schemas != nil && a.schemas.Ask(q)
	default:
		return a.cluster(q)
	}
}

// run answers until ctx ends.
func (a asker) run(ctx context.Context) {
	if a.schemas != nil {
		a.schemas.Run(ctx)
	}
}
