package main

import (
	"context"

	"github.com/rs/zerolog"

	"warder/configs"
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
func newAsker(cfg *configs.Config, cluster func(rules.Question) bool, emit func(rules.Event), log zerolog.Logger) asker {
	a := asker{cluster: cluster}
	if c := cfg.Upstream.SchemaRegistry; c != nil {
		a.schemas = registry.New(registry.Options{Config: c, Answer: emit, Failed: func(err error) {
			if err != nil {
				log.Warn().Err(err).Msg("the schema registry does not answer; findings tell schema ids alone")
				return
			}
			log.Info().Msg("the schema registry answers again")
		}})
	}
	return a
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
