package builtin

import "warder/rules"

// Watch holds the tombstones of a transaction until it is committed.
func (t *tombstone) Watch(w *rules.Watch, ev rules.Event) { watchTransactions(w, ev, reportOutcome) }

// Tick gives up on transactions that nobody has seen end.
func (t *tombstone) Tick(w *rules.Watch) { tickTransactions(w, reportOutcome) }

func (s tombstones) written() heldFacts {
	return heldFacts{s.epoch, s.topic.Name, s.partition, s.count}
}

// takes is false: each batch is told by itself.
func (tombstones) takes(tombstones) bool { return false }

func reportOutcome(w *rules.Watch, h *heldBatch[tombstones], outcome string) {
	s := h.seen
	s.count = h.count
	r := s.report(false)
	r.Subject = h.subject
	r.WouldBlock = s.topic.Cleanup.Known()
	r.Evidence = append(r.Evidence, h.outcomeFacts(outcome)...)
	w.Report(r)
}
