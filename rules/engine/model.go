package engine

import (
	"slices"
	"sync/atomic"
	"time"

	"warder/rules"
)

// modelName is the name under which a panic of a model is counted.
const modelName = "model"

// follow tells the model of the event's kind of key, if it follows that kind of
// event.
func (s *shard) follow(env envelope) {
	models := s.models[env.by]
	if models == nil || !s.engine.follows(env.event.Kind(), env.by) {
		return
	}
	m, ok := models.Get(env.key)
	if !ok {
		m = s.engine.models[env.by].New(env.key, env.event.When())
		if gone, evicted := models.Put(env.key, m); evicted {
			dropped(gone)
		}
	}
	s.apply(env.by, env.key, m, env.event)
}

func (e *Engine) follows(kind rules.Kind, by rules.KeyKind) bool {
	return slices.Contains(e.followed[kind], by)
}

// apply tells a model an event. One that panics is forgotten: whatever it knew
// is in doubt.
func (s *shard) apply(by rules.KeyKind, key string, m rules.ModelState, ev rules.Event) {
	if !s.guard(modelName, func() { m.Apply(ev) }) {
		s.models[by].Delete(key)
		dropped(m)
	}
}

// dropped tells a model that it is no longer kept.
func dropped(m rules.ModelState) {
	if d, ok := m.(rules.Dropper); ok {
		d.Dropped()
	}
}

// modelOf gives the model of a key, nil when there is none.
func (s *shard) modelOf(by rules.KeyKind, key string) rules.ModelState {
	if s.models[by] == nil {
		return nil
	}
	m, _ := s.models[by].Peek(key)
	return m
}

// eachModel calls f for every model. f may delete the one it is called with.
func (s *shard) eachModel(f func(by rules.KeyKind, key string, m rules.ModelState)) {
	for by, models := range s.models {
		if models != nil {
			models.Each(func(key string, m rules.ModelState) { f(rules.KeyKind(by), key, m) })
		}
	}
}

// tickModels lets time pass for every model, and drops those that are done with
// the states of rules for the same key.
func (s *shard) tickModels(now time.Time) {
	s.eachModel(func(by rules.KeyKind, key string, m rules.ModelState) {
		alive := false
		if s.guard(modelName, func() { alive = m.Tick(now) }) && alive {
			return
		}
		s.models[by].Delete(key)
		dropped(m)
		for id, states := range s.states {
			if id.by == by {
				states.Delete(key)
			}
		}
	})
}

// Restore begins the model of a key with what was known before warder was started at
// now, and tells those who watch that kind of key. It is for the time before traffic:
// where there is a model already, that stays. It reports whether m was taken; if not
// it has been told that it is dropped.
func (e *Engine) Restore(by rules.KeyKind, key string, m rules.ModelState, now time.Time) (taken bool) {
	s := e.shardOf(by, key)
	s.look(patience(), func() {
		if s.models[by] == nil || s.modelOf(by, key) != nil {
			return
		}
		taken = true
		if gone, evicted := s.models[by].Put(key, m); evicted {
			dropped(gone)
		}
		s.tellRestored(rules.Restored{At: now, By: by, Of: key})
	})
	if !taken {
		dropped(m)
	}
	return taken
}

// tellRestored tells every rule that watches by this kind of key.
func (s *shard) tellRestored(ev rules.Restored) {
	set := s.engine.live.Load()
	for _, a := range set.active {
		if a.watcher == nil || !slices.ContainsFunc(a.spec.Watches, func(in rules.Interest) bool { return in.By == ev.By }) {
			continue
		}
		in := interest{a, ev.By}
		s.call(set, keyed{in, s.statesOf(in), ev.Of}, ev.At, func(w *rules.Watch) { a.watcher.Watch(w, ev) })
	}
}

// View calls f with the model of a key, in the goroutine that owns it, and
// reports whether there is one. asked is false when nobody could say in time,
// because events are waiting up to the limit of the queue. f must be quick and keep
// nothing.
func (e *Engine) View(by rules.KeyKind, key string, f func(rules.ModelState)) (found, asked bool) {
	s := e.shardOf(by, key)
	asked = s.look(patience(), func() {
		if m := s.modelOf(by, key); m != nil {
			found = s.guard(modelName, func() { f(m) })
		}
	})
	return found, asked
}

// ViewAll calls f with every model of a kind of key, shard by shard in the
// goroutine of each, and reports whether all could be asked.
func (e *Engine) ViewAll(by rules.KeyKind, f func(key string, m rules.ModelState)) (all bool) {
	all = true
	until := patience()
	for _, s := range e.shards {
		if least := time.Now().Add(viewPatience / 8); until.Before(least) {
			until = least // one that is busy does not spend the time of all
		}
		asked := s.look(until, func() {
			if s.models[by] != nil {
				s.models[by].Each(func(key string, m rules.ModelState) {
					s.guard(modelName, func() { f(key, m) })
				})
			}
		})
		all = all && asked
	}
	return all
}

// viewPatience bounds how long somebody who looks waits for his turn, and nearly for
// all of them.
const viewPatience = 2 * time.Second

func patience() time.Time { return time.Now().Add(viewPatience) }

// What may become of a look.
const (
	lookWaits int32 = iota
	lookRuns
	lookAbandoned
)

// look has f run by the goroutine that owns the shard, and waits for it; false
// means that its turn did not come in time, and f will not run.
func (s *shard) look(until time.Time, f func()) bool {
	if s.engine.inline {
		f()
		return true
	}
	var state atomic.Int32
	done := make(chan struct{})
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	view := func() {
		if state.CompareAndSwap(lookWaits, lookRuns) {
			f()
			close(done)
		}
	}
	select {
	case s.queue <- envelope{view: view}:
	case <-timer.C:
		return false
	}
	select {
	case <-done:
		return true
	case <-timer.C:
	}
	if state.CompareAndSwap(lookWaits, lookAbandoned) {
		return false
	}
	<-done
	return true
}
