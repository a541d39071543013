package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"warder/record"
)

// recordMetrics is record.Counts.
type recordMetrics struct {
	dropped, flights *prometheus.CounterVec
	blanked, written prometheus.Counter
}

func (m *Metrics) registerRecord() {
	r := &m.record
	r.dropped = m.counters("warder_record_dropped_bytes_total", "Bytes missing in the recording, by reason: the queue of the recorder was full (queue_full), the frames of a connection make no sense (unreadable), the disk cannot be written (disk; bytes of blocks).", "reason")
	r.blanked = m.counter("warder_record_blanked_bytes_total", "Bytes recorded as zeros because their frame was too large to be scrubbed, or could not be read.")
	r.written = m.counter("warder_record_written_bytes_total", "Bytes written to recordings.")
	r.flights = m.counters("warder_record_flights_total", "Findings for which the ring in memory is written, by outcome (written, limited).", "outcome")
	for _, reason := range []string{"queue_full", "unreadable", "disk"} {
		r.dropped.WithLabelValues(reason)
	}
	for _, outcome := range []string{"written", "limited"} {
		r.flights.WithLabelValues(outcome)
	}
}

// Recording is what the recorder counts by.
func (m *Metrics) Recording() record.Counts { return &m.record }

// Dropped implements record.Counts.
func (r *recordMetrics) Dropped(reason string, bytes int) {
	r.dropped.WithLabelValues(reason).Add(float64(bytes))
}

// Blanked implements record.Counts.
func (r *recordMetrics) Blanked(bytes int) { r.blanked.Add(float64(bytes)) }

// Written implements record.Counts.
func (r *recordMetrics) Written(bytes int) { r.written.Add(float64(bytes)) }

// Flight implements record.Counts.
func (r *recordMetrics) Flight(outcome string) { r.flights.WithLabelValues(outcome).Inc() }
