package builtin

import (
	"time"

	"warder/rules"
)

// Bounds of what is kept for one transactional id.
const (
	heldBatches = 64 // further ones are counted with the last
	knownEnds   = 8
	// heldFor is the longest a transaction can stay open: the default of
	// transaction.max.timeout.ms. The coordinator aborts what is older.
	heldFor = 15 * time.Minute
	// endFor is how long an end is remembered for batches that arrive after it.
	endFor = 10 * time.Second
)

// producerEpoch is whom a transaction belongs to. With KIP-890 each transaction
// has its own.
type producerEpoch struct {
	id    int64
	epoch int16
}

// txnTombstones is what is known of one transactional id.
type txnTombstones struct {
	held []heldTombstones
	ends []rules.TransactionEnded
	gap  bool // events were lost since something is held
}

// heldTombstones waits for the end of its transaction.
type heldTombstones struct {
	tombstones
	subject rules.Subject
	at      time.Time
	fenced  time.Time // when a newer epoch aborted what this one left open
}

// Watch holds the tombstones of a transaction until it is committed. Aborted
// ones no reader ever sees.
func (t *tombstone) Watch(w *rules.Watch, ev rules.Event) {
	s, _ := w.State.(*txnTombstones)
	if s == nil {
		s = &txnTombstones{}
	}
	switch ev := ev.(type) {
	case rules.Observation:
		s.hold(w, ev)
	case rules.TransactionEnded:
		s.end(w, ev)
	case rules.Gap:
		s.gap = s.gap || len(s.held) > 0
	}
	s.keep(w)
}

// Tick drops what a newer epoch has aborted, once its own end cannot be on its
// way any more, and gives up on transactions that nobody has seen end.
func (t *tombstone) Tick(w *rules.Watch) {
	s, ok := w.State.(*txnTombstones)
	if !ok {
		return
	}
	s.settle(func(h *heldTombstones) bool {
		if !h.fenced.IsZero() && w.Now.Sub(h.fenced) >= endFor {
			return true
		}
		if w.Now.Sub(h.at) < heldFor {
			return false
		}
		if s.gap { // the commit may be what was lost
			w.Report(h.report("outcome not seen"))
		}
		return true
	})
	s.keep(w)
}

// hold takes in a batch. The end of its transaction may be known already.
func (s *txnTombstones) hold(w *rules.Watch, o rules.Observation) {
	h := heldTombstones{tombstones: o.Data.(tombstones), subject: rules.SubjectOf(o.Client), at: o.At}
	h.subject.Topic, h.subject.TransactionalID = h.topic.Name, w.Key
	h.subject.Partition = new(h.partition)
	for i := range s.ends {
		if h.ended(w, &s.ends[i]) {
			return
		}
	}
	if len(s.held) >= heldBatches {
		s.held[len(s.held)-1].count += h.count
		return
	}
	s.held = append(s.held, h)
}

// end settles the batches of a transaction.
func (s *txnTombstones) end(w *rules.Watch, end rules.TransactionEnded) {
	s.settle(func(h *heldTombstones) bool { return h.ended(w, &end) })
	if len(s.ends) == knownEnds {
		s.ends = s.ends[1:]
	}
	s.ends = append(s.ends, end)
}

// settle drops the batches for which done returns true.
func (s *txnTombstones) settle(done func(*heldTombstones) bool) {
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
func (s *txnTombstones) keep(w *rules.Watch) {
	for len(s.ends) > 0 && w.Now.Sub(s.ends[0].At) > endFor {
		s.ends = s.ends[1:]
	}
	w.State = s
	if len(s.held)+len(s.ends) == 0 {
		w.State = nil
	}
}

// ended says whether the batch belongs to the transaction that ended, which was
// of the same producer and epoch and later, and reports it if that was
// committed. A newer epoch aborts what an older one left open, but its news may
// overtake those of the older one's commit.
func (h *heldTombstones) ended(w *rules.Watch, end *rules.TransactionEnded) bool {
	switch {
	case h.at.After(end.At):
		return false
	case end.ProducerID != h.epoch.id || end.ProducerEpoch != h.epoch.epoch:
		if !end.Committed && (end.ProducerID != h.epoch.id || end.ProducerEpoch > h.epoch.epoch) {
			h.fenced = end.At
		}
		return false
	case end.Committed:
		w.Report(h.report("committed"))
	}
	return true
}

func (h *heldTombstones) report(outcome string) rules.Report {
	r := h.tombstones.report(false)
	r.Subject = h.subject
	r.WouldBlock = h.topic.Cleanup.Known()
	r.Evidence = append(r.Evidence, rules.Fact{Name: "transaction", Value: outcome})
	return r
}
