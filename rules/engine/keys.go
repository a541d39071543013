package engine

import (
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/state"
)

// Keys follows how clients choose partitions by key.
func (e *Engine) Keys() *state.Keys { return e.keys }

// FollowsKeys says whether any rule needs to know how many partitions clients
// take topics to have.
func (e *Engine) FollowsKeys() bool {
	set := e.live.Load()
	return set.keys || len(set.interests[rules.KindPartitionsAdded]) > 0
}

// keyedPlan is what a plan remembers of the keys that its client writes to its topic.
type keyedPlan struct {
	wanted  bool             // by a rule
	writer  *state.KeyWriter // nil until there is something to choose
	heard   uint64           // state.Keys.News when it was asked for
	retry   int64            // second before which it is not asked for again without news
	keyless int              // batches without a key, one after the other
}

// Clients that write no keys to a topic have one batch in keylessEvery looked at
// for them, once that many had none.
const keylessEvery = 16

// maxKey is the longest key that is followed: six hashes of it are taken while
// other sessions wait for the topic.
const maxKey = 4096

// followKeys prepares g.keys for a batch, and says whether its keys should be
// collected.
func (g *inspector) followKeys(p *plan, h *records.Header) bool {
	g.batch.Seen = rules.PartitionsSeen{}
	k := &p.keyed
	if !k.wanted || p.topic.Name == "" || g.batch.Fetched {
		return false
	}
	if k.writer == nil || k.writer.Gone() {
		second, news := g.batch.Time.Unix(), g.engine.keys.News()
		if k.writer == nil && second < k.retry && news == k.heard {
			return false
		}
		k.heard, k.retry = news, second+1
		k.writer = g.engine.keys.Writer(g.id, p.topic.Name, g.batch.Time)
		if k.writer == nil {
			return false
		}
	}
	g.batch.Seen = k.writer.Seen(g.batch.Time)
	if !k.writer.Chooses() {
		return false
	}
	if k.keyless++; k.keyless > keylessEvery && k.keyless%keylessEvery != 0 {
		return false
	}
	if g.keys == nil {
		g.keys = g.engine.keys.Lend()
	}
	g.keys.Begin(k.writer, g.batch.Partition, g.batch.Time)
	return true
}

// settleKeys works in what a batch has shown, and tells who wants to know.
func (g *inspector) settleKeys(p *plan) {
	for i, a := range p.rules {
		if c := &g.cases[a.slot]; c.Denied > 0 && c.Blocks && p.may[i] {
			g.keys.Refuse()
		}
	}
	events, any := g.keys.Settle()
	if any {
		p.keyed.keyless = 0
	}
	for _, ev := range events {
		g.engine.Emit(ev)
	}
}

// returnKeys gives back what was lent: it holds views of the request.
func (g *inspector) returnKeys() {
	if g.keys != nil {
		g.keys.Return()
		g.keys = nil
	}
}

// concerns says whether the rule looks at what an event is about.
func (m *matcher) concerns(ev rules.Event) bool {
	about, ok := ev.(rules.Concerning)
	if !ok {
		return true
	}
	topic, clients := about.Concerns()
	if len(clients) == 0 {
		return m.topic(&rules.Identity{}, topic)
	}
	for _, id := range clients {
		if !m.client(id) || !m.topic(id, topic) {
			return false
		}
	}
	return true
}
