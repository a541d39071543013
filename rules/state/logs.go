package state

import (
	"hash/maphash"
	"sync"
	"time"

	"warder/rules"
)

// DefaultLogs is the usual limit of Logs, in partitions; one takes about 280
// bytes.
const DefaultLogs = 200_000

// LogEnds is what is known of the log of a partition. Offsets are -1 when they
// are not known.
type LogEnds struct {
	// HighWatermark is the offset behind the last record that consumers may
	// read, and At when it was said. Of writes alone it is a lower bound, until
	// a Fetch or ListOffsets says more.
	HighWatermark int64
	At            time.Time
	// LastStableOffset ends what consumers with read_committed may read.
	LastStableOffset int64
	// LogStartOffset is the first offset that is still there, and StartAt when
	// it was said.
	LogStartOffset int64
	StartAt        time.Time
}

// ListedEnds is what an answer to ListOffsets says of a log; false when that is
// nothing. stable says that it was asked with read_committed.
func ListedEnds(timestamp, offset int64, errorCode int16, stable bool, at time.Time) (LogEnds, bool) {
	ends := LogEnds{HighWatermark: -1, At: at, LastStableOffset: -1, LogStartOffset: -1, StartAt: at}
	switch {
	case errorCode != 0 || offset < 0:
		return ends, false
	case timestamp == rules.EarliestTimestamp:
		ends.LogStartOffset = offset
	case timestamp == rules.LatestTimestamp && stable:
		ends.LastStableOffset = offset
	case timestamp == rules.LatestTimestamp:
		ends.HighWatermark = offset
	default:
		return ends, false
	}
	return ends, true
}

// Logs knows where the logs of partitions begin and end, from what passes:
// answers to Fetch, Produce and ListOffsets. Beyond its limit it forgets the
// partition that was heard of least recently. It is safe for concurrent use.
type Logs struct {
	seed   maphash.Seed
	shards [16]logShard
}

type logShard struct {
	mu   sync.Mutex
	ends *LRU[rules.TopicPartition, logKnown] // guarded by mu
}

// logKnown is what is kept of a log.
type logKnown struct {
	LogEnds
	marks logMarks
}

// touch gives what is known of a partition, to be changed while mu is held.
func (s *logShard) touch(p rules.TopicPartition) *logKnown {
	if known := s.ends.Touch(p); known != nil {
		return known
	}
	s.ends.Put(p, logKnown{LogEnds: LogEnds{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1}})
	return s.ends.Touch(p)
}

// NewLogs makes a store of at most limit partitions; 0 means DefaultLogs.
func NewLogs(limit int) *Logs {
	if limit <= 0 {
		limit = DefaultLogs
	}
	l := &Logs{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].ends = NewLRU[rules.TopicPartition, logKnown](max(limit/len(l.shards), 1))
	}
	return l
}

func (l *Logs) shardOf(p rules.TopicPartition) *logShard {
	h := maphash.Comparable(l.seed, p)
	return &l.shards[h%uint64(len(l.shards))]
}

// Learn takes in what an answer says; -1 is no news. Later news win, except that
// an end never goes back by older ones.
func (l *Logs) Learn(p rules.TopicPartition, news LogEnds) {
	s := l.shardOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.touch(p)
	if news.HighWatermark >= 0 && !news.At.Before(now.At) {
		now.HighWatermark, now.At = news.HighWatermark, news.At
		now.marks.note(now.HighWatermark, now.At)
	}
	if news.LastStableOffset >= 0 && !news.At.Before(now.At) {
		now.LastStableOffset = news.LastStableOffset
	}
	now.learnStart(news.LogStartOffset, news.StartAt)
}

func (e *LogEnds) learnStart(offset int64, at time.Time) {
	if offset >= 0 && !at.Before(e.StartAt) {
		e.LogStartOffset, e.StartAt = offset, at
	}
}

// Stored is what an answer to Produce says of a partition.
type Stored struct {
	First, Last int64 // offsets of the records that were stored
	LogStart    int64 // the first offset that is still there; -1 is no news
}

// Written takes in that records were stored: the log ends behind them or later.
func (l *Logs) Written(p rules.TopicPartition, w Stored, at time.Time) {
	s := l.shardOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.touch(p)
	if now.HighWatermark < 0 {
		now.marks.note(w.First, at) // where it ended before
	}
	if w.Last+1 > now.HighWatermark {
		now.HighWatermark, now.At = w.Last+1, at
		now.marks.note(now.HighWatermark, now.At)
	}
	now.learnStart(w.LogStart, at)
}

// Find gives what is known of a partition; false when nothing is.
func (l *Logs) Find(p rules.TopicPartition) (LogEnds, bool) {
	s := l.shardOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.ends.Peek(p)
	return known.LogEnds, ok
}

// Growth gives what is known of a partition and how many records a second it has
// got lately; false when nothing is, or not where the log ends.
func (l *Logs) Growth(p rules.TopicPartition, now time.Time) (ends LogEnds, recordsPerSecond float64, ok bool) {
	s := l.shardOf(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.ends.Peek(p)
	if !ok || known.HighWatermark < 0 {
		return known.LogEnds, 0, false
	}
	return known.LogEnds, known.marks.growth(known.HighWatermark, now), true
}

// Len is the number of partitions known.
func (l *Logs) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += s.ends.Len()
		s.mu.Unlock()
	}
	return n
}

// Evicted counts the partitions that were forgotten for want of room.
func (l *Logs) Evicted() uint64 {
	n := uint64(0)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += s.ends.Evicted()
		s.mu.Unlock()
	}
	return n
}
