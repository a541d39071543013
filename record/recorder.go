package record

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"warder/protocol/records"
	"warder/record/scrub"
	"warder/rules"
)

const (
	// blockAge is how long entries wait for their block to become full.
	blockAge = time.Second
	// followUp is how long everything is written after something was found.
	followUp = 30 * time.Second
	// flightPause is how long a rule must wait until it has the ring written again.
	flightPause = time.Minute
	// retryPause is how long a disk that cannot be written is left alone.
	retryPause = 30 * time.Second
)

// Counts is told what the recorder does, by any goroutine.
type Counts interface {
	// Dropped counts bytes that are missing in the recording: of traffic by
	// "queue_full" and "unreadable", of blocks by "disk".
	Dropped(reason string, bytes int)
	// Blanked counts bytes that were zeroed because a frame was too large to be
	// scrubbed, or could not be read.
	Blanked(bytes int)
	// Written counts bytes of files.
	Written(bytes int)
	// Flight counts findings that would have the ring written, by what came of it:
	// "written", "limited".
	Flight(outcome string)
}

// Options of a Recorder. All but Topics and Now are required.
type Options struct {
	Dir     string
	Payload scrub.Payload
	MaxSize int64
	// All writes everything. Without it the newest Flight bytes are kept in memory, and
	// written with what follows when a finding asks for it.
	All    bool
	Flight int
	// Limits bound what a batch may expand to when its values are taken out.
	Limits  records.Limits
	Version string
	Cluster string
	// Topics gives what is known of topics, and calls heard with what is learnt from
	// then on; heard does not wait for anything.
	Topics func(heard func(rules.Topic)) []rules.Topic
	Counts Counts
	Log    zerolog.Logger
	Now    func() time.Time
}

// Recorder records what Taps tell. Its one goroutine does the work. The files are read
// by Open.
type Recorder struct {
	// set at construction
	all      bool
	header   Header
	counts   Counts
	log      zerolog.Logger
	now      func() time.Time
	queue    queue
	unheard  atomic.Bool  // news of topics had no room
	missed   atomic.Int64 // bytes that had no room, since the log told of it
	topics   func(heard func(rules.Topic)) []rules.Topic
	stop     chan struct{}
	stopping atomic.Bool
	done     chan struct{}

	// owned by the goroutine
	at       time.Time // of the item at hand
	packer   *packer
	changes  []Entry // of the block at hand
	sealedAt time.Time
	scrubber *scrub.Scrubber
	held     int // bytes of frames that are not whole
	before   *known
	ring     ring
	until    time.Time // flagged: everything is written until then
	flights  map[string]time.Time
	store    store
	written  int       // segments
	gap      bool      // a block was left out since the last one that was written
	retry    time.Time // zero, or when a disk that failed is tried again
	overfull bool      // the log has told of a full queue
}

// New starts a recorder; Close ends it.
func New(o Options) *Recorder {
	r := newRecorder(o)
	go r.run()
	return r
}

func newRecorder(o Options) *Recorder {
	r := &Recorder{
		all: o.All, counts: o.Counts, log: o.Log, now: o.Now, topics: o.Topics,
		stop: make(chan struct{}), done: make(chan struct{}),
		packer: newPacker(), scrubber: scrub.New(o.Payload, o.Limits), before: newKnown(),
		ring: ring{max: o.Flight}, flights: map[string]time.Time{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.queue.wake = make(chan struct{}, 1)
	r.header = Header{Version: o.Version, Cluster: o.Cluster, Payload: o.Payload.String(), Run: rand.Text(), Began: r.now()}
	r.store = store{dir: o.Dir, max: o.MaxSize, begun: r.header.Began}
	r.sealedAt = r.now()
	if r.topics != nil {
		for _, t := range r.topics(r.learn) {
			r.before.topics[t.Name] = &t
		}
	}
	return r
}

// learn is told of topics. What has no room is found by asking for all of them.
func (r *Recorder) learn(t rules.Topic) {
	if !r.queue.put(item{at: r.now(), kind: Learned, entry: &Entry{Kind: Learned, Topic: &t}}) {
		r.unheard.Store(true)
	}
}

// Name is the recorder's name as a sink of findings.
func (r *Recorder) Name() string { return "record" }

// Write records a finding, and has what led to it written if it asks for that: it is
// critical, or its rule is on `record`.
func (r *Recorder) Write(f *rules.Finding) error {
	finding := *f
	if !r.queue.put(item{at: r.now(), kind: Found, entry: &Entry{Kind: Found, Finding: &finding}}) {
		return fmt.Errorf("finding %s is missing in the recording: its queue is full", f.ID)
	}
	return nil
}

// dropped notes bytes that had no room.
func (r *Recorder) dropped(bytes int) {
	r.missed.Add(int64(bytes))
	r.counts.Dropped("queue_full", bytes)
}

func (r *Recorder) run() {
	defer close(r.done)
	tick := time.NewTicker(blockAge / 2)
	defer tick.Stop()
	var items []item
	for {
		stopping := false
		select {
		case <-r.queue.wake:
		case <-tick.C:
		case <-r.stop:
			stopping = true
		}
		items = r.queue.take(items)
		for i := range items {
			r.guard(&items[i])
			items[i].release()
		}
		clear(items)
		r.turn()
		if stopping {
			r.end()
			return
		}
	}
}

// guard takes one item. A panic, which is a defect, ends the recording of one
// connection and nothing else.
func (r *Recorder) guard(it *item) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error().Interface("panic", v).Bytes("stack", debug.Stack()).Msg("defect in warder: a connection is recorded no further, please report it")
			if it.tap != nil {
				r.giveUp(it.tap)
			}
		}
	}()
	r.handle(it)
}

// handle takes one item.
func (r *Recorder) handle(it *item) {
	r.at = it.at
	if it.entry != nil {
		it.entry.At, it.entry.Kind = it.at, it.kind
		if it.tap != nil {
			it.entry.Conn = it.tap.conn
		}
	}
	switch it.kind {
	case Request:
		r.feed(it.tap, up, it.data, it.at)
	case Answer:
		r.feed(it.tap, down, it.data, it.at)
	case Lost:
		r.lose(it.tap)
		r.entry(&Entry{Kind: Lost, Conn: it.tap.conn, At: it.at}, place{})
	case Closed:
		r.lose(it.tap)
		r.entry(&Entry{Kind: Closed, Conn: it.tap.conn, At: it.at, ByBroker: it.flag}, place{})
	case Opened, Identified, Learned:
		r.entry(it.entry, place{})
	case Found:
		r.entry(it.entry, place{})
		r.found(it.entry.Finding)
	case Passed: // no session tells it
	}
}

// entry adds an entry to the block at hand.
func (r *Recorder) entry(e *Entry, at place) {
	if err := r.packer.add(e, at); err != nil {
		r.log.Warn().Err(err).Msg("recording: left out")
		return
	}
	if changes(e.Kind) {
		r.changes = append(r.changes, *e)
	}
	if r.packer.full() {
		r.seal()
	}
}

// turn does what time brings.
func (r *Recorder) turn() {
	if r.unheard.Swap(false) && r.topics != nil {
		r.hearAgain()
	}
	now := r.now()
	if now.Sub(r.sealedAt) >= blockAge {
		r.seal()
	}
	if !r.all && r.store.open() && now.After(r.until) {
		r.failed(r.store.finish(), 0)
	}
	switch missed := r.missed.Swap(0); {
	case missed > 0 && !r.overfull:
		r.overfull = true
		r.log.Warn().Int64("bytes", missed).Msg("recording: traffic is left out since it comes faster than it is recorded; see warder_record_dropped_bytes_total")
	case missed == 0:
		r.overfull = false
	}
}

// hearAgain records topics of which news had no room.
func (r *Recorder) hearAgain() {
	at := r.now()
	for _, t := range r.topics(r.learn) {
		if old := r.before.topics[t.Name]; old == nil || *old != t {
			r.entry(&Entry{At: at, Kind: Learned, Topic: &t}, place{})
		}
	}
}

// end writes what is still to be written.
func (r *Recorder) end() {
	r.seal()
	if err := r.store.finish(); err != nil {
		r.log.Error().Err(err).Str("dir", r.store.dir).Msg("recording: cannot be written")
	}
}

// Close ends the recording; sessions must have ended. It waits for what is queued to be
// written, but no longer than ctx.
func (r *Recorder) Close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	if !r.stopping.Swap(true) {
		r.queue.close()
		close(r.stop)
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the recording is not written to its end: %w", ctx.Err())
	}
}
