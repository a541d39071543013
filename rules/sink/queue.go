package sink

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"warder/rules"
)

// QueueOptions of a Queue.
type QueueOptions struct {
	// Depth is how many findings may wait; at least 1.
	Depth int
	// Dropped and Failed count findings that did not fit, and those that
	// the sink could not write.
	Dropped, Failed func()
	Log             zerolog.Logger
	// Inline writes within Put, without a goroutine.
	Inline bool
}

// Queue puts a sink behind a bounded queue and a goroutine of its own.
type Queue struct {
	// set at construction
	sink    Sink
	options QueueOptions
	waiting chan *rules.Finding
	stop    chan struct{}
	stopped sync.Once
	done    chan struct{}

	// owned by run
	failing bool
	closed  error
}

// NewQueue starts the goroutine; Close ends it.
func NewQueue(s Sink, o QueueOptions) *Queue {
	q := &Queue{
		sink: s, options: o, waiting: make(chan *rules.Finding, max(o.Depth, 1)),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if !o.Inline {
		go q.run()
	}
	return q
}

// Put queues a finding, which nobody may change any more, or drops it when the
// queue is full. It never blocks.
func (q *Queue) Put(f *rules.Finding) {
	if q.options.Inline {
		q.write(f)
		return
	}
	select {
	case q.waiting <- f:
	default:
		q.options.Dropped()
	}
}

func (q *Queue) run() {
	defer close(q.done)
	for {
		select {
		case f := <-q.waiting:
			q.write(f)
		case <-q.stop:
			for len(q.waiting) > 0 {
				q.write(<-q.waiting)
			}
			q.closed = q.sink.Close()
			return
		}
	}
}

// write brings one finding out. Of a row of failures only the first is logged.
func (q *Queue) write(f *rules.Finding) {
	err := q.sink.Write(f)
	if err != nil {
		q.options.Failed()
		if !q.failing {
			q.options.Log.Error().Err(err).Str("sink", q.sink.Name()).Msg("findings cannot be written; they stay in the admin interface")
		}
	} else if q.failing {
		q.options.Log.Info().Str("sink", q.sink.Name()).Msg("findings can be written again")
	}
	q.failing = err != nil
}

// Close writes what waits and closes the sink, within ctx. A sink that hangs is
// left behind with its goroutine.
func (q *Queue) Close(ctx context.Context) error {
	if q.options.Inline {
		return q.sink.Close()
	}
	q.stopped.Do(func() {
		Interrupt(q.sink)
		close(q.stop)
	})
	select {
	case <-q.done:
		return q.closed
	case <-ctx.Done():
		return ctx.Err()
	}
}
