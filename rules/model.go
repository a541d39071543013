package rules

import "time"

// Model makes state that several Watchers share, one ModelState for each key of
// one kind, so that what they have in common is followed once: groups, their
// members and offsets. The engine keeps it beside the state of the rules, in the
// shard of the key, tells it every event first and hands it to the Watchers of
// that kind of key as Watch.Model.
type Model interface {
	// By is the kind of key.
	By() KeyKind
	// Kinds are the events that it follows.
	Kinds() []Kind
	// New makes the state of a key at the first event about it.
	New(key string, now time.Time) ModelState
}

// ModelState is what is known of one key. It belongs to one goroutine; Watchers
// read it during their call only and change nothing.
type ModelState interface {
	// Apply takes in an event. A Gap says that some were lost.
	Apply(ev Event)
	// Tick lets time pass, about once a second. False drops the state, and
	// with it those of the Watchers of the same key.
	Tick(now time.Time) (alive bool)
}

// Dropper is a ModelState that gives something back when the engine drops it.
type Dropper interface {
	Dropped()
}
