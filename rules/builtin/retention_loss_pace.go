package builtin

import (
	"math"
	"time"
)

// lossPace follows how fast a log's beginning and a group's committed offset go
// forward, from deletion to deletion: a log begins further on by a whole segment at a
// time, which looks fast for minutes and like nothing for hours, so only the time from
// one deletion to another says anything. At least three are wanted, over a window.
type lossPace struct {
	older, newer, last paceSample
	sinceOlder         int // deletions
	sinceNewer         int
}

// paceSample is how it was just after a deletion.
type paceSample struct {
	at               time.Time
	start, committed int64
}

// note takes in how it is now. The first start seen says nothing: it may have been
// there for hours.
func (l *lossPace) note(now paceSample, window time.Duration) {
	switch {
	case l.last.at.IsZero():
		l.last = now
		return
	case now.start <= l.last.start:
		return
	}
	l.last = now
	if l.older.at.IsZero() {
		l.older, l.newer = now, now
		return
	}
	l.sinceOlder++
	l.sinceNewer++
	if now.at.Sub(l.newer.at) >= window && l.sinceNewer >= paceDeletions {
		l.older, l.sinceOlder = l.newer, l.sinceNewer
		l.newer, l.sinceNewer = now, 0
	}
}

const (
	// paceDeletions after the first are enough.
	paceDeletions = 2
	// paceKeepsUp is the part of the log's pace from which on a group is not
	// overtaken: Kafka Streams deletes what it has read itself, close behind.
	paceKeepsUp = 0.8
)

// paces gives records a second of the log's beginning and of the group; false while
// too little is known.
func (l *lossPace) paces(now time.Time, window time.Duration) (start, group float64, ok bool) {
	span := l.last.at.Sub(l.older.at)
	if l.older.at.IsZero() || l.sinceOlder < paceDeletions || span < window {
		return 0, 0, false
	}
	// Deletions that have stopped are not going on at their pace.
	if usual := span / time.Duration(l.sinceOlder); now.Sub(l.last.at) > 2*usual {
		span = now.Sub(l.older.at)
	}
	return float64(l.last.start-l.older.start) / span.Seconds(), float64(l.last.committed-l.older.committed) / span.Seconds(), true
}

// left is in how long the log's beginning overtakes the committed offset; false when
// it will not, or that cannot be told.
func (l *lossPace) left(now time.Time, committed int64, window time.Duration) (time.Duration, bool) {
	start, group, ok := l.paces(now, window)
	if !ok || start <= 0 || group >= paceKeepsUp*start {
		return 0, false
	}
	seconds := float64(committed-l.last.start) / (start - max(group, 0))
	if seconds > math.MaxInt64/float64(2*time.Second) {
		return 0, false
	}
	return max(time.Duration(seconds*float64(time.Second))-now.Sub(l.last.at), 0), true
}
