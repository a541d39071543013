package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"warder/proxy/audit"
)

// auditMetrics are those of the audit trail.
type auditMetrics struct {
	lines, dropped prometheus.Counter
	seq, up        prometheus.Gauge
}

func (m *Metrics) registerAudit() {
	m.audit = auditMetrics{
		lines:   m.counter("warder_audit_lines_total", "Lines written to the audit trail."),
		dropped: m.counter("warder_audit_dropped_total", "Lines of the audit trail that were lost because too many waited to be written."),
		seq:     m.gauge("warder_audit_seq", "Number of the last line of the audit trail, over all runs: a trail that ends before it has lost its end."),
		up:      m.gauge("warder_audit_up", "0 while the audit trail cannot be written, else 1."),
	}
	m.audit.up.Set(1)
}

// Audit gives what the audit trail reports to.
func (m *Metrics) Audit() audit.Meter {
	return audit.Meter{
		Written: func(n int, last uint64) {
			m.audit.lines.Add(float64(n))
			m.audit.seq.Set(float64(last))
		},
		Failed: func(failing bool) {
			if failing {
				m.audit.up.Set(0)
			} else {
				m.audit.up.Set(1)
			}
		},
		Dropped: m.audit.dropped.Inc,
	}
}
