package engine

import (
	"time"

	"github.com/oklog/ulid/v2"

	"warder/rules"
	"warder/rules/state"
)

// How findings of one fingerprint become one incident.
const (
	// repeatEvery is how often a growing incident is sent again.
	repeatEvery = time.Minute
	// incidentIdle ends an incident that has not grown: what comes later
	// has a new id. It is a little more than an hour, so that a rule which calls
	// something over after an hour without it is in time.
	incidentIdle = time.Hour + time.Minute
)

// folder folds findings. It belongs to one goroutine and knows no clock.
type folder struct {
	incidents *state.LRU[string, *incident]
	send      func(*rules.Finding)
}

// incident is all that was found under one fingerprint.
type incident struct {
	last    rules.Finding // with the id, count and first time of the incident
	sent    time.Time
	pending bool // it grew since it was sent
	worst   rules.Severity
	actions [4]bool // that were sent
}

func newFolder(limit int, send func(*rules.Finding)) *folder {
	return &folder{incidents: state.NewLRU[string, *incident](limit), send: send}
}

// add takes a finding whose Time is set and whose ID and counts are not. The
// first of its fingerprint goes out at once, and so does one that is worse than
// any before or that says that there is news; others wait for tick.
func (fo *folder) add(f rules.Finding) {
	in, known := fo.incidents.Get(f.Fingerprint)
	if f.Resolved {
		if known {
			fo.incidents.Delete(f.Fingerprint)
			in.absorb(&f)
			in.last.Resolved, in.last.Count = true, in.last.Count-1 // an end is no repeat
			fo.emit(in, f.Time)
		}
		return
	}
	if !known {
		in = &incident{last: f}
		in.last.ID = ulid.MustNew(ulid.Timestamp(f.Time), ulid.DefaultEntropy()).String()
		in.last.Count, in.last.FirstTime, in.last.LastTime = 1, f.Time, f.Time
		if gone, evicted := fo.incidents.Put(f.Fingerprint, in); evicted && gone.pending {
			fo.emit(gone, gone.last.LastTime)
		}
		fo.emit(in, f.Time)
		return
	}
	in.absorb(&f)
	in.pending = true
	if f.News || in.last.Severity > in.worst || !in.actions[in.last.Action] || f.Time.Sub(in.sent) >= repeatEvery {
		fo.emit(in, f.Time)
	}
}

// absorb makes f the latest of the incident.
func (in *incident) absorb(f *rules.Finding) {
	before := in.last
	in.last = *f
	in.last.ID, in.last.Count, in.last.FirstTime = before.ID, before.Count+1, before.FirstTime
	in.last.LastTime = f.Time
	if before.LastTime.After(f.Time) {
		in.last.LastTime = before.LastTime
	}
}

func (fo *folder) emit(in *incident, now time.Time) {
	in.sent, in.pending = now, false
	in.worst = max(in.worst, in.last.Severity)
	in.actions[in.last.Action] = true
	out := in.last // a copy: the incident goes on growing
	fo.send(&out)
}

// tick sends what has waited long enough and forgets what is idle.
func (fo *folder) tick(now time.Time) {
	fo.incidents.Each(func(fingerprint string, in *incident) {
		if in.pending && now.Sub(in.sent) >= repeatEvery {
			fo.emit(in, now)
		}
		if !in.pending && now.Sub(in.last.LastTime) >= incidentIdle {
			fo.incidents.Delete(fingerprint)
		}
	})
}

// flush sends everything that waits.
func (fo *folder) flush(now time.Time) {
	fo.incidents.Each(func(_ string, in *incident) {
		if in.pending {
			fo.emit(in, now)
		}
	})
}
