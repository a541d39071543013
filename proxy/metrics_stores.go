package proxy

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"warder/rules/engine"
)

// storeCollector shows how full the bounded stores are at the time of a scrape. The
// stores are those of the engine, of models and of rules: a closed set.
type storeCollector struct {
	engine           atomic.Pointer[engine.Engine]
	entries, evicted *prometheus.Desc
}

func newStoreCollector() *storeCollector {
	return &storeCollector{
		entries: prometheus.NewDesc("warder_state_entries", "Entries in each bounded store of what warder remembers.", []string{"store"}, nil),
		evicted: prometheus.NewDesc("warder_state_evictions_total", "Entries dropped, or not taken, because a store was full.", []string{"store"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.entries
	ch <- c.evicted
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	e := c.engine.Load()
	if e == nil {
		return
	}
	for _, s := range e.Stores() {
		ch <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(s.Len), s.Name)
		ch <- prometheus.MustNewConstMetric(c.evicted, prometheus.CounterValue, float64(s.Evicted), s.Name)
	}
}
