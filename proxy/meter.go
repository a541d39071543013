package proxy

import (
	"warder/rules"
	"warder/rules/engine"
)

// Meter is what the engine counts with.
func (m *Metrics) Meter() engine.Meter {
	batches, records := m.inspected.WithLabelValues("batch"), m.inspected.WithLabelValues("record")
	return engine.Meter{
		Finding: func(rule string, s rules.Severity, a rules.Action) {
			m.findings.WithLabelValues(rule, s.String(), a.String()).Inc()
		},
		Suppressed: func(rule string) { m.suppressed.WithLabelValues(rule).Inc() },
		Verdict: func(v engine.Verdict, n int) {
			m.verdicts.WithLabelValues(string(v)).Add(float64(n))
		},
		Inspected: func(b, r int) {
			batches.Add(float64(b))
			records.Add(float64(r))
		},
		Uninspected: func(reason engine.Reason, bytes int) { m.skipped(string(reason), bytes) },
		Dropped:     func(queue string, n int) { m.dropped.WithLabelValues(queue).Add(float64(n)) },
		SinkError:   func(sink string) { m.sinkFailures.WithLabelValues(sink).Inc() },
		Panic:       func(rule string) { m.rulePanics.WithLabelValues(rule).Inc() },
	}
}

// Observe shows the stores of e from now on, and its groups in at most maxSeries
// series of each family.
func (m *Metrics) Observe(e *engine.Engine, maxSeries int) {
	m.groups.source.Store(&groupSource{e, maxSeries})
	m.stores.engine.Store(e)
}
