package builtin

import (
	"time"

	"warder/rules"
)

// Readers may stand still behind a transaction of which nothing came through
// warder: its producer goes round it, or wrote before warder was there. The last
// stable offset that answers to Fetch tell shows that they do, and the leader of the
// partition knows the producer.

const (
	// mostStanding bounds the partitions of one topic whose last stable offset is
	// looked at, at some 250 bytes each; others are not.
	mostStanding = 1000
	// askOpenEvery is how often the cluster is asked about one partition, until there
	// is something to tell; then every offsetRepeat.
	askOpenEvery = time.Minute
)

// standingTopic is the state of one topic: its partitions with an open transaction.
type standingTopic map[int32]*standing

// standing is a partition whose last stable offset is below its end.
type standing struct {
	stable     int64     // last stable offset
	first, end int64     // high watermark, when first seen so and now
	since      time.Time // when it was first seen at stable
	seen       time.Time
	reader     *rules.Identity
	asked      time.Time // zero: not yet
	silent     bool      // nobody could say
	told       rules.Severity
	subject    rules.Subject
}

// watchTopic follows the readers of one topic.
func (t *transactionStall) watchTopic(w *rules.Watch, open *openTransactions, ev rules.Event) {
	switch ev := ev.(type) {
	case rules.Fetched:
		open.read(ev)
		t.standsIn(w, ev)
	case rules.TransactionsOpen:
		t.answered(w, open, ev)
	}
}

// standsIn takes in how far a reader has come.
func (t *transactionStall) standsIn(w *rules.Watch, ev rules.Fetched) {
	topic, _ := w.State.(standingTopic)
	for i := range ev.Partitions {
		p := &ev.Partitions[i]
		s := topic[p.Partition]
		switch {
		case p.LastStableOffset < 0 || p.ErrorCode != 0 || s != nil && p.LastStableOffset < s.stable:
		case p.LastStableOffset >= p.HighWatermark:
			if s != nil {
				s.over(w, "readers have gone on")
				delete(topic, p.Partition)
			}
		case s != nil && s.stable == p.LastStableOffset:
			s.end, s.seen, s.reader = max(s.end, p.HighWatermark), ev.At, ev.Client
		case s != nil || len(topic) < mostStanding:
			if s != nil {
				s.over(w, "readers have gone on")
			}
			if topic == nil {
				topic = standingTopic{}
				w.State = topic
			}
			topic[p.Partition] = &standing{stable: p.LastStableOffset, first: p.HighWatermark, end: p.HighWatermark, since: ev.At, seen: ev.At, reader: ev.Client}
		}
	}
}

// tickTopic asks about partitions that have stood still for long while others wrote.
func (t *transactionStall) tickTopic(w *rules.Watch, open *openTransactions) {
	topic, _ := w.State.(standingTopic)
	for _, number := range sortedKeys(topic) {
		s := topic[number]
		stands := s.seen.Sub(s.since)
		switch {
		case w.Now.Sub(s.seen) >= t.OverAfter:
			s.over(w, "nobody is seen to read there any more")
			delete(topic, number)
		case stands < t.UnseenAfter || s.end == s.first || open.stalls(stalledPartition{w.Key, number}):
		case s.asked.IsZero() || w.Now.Sub(s.asked) >= s.askEvery():
			s.asked, s.silent = w.Now, false
			w.Ask(rules.OpenTransactions{TopicPartition: rules.TopicPartition{Topic: w.Key, Partition: number}})
		case s.silent && stands >= heldFor+t.Grace && !open.anySince(s.since):
			s.silent = false
			t.reportStanding(w, number, s, nil)
		}
	}
	if len(topic) == 0 {
		w.State = nil
	}
}

func (s *standing) askEvery() time.Duration {
	if s.told != 0 {
		return offsetRepeat
	}
	return askOpenEvery
}

// answered takes in which transactions are open in a partition. One whose producer
// comes through warder is followed by its transactional id, and one that is written
// to takes its time.
func (t *transactionStall) answered(w *rules.Watch, open *openTransactions, ev rules.TransactionsOpen) {
	topic, _ := w.State.(standingTopic)
	s := topic[ev.Partition]
	switch {
	case s == nil:
	case !ev.Known:
		s.silent = true
	case len(ev.Open) == 0 || ev.Open[0].StartOffset != s.stable: // it has just ended
	case open.writes(ev.Open[0].ProducerID) || w.Now.Sub(ev.Open[0].LastWrite) < t.Timeout+t.Grace:
	default:
		t.reportStanding(w, ev.Partition, s, &ev.Open[0])
	}
}

// over ends what was told.
func (s *standing) over(w *rules.Watch, why string) {
	if s.told == 0 {
		return
	}
	w.Report(standingOver(w, s, why))
	s.told = 0
}
