package engine

import (
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/state"
)

// Gate judges the Produce requests of one session and what it wants to change, on
// the session's request loop. It is not safe for concurrent use.
type Gate struct {
	inspector
	blind rules.Case // of the undecodable

	// of the current request
	part     protocol.ProducePartition
	head     records.Header // of its first batch
	judged   judged
	keep     bool
	whole    string          // what is refused when no single record is: "batch" or "change"
	facts    rules.Evidence  // added to what rules report now
	group    string          // that the change at hand is about, if any
	pending  []pendingReport // until it is clear what becomes of the request
	observed []pendingObservation
	refused  []refusal
	denied   []protocol.Denial
}

// plan is who looks at what one client does to one topic.
type plan struct {
	known  *state.Topic // what it was made from; nil when nothing is known
	topic  rules.Topic
	rules  []*activeRule
	record []recordCall // of those rules that look at records
	sample []sampleCall // of those rules that look at some records
	may    []bool       // for each of rules: whether enough is known to block
	needs  rules.Needs  // of all rules together

	keyed   keyedPlan
	sampler sampler             // of what this client writes to this topic, or fetches from it
	written written             // since that was told last
	traffic *state.TopicTraffic // of all sessions; nil: not looked up yet
	turns   turns               // that the topic had in a Fetch answer
}

// recordCall is all that the walk over records needs of a rule, in one place.
type recordCall struct {
	rule rules.RecordRule
	of   *activeRule
	c    *rules.Case
}

// sampleCall is all that the walk over records needs of a SampleRule.
type sampleCall struct {
	rule rules.SampleRule
	of   *activeRule
	c    *rules.Case
}

// judged counts what a request was found to be.
type judged struct {
	partitions, wouldBlock int
	lastWould              int // ordinal that was counted last in wouldBlock
}

// ProduceVerdict is what becomes of a Produce request. Its slices belong to the
// gate and are valid until the next call of Produce or Close.
type ProduceVerdict struct {
	// Denied partitions, by Ordinal. Empty: the original bytes go on. All
	// partitions of the request: nothing goes upstream.
	Denied []protocol.Denial
	// Rules are those that denied, in alphabetical order.
	Rules []string
	// AcksZero says what to do about a denied request with acks=0: close the
	// connection, or forward the rest and drop the denied partitions.
	AcksZero rules.AcksZero
	// Keep asks for the exchange to be kept in the recording.
	Keep bool
	// Batches and Records that were looked at.
	Batches, Records int
}

// NeedsProduce says whether any rule looks at what this client produces. If
// not, a Produce request need not be held in memory.
func (g *Gate) NeedsProduce(id *rules.Identity) bool {
	g.sync(id)
	return g.produces()
}

// produces says whether anyone looks at what the client of the caches produces.
func (g *Gate) produces() bool {
	return len(g.client) > 0 || g.engine.Wants(rules.KindTopicWritten)
}

// NeedsConfig says whether a rule that may block would want to know the
// cleanup.policy of this topic, and it is unknown.
func (g *Gate) NeedsConfig(id *rules.Identity, topic []byte) bool {
	g.sync(id)
	if !g.produces() {
		return false
	}
	p := g.planFor(topic, g.engine.topics.Find(topic))
	if p.topic.Cleanup.Known() {
		return false
	}
	for _, a := range p.rules {
		if a.action == rules.Block && a.spec.Needs.Has(rules.NeedTopicConfig) {
			return true
		}
	}
	return false
}

// NeedsNames says whether a rule that may block looks at what this client
// writes: a topic id without a name would leave it blind.
func (g *Gate) NeedsNames(id *rules.Identity) bool {
	g.sync(id)
	for _, a := range g.client {
		if a.action == rules.Block {
			return true
		}
	}
	return false
}

// Produce judges a request. now is when its last byte was read. It allocates
// nothing while all is clean and the topics have been seen before.
func (g *Gate) Produce(id *rules.Identity, req *protocol.ProduceRequest, now time.Time) ProduceVerdict {
	g.sync(id)
	g.begin(rules.Request{
		Time: now, Identity: id, Version: req.Version, Acks: req.Acks,
		TransactionalID: req.TransactionalID, Partitions: req.NumPartitions,
	}, "batch")
	if !g.produces() {
		return ProduceVerdict{}
	}
	g.judgeRequest()
	it := req.Partitions()
	for it.Next(&g.part) {
		g.judgePartition()
	}
	verdict := g.conclude(req)
	g.returnKeys()
	g.scanner.Release() // an idle session holds no output buffer, and no view of the request
	return verdict
}

// Close returns what the gate has borrowed. It must not be used afterwards.
func (g *inspector) Close() {
	g.scanner.Release()
	g.dropPlans()
	g.set, g.id, g.plans, g.cases, g.client, g.changers = nil, nil, nil, nil, nil, nil
}

// begin forgets the last request.
func (g *Gate) begin(q rules.Request, whole string) {
	g.batch.Request, g.whole, g.facts, g.group = q, whole, nil, ""
	g.judged, g.keep = judged{lastWould: -2}, false
	g.batches, g.records = 0, 0
	clear(g.pending)
	clear(g.observed)
	clear(g.refused)
	clear(g.denied)
	g.pending, g.observed = g.pending[:0], g.observed[:0]
	g.refused, g.denied = g.refused[:0], g.denied[:0]
}

// sync throws the caches away when they hold for another configuration or
// identity. Scratch outlives a new identity, not a new configuration.
func (g *inspector) sync(id *rules.Identity) {
	set := g.engine.live.Load()
	if set == g.set && id == g.id {
		return
	}
	if set != g.set {
		g.cases = make([]rules.Case, len(set.active))
		for i, a := range set.active {
			g.cases[i].Shared = a.shared
			if a.scratch != nil && (!g.batch.Fetched || a.fetched()) {
				g.cases[i].Scratch = a.scratch.NewScratch()
			}
		}
	}
	g.set, g.id = set, id
	g.client, g.changers = nil, nil
	for _, a := range set.active {
		if !a.match.client(id) {
			continue
		}
		if g.looks(a) {
			g.client = append(g.client, a)
		}
		if a.change != nil && !g.batch.Fetched {
			g.changers = append(g.changers, a)
		}
	}
	g.dropPlans()
}

// planFor gives the plan for a topic of which known is known. A topic without a
// name is one whose id nobody can explain.
func (g *inspector) planFor(name []byte, known *state.Topic) *plan {
	before := g.plans[string(name)]
	switch {
	case before != nil && before.known == known:
		return before
	case before == nil && len(g.plans) >= g.engine.limits.GateTopics && !g.borrow():
		g.dropPlans()
	}
	p := g.newPlan(string(name), known)
	if before != nil { // news of the topic are no news of the traffic
		wanted := p.keyed.wanted
		p.sampler, p.written, p.turns, p.keyed = before.sampler, before.written, before.turns, before.keyed
		p.keyed.wanted = wanted
	}
	g.plans[p.topic.Name] = p
	return p
}

// borrow asks for room for one more plan out of what all sessions share.
func (g *inspector) borrow() bool {
	if g.engine.sharedPlans.Add(-1) < 0 {
		g.engine.sharedPlans.Add(1)
		return false
	}
	g.borrowed++
	return true
}

// dropPlans forgets all plans, and gives back what was borrowed for them.
func (g *inspector) dropPlans() {
	g.engine.sharedPlans.Add(int64(g.borrowed))
	g.plans, g.borrowed = map[string]*plan{}, 0
}

func (g *inspector) newPlan(name string, known *state.Topic) *plan {
	p := &plan{known: known, topic: rules.Topic{Name: name}}
	if known != nil {
		p.topic = *known
	}
	for _, a := range g.client {
		if !a.looksAt(g.id, name) || a.selector != nil && !g.answers(a, &p.topic, a.selector.Wants) {
			continue
		}
		p.rules = append(p.rules, a)
		p.keyed.wanted = p.keyed.wanted || a.spec.Needs.Has(rules.NeedKeys)
		p.may = append(p.may, a.may(&p.topic))
		p.needs |= a.spec.Needs
		if a.record != nil && !g.batch.Fetched && (a.records == nil || g.answers(a, &p.topic, a.records.WantsRecords)) {
			p.record = append(p.record, recordCall{a.record, a, &g.cases[a.slot]})
		}
		if a.sample != nil {
			p.sample = append(p.sample, sampleCall{a.sample, a, &g.cases[a.slot]})
		}
	}
	return p
}

// answers asks the rule whether it wants something of the topic. One that panics
// does not.
func (g *inspector) answers(a *activeRule, t *rules.Topic, wants func(*rules.Identity, *rules.Topic) bool) (yes bool) {
	defer func() {
		if r := recover(); r != nil {
			g.engine.panicked(a.spec.ID, r)
			yes = false
		}
	}()
	return wants(g.id, t)
}

// looksAt says whether the rule looks at what this client, which it looks at, does
// to a topic. Of one without a name nobody can say whether it is among the rule's
// topics: the rule is held then, not the traffic.
func (a *activeRule) looksAt(id *rules.Identity, topic string) bool {
	if topic == "" && !(a.action == rules.Block && a.blockUnknown) {
		return false
	}
	return a.match.topic(id, topic)
}

// may says whether enough is known of the topic for the rule to block.
func (a *activeRule) may(t *rules.Topic) bool {
	return t.Cleanup.Known() || a.blockUnknown || !a.spec.Needs.Has(rules.NeedTopicConfig)
}
