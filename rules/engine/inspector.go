package engine

import (
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/state"
)

// inspector is what looking into records takes, whoever sends them: which rules
// look at what one session does to a topic, what they remember of the session,
// and the walk. Gate and FetchGate have one each. It belongs to one goroutine.
type inspector struct {
	// set at construction
	engine *Engine

	// what the caches below hold for; see sync
	set *ruleSet
	id  *rules.Identity

	// caches
	client   []*activeRule    // rules that look at what this client produces, or fetches
	changers []*activeRule    // rules that look at what this client changes
	cases    []rules.Case     // by activeRule.slot
	plans    map[string]*plan // by topic
	borrowed int              // plans beyond the session's own, of Engine.sharedPlans

	// of the current request or answer
	batch    rules.Batch // Fetched, set at construction, tells the direction
	scanner  records.Scanner
	keys     *state.KeyBatch // lent while a request with keys is judged, else nil
	inCharge *activeRule     // whose code is running, for a panic

	batches, records int // that were looked at
}

// looks says whether a rule has any business with this direction.
func (g *inspector) looks(a *activeRule) bool {
	if g.batch.Fetched {
		return a.fetched()
	}
	return a.produced()
}

// produced says whether the rule looks at what is produced.
func (a *activeRule) produced() bool {
	return a.request != nil || a.batch != nil || a.record != nil || a.sample != nil || a.spec.Needs.Has(rules.NeedKeys)
}

// fetched says whether the rule is shown samples of what consumers fetch.
func (a *activeRule) fetched() bool {
	return a.sample != nil && a.spec.Needs.Has(rules.NeedFetched)
}

// planOf is planFor with the name that is known.
func (g *inspector) planOf(known *state.Topic) *plan {
	if p := g.plans[known.Name]; p != nil && p.known == known {
		return p
	}
	return g.planFor([]byte(known.Name), known)
}
