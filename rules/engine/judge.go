package engine

import (
	"errors"

	"warder/protocol/records"
	"warder/rules"
)

// judgeRequest calls the rules that judge the request as a whole. A denial
// refuses every partition.
func (g *Gate) judgeRequest() {
	g.batch.Topic, g.batch.Header = nil, nil
	for _, a := range g.client {
		if a.request != nil {
			c := &g.cases[a.slot]
			c.Blocks = a.action == rules.Block
			g.guarded(a, c, func() { a.request.Request(c, &g.batch.Request) })
			g.settle(a, c, wholeRequest, true)
		}
	}
}

// guarded runs code of a rule. What a rule has said before it panicked does not
// count.
func (g *Gate) guarded(a *activeRule, c *rules.Case, code func()) {
	defer func() {
		if g.recovered(recover()) {
			c.Reset()
		}
	}()
	g.inCharge = a
	code()
	g.inCharge = nil
}

// judgePartition calls the rules for every batch of g.part.
func (g *Gate) judgePartition() {
	g.judged.partitions++
	p := g.resolve()
	g.noteWritten(p)
	if len(p.rules) == 0 {
		return
	}
	g.batch.Topic, g.batch.Partition = &p.topic, g.part.Partition
	p.sampler.refill(g.batch.Time)
	for i, a := range p.rules {
		g.cases[a.slot].Blocks = p.may[i] && a.action == rules.Block
	}
	g.scanner.Reset(g.part.Records, g.engine.scan)
	for {
		h, ok := g.scanner.NextBatch()
		if !ok {
			break
		}
		if h.Control {
			continue // markers, written by brokers only
		}
		if reason := g.judgeBatch(p, h); reason != "" {
			g.uninspected(reason, g.scanner.BatchErr(), h.Size)
		}
		for i, a := range p.rules {
			g.settle(a, &g.cases[a.slot], g.part.Ordinal, p.may[i])
		}
	}
	switch {
	case g.scanner.Truncated():
		g.uninspected(Truncated, nil, len(g.part.Records))
	case g.scanner.BatchErr() != nil:
		g.uninspected(Malformed, g.scanner.BatchErr(), len(g.part.Records))
	}
}

// resolve gives the plan for g.part.
func (g *Gate) resolve() *plan {
	topics := g.engine.topics
	if g.batch.Version < topicIDVersion {
		return g.planFor(g.part.Topic, topics.Find(g.part.Topic))
	}
	known := topics.FindID(g.part.TopicID)
	if known == nil {
		g.engine.meter.uninspected(UnknownTopic, len(g.part.Records))
		return g.planFor(nil, nil)
	}
	return g.planOf(known)
}

// topicIDVersion is the first version of Produce that names topics by id.
const topicIDVersion = 13

// judgeBatch calls the rules for one batch. A reason says that it could not be
// inspected; then nothing that a rule may have said of its beginning counts.
func (g *inspector) judgeBatch(p *plan, h *records.Header) (reason Reason) {
	defer func() {
		if g.recovered(recover()) {
			reason = RulePanic
		}
		if reason != "" {
			g.forget(p)
		}
	}()
	g.batch.Begin(h)
	keys := g.followKeys(p, h)
	if len(p.record) > 0 || keys || len(p.sample) > 0 && p.sampler.wants(h) {
		if err := g.walk(p, keys); err != nil {
			return reasonOf(err)
		}
	}
	g.batch.Payload = g.scanner.Payload()
	for _, a := range p.rules {
		if a.batch != nil && !g.batch.Fetched {
			g.inCharge = a
			a.batch.Batch(&g.cases[a.slot], &g.batch)
		}
	}
	g.inCharge, g.batch.Payload = nil, nil
	if keys {
		g.settleKeys(p)
	}
	g.batches++
	g.records += g.batch.Records
	return ""
}

// recovered takes what recover returned in a deferred function and says whether
// there was a panic. It is counted under the rule whose code ran last.
func (g *inspector) recovered(r any) bool {
	a := g.inCharge
	g.inCharge = nil
	if r == nil {
		return false
	}
	id := "engine"
	if a != nil {
		id = a.spec.ID
	}
	g.engine.panicked(id, r)
	return true
}

// forget drops what rules have said of the current batch.
func (g *inspector) forget(p *plan) {
	for _, a := range p.rules {
		g.cases[a.slot].Reset()
	}
}

// walk calls the rules for every record of the batch that they look at, and
// collects its keys. Those are views of the scanner's output, which lasts until
// the next batch.
func (g *inspector) walk(p *plan, keys bool) error {
	n := 0
	for r, ok := g.scanner.NextRecord(); ok; r, ok = g.scanner.NextRecord() {
		n++
		g.batch.Records = n
		for i := range p.record {
			call := &p.record[i]
			g.inCharge = call.of
			call.rule.Record(call.c, &g.batch, (*rules.Record)(r))
		}
		if keys && len(r.Key) > 0 && len(r.Key) <= maxKey {
			g.keys.Add(g.batch.KeyHash((*rules.Record)(r)), r.Key)
		}
		if len(p.sample) > 0 {
			if g.batch.Weight = p.sampler.take(); g.batch.Weight > 0 {
				g.sample(p.sample, (*rules.Record)(r))
			}
		}
		g.batch.SetBefore((*rules.Record)(r))
	}
	g.inCharge = nil
	return g.scanner.BatchErr()
}

// sample calls the rules that look at some records for one of them.
func (g *inspector) sample(calls []sampleCall, r *rules.Record) {
	for i := range calls {
		call := &calls[i]
		g.inCharge = call.of
		call.rule.Sample(call.c, &g.batch, r)
	}
}

func reasonOf(err error) Reason {
	var bomb *records.BombError
	var codec *records.CodecError
	switch {
	case errors.As(err, &bomb):
		return Bomb
	case errors.As(err, &codec):
		return BadCodec
	}
	return Malformed
}
