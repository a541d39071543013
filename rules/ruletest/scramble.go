package ruletest

import (
	"bytes"

	"warder/protocol/records"
	"warder/rules"
)

// scrambled gives the same rules, each behind a wrapper that shows it private
// copies and overwrites them after the call.
func scrambled(specs []rules.Spec) []rules.Spec {
	out := make([]rules.Spec, len(specs))
	for i, spec := range specs {
		out[i] = spec
		out[i].New = func(decode func(any) error) (rules.Rule, error) {
			rule, err := spec.New(decode)
			if err != nil {
				return nil, err
			}
			return wrap(rule), nil
		}
	}
	return out
}

// scrambler is a rule that passes every call on. What the inner rule does not
// implement does nothing.
type scrambler struct{ rule rules.Rule }

// sharing is a scrambler of a rule that is a Sharer, which the engine asks for
// more than calls.
type sharing struct {
	scrambler
	rules.Sharer
}

func wrap(rule rules.Rule) rules.Rule {
	if s, ok := rule.(rules.Sharer); ok {
		return sharing{scrambler{rule}, s}
	}
	return scrambler{rule}
}

// Wants passes the question on; a rule that does not choose wants everything.
func (s scrambler) Wants(id *rules.Identity, t *rules.Topic) bool {
	if rule, ok := s.rule.(rules.Selector); ok {
		return rule.Wants(id, t)
	}
	return true
}

// WantsRecords passes the question on; a rule that does not choose wants all.
func (s scrambler) WantsRecords(id *rules.Identity, t *rules.Topic) bool {
	if rule, ok := s.rule.(rules.RecordSelector); ok {
		return rule.WantsRecords(id, t)
	}
	return true
}

// NewScratch passes the call on.
func (s scrambler) NewScratch() any {
	if rule, ok := s.rule.(rules.Scratcher); ok {
		return rule.NewScratch()
	}
	return nil
}

// Request passes the call on.
func (s scrambler) Request(c *rules.Case, q *rules.Request) {
	if rule, ok := s.rule.(rules.RequestRule); ok {
		rule.Request(c, q)
	}
}

// Change passes the call on: a Change is no view of anything.
func (s scrambler) Change(c *rules.Case, ch *rules.Change) {
	if rule, ok := s.rule.(rules.ChangeRule); ok {
		rule.Change(c, ch)
	}
}

// Batch shows the rule a copy of the batch.
func (s scrambler) Batch(c *rules.Case, b *rules.Batch) {
	rule, ok := s.rule.(rules.BatchRule)
	if !ok {
		return
	}
	header, id, payload := *b.Header, bytes.Clone(b.TransactionalID), bytes.Clone(b.Payload)
	own := *b
	own.Header, own.TransactionalID, own.Payload = &header, id, payload
	rule.Batch(c, &own)
	header = records.Header{}
	scramble(id, payload)
}

// Record shows the rule copies of the record and the one before it.
func (s scrambler) Record(c *rules.Case, b *rules.Batch, r *rules.Record) {
	rule, ok := s.rule.(rules.RecordRule)
	if !ok {
		return
	}
	own, batch := *r, *b
	own.Key, own.Value, own.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Headers)
	before, _ := b.Before(r)
	key, value := bytes.Clone(before.Key), bytes.Clone(before.Value)
	batch.SetBefore(&rules.Record{Key: key, Value: value})
	rule.Record(c, &batch, &own)
	scramble(own.Key, own.Value, own.Headers, key, value)
	own, batch = rules.Record{}, rules.Batch{}
}

// Sample shows the rule copies of the record.
func (s scrambler) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	rule, ok := s.rule.(rules.SampleRule)
	if !ok {
		return
	}
	own, batch := *r, *b
	own.Key, own.Value, own.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Headers)
	rule.Sample(c, &batch, &own)
	scramble(own.Key, own.Value, own.Headers)
	own, batch = rules.Record{}, rules.Batch{}
}

// Sweep passes the call on.
func (s sharing) Sweep(w *rules.Watch) {
	if rule, ok := s.rule.(rules.Sweeper); ok {
		rule.Sweep(w)
	}
}

// Watch passes the call on.
func (s scrambler) Watch(w *rules.Watch, ev rules.Event) {
	if rule, ok := s.rule.(rules.Watcher); ok {
		rule.Watch(w, ev)
	}
}

// Tick passes the call on.
func (s scrambler) Tick(w *rules.Watch) {
	if rule, ok := s.rule.(rules.Ticker); ok {
		rule.Tick(w)
	}
}

func scramble(buffers ...[]byte) {
	for _, b := range buffers {
		for i := range b {
			b[i] = 0xdb
		}
	}
}
