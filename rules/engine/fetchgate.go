package engine

import (
	"time"

	"warder/protocol/records"
	"warder/rules"
)

// FetchGate shows rules samples of what one session fetches, on the session's
// response loop. Nothing that it finds refuses anything: what cannot be read is
// counted, not reported, since every consumer meets the same batch again. It is
// not safe for concurrent use.
//
// A batch is offered in two steps, so that an answer need not be held in memory
// to be looked into: Next decides by its header, Look is given the bytes.
type FetchGate struct {
	inspector
	all    bool // inspect.fetch_records
	budget budget

	// of the current answer
	answer  uint64 // counts them, for turns
	unnamed [][16]byte

	// of the current partition
	plan *plan
	head records.Header
	seen bool // a batch of it had its turn
}

// What `inspect.fetch_records: sample` looks at: the first batch of a partition,
// of no more than so many partitions of a topic in one answer, in batches of no
// more than so many bytes.
const (
	sampledPartitions = 2
	sampledBatch      = 256 << 10
)

// largestBatch is the largest batch that `inspect.fetch_records: all` looks into:
// what brokers take by default (message.max.bytes).
const largestBatch = 1_048_588

// maxUnnamed bounds the topic ids that an answer asks the names of.
const maxUnnamed = 100

// turns counts how often a topic was looked at in one answer.
type turns struct {
	answer uint64
	n      int
}

// FetchGate gives a session what it needs to have its Fetch answers looked into.
func (e *Engine) FetchGate() *FetchGate {
	g := &FetchGate{inspector: inspector{engine: e}, all: e.fetchRecords == "all"}
	g.batch.Fetched = true
	return g
}

// WantsFetched says whether any rule is shown samples of what is fetched. If
// not, no session needs a FetchGate.
func (e *Engine) WantsFetched() bool { return e.fetchRecords != "off" && e.live.Load().fetched }

// Begin turns to another answer to this client, read at now. It returns false
// when nothing of it will be looked into.
func (g *FetchGate) Begin(id *rules.Identity, now time.Time) bool {
	g.sync(id)
	g.answer++
	g.plan, g.unnamed = nil, g.unnamed[:0]
	if len(g.client) == 0 || !g.engine.WantsFetched() {
		return false
	}
	g.batch.Request = rules.Request{Time: now, Identity: id}
	if g.all {
		return true
	}
	g.budget.refill(now)
	return g.budget.open()
}

// Partition turns to the records of a partition, size bytes of them, whose topic
// is named or, when the name is empty, given by id. It returns false when none
// of them will be looked into.
func (g *FetchGate) Partition(topic []byte, id [16]byte, partition int32, size int) bool {
	g.plan, g.seen = nil, false
	if size == 0 || !g.all && !g.budget.open() {
		return false
	}
	p := g.resolve(topic, id, size)
	if p == nil || len(p.sample) == 0 {
		return false
	}
	if p.turns.answer != g.answer {
		p.turns = turns{answer: g.answer}
	}
	if !g.all && p.turns.n >= sampledPartitions {
		return false
	}
	g.plan = p
	g.batch.Topic, g.batch.Partition = &p.topic, partition
	p.sampler.refill(g.batch.Time)
	return true
}

func (g *FetchGate) resolve(topic []byte, id [16]byte, size int) *plan {
	if len(topic) > 0 {
		return g.planFor(topic, g.engine.topics.Find(topic))
	}
	if known := g.engine.topics.FindID(id); known != nil {
		return g.planOf(known)
	}
	g.engine.meter.uninspected(UnknownTopic, size)
	if len(g.unnamed) < maxUnnamed {
		g.unnamed = append(g.unnamed, id)
	}
	return nil
}

// Unnamed gives the topic ids of this answer whose names are not known, at most
// 100 and some perhaps twice. They are valid until the next Begin.
func (g *FetchGate) Unnamed() [][16]byte { return g.unnamed }

// Next is given the next bytes of the partition's records, records.PeekSize of
// them or the left ones if they are fewer. It says how long the batch is that
// begins there and whether it is to be looked into. A size of 0 means that
// nothing more of this partition will be: its turn is over, the answer ends
// inside the batch, as it may, or no batch begins there.
func (g *FetchGate) Next(head []byte, left int) (size int, look bool) {
	if g.seen && !g.all {
		return 0, false
	}
	h := &g.head
	whole, err := h.Peek(head)
	if err != nil {
		g.engine.meter.uninspected(Malformed, left)
		return 0, false
	}
	if !whole || h.Size > left {
		return 0, false
	}
	if h.Control {
		return h.Size, false // markers, written by brokers only
	}
	g.turn()
	if !g.fits(h.Size) || !g.plan.sampler.wants(h) {
		return h.Size, false
	}
	return h.Size, true
}

// turn notes that the partition has had its turn, whatever comes of it.
func (g *FetchGate) turn() {
	if !g.seen {
		g.plan.turns.n++
	}
	g.seen = true
}

// fits says whether a batch of this size is looked into. Where all batches
// should be, one that is not is counted.
func (g *FetchGate) fits(size int) bool {
	if !g.all {
		return size <= sampledBatch
	}
	if size > largestBatch {
		g.engine.meter.uninspected(TooLarge, size)
		return false
	}
	return true
}

// Look looks into a batch, all of it, that Next has chosen. It allocates nothing
// while the rules find nothing.
func (g *FetchGate) Look(batch []byte) {
	g.batches, g.records = 0, 0
	g.scanner.Reset(batch, g.engine.scan)
	if h, ok := g.scanner.NextBatch(); ok {
		if reason := g.judgeBatch(g.plan, h); reason != "" {
			g.engine.meter.uninspected(reason, h.Size)
		}
		for _, a := range g.plan.rules {
			g.settle(a, &g.cases[a.slot])
		}
	}
	g.engine.meter.inspected(g.batches, g.records)
	if !g.all {
		g.budget.spend(max(len(batch), g.scanner.Expanded()))
	}
	g.scanner.Release() // an idle session holds no output buffer, and no view of the answer
}

// Inspect offers all batches of a partition whose records are in memory.
func (g *FetchGate) Inspect(topic []byte, id [16]byte, partition int32, blob []byte) {
	if !g.Partition(topic, id, partition, len(blob)) {
		return
	}
	for {
		size, look := g.Next(blob[:min(len(blob), records.PeekSize)], len(blob))
		if size == 0 {
			return
		}
		if look {
			g.Look(blob[:size])
		}
		blob = blob[size:]
	}
}

// settle takes in what a rule has left in its case and empties it. A denial
// means nothing here: what is fetched has been written.
func (g *FetchGate) settle(a *activeRule, c *rules.Case) {
	if c.Empty() {
		return
	}
	for i := range c.Reports {
		r := &c.Reports[i]
		if !r.OwnSubject {
			g.fillSubject(&r.Subject)
		}
		g.engine.deliver(g.set, g.engine.finding(a, r, g.batch.Time))
	}
	for _, o := range c.Observations {
		o.At, o.Client = g.batch.Time, g.id
		g.engine.observe(a, o)
	}
	c.Reset()
}

// What a session may spend on samples in a second, and save up for one: that
// many batches, and that many bytes of their records, decompressed.
const (
	budgetBatches = 8
	budgetBytes   = 1 << 20
)

// budget is a token bucket. A batch that turns out larger than what is left puts
// it into debt, so that the average holds whatever batches expand to.
type budget struct {
	at      time.Time
	batches float64
	bytes   float64
}

func (b *budget) refill(now time.Time) {
	s := 1.0 // a second's worth to begin with
	if !b.at.IsZero() {
		s = max(now.Sub(b.at).Seconds(), 0)
	}
	b.at = now
	b.batches = min(b.batches+s*budgetBatches, budgetBatches)
	b.bytes = min(b.bytes+s*budgetBytes, budgetBytes)
}

func (b *budget) open() bool { return b.batches >= 1 && b.bytes > 0 }

func (b *budget) spend(bytes int) {
	b.batches--
	b.bytes -= float64(bytes)
}
