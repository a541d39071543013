package engine

import (
	"errors"

	"warder/configs"
)

// problems collects what is wrong with a configuration, with positions where
// they are known.
type problems configs.Problems

func (p *problems) add(err error) {
	var one configs.Problem
	var many configs.Problems
	switch {
	case err == nil:
	case errors.As(err, &many):
		*p = append(*p, many...)
	case errors.As(err, &one):
		*p = append(*p, one)
	default:
		*p = append(*p, configs.Problem{File: "configuration", Message: err.Error()})
	}
}

// err is nil when there are none, else a configs.Problems.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return configs.Problems(p)
}

// positioned gives err the place of a key of the rule.
func positioned(c configs.RuleConfig, key string, err error) error {
	if err == nil {
		return nil
	}
	return c.Problem(key, "%v", err)
}
