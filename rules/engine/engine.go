package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

// tickEvery is how often time passes for watchers and folded findings.
const tickEvery = time.Second

// Engine runs the rules. It is safe for concurrent use, except that an Inline
// one must be used by one goroutine.
type Engine struct {
	// set at construction
	cluster           string
	specs             []rules.Spec
	topics            *state.Topics
	refusals          *state.Refusals
	keys              *state.Keys
	fetches           *state.FetchSessions
	traffic           *state.Traffic
	ring              *sink.Ring
	sinks             []*sink.Queue
	scan              records.Limits
	refuseUndecodable bool
	fetchRecords      string // inspect.fetch_records
	undecodable       *activeRule
	limits            Limits
	meter             Meter
	log               zerolog.Logger
	now               func() time.Time
	inline            bool
	seed              maphash.Seed
	shards            []*shard
	models            [rules.NumKeyKinds]rules.Model
	followed          [rules.NumKinds][]rules.KeyKind // by models
	findings          chan rules.Finding

	live        atomic.Pointer[ruleSet]
	asker       atomic.Pointer[Asker]
	sharedPlans atomic.Int64 // how many more plans sessions may keep that have their own share already

	configuring sync.Mutex // serialises Configure and guards the following
	shared      map[string]rules.Store
	added       []addedStore

	// owned by fold, or by the caller of an Inline engine
	folder *folder

	// ending
	stopShards, stopFold context.CancelFunc
	foldDone             sync.WaitGroup
}

// New starts an engine in which every rule has its default action. Close ends
// it.
func New(o Options) (*Engine, error) {
	if len(o.Specs) == 0 || o.Topics == nil {
		return nil, errors.New("engine: Specs and Topics are required")
	}
	o.Limits.setDefaults()
	e := &Engine{
		cluster: o.Cluster, specs: o.Specs, topics: o.Topics,
		refusals: state.NewRefusals(o.Limits.Refusals), fetches: state.NewFetchSessions(o.Topics, 0, 0), traffic: state.NewTraffic(0), ring: sink.NewRing(o.Limits.Findings),
		scan:              records.Limits{MaxDecompressed: int(o.Inspect.MaxDecompressed), MaxRatio: o.Inspect.MaxRatio},
		refuseUndecodable: o.Inspect.OnUndecodable == "refuse", fetchRecords: o.Inspect.FetchRecords,
		limits: o.Limits, meter: o.Meter, log: o.Log, now: o.Now, inline: o.Inline,
		seed: maphash.MakeSeed(), findings: make(chan rules.Finding, o.Limits.SinkQueue),
		shared: map[string]rules.Store{},
	}
	e.sharedPlans.Store(int64(o.Limits.MoreTopics))
	if e.keys = o.Keys; e.keys == nil {
		e.keys = state.NewKeys(o.Topics, 0)
	}
	if e.now == nil {
		e.now = time.Now
	}
	for _, m := range o.Models {
		e.models[m.By()] = m
		for _, kind := range m.Kinds() {
			e.followed[kind] = append(e.followed[kind], m.By())
		}
	}
	e.undecodable = undecodable(e.refuseUndecodable)
	e.folder = newFolder(o.Limits.Incidents, e.publish)
	set, err := compile(e.specs, configs.Rules{}, nil, e.sharedOf)
	if err != nil {
		return nil, err
	}
	e.live.Store(set)
	e.start(o)
	return e, nil
}

// start makes the shards and sinks and, unless Inline, their goroutines.
func (e *Engine) start(o Options) {
	var shards, fold context.Context
	shards, e.stopShards = context.WithCancel(context.Background())
	fold, e.stopFold = context.WithCancel(context.Background())
	for _, s := range o.Sinks {
		e.sinks = append(e.sinks, sink.NewQueue(s, sink.QueueOptions{
			Depth: o.Limits.SinkQueue, Inline: e.inline, Log: e.log,
			Dropped: func() { e.meter.dropped("sink_"+s.Name(), 1) },
			Failed:  func() { e.meter.sinkError(s.Name()) },
		}))
	}
	for range o.Limits.Shards {
		s := newShard(e, o.Limits.Queue, o.Limits.States)
		e.shards = append(e.shards, s)
		if e.inline {
			close(s.done)
			continue
		}
		go s.run(shards)
	}
	if !e.inline {
		e.foldDone.Go(func() { e.fold(fold) })
	}
}

// Configure compiles a configuration and swaps it in: every frame is judged by
// exactly one. On an error the old one stays; the error is a configs.Problems.
func (e *Engine) Configure(rs configs.Rules, suppressions []configs.Suppression) error {
	e.configuring.Lock()
	defer e.configuring.Unlock()
	set, err := compile(e.specs, rs, suppressions, e.sharedOf)
	if err != nil {
		return err
	}
	e.live.Store(set)
	return nil
}

// sharedOf gives the memory that a rule keeps across sessions and reloads.
func (e *Engine) sharedOf(id string, s rules.Sharer) rules.Store {
	if e.shared[id] == nil {
		e.shared[id] = s.NewShared()
	}
	return e.shared[id]
}

// Gate gives a session what it needs to have its requests judged.
func (e *Engine) Gate() *Gate { return &Gate{inspector: inspector{engine: e}} }

// Wants says whether any watcher or model listens to this kind of event. Where
// none does, the event need not even be made.
func (e *Engine) Wants(k rules.Kind) bool {
	return len(e.followed[k]) > 0 || len(e.live.Load().interests[k]) > 0
}

// Emit hands an event to the shards that keep state for its keys. It never
// blocks: when a queue is full the event is dropped and counted, and the shard
// is told of the gap.
func (e *Engine) Emit(ev rules.Event) {
	var done [rules.NumKeyKinds]bool
	for _, by := range e.followed[ev.Kind()] {
		done[by] = true
		e.send(ev, by)
	}
	for _, in := range e.live.Load().interests[ev.Kind()] {
		if !done[in.by] {
			done[in.by] = true
			e.send(ev, in.by)
		}
	}
}

func (e *Engine) send(ev rules.Event, by rules.KeyKind) {
	if key := ev.Key(by); key != "" {
		e.shardOf(by, key).put(envelope{event: ev, by: by, key: key})
	}
}

// observe hands an observation to the watcher of the same rule.
func (e *Engine) observe(a *activeRule, o rules.Observation) {
	e.shardOf(o.By, o.Of).put(envelope{event: o, by: o.By, key: o.Of, only: a.spec.ID})
}

// Lost has every state told that n events are missing, in front of what comes next.
func (e *Engine) Lost(n int) {
	for _, s := range e.shards {
		s.lost.Add(int64(n))
	}
}

func (e *Engine) shardOf(by rules.KeyKind, key string) *shard {
	h := maphash.String(e.seed, key) + uint64(by)
	return e.shards[h%uint64(len(e.shards))]
}

// Asker carries a question to whoever knows, and gives the answer to Emit. It
// never blocks, and returns false when it cannot take the question.
type Asker func(rules.Question) bool

// AnswerWith says who answers questions from now on. Without an Asker nobody
// does, and rules are told so.
func (e *Engine) AnswerWith(a Asker) { e.asker.Store(&a) }

// ask hands on a question of a rule.
func (e *Engine) ask(q rules.Question, now time.Time) {
	if a := e.asker.Load(); a == nil || !(*a)(q) {
		e.Emit(q.Unanswered(now))
	}
}

// Refusals remembers what was refused, for five minutes.
func (e *Engine) Refusals() *state.Refusals { return e.refusals }

// FetchSessions knows what consumers read; the proxy fills it.
func (e *Engine) FetchSessions() *state.FetchSessions { return e.fetches }

// Findings keeps the last findings, for queries and streams.
func (e *Engine) Findings() *sink.Ring { return e.ring }

// Tick lets time pass: watchers are ticked, folded findings sent. Only an
// Inline engine needs to be told.
func (e *Engine) Tick(now time.Time) {
	if !e.inline {
		return
	}
	for _, s := range e.shards {
		s.tick(now)
	}
	e.folder.tick(now)
}

// fold is the goroutine that folds findings, until ctx is done and nothing is
// left in the queue.
func (e *Engine) fold(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case f := <-e.findings:
			e.folder.add(f)
		case <-ticker.C:
			e.folder.tick(e.now())
		case <-ctx.Done():
			for len(e.findings) > 0 {
				e.folder.add(<-e.findings)
			}
			e.folder.flush(e.now())
			return
		}
	}
}

// publish brings a finding to everybody.
func (e *Engine) publish(f *rules.Finding) {
	e.ring.Put(f)
	for _, s := range e.sinks {
		s.Put(f)
	}
}

type addedStore struct {
	name  string
	store rules.Store
}

// AddStore has Stores show a store that somebody else keeps.
func (e *Engine) AddStore(name string, s rules.Store) {
	e.configuring.Lock()
	defer e.configuring.Unlock()
	e.added = append(e.added, addedStore{name, s})
}

// Stores gives the size of every bounded store.
func (e *Engine) Stores() []StoreSize {
	watch := StoreSize{Name: "watch"}
	for _, s := range e.shards {
		watch.Len += int(s.size.Load())
		watch.Evicted += uint64(s.evicted.Load())
	}
	sizes := []StoreSize{
		{"topics", e.topics.Len(), e.topics.Evicted()},
		{"refusals", e.refusals.Len(), e.refusals.Evicted()},
		watch,
		{"keys", e.keys.Len(), e.keys.Evicted()},
		{"fetch_sessions", e.fetches.Len(), e.fetches.Evicted()},
		{"traffic", e.traffic.Len(), e.traffic.Evicted()},
	}
	fixed := len(sizes)
	e.configuring.Lock()
	defer e.configuring.Unlock()
	for _, s := range e.added {
		sizes = append(sizes, StoreSize{s.name, s.store.Len(), s.store.Evicted()})
	}
	for id, s := range e.shared {
		sizes = append(sizes, StoreSize{id, s.Len(), s.Evicted()})
	}
	slices.SortFunc(sizes[fixed:], func(a, b StoreSize) int { return strings.Compare(a.Name, b.Name) })
	return sizes
}

// Close serves what is queued and ends all goroutines. When ctx is done first, what
// sinks have not written yet is dropped, and a shard whose rule does not come back is
// left behind with its queue. Sessions must have ended.
func (e *Engine) Close(ctx context.Context) error {
	e.stopShards()
	var errs []error
	for i, s := range e.shards {
		select {
		case <-s.done:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("shard %d: a rule does not come back: %w", i, ctx.Err()))
		}
	}
	e.stopFold()
	e.foldDone.Wait()
	if e.inline {
		e.folder.flush(e.now())
	}
	for _, s := range e.sinks {
		errs = append(errs, s.Close(ctx))
	}
	return errors.Join(errs...)
}
