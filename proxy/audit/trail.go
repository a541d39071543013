package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/proxy/tap"
)

// Bounds of what waits to be written. When either is reached, what comes is lost and
// counted; with on_failure: stop, requests are turned away at three quarters of the
// first, so that those which were let through and the ends of connections find room.
const (
	maxWaiting = 8192     // lines
	maxBytes   = 32 << 20 // about, in memory
	maxBatch   = 512      // lines that are written at once
)

// every is how often what was written is made to last, and a sink that failed is tried again.
const every = time.Second

// ErrUnavailable is why a request is turned away: the trail cannot be written, and
// nothing is to be served without (on_failure: stop).
var ErrUnavailable = errors.New("the audit trail cannot be written")

// Meter is told what becomes of lines. Both are called from one goroutine, except Dropped.
type Meter struct {
	Written func(lines int, seq uint64) // seq is the number of the last line
	Failed  func(failing bool)
	Dropped func()
}

// Options is what a Trail is made of. All are required but Key and Every.
type Options struct {
	Config *configs.Audit
	Key    []byte // empty: none
	Sink   Sink   // the trail's from now on
	Begun  Event  // the first line of this run
	Meter  Meter
	Log    zerolog.Logger
	Wait   bool          // New writes the first line and gives the error of that; for sinks that are quick
	Every  time.Duration // 0: a second; for tests
}

// Trail takes what happens and has it written. A nil Trail takes nothing.
type Trail struct {
	// set at construction
	policy *policy
	stops  bool // on_failure: stop
	keyed  []byte
	sink   Sink
	meter  Meter
	log    zerolog.Logger
	every  time.Duration
	wake   chan struct{} // capacity 1: something waits
	quit   chan struct{}
	done   chan struct{}
	ctx    context.Context //nolint:containedctx // ends with the patience of Close
	cancel context.CancelFunc
	ending sync.Once

	mu       sync.Mutex
	waiting  []entry   // guarded by mu
	bytes    int       // guarded by mu: of waiting
	reserved int       // guarded by mu: exchanges that were let through and are not over
	lost     uint64    // guarded by mu: since the last of waiting
	since    time.Time // guarded by mu: when the first of lost came
	failing  error     // guarded by mu

	// owned by run
	head    Head
	pending []entry // taken and not yet written
	opened  bool
	known   bool // head is that of the sink
	dirty   bool // written and not yet made to last
}

// errNotBegun is the state of a trail that nothing has been written to yet.
var errNotBegun = errors.New("nothing has been written yet")

// New starts the goroutine that writes; Close ends it.
func New(o Options) (*Trail, error) {
	t := &Trail{
		policy: newPolicy(o.Config), stops: o.Config.OnFailure == "stop", keyed: o.Key, sink: o.Sink, meter: o.Meter, log: o.Log,
		every: o.Every, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), head: origin,
	}
	if t.every == 0 {
		t.every = every
	}
	if t.stops {
		t.failing = errNotBegun
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	o.Begun.Keyed = len(o.Key) > 0
	t.Event(Begun, &o.Begun)
	if o.Wait {
		t.pending = t.take()
		if err := t.write(); err != nil {
			t.cancel()
			return nil, errors.Join(err, t.sink.Close())
		}
		t.fail(nil)
	}
	go t.run()
	return t, nil
}

// Take asks for one request of an API to be in the trail: oneOf is 0 if it is
// not, else of how many it stands for, and Exchange must follow. The error is
// ErrUnavailable, when requests of the API must not be served now.
func (t *Trail) Take(key int16) (oneOf int, err error) {
	if t == nil {
		return 0, nil
	}
	oneOf, this := t.policy.wants(key)
	if oneOf == 0 || !t.stops && !this {
		return 0, nil
	}
	if !t.stops {
		return oneOf, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.failing != nil:
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, t.failing)
	case len(t.waiting)+t.reserved >= maxWaiting*3/4 || t.bytes >= maxBytes*3/4:
		return 0, fmt.Errorf("%w as fast as requests come: %d lines wait", ErrUnavailable, len(t.waiting))
	case !this:
		return 0, nil
	}
	t.reserved++
	return oneOf, nil
}

// Exchange hands over an exchange that Take was asked for. Nobody may change it any more.
func (t *Trail) Exchange(x *tap.Exchange, oneOf int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stops {
		t.reserved--
	}
	t.put(entry{kind: Exchanged, x: x, oneOf: oneOf}, x.Time, t.stops)
}

// Event hands over something else that happened.
func (t *Trail) Event(kind string, e *Event) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(entry{kind: kind, event: e}, e.Time, false)
}

// put queues an entry, or counts it as lost. mu is held.
func (t *Trail) put(e entry, at time.Time, reserved bool) {
	size := e.size()
	if !reserved && (len(t.waiting) >= maxWaiting || t.bytes+size > maxBytes) {
		if t.lost == 0 {
			t.since = at
		}
		t.lost++
		t.meter.Dropped()
		return
	}
	t.tellLost()
	t.waiting = append(t.waiting, e)
	t.bytes += size
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// tellLost queues a line about what was lost since the last one. mu is held.
func (t *Trail) tellLost() {
	if t.lost == 0 {
		return
	}
	since := t.since
	t.waiting = append(t.waiting, entry{kind: Lost, event: &Event{Time: time.Now(), Lost: t.lost, Since: &since}})
	t.lost = 0
}

// Check says why the trail cannot be written, and whether requests are turned
// away for it.
func (t *Trail) Check() (failing error, stops bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failing, t.stops
}

// Close writes what waits, with a last line about the end, within ctx.
func (t *Trail) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	t.ending.Do(func() {
		t.Event(Ended, &Event{Time: time.Now()})
		close(t.quit)
	})
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		t.cancel()
		return fmt.Errorf("audit trail: %w", ctx.Err())
	}
}
