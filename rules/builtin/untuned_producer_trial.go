package builtin

import (
	"bytes"
	"sync/atomic"

	"warder/rules"
)

// What compression would save is measured, not guessed: a few batches that were sent
// uncompressed are compressed here with lz4 and zstd. Compressing one takes up to
// two milliseconds, which no request should wait for, and a batch is gone as soon
// as its request has passed. So the gate only copies the batch (some microseconds,
// for one batch in a thousand and at most four a second in all sessions together)
// and the copy goes with other observations to the shard that has the client's
// state, where nobody waits: if its queue is full the copy is dropped, like any
// other event. Looking at a batch after its bytes have gone out, as is done with
// what consumers fetch, would save the copy and hold up the next request instead:
// requests of a connection come one behind the other.

const (
	// trialFirst is the uncompressed batch of a session that is tried first, by
	// then it has started, and trialEvery how many come between two of them.
	trialFirst = 16
	trialEvery = 1000
	// trialLeast and trialMost are the bytes of records that a batch must have,
	// since what is smaller compresses badly and is better sent in larger
	// batches first, and of which at most so many are copied: as many as a block
	// of lz4 has in the Java client.
	trialLeast = 1 << 10
	trialMost  = 64 << 10
	// trialsPerSecond is for all sessions together: 256 KiB, and less than
	// a hundredth of a processor.
	trialsPerSecond = 4
	// trialsKept is how many of a client's trials count, the latest.
	trialsKept = 8
)

// compressionSample is a copy of the records of a batch.
type compressionSample []byte

// trialTurn counts the batches of a session that could be tried.
type trialTurn int

// sample copies the batch if it is its turn; else it gives nil.
func (u *untunedProducer) sample(c *rules.Case, s *producerSession, b *rules.Batch) compressionSample {
	if !uncompressed(b) || len(b.Payload) < trialLeast {
		return nil
	}
	if s.trials++; s.trials%trialEvery != trialFirst || !c.Shared.(*trialBudget).take(b.Time.Unix()) {
		return nil
	}
	return bytes.Clone(b.Payload[:min(len(b.Payload), trialMost)])
}

// NewShared is what the sessions may try together.
func (*untunedProducer) NewShared() rules.Store { return &trialBudget{} }

// trialBudget says how many batches may still be tried in a second of traffic.
type trialBudget struct{ taken atomic.Int64 } // the second, times trialsPerSecond, and how many of it

// take takes one; false when there is none left.
func (t *trialBudget) take(second int64) bool {
	for {
		taken := t.taken.Load()
		next := max(taken, second*trialsPerSecond) + 1
		if next > (second+1)*trialsPerSecond {
			return false
		}
		if t.taken.CompareAndSwap(taken, next) {
			return true
		}
	}
}

// Len is 0: nothing is kept but a number.
func (*trialBudget) Len() int { return 0 }

// Evicted is 0.
func (*trialBudget) Evicted() uint64 { return 0 }

// producerTrials are the latest trials with a client's batches.
type producerTrials struct {
	last [trialsKept]rules.CompressionTrial
	next int
}

// trialsOf gives those of the client of w.
func trialsOf(w *rules.Watch) *producerTrials {
	c := w.State.(*advised[producerPart])
	t, _ := c.extra.(*producerTrials)
	if t == nil {
		t = &producerTrials{}
		c.extra = t
	}
	return t
}

func (t *producerTrials) try(sample compressionSample) {
	trial, err := rules.TryCompression(sample)
	if err != nil {
		return // it cannot be: both codecs take any bytes
	}
	t.last[t.next%trialsKept] = trial
	t.next++
}

// sum adds up the trials; nil are none.
func (t *producerTrials) sum() (sum rules.CompressionTrial, n int) {
	if t == nil {
		return sum, 0
	}
	for _, trial := range t.last {
		sum.Bytes += trial.Bytes
		sum.LZ4 += trial.LZ4
		sum.Zstd += trial.Zstd
	}
	return sum, min(t.next, trialsKept)
}

// saved is which part of the bytes compression to that size saves.
func saved(of rules.CompressionTrial, size int) float64 {
	if of.Bytes == 0 {
		return 0
	}
	return 1 - float64(size)/float64(of.Bytes)
}
