package builtin

import (
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// hotSuspect is a partition that was hot in the last window, or was reported and
// is not known to be over. A topic has at most four: in each measure one that is
// hot, and one that was reported and is cooling down.
type hotSuspect struct {
	partition int32
	by        hotMeasure // in which it is hot

	hot, calm int       // windows in a row
	told      time.Time // when it was reported last; zero before that
	// The numbers since then, or since it became hot.
	windows            int
	taken, next, whole float64

	keys     *state.Heavy // nil while it is calm
	samples  int          // that keys was shown
	revealed bool         // keys have their own names
	reader   hotReader    // who is farthest behind in it
}

// Sweep ends the windows that are over.
func (h *hotPartition) Sweep(w *rules.Watch) {
	for _, t := range w.Shared.(*hotTraffic).all() {
		h.sweepTopic(w, t)
	}
}

func (h *hotPartition) sweepTopic(w *rules.Watch, t *hotTopic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.suspects {
		if s.revealed != h.reveals() { // what one configuration names is not for the next
			s.follow(h.reveals())
		}
	}
	if t.began.IsZero() || w.Now.Sub(t.began) < h.Window {
		return
	}
	if !t.stray { // else nobody knows what a fair share is
		h.judge(w, t)
	}
	clear(t.loads)
	t.stray, t.began = false, time.Time{} // the next batch begins a window,
	if len(t.suspects) > 0 {
		t.began = w.Now // or silence ends an incident
	}
}

// judge looks at a window that is over.
func (h *hotPartition) judge(w *rules.Watch, t *hotTopic) {
	leads := t.leads()
	if leads[hotRecords].whole < float64(h.MinRecords) {
		leads = [hotMeasures]hotLead{}
	}
	var hot [hotMeasures]bool
	for m := range leads {
		hot[m] = h.tooMuch(&leads[m], len(t.loads))
	}
	t.suspects = slices.DeleteFunc(t.suspects, func(s *hotSuspect) bool {
		lead := &leads[s.by]
		if hot[s.by] && lead.partition == s.partition {
			s.heat(lead)
			return false
		}
		return h.cool(w, t, s, lead)
	})
	for m := range leads {
		if hot[m] && !t.suspected(leads[m].partition) {
			s := &hotSuspect{partition: leads[m].partition, by: hotMeasure(m)}
			s.follow(h.reveals())
			s.heat(&leads[m])
			t.suspects = append(t.suspects, s)
		}
	}
	for _, s := range t.suspects {
		if s.hot >= h.Windows && (s.told.IsZero() || w.Now.Sub(s.told) >= hotTellEvery) {
			report := h.report(t, s)
			if h.lags(s, w.Now) {
				s.reader.addLag(&report)
			}
			w.Report(report)
			s.told, s.windows, s.taken, s.next, s.whole = w.Now, 0, 0, 0, 0
		}
		if s.keys != nil {
			s.keys.Halve() // so that the last windows count, not the last hours
		}
	}
}

// tooMuch says whether the partition in front is hot, in a topic of n.
func (h *hotPartition) tooMuch(l *hotLead, n int) bool {
	return l.top > l.whole*h.limit(n) && l.top > l.next*h.TimesNext
}

// limit is the share of a topic of n partitions above which one is hot.
func (h *hotPartition) limit(n int) float64 { return h.TimesFair / float64(max(n, hotFairFrom)) }

func (t *hotTopic) suspected(partition int32) bool {
	return slices.ContainsFunc(t.suspects, func(s *hotSuspect) bool { return s.partition == partition })
}

// follow begins to count its keys.
func (s *hotSuspect) follow(revealed bool) {
	s.keys, s.samples, s.revealed = &state.Heavy{}, 0, revealed
}

// heat adds a window in which the partition was hot.
func (s *hotSuspect) heat(l *hotLead) {
	if s.keys == nil {
		s.follow(s.revealed)
	}
	s.hot++
	s.calm = 0
	s.windows++
	s.taken += l.top
	s.next += l.next
	s.whole += l.whole
}

// cool adds a window in which it was not, and says whether that is the end of it.
func (h *hotPartition) cool(w *rules.Watch, t *hotTopic, s *hotSuspect, l *hotLead) bool {
	if s.told.IsZero() {
		return true
	}
	s.hot, s.keys = 0, nil
	s.windows, s.taken, s.next, s.whole = 0, 0, 0, 0
	if s.calm++; s.calm < h.Windows {
		return false
	}
	w.Report(h.over(t, s, l))
	return true
}
