package state

import "time"

// Status is how a group does on one partition, by the rules of LinkedIn's Burrow
// (core/internal/evaluator/caching.go): it judges the way the committed offset
// went through the window of commits, so that there is no threshold of lag to set.
type Status uint8

// The statuses, in the words of Burrow but for Learning.
const (
	StatusOK       Status = iota
	StatusLearning        // lag, and too few commits known to judge
	StatusWarn            // it moves, and its lag has not gone down since the first commit of the window
	StatusRewind          // it went back and has not come to where it was
	StatusStall           // it commits the same offset again and again
	StatusStop            // no commit for longer than the window is
)

var statusNames = [...]string{"OK", "LEARNING", "WARN", "REWIND", "STALL", "STOP"}

// String is the status as evidence writes it.
func (s Status) String() string { return statusNames[s] }

// Status judges the partition now. A lag of up to allowed is none.
//
// Nobody who has read all there was has stopped, however long ago he committed: STOP
// also wants the next record to have waited for longer than the window. Burrow
// asks whether a recent end of the log was no larger than the last commit.
func (p *GroupPartition) Status(now time.Time, allowed int64) Status {
	lag, ok := p.Lag()
	if !ok || lag <= allowed {
		return StatusOK
	}
	w := &p.window
	if !w.full() {
		return StatusLearning
	}
	span := w.span()
	switch {
	case now.UnixNano()-w.at(-1).at > int64(span) && p.Waiting(now) > span:
		return StatusStop
	case w.rewound():
		return StatusRewind
	case !w.alwaysBehind(allowed):
		return StatusOK
	case w.at(0).offset == w.at(-1).offset:
		return StatusStall
	case w.lagNeverFell():
		return StatusWarn
	}
	return StatusOK
}

// rewound says that a commit was smaller than one before it, and that none since
// has come to where that was.
func (w *commitWindow) rewound() bool {
	highest := int64(-1)
	for i := range w.ring {
		highest = max(highest, w.at(i).offset)
	}
	return w.at(-1).offset < highest
}

// alwaysBehind says that there was lag at every commit. Where the end of the log
// was not known nothing is said.
func (w *commitWindow) alwaysBehind(allowed int64) bool {
	for i := range w.ring {
		if c := w.at(i); c.end >= 0 && c.end-c.offset <= allowed {
			return false
		}
	}
	return true
}

// lagNeverFell says that no commit had less lag than the one before it.
func (w *commitWindow) lagNeverFell() bool {
	before, known := int64(0), 0
	for i := range w.ring {
		c := w.at(i)
		if c.end < 0 {
			continue
		}
		if known > 0 && c.end-c.offset < before {
			return false
		}
		before = c.end - c.offset
		known++
	}
	return known > 1
}
