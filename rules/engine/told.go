package engine

import (
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// Told is what rules tell of a topic, see rules.TopicTeller.
func (e *Engine) Told(topic string, now time.Time) (told rules.TopicTold) {
	for _, a := range e.live.Load().active {
		if teller, ok := a.shared.(rules.TopicTeller); ok {
			e.tell(a, func() { teller.TellTopic(topic, now, &told) })
		}
	}
	return told
}

// tell calls a rule for who looks. One that panics tells no more.
func (e *Engine) tell(a *activeRule, f func()) {
	defer func() {
		if r := recover(); r != nil {
			e.panicked(a.spec.ID, r)
		}
	}()
	f()
}

// Untold is what Told and Traffic cannot tell of any topic, in the order of the
// table of rules.
func (e *Engine) Untold() []rules.Untold {
	set := e.live.Load()
	list := []rules.Untold{}
	if len(set.interests[rules.KindTopicWritten]) == 0 && !slices.ContainsFunc(set.active, (*activeRule).produced) {
		list = append(list, rules.Untold{What: "written", Why: "no rule looks at what is produced, so nothing of it is read"})
	}
	for i := range e.specs {
		spec := &e.specs[i]
		if set.rule(spec.ID) != nil {
			continue
		}
		for _, what := range spec.Tells.Names() {
			list = append(list, rules.Untold{What: what, Rule: spec.ID, Why: "the rule " + spec.ID + " is off"})
		}
	}
	return list
}

// Traffic is what clients write, by topic, as far as requests are read.
func (e *Engine) Traffic() *state.Traffic { return e.traffic }
