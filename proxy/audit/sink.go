package audit

import "context"

// Sink is where lines go. It is used by one goroutine, except for Interrupt.
type Sink interface {
	// Open makes the sink ready to write and says how the trail ends that is there.
	// It is called before the first Write, and again before the next one after an error.
	Open(ctx context.Context) (Found, error)
	// Write appends lines, and returns how many of them are there for good. It
	// may return after fewer without an error. fresh says that a new file was begun
	// before the first of them.
	Write(ctx context.Context, lines [][]byte) (n int, fresh bool, err error)
	// Sync makes what was written survive a loss of power.
	Sync() error
	// Close ends it. Neither method is called afterwards.
	Close() error
}

// Found is how a trail ends.
type Found struct {
	Head            // Seq 0 when there is none
	Torn     int64  // bytes of a line behind it that was cut off
	TornHash string // SHA-256 of these
}
