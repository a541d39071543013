package builtin

import (
	"slices"
	"time"

	"warder/rules"
)

// Bounds of what is kept for one transactional id.
const (
	heldBatches = 64 // beyond it batches to one topic are counted as one
	knownEnds   = 8
	// heldFor is the longest a transaction can stay open: the default of
	// transaction.max.timeout.ms. The coordinator aborts what is older.
	heldFor = 15 * time.Minute
	// endFor is how long an end is remembered for batches that arrive after it.
	endFor = 10 * time.Second
)

// How it ended, in evidence.
const (
	committed      = "committed"
	outcomeNotSeen = "outcome not seen" // events were lost, and the commit may be one of them
)

// producerEpoch is whom a transaction belongs to. With KIP-890 each transaction
// has its own.
type producerEpoch struct {
	id    int64
	epoch int16
}

func epochOf(b *rules.Batch) producerEpoch {
	return producerEpoch{b.Header.ProducerID, b.Header.ProducerEpoch}
}

// inTransaction says whether somebody has to wait for the end of the batch's
// transaction to know whether it takes effect.
func inTransaction(b *rules.Batch) bool { return b.Header.Transactional && len(b.TransactionalID) > 0 }

// transactional is what a rule has seen in a batch of a transaction.
type transactional[T any] interface {
	// written says what kind of batch it was.
	written() heldFacts
	// takes adds what was seen in another batch, where the rule can tell them as
	// one. It says whether it did.
	takes(other T) bool
}

// heldFacts is what holding a batch back needs to know of it.
type heldFacts struct {
	by        producerEpoch
	topic     string
	partition int32
	count     int
}

// heldBack is what is known of one transactional id.
type heldBack[T transactional[T]] struct {
	held []heldBatch[T]
	ends []rules.TransactionEnded
	gap  bool // events were lost since something is held
}

// heldBatch waits for the end of its transaction.
type heldBatch[T transactional[T]] struct {
	seen    T
	by      producerEpoch
	count   int
	batches int // that count as this one
	subject rules.Subject
	at      time.Time
	fenced  time.Time // when a newer epoch aborted what this one left open
}

// onOutcome is what a rule does about a batch when its transaction is committed,
// or the outcome is not seen. Aborted ones no reader ever sees.
type onOutcome[T transactional[T]] func(w *rules.Watch, h *heldBatch[T], outcome string)

// outcomeFacts are the evidence of how the transaction of a batch ended.
func (h *heldBatch[T]) outcomeFacts(outcome string) rules.Evidence {
	e := rules.Evidence{{Name: "transaction", Value: outcome}}
	if h.batches > 1 {
		e = append(e, rules.Fact{Name: "batches", Value: h.batches})
	}
	return e
}

// watchTransactions holds what a rule observes under a transactional id until the
// transaction is committed.
func watchTransactions[T transactional[T]](w *rules.Watch, ev rules.Event, tell onOutcome[T]) {
	s, _ := w.State.(*heldBack[T])
	if s == nil {
		s = &heldBack[T]{}
	}
	switch ev := ev.(type) {
	case rules.Observation:
		s.hold(w, ev, tell)
	case rules.TransactionEnded:
		s.end(w, ev, tell)
	case rules.Gap:
		s.gap = s.gap || len(s.held) > 0
	}
	s.keep(w)
}

// tickTransactions drops what a newer epoch has aborted, once its own end cannot
// be on its way any more, and gives up on transactions that nobody has seen end.
func tickTransactions[T transactional[T]](w *rules.Watch, tell onOutcome[T]) {
	s, ok := w.State.(*heldBack[T])
	if !ok {
		return
	}
	s.settle(func(h *heldBatch[T]) bool {
		if !h.fenced.IsZero() && w.Now.Sub(h.fenced) >= endFor {
			return true
		}
		if w.Now.Sub(h.at) < heldFor {
			return false
		}
		if s.gap {
			tell(w, h, outcomeNotSeen)
		}
		return true
	})
	s.keep(w)
}

// hold takes in a batch. The end of its transaction may be known already.
func (s *heldBack[T]) hold(w *rules.Watch, o rules.Observation, tell onOutcome[T]) {
	if o.Refused {
		return
	}
	h := newHeldBatch(w, o, o.Data.(T))
	for i := range s.ends {
		if h.ended(w, &s.ends[i], tell) {
			return
		}
	}
	for i := range s.held {
		if e := &s.held[i]; e.by == h.by && e.seen.takes(h.seen) {
			e.count += h.count
			if h.at.After(e.at) {
				e.at = h.at // the end that counts comes after all of them
			}
			return
		}
	}
	if s.held = append(s.held, h); len(s.held) > heldBatches {
		s.makeRoom()
	}
}

// makeRoom counts the newest batch that it can with another of the same transaction
// and topic. Where each is of another topic the newest has no room.
func (s *heldBack[T]) makeRoom() {
	for newest := len(s.held) - 1; newest > 0; newest-- {
		for i := range newest {
			if s.held[i].joined(&s.held[newest]) {
				s.held = slices.Delete(s.held, newest, newest+1)
				return
			}
		}
	}
	s.held = slices.Delete(s.held, heldBatches, len(s.held))
}

func newHeldBatch[T transactional[T]](w *rules.Watch, o rules.Observation, seen T) heldBatch[T] {
	facts := seen.written()
	h := heldBatch[T]{seen: seen, by: facts.by, count: facts.count, batches: 1, subject: rules.SubjectOf(o.Client), at: o.At}
	h.subject.Topic, h.subject.TransactionalID = facts.topic, w.Key
	h.subject.Partition = new(facts.partition)
	return h
}

// joined counts another batch with this one, if both are of one transaction and
// topic, and says whether it did.
func (h *heldBatch[T]) joined(other *heldBatch[T]) bool {
	if h.by != other.by || h.subject.Topic != other.subject.Topic {
		return false
	}
	h.count += other.count
	h.batches += other.batches
	if h.at.Before(other.at) {
		h.at = other.at // the end that counts comes after all of them
	}
	if h.subject.Partition == nil || other.subject.Partition == nil || *h.subject.Partition != *other.subject.Partition {
		h.subject.Partition = nil
	}
	return true
}

// end settles the batches of a transaction.
func (s *heldBack[T]) end(w *rules.Watch, end rules.TransactionEnded, tell onOutcome[T]) {
	s.settle(func(h *heldBatch[T]) bool { return h.ended(w, &end, tell) })
	if len(s.ends) == knownEnds {
		s.ends = s.ends[1:]
	}
	s.ends = append(s.ends, end)
}

// settle drops the batches for which done returns true.
func (s *heldBack[T]) settle(done func(*heldBatch[T]) bool) {
	left := s.held[:0]
	for i := range s.held {
		if !done(&s.held[i]) {
			left = append(left, s.held[i])
		}
	}
	clear(s.held[len(left):])
	if s.held = left; len(left) == 0 {
		s.gap = false
	}
}

// keep leaves the state with the engine while there is anything in it.
func (s *heldBack[T]) keep(w *rules.Watch) {
	for len(s.ends) > 0 && w.Now.Sub(s.ends[0].At) > endFor {
		s.ends = s.ends[1:]
	}
	w.State = s
	if len(s.held)+len(s.ends) == 0 {
		w.State = nil
	}
}

// ended says whether the batch belongs to the transaction that ended, which was
// of the same producer and epoch and later, and tells the rule if that was
// committed. A newer epoch aborts what an older one left open, but its news may
// overtake those of the older one's commit.
func (h *heldBatch[T]) ended(w *rules.Watch, end *rules.TransactionEnded, tell onOutcome[T]) bool {
	switch {
	case h.at.After(end.At):
		return false
	case end.ProducerID != h.by.id || end.ProducerEpoch != h.by.epoch:
		if !end.Committed && (end.ProducerID != h.by.id || end.ProducerEpoch > h.by.epoch) {
			h.fenced = end.At
		}
		return false
	case end.Committed:
		tell(w, h, committed)
	}
	return true
}
