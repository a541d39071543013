package audit

import (
	"errors"
	"time"
)

// run writes what waits until Close.
func (t *Trail) run() {
	defer close(t.done)
	defer t.cancel()
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-t.wake:
			if t.failure() == nil { // else with the next tick
				t.bringOut(false)
			}
		case <-tick.C:
			t.bringOut(true)
		case <-t.quit:
			t.bringOut(true)
			t.end()
			return
		}
	}
}

// bringOut writes all that waits and, if that is to be, makes it last. What could
// not be written stays for the next time.
func (t *Trail) bringOut(last bool) {
	for {
		if len(t.pending) == 0 {
			t.pending = t.take()
		}
		if len(t.pending) == 0 {
			break
		}
		if err := t.write(); err != nil {
			t.fail(err)
			return
		}
	}
	if last && t.dirty {
		if err := t.sink.Sync(); err != nil {
			t.fail(err)
			return
		}
		t.dirty = false
	}
	t.fail(nil)
}

// take takes the next entries from the queue.
func (t *Trail) take() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) <= maxBatch {
		t.tellLost()
		batch := t.waiting
		t.waiting, t.bytes = nil, 0
		return batch
	}
	batch := t.waiting[:maxBatch:maxBatch]
	t.waiting = t.waiting[maxBatch:]
	for i := range batch {
		t.bytes -= batch[i].size()
	}
	return batch
}

// write writes pending, or a part of it.
func (t *Trail) write() error {
	if err := t.open(); err != nil {
		return err
	}
	lines, heads := make([][]byte, 0, len(t.pending)), make([]Head, 0, len(t.pending))
	at := t.head
	for i := range t.pending {
		e := &t.pending[i]
		line, next, err := at.seal(t.keyed, e)
		if err != nil { // only a time beyond the year 9999 cannot be written
			e.kind, e.x, e.event = Lost, nil, &Event{Time: time.Now(), Lost: 1, Error: err.Error()}
			if line, next, err = at.seal(t.keyed, e); err != nil {
				return err
			}
		}
		lines, heads, at = append(lines, line), append(heads, next), next
	}
	n, fresh, err := t.sink.Write(t.ctx, lines)
	if fresh {
		t.logHead("a new file of the audit trail is begun; the one before ends so")
	}
	if n > 0 {
		t.tellWritten(t.pending[:n])
		t.head, t.pending, t.dirty = heads[n-1], t.pending[n:], true
		t.meter.Written(n, t.head.Seq)
	}
	if err != nil {
		t.opened = false
	}
	return err
}

// open makes the sink ready. The chain goes on where the sink's ends, or, when that was
// known before, where this run has brought it: whatever else happened to the sink
// meanwhile is to show.
func (t *Trail) open() error {
	if t.opened {
		return nil
	}
	found, err := t.sink.Open(t.ctx)
	if err != nil {
		return err
	}
	if !t.known && found.Seq > 0 {
		t.head = found.Head
	}
	t.opened, t.known = true, true
	if found.Torn > 0 && (len(t.pending) == 0 || t.pending[0].kind != Torn) {
		torn := entry{kind: Torn, event: &Event{Time: time.Now(), Torn: found.Torn, TornHash: found.TornHash}}
		t.pending = append([]entry{torn}, t.pending...)
	}
	return nil
}

// tellWritten logs what a trail has lines about that people should not only find there.
func (t *Trail) tellWritten(written []entry) {
	for i := range written {
		switch e := &written[i]; e.kind {
		case Lost:
			t.log.Warn().Uint64("lines", e.event.Lost).Msg("the audit trail has lost lines, and says so")
		case Torn:
			t.log.Warn().Int64("bytes", e.event.Torn).Msg("the audit trail ended inside a line, and goes on behind it")
		}
	}
}

// fail notes that writing has failed, or works with nil. Of a row of failures the first is logged.
func (t *Trail) fail(err error) {
	t.mu.Lock()
	before := t.failing
	t.failing = err
	t.mu.Unlock()
	t.meter.Failed(err != nil)
	switch {
	case err != nil && (before == nil || errors.Is(before, errNotBegun)):
		t.log.Error().Err(err).Bool("stop", t.stops).Msg("the audit trail cannot be written")
	case err == nil && before != nil && !errors.Is(before, errNotBegun):
		t.log.Info().Msg("the audit trail can be written again")
	}
}

func (t *Trail) failure() error {
	err, _ := t.Check()
	return err
}

// end closes the sink and tells what there is to compare the trail with later.
func (t *Trail) end() {
	t.mu.Lock()
	left := uint64(len(t.waiting)+len(t.pending)) + t.lost
	t.mu.Unlock()
	if left > 0 {
		t.log.Error().Uint64("lines", left).Msg("the audit trail could not be written to its end")
	}
	if err := t.sink.Close(); err != nil {
		t.log.Warn().Err(err).Msg("closing the audit trail")
	}
	if t.known {
		t.logHead("the audit trail ends so")
	}
}

// logHead tells the end of the chain, which nobody who changes the trail afterwards can take back.
func (t *Trail) logHead(what string) {
	t.log.Info().Uint64("seq", t.head.Seq).Str("hash", t.head.Hash).Msg(what)
}
