package state

import "time"

// How fast a log grows, whoever writes to it, is told by two marks: where it ended
// a while ago. They cost 32 bytes for each partition.
const (
	// markEvery is the least time between two marks.
	markEvery = 30 * time.Second
	// growthOf is how far back a mark counts. A log of which nothing was heard
	// for so long does not grow as far as warder can see.
	growthOf = 2 * time.Minute
)

// logMarks are two places where a log ended, the older first; the newer is at least
// markEvery younger.
type logMarks [2]logMark

type logMark struct {
	at     int64 // Unix time in nanoseconds; 0: there is none
	offset int64
}

// note takes in where the log ends. One that ends before the older mark is another
// log; before the newer one it may end because consumers may not read yet what a
// producer has been told is stored.
func (m *logMarks) note(end int64, at time.Time) {
	now := logMark{at.UnixNano(), end}
	switch {
	case m[1].at == 0 || end < m[0].offset:
		*m = logMarks{now, now}
	case now.at-m[1].at >= int64(markEvery):
		m[0], m[1] = m[1], now
	}
}

// growth is how many records were added to a log that ends at end, per second.
func (m *logMarks) growth(end int64, now time.Time) float64 {
	for _, mark := range m {
		since := time.Duration(now.UnixNano() - mark.at)
		if mark.at != 0 && since <= growthOf {
			return float64(max(end-mark.offset, 0)) / max(since, youngest).Seconds()
		}
	}
	return 0
}
