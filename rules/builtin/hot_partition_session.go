package builtin

import (
	"time"

	"warder/rules"
)

// hotSession is what one session has seen: the samples of the batch at hand, and
// how many of the records of a topic had keys when some were last sampled, since
// a client that sets keys today sets keys tomorrow. It takes 600 bytes. Of the
// topics of a session that writes to more than 16 it forgets one after the other;
// then batches without a sample do not count until there is one.
type hotSession struct {
	batch  hotBatch
	habits [16]hotHabit
	turn   int // whose place is given away next
}

// hotHabit is the share of a topic's records that have keys.
type hotHabit struct {
	topic string
	keyed float64
}

// keyed gives the share of the batch's records that have keys, by its own samples
// or else by those before it.
func (s *hotSession) keyed() (share float64, known bool) {
	for i := range s.habits {
		if s.habits[i].topic == s.batch.topic.name {
			if s.batch.sampled > 0 {
				s.habits[i].keyed = s.batch.share()
			}
			return s.habits[i].keyed, true
		}
	}
	if s.batch.sampled == 0 {
		return 0, false
	}
	s.habits[s.turn] = hotHabit{s.batch.topic.name, s.batch.share()}
	s.turn = (s.turn + 1) % len(s.habits)
	return s.batch.share(), true
}

// hotBatch collects the samples of one batch.
type hotBatch struct {
	topic     *hotTopic   // nil: no batch was begun
	suspect   *hotSuspect // when the partition is one whose keys are followed
	partition int32
	at        time.Time
	last      int // index of the last sample

	sampled, keyed int // records that the samples stand for
}

// of says whether s was begun for this batch. A batch that could not be read to
// its end leaves one behind.
func (s *hotBatch) of(b *rules.Batch) bool {
	return s.topic != nil && s.topic.name == b.Topic.Name && s.partition == b.Partition && s.at.Equal(b.Time)
}

func (s *hotBatch) begin(c *rules.Case, b *rules.Batch) {
	topic := c.Shared.(*hotTraffic).topicOf(b.Topic)
	*s = hotBatch{topic: topic, suspect: topic.suspectOf(b.Partition), partition: b.Partition, at: b.Time, last: -1}
}

func (s *hotBatch) share() float64 { return float64(s.keyed) / float64(s.sampled) }
