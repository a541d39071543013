package record

import (
	"time"

	"warder/rules"
)

// seal ends the block at hand: it is written, or goes into the ring.
func (r *Recorder) seal() {
	r.sealedAt = r.now()
	if r.packer.empty() {
		return
	}
	b := sealed{first: r.packer.first, changes: r.changes}
	b.block, r.changes = r.packer.seal(entriesBlock), nil
	if r.all || !r.now().After(r.until) {
		r.write(&b)
		return
	}
	r.ring.push(b, r.leaveOut)
}

// leaveOut takes a block that is not written into what is known.
func (r *Recorder) leaveOut(b *sealed) {
	r.before.apply(b.changes)
	r.gap = true
}

// write writes a block, in a new segment if need be.
func (r *Recorder) write(b *sealed) {
	if !r.retry.IsZero() && r.now().Before(r.retry) {
		r.counts.Dropped("disk", len(b.block))
		r.leaveOut(b)
		return
	}
	var err error
	if !r.store.open() || r.store.full(len(b.block)) {
		err = r.begin(b)
	}
	if err == nil {
		err = r.store.write(b.block)
	}
	r.failed(err, len(b.block))
	if err != nil {
		r.leaveOut(b)
		return
	}
	r.counts.Written(len(b.block))
	r.before.apply(b.changes)
}

// begin begins a segment whose first block is b.
func (r *Recorder) begin(b *sealed) error {
	h := r.header
	h.Begins, h.Continues = b.first, r.written > 0 && !r.gap
	snapshot, err := r.before.snapshot(b.first)
	if err != nil {
		return err
	}
	if err := r.store.begin(h, snapshot); err != nil {
		return err
	}
	r.counts.Written(int(r.store.size))
	r.written++
	r.gap = false
	return nil
}

// failed notes how the disk fares, and tells of it when that has changed.
func (r *Recorder) failed(err error, bytes int) {
	switch {
	case err != nil:
		r.counts.Dropped("disk", bytes)
		if r.retry.IsZero() {
			r.log.Error().Err(err).Str("dir", r.store.dir).Dur("retry_after", retryPause).Msg("recording: cannot be written; traffic goes on")
		}
		r.retry = r.now().Add(retryPause)
	case !r.retry.IsZero():
		r.retry = time.Time{}
		r.log.Info().Str("dir", r.store.dir).Msg("recording: can be written again")
	}
}

// found has the ring written for a finding that asks for it.
func (r *Recorder) found(f *rules.Finding) {
	if r.all || f.Resolved || f.Severity != rules.Critical && f.Action != rules.Keep {
		return
	}
	now := r.now()
	if last, ok := r.flights[f.Rule]; ok && now.Sub(last) < flightPause {
		r.counts.Flight("limited")
		return
	}
	r.flights[f.Rule] = now
	r.counts.Flight("written")
	r.log.Info().Str("rule", f.Rule).Str("finding", f.ID).Str("dir", r.store.dir).Msg("recording: what led to a finding is written, and what follows")
	r.until = time.Time{} // the block at hand goes behind the ring
	r.seal()
	for _, b := range r.ring.take() {
		r.write(&b)
	}
	r.until = now.Add(followUp)
}
