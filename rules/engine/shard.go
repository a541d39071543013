package engine

import (
	"context"
	"sync/atomic"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// shard keeps the state of watchers for the keys that hash to it. Its methods
// take and tick are plain functions of their arguments; run is the goroutine
// that calls them.
type shard struct {
	// set at construction
	engine *Engine
	queue  chan envelope
	done   chan struct{} // closed when run has ended
	limit  int           // keys for each rule

	lost atomic.Int64 // events dropped since the last Gap

	// owned by run, or by the caller of an Inline engine
	states map[stateID]watchStates
	models [rules.NumKeyKinds]*state.LRU[string, rules.ModelState] // nil without a Model
	asked  []rules.Question                                        // by the rules that are being called

	size, evicted atomic.Int64 // of states, for metrics
}

// envelope is an event on its way to one key.
type envelope struct {
	event rules.Event
	by    rules.KeyKind
	key   string
	only  string // id of the only rule that is meant; "": all that are interested
	view  func() // instead of an event: looks at models, see Engine.View
}

// watchStates holds the state of each key.
type watchStates = *state.LRU[string, any]

// stateID names the states of one rule by one kind of key. It outlives a
// reload, so that watching goes on.
type stateID struct {
	rule string
	by   rules.KeyKind
}

// keyed is one key of one rule.
type keyed struct {
	interest
	states watchStates
	key    string
}

func newShard(e *Engine, queue, limit int) *shard {
	s := &shard{engine: e, queue: make(chan envelope, queue), done: make(chan struct{}), limit: limit, states: map[stateID]watchStates{}}
	for by, m := range e.models {
		if m != nil {
			s.models[by] = state.NewLRU[string, rules.ModelState](limit)
		}
	}
	return s
}

// put queues an event, or drops it when the queue is full.
func (s *shard) put(env envelope) {
	if s.engine.inline {
		s.take(env)
		return
	}
	select {
	case s.queue <- env:
	default:
		s.lost.Add(1)
		s.engine.meter.dropped("events", 1)
	}
}

// run serves the queue until ctx is done, and then what is left in it.
func (s *shard) run(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case env := <-s.queue:
			s.take(env)
		case <-ticker.C:
			s.tick(s.engine.now())
		case <-ctx.Done():
			for len(s.queue) > 0 {
				s.take(<-s.queue)
			}
			return
		}
	}
}

// take gives an event to the watchers that are interested in it, a Gap before
// it if events were lost.
func (s *shard) take(env envelope) {
	if env.view != nil {
		env.view()
		return
	}
	set := s.engine.live.Load()
	s.tellGap(set, env.event.When())
	if env.only == "" {
		s.follow(env)
	}
	for _, in := range set.interests[env.event.Kind()] {
		if in.by != env.by || in.rule.watcher == nil || env.only != "" && env.only != in.rule.spec.ID || !in.rule.match.concerns(env.event) {
			continue
		}
		k := keyed{in, s.statesOf(in), env.key}
		k.states.Get(k.key) // touch it
		s.call(set, k, env.event.When(), func(w *rules.Watch) { in.rule.watcher.Watch(w, env.event) })
	}
	s.measure()
	s.ask(env.event.When())
}

// tellGap tells every state that events were lost, if any were.
func (s *shard) tellGap(set *ruleSet, now time.Time) {
	lost := s.lost.Swap(0)
	if lost == 0 {
		return
	}
	gap := rules.Gap{At: now, Lost: int(lost)}
	s.eachModel(func(by rules.KeyKind, key string, m rules.ModelState) { s.apply(by, key, m, gap) })
	s.eachState(set, func(k keyed) {
		s.call(set, k, now, func(w *rules.Watch) { k.rule.watcher.Watch(w, gap) })
	})
}

// tick lets time pass for every state, and drops those of rules that are gone.
func (s *shard) tick(now time.Time) {
	set := s.engine.live.Load()
	s.tellGap(set, now)
	if s == s.engine.shards[0] {
		s.sweep(set, now)
	}
	s.tickModels(now)
	s.eachState(set, func(k keyed) {
		if k.rule.ticker != nil {
			s.call(set, k, now, k.rule.ticker.Tick)
		}
	})
	s.measure()
	s.ask(now)
}

// ask hands on what rules have asked, now that no state is being worked on: in an
// Inline engine the answers come back within the call.
func (s *shard) ask(now time.Time) {
	asked := s.asked
	s.asked = nil
	for _, q := range asked {
		s.engine.ask(q, now)
	}
}

// call runs a rule's code on the state of one key, keeps the state it leaves
// and delivers what it reports.
func (s *shard) call(set *ruleSet, k keyed, now time.Time, code func(*rules.Watch)) {
	w := rules.Watch{Key: k.key, By: k.by, Now: now, Shared: k.rule.shared, Topic: s.engine.topics.Peek}
	w.State, _ = k.states.Peek(k.key)
	w.Model = s.modelOf(k.by, k.key)
	if !s.guard(k.rule.spec.ID, func() { code(&w) }) {
		w.State = nil // whatever it was, it made the rule panic
	}
	switch {
	case w.State == nil:
		k.states.Delete(k.key)
	case !k.states.Replace(k.key, w.State):
		k.states.Put(k.key, w.State)
	}
	s.collect(set, k.rule, &w)
}

// collect takes over what a rule has left in w.
func (s *shard) collect(set *ruleSet, a *activeRule, w *rules.Watch) {
	reports, questions := w.Left()
	for i := range reports {
		if !a.match.subject(&reports[i].Subject) {
			continue // events come from every client and topic
		}
		s.engine.deliver(set, s.engine.finding(a, &reports[i], w.Now))
	}
	s.asked = append(s.asked, questions...)
}

// sweep lets time pass for the memory that rules share between sessions. One
// shard does it for all.
func (s *shard) sweep(set *ruleSet, now time.Time) {
	for _, a := range set.active {
		if a.sweeper != nil {
			w := rules.Watch{Now: now, Shared: a.shared}
			s.guard(a.spec.ID, func() { a.sweeper.Sweep(&w) })
			s.collect(set, a, &w)
		}
	}
}

// guard calls f, which runs code of the rule or model of that name, and says
// whether it returned.
func (s *shard) guard(name string, f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			s.engine.panicked(name, r)
		}
	}()
	f()
	return true
}

func (s *shard) statesOf(in interest) watchStates {
	id := stateID{in.rule.spec.ID, in.by}
	if s.states[id] == nil {
		s.states[id] = state.NewLRU[string, any](s.limit)
	}
	return s.states[id]
}

// eachState calls f for every key that has state.
func (s *shard) eachState(set *ruleSet, f func(keyed)) {
	for id, states := range s.states {
		a := set.rule(id.rule)
		if a == nil || a.watcher == nil {
			delete(s.states, id)
			continue
		}
		states.Each(func(key string, _ any) { f(keyed{interest{a, id.by}, states, key}) })
	}
}

func (s *shard) measure() {
	size, evicted := 0, uint64(0)
	for _, models := range s.models {
		if models != nil {
			size += models.Len()
			evicted += models.Evicted()
		}
	}
	for _, states := range s.states {
		size += states.Len()
		evicted += states.Evicted()
	}
	s.size.Store(int64(size))
	s.evicted.Store(int64(evicted))
}
