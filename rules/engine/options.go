package engine

import (
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
	// Keys is how clients choose partitions; one of the usual size when nil.
	Keys *state.Keys
	// Models are kept for all Watchers of their kind of key, at most one for
	// each kind.
	Models []rules.Model
	// Sinks take the findings, besides the ring that Findings serves. The
	// engine closes them.
	Sinks []sink.Sink
	// Inspect bounds decompression and says what becomes of the undecodable.
	Inspect configs.Inspect
	// Meter is told what happens.
	Meter Meter
	Log   zerolog.Logger
	// Now is the clock of ticks; time.Now when nil. Findings carry the time
	// of what they are about.
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
	MoreTopics int // those beyond, of all sessions together [32768]
	Refusals   int // refused batches remembered [20000]
}

func (l *Limits) setDefaults() {
	for _, d := range []struct {
		limit *int
		value int
	}{
		{&l.Shards, 4}, {&l.Queue, 4096}, {&l.States, 16384}, {&l.Findings, sink.DefaultRing},
		{&l.Incidents, 10_000}, {&l.SinkQueue, 1024}, {&l.GateTopics, 1024}, {&l.MoreTopics, 32_768},
		{&l.Refusals, state.DefaultRefusals},
	} {
		if *d.limit <= 0 {
			*d.limit = d.value
		}
	}
}
