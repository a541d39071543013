package engine

import (
	"warder/configs"
	"warder/rules"
)

// Kafka errors of a refused batch (Errors.java). Others would make clients
// retry for minutes, split the batch or give up the whole topic.
const (
	policyViolation = 44
	invalidRecord   = 87
)

// ruleSet is a compiled configuration, immutable. Sessions and shards compare
// its address to learn that it was replaced.
type ruleSet struct {
	// active holds the rules that are not off, in the order of the table.
	active       []*activeRule
	keys         bool // one of them needs keys
	fetched      bool // one of them is shown samples of what is fetched
	interests    [rules.NumKinds][]interest
	suppressions []suppression
}

// activeRule is a rule with everything the configuration says of it.
type activeRule struct {
	spec *rules.Spec
	// slot is the place of the rule in ruleSet.active.
	slot   int
	action rules.Action
	match  matcher
	shared rules.Store

	code         int16 // Kafka error of a refused batch
	scope        scope
	blockUnknown bool

	// The interfaces that the rule implements and its Spec asks for, else nil.
	request  rules.RequestRule
	batch    rules.BatchRule
	record   rules.RecordRule
	sample   rules.SampleRule
	change   rules.ChangeRule
	watcher  rules.Watcher
	ticker   rules.Ticker
	sweeper  rules.Sweeper
	selector rules.Selector
	records  rules.RecordSelector
	scratch  rules.Scratcher
}

// interest is a rule that listens to a kind of event.
type interest struct {
	rule *activeRule
	by   rules.KeyKind
}

// scope is what is refused when one batch is.
type scope uint8

const (
	// scopeAuto is the partition, except for clients that lose records
	// unless the whole request is refused.
	scopeAuto scope = iota
	scopePartition
	scopeRequest
)

// Check compiles a configuration and throws the result away. The error is a
// configs.Problems where positions are known.
func Check(specs []rules.Spec, rs configs.Rules, suppressions []configs.Suppression) error {
	_, err := compile(specs, rs, suppressions, func(_ string, s rules.Sharer) rules.Store { return nil })
	return err
}

// sharedOf gives the memory that a rule keeps across sessions and reloads.
type sharedOf func(id string, s rules.Sharer) rules.Store

func compile(specs []rules.Spec, rs configs.Rules, suppressions []configs.Suppression, shared sharedOf) (*ruleSet, error) {
	set := &ruleSet{}
	var problems problems
	known := map[string]bool{}
	for i := range specs {
		spec := &specs[i]
		known[spec.ID] = true
		a, err := compileRule(spec, rs.For(spec.ID), rs.Defaults.Action, shared)
		if problems.add(err); err != nil || a.action == rules.Off {
			continue
		}
		a.slot = len(set.active)
		set.active = append(set.active, a)
		set.keys = set.keys || spec.Needs.Has(rules.NeedKeys)
		set.fetched = set.fetched || a.fetched()
		for _, w := range spec.Watches {
			set.interests[w.Kind] = append(set.interests[w.Kind], interest{a, w.By})
		}
	}
	for id, c := range rs.ByID {
		if !known[id] {
			problems.add(c.Problem("", "no rule has the id %q", id))
		}
	}
	for i := range suppressions {
		s, err := newSuppression(&suppressions[i], known)
		problems.add(err)
		set.suppressions = append(set.suppressions, s)
	}
	return set, problems.err()
}

func compileRule(spec *rules.Spec, c configs.RuleConfig, defaultAction string, shared sharedOf) (*activeRule, error) {
	a := &activeRule{spec: spec, action: spec.Default, blockUnknown: c.OnUnknownConfig == "block"}
	var problems problems
	if c.Action != "" {
		problems.add(positioned(c, "action", a.action.UnmarshalText([]byte(c.Action))))
	}
	if a.action == rules.Block && !spec.CanBlock {
		if c.Action != defaultAction {
			problems.add(c.Problem("action", "rule %s cannot block; write alert, record or off", spec.ID))
		}
		a.action = rules.Alert // `defaults: {action: block}` means: where a rule can
	}
	problems.add(a.setAnswer(c))
	problems.add(a.match.compile(c))
	rule, err := spec.New(c.Decode)
	if problems.add(err); err == nil && a.action != rules.Off {
		if s, ok := rule.(rules.Sharer); ok {
			a.shared = shared(spec.ID, s)
		}
		a.bind(rule)
	}
	return a, problems.err()
}

// setAnswer reads how a refusal looks.
func (a *activeRule) setAnswer(c configs.RuleConfig) error {
	switch c.ErrorCode {
	case "", "policy_violation":
		a.code = policyViolation
	case "invalid_record":
		a.code = invalidRecord
	default:
		return c.Problem("error_code", "%q is not an error code; write policy_violation or invalid_record", c.ErrorCode)
	}
	switch c.Scope {
	case "", "auto":
		a.scope = scopeAuto
	case "partition":
		a.scope = scopePartition
	case "request":
		a.scope = scopeRequest
	default:
		return c.Problem("scope", "%q is not a scope; write auto, partition or request", c.Scope)
	}
	return nil
}

// bind finds out what the rule can do.
func (a *activeRule) bind(rule rules.Rule) {
	a.request, _ = rule.(rules.RequestRule)
	a.change, _ = rule.(rules.ChangeRule)
	if a.spec.Needs&(rules.NeedHeaders|rules.NeedRecords|rules.NeedSamples) != 0 {
		a.batch, _ = rule.(rules.BatchRule)
	}
	if a.spec.Needs.Has(rules.NeedRecords) {
		a.record, _ = rule.(rules.RecordRule)
	}
	if a.spec.Needs.Has(rules.NeedSamples) {
		a.sample, _ = rule.(rules.SampleRule)
	}
	if len(a.spec.Watches) > 0 {
		a.watcher, _ = rule.(rules.Watcher)
		a.ticker, _ = rule.(rules.Ticker)
	}
	if a.shared != nil {
		a.sweeper, _ = rule.(rules.Sweeper)
	}
	a.selector, _ = rule.(rules.Selector)
	a.records, _ = rule.(rules.RecordSelector)
	a.scratch, _ = rule.(rules.Scratcher)
}

// rule gives an active rule by id, nil if it is off.
func (set *ruleSet) rule(id string) *activeRule {
	for _, a := range set.active {
		if a.spec.ID == id {
			return a
		}
	}
	return nil
}
