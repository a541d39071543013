package state

import (
	"sort"
	"time"
)

// Bounds of pastEnds.
const (
	keptPoints = 60
	// pointDistance is the least time between two points. When the points span
	// long it is a part of that, so that they always span all of it.
	pointDistance = 5 * time.Second
	pointsOfSpan  = keptPoints / 2
	// To go on with the pace of writing backwards, points must span so much,
	// and may stand for so many times as much.
	leastSpan    = 30 * time.Second
	mostBackward = 20
)

// pastEnds remembers where a log ended when, from the committed offset of one
// group on: it tells how old the next record is that the group has to read. A group
// that keeps up needs two points of 16 bytes, one that lags at most 60 of them,
// however long it has lagged.
type pastEnds struct{ points []pastEnd }

// pastEnd is one point. Two points of the same offset are a time in which nothing
// was written.
type pastEnd struct {
	at     int64 // Unix time in nanoseconds
	offset int64
}

func (e pastEnd) time() time.Time { return time.Unix(0, e.at).UTC() }

// add takes in where the log ends now. Ends that go back are not believed, unless
// they go back behind everything: then the log is another one.
func (l *pastEnds) add(now time.Time, end, committed int64) {
	if end < 0 {
		return
	}
	l.prune(committed)
	at := now.UnixNano()
	n := len(l.points)
	switch {
	case n == 0 || end < l.points[0].offset:
		l.points = append(l.points[:0], pastEnd{at, end})
		return
	case end < l.points[n-1].offset:
		return
	case l.flat() && end == l.points[n-1].offset:
		l.points[n-1].at = at
		return
	case !l.flat() && at-l.points[n-1].at < l.distance():
		return
	}
	if n == keptPoints {
		l.thin()
	}
	l.points = append(l.points, pastEnd{at, end})
}

// flat says that nothing was written between the last two points.
func (l *pastEnds) flat() bool {
	n := len(l.points)
	return n > 1 && l.points[n-1].offset == l.points[n-2].offset
}

func (l *pastEnds) distance() int64 {
	n := len(l.points)
	return max(int64(pointDistance), (l.points[n-1].at-l.points[0].at)/pointsOfSpan)
}

// prune forgets what lies before the committed offset, but for the point that it
// is reckoned from.
func (l *pastEnds) prune(committed int64) {
	behind := sort.Search(len(l.points), func(i int) bool { return l.points[i].offset > committed })
	if behind > 1 {
		// The last two points stay also when all were read: a flat end needs both.
		drop := min(behind-1, max(len(l.points)-2, 0))
		l.points = append(l.points[:0], l.points[drop:]...)
	}
}

// thin drops every second point, but neither the first two, which say since when
// the group lags, nor the last.
func (l *pastEnds) thin() {
	kept := l.points[:0]
	for i, p := range l.points {
		if i == 0 || i%2 == 1 || i == len(l.points)-1 {
			kept = append(kept, p)
		}
	}
	l.points = kept
}

// passed says when the end was first seen behind an offset; false when it was
// there before anything is remembered.
func (l *pastEnds) passed(offset int64) (time.Time, bool) {
	i := sort.Search(len(l.points), func(i int) bool { return l.points[i].offset > offset })
	if i == len(l.points) {
		return time.Time{}, false
	}
	return l.points[i].time(), true
}

// when estimates when the record of an offset was written, given that the log ends
// at end now.
func (l *pastEnds) when(offset int64, now time.Time, end int64) (time.Time, bool) {
	i := sort.Search(len(l.points), func(i int) bool { return l.points[i].offset > offset })
	switch {
	case len(l.points) == 0:
		return time.Time{}, false
	case i == 0:
		return l.before(offset)
	case i == len(l.points):
		return between(l.points[i-1], pastEnd{now.UnixNano(), end}, offset), end > offset
	}
	return between(l.points[i-1], l.points[i], offset), true
}

func between(a, b pastEnd, offset int64) time.Time {
	if b.offset <= a.offset {
		return a.time()
	}
	share := float64(offset-a.offset) / float64(b.offset-a.offset)
	return time.Unix(0, a.at+int64(share*float64(b.at-a.at))).UTC()
}

// before continues the pace of the points backwards.
func (l *pastEnds) before(offset int64) (time.Time, bool) {
	first, last := l.points[0], l.points[len(l.points)-1]
	span := last.at - first.at
	if span < int64(leastSpan) || last.offset == first.offset {
		return time.Time{}, false
	}
	back := float64(span) / float64(last.offset-first.offset) * float64(first.offset-offset)
	if back > mostBackward*float64(span) {
		return time.Time{}, false
	}
	return time.Unix(0, first.at-int64(back)).UTC(), true
}
