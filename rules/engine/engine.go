package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

// Options of an Engine. Specs and Topics are required.
type Options struct {
	// Cluster is the name of the cluster in findings.
	Cluster string
	// Specs is the table of rules, in the order in which they are called.
	Specs []rules.Spec
	// Topics is what is known of topics; the proxy fills it.
	Topics *state.Topics
	// Sinks take the findings, besides the ring that Findings serves. The
	// engine closes them.
	Sinks []sink.Sink
	// Inspect bounds decompression and says what becomes of the undecodable.
	Inspect configs.Inspect
	// Meter is told what happens.
	Meter Meter
	Log   zerolog.Logger
	// Now is the clock of findings and ticks; time.Now when nil.
	Now func() time.Time
	// Inline makes an engine without goroutines, for replays and tests:
	// events, findings and sinks are served within the call, and time passes
	// by Tick alone.
	Inline bool
	Limits Limits
}

// Limits bound an Engine; 0 means the default in brackets.
type Limits struct {
	Shards     int // goroutines with watcher state [4]
	Queue      int // events waiting for one shard [4096]
	States     int // keys with state per shard and rule [16384]
	Findings   int // findings kept for queries [10000]
	Incidents  int // fingerprints being folded [10000]
	SinkQueue  int // findings waiting for one sink, and for being folded [1024]
	GateTopics int // topics whose matching rules a session remembers [1024]
	Refusals   int // refused batches remembered [20000]
}

// Engine runs the rules. It is safe for concurrent use.
type Engine struct {
	refusals *state.Refusals
	ring     *sink.Ring
	live     atomic.Pointer[RuleSet]
}

// RuleSet is a compiled configuration, immutable.
type RuleSet struct{}

// New starts an engine in which every rule has its default action.
func New(o Options) (*Engine, error) { return nil, errors.New("not built yet") }

// Configure compiles a configuration and swaps it in: every frame is judged by
// exactly one. On an error the old one stays; the error is a configs.Problems
// where positions are known.
func (e *Engine) Configure(rs configs.Rules, suppressions []configs.Suppression) error { return nil }

// Gate gives a session what it needs to have its requests judged.
func (e *Engine) Gate() *Gate { return nil }

// Wants says whether any watcher listens to this kind of event. Where it does
// not, the event need not even be made.
func (e *Engine) Wants(k rules.Kind) bool { return false }

// Emit hands an event to the shards that keep state for its keys. It never
// blocks: when a queue is full the event is dropped and counted, and the shard
// is told of the gap.
func (e *Engine) Emit(ev rules.Event) {}

// Refusals remembers what was refused, for five minutes.
func (e *Engine) Refusals() *state.Refusals { return e.refusals }

// Findings keeps the last findings, for queries and streams.
func (e *Engine) Findings() *sink.Ring { return e.ring }

// Tick lets time pass: watchers are ticked, folded findings sent. Only an
// Inline engine needs to be told.
func (e *Engine) Tick(now time.Time) {}

// Stores gives the size of every bounded store.
func (e *Engine) Stores() []StoreSize { return nil }

// Close serves what is queued and ends all goroutines; when ctx is done first,
// the rest is dropped. Sessions must have ended.
func (e *Engine) Close(ctx context.Context) error { return nil }
