package proxy

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"warder/protocol"
)

// Metrics holds every metric of warder, on a registry of its own. Labels have
// a closed set of values (APIs, reasons, rules, listeners of the configuration),
// or a bounded one (groups and their partitions); none carries a key, a member id
// or an address of a client.
type Metrics struct {
	Registry *prometheus.Registry

	requests, bytes                    *prometheus.CounterVec
	upstreamLatency                    *prometheus.HistogramVec
	byAPI                              [numAPIs]atomic.Pointer[apiMetrics]
	addedRequest, addedResponse        prometheus.Observer
	inflightFull, dialled, unmapped    prometheus.Counter
	acceptErrors, panics, consequences prometheus.Counter
	connections                        *prometheus.GaugeVec
	acceptedByAll                      atomic.Int64 // the sum of accepted, for who has no use for metrics
	accepted, closedBy                 *prometheus.CounterVec
	certificateExpiry                  *prometheus.GaugeVec
	lookups                            *prometheus.CounterVec
	upstreamUp                         prometheus.Gauge

	// Verdicts and findings are the engine's, see Meter.
	findings, verdicts, inspected, uninspected *prometheus.CounterVec
	uninspectedBytes, dropped, rulePanics      *prometheus.CounterVec
	sinkFailures, suppressed                   *prometheus.CounterVec

	reloads         *prometheus.CounterVec
	reloadSucceeded prometheus.Gauge
	generation      prometheus.Gauge
	buildInfo       *prometheus.GaugeVec

	record recordMetrics
	audit  auditMetrics
	groups *groupCollector
	stores *storeCollector
}

// apiMetrics are the series of one API, looked up by label only once.
type apiMetrics struct {
	requests, requestBytes, answerBytes prometheus.Counter
	upstreamLatency                     prometheus.Observer
}

// numAPIs bounds the label api: the keys of the table, and one for all others.
const (
	unknownAPI = 127
	numAPIs    = unknownAPI + 1
)

func apiIndex(key int16) int {
	if key < 0 || key >= unknownAPI || protocol.LookupAPI(key) == nil {
		return unknownAPI
	}
	return int(key)
}

func sinceSeconds(t time.Time) float64 { return time.Since(t).Seconds() }

// NewMetrics registers every metric.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registerTraffic()
	m.registerConnections()
	m.registerInspection()
	m.registerOperation()
	m.registerRecord()
	m.registerAudit()
	m.groups, m.stores = newGroupCollector(), newStoreCollector()
	m.Registry.MustRegister(m.groups, m.stores)
	return m
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.Registry.MustRegister(c)
	return c
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.Registry.MustRegister(g)
	return g
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.Registry.MustRegister(g)
	return g
}

func (m *Metrics) histograms(name, help string, first, factor float64, buckets int, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, factor, buckets),
	}, labels)
	m.Registry.MustRegister(h)
	return h
}

func (m *Metrics) registerTraffic() {
	m.requests = m.counters("warder_requests_total", "Requests of clients, by API.", "api")
	m.bytes = m.counters("warder_bytes_total", "Bytes of Kafka frames, by API and direction (request, response).", "api", "direction")
	m.upstreamLatency = m.histograms("warder_upstream_latency_seconds", "Time from the last byte of a request to the first of its answer, by API: the broker's share.", 0.0005, 2, 16, "api")
	added := m.histograms("warder_added_latency_seconds", "Time that bytes spend inside warder between read and written, by direction.", 0.000005, 2, 16, "direction")
	m.addedRequest, m.addedResponse = added.WithLabelValues("request"), added.WithLabelValues("response")
	m.inflightFull = m.counter("warder_inflight_full_total", "Times that a connection reached limits.in_flight and was read no further until an answer came.")
}

func (m *Metrics) registerConnections() {
	m.connections = m.gauges("warder_connections", "Open client connections, by listener and whether they came by the bootstrap address or a broker's port.", "listener", "kind")
	m.accepted = m.counters("warder_connections_accepted_total", "Client connections accepted, by listener.", "listener")
	m.closedBy = m.counters("warder_connections_closed_total", "Client connections closed, by reason.", "reason")
	for _, reason := range closeReasons {
		m.closedBy.WithLabelValues(string(reason))
	}
	m.dialled = m.counter("warder_upstream_connections_total", "Connections opened to brokers for clients.")
	m.upstreamUp = m.gauge("warder_upstream_up", "1 while a bootstrap broker can be reached, else 0.")
	m.unmapped = m.counter("warder_unmapped_brokers_total", "Brokers left out of answers because the port pool of a listener was used up.")
	m.acceptErrors = m.counter("warder_accept_errors_total", "Errors of accepting connections, each retried.")
	m.certificateExpiry = m.gauges("warder_certificate_expiry_timestamp_seconds", "End of validity of each certificate in use, as Unix time.", "file")
}

func (m *Metrics) registerInspection() {
	m.findings = m.counters("warder_findings_total", "Findings, repeats included, by rule, severity and action.", "rule", "severity", "action")
	m.verdicts = m.counters("warder_verdicts_total", "Verdicts on Produce partitions and on changes that administrative requests ask for, by verdict (allowed, would_block, denied).", "verdict")
	m.inspected = m.counters("warder_inspected_total", "What rules looked into, by unit (batch, record).", "unit")
	m.uninspected = m.counters("warder_uninspected_total", "Messages and batches that passed without inspection although a rule or the address rewriting wanted them, by reason.", "reason")
	m.uninspectedBytes = m.counters("warder_uninspected_bytes_total", "Bytes of what warder_uninspected_total counts, by reason.", "reason")
	m.dropped = m.counters("warder_events_dropped_total", "Events and findings dropped because a queue was full, by queue.", "queue")
	m.rulePanics = m.counters("warder_rule_panics_total", "Defects caught inside a rule, by rule.", "rule")
	m.suppressed = m.counters("warder_suppressed_total", "Findings silenced by a suppression, by rule.", "rule")
	m.sinkFailures = m.counters("warder_sink_failures_total", "Findings that a sink could not deliver, by sink.", "sink")
	m.consequences = m.counter("warder_denied_consequences_total", "OUT_OF_ORDER_SEQUENCE_NUMBER answers of brokers that follow from a batch that a rule refused.")
	m.lookups = m.counters("warder_lookups_total", "warder's own questions to the cluster, by what is asked, carrier (own, in_band) and outcome.", "question", "carrier", "outcome")
}

func (m *Metrics) registerOperation() {
	m.panics = m.counter("warder_panics_total", "Defects of warder that ended one connection.")
	m.reloads = m.counters("warder_config_reloads_total", "Reloads of the configuration, by outcome (success, failure).", "outcome")
	m.reloadSucceeded = m.gauge("warder_config_last_reload_successful", "1 when the newest configuration is live, 0 when it was refused and the old one stayed.")
	m.reloadSucceeded.Set(1)
	m.generation = m.gauge("warder_config_generation", "Counts the configurations that went live since the start.")
	m.generation.Set(1)
	m.buildInfo = m.gauges("warder_build_info", "Always 1; the labels tell what runs.", "version", "revision", "goversion")
}

// Build says what runs.
func (m *Metrics) Build(version, revision string) {
	m.buildInfo.WithLabelValues(version, revision, runtime.Version()).Set(1)
}

// api returns the series of an API, which exist from its first use on.
func (m *Metrics) api(key int16) *apiMetrics {
	slot := &m.byAPI[apiIndex(key)]
	if a := slot.Load(); a != nil {
		return a
	}
	name := protocol.APIName(key)
	slot.Store(&apiMetrics{ // two sessions may both come here; they find the same series
		requests:        m.requests.WithLabelValues(name),
		requestBytes:    m.bytes.WithLabelValues(name, "request"),
		answerBytes:     m.bytes.WithLabelValues(name, "response"),
		upstreamLatency: m.upstreamLatency.WithLabelValues(name),
	})
	return slot.Load()
}

func (m *Metrics) request(key int16, bytes int) {
	a := m.api(key)
	a.requests.Inc()
	a.requestBytes.Add(float64(bytes))
}

func (m *Metrics) answered(key int16, bytes int) { m.api(key).answerBytes.Add(float64(bytes)) }

func connectionKind(node int32) string {
	if node == bootstrapNode {
		return "bootstrap"
	}
	return "broker"
}

func (m *Metrics) opened(listener string, node int32) {
	m.acceptedByAll.Add(1)
	m.accepted.WithLabelValues(listener).Inc()
	m.connections.WithLabelValues(listener, connectionKind(node)).Inc()
}

// Accepted is the number of client connections so far, of all listeners.
func (m *Metrics) Accepted() int { return int(m.acceptedByAll.Load()) }

func (m *Metrics) left(listener string, node int32, reason CloseReason) {
	m.connections.WithLabelValues(listener, connectionKind(node)).Dec()
	m.closed(reason)
}

func (m *Metrics) closed(reason CloseReason) { m.closedBy.WithLabelValues(string(reason)).Inc() }

func (m *Metrics) certificates(all []*certificates) {
	m.certificateExpiry.Reset()
	for _, c := range all {
		for _, e := range c.expiries() {
			m.certificateExpiry.WithLabelValues(e.file).Set(float64(e.until.Unix()))
		}
	}
}

// Reloaded counts a reload of the configuration.
func (m *Metrics) Reloaded(ok bool) {
	if !ok {
		m.reloads.WithLabelValues("failure").Inc()
		m.reloadSucceeded.Set(0)
		return
	}
	m.reloads.WithLabelValues("success").Inc()
	m.reloadSucceeded.Set(1)
	m.generation.Inc()
}

func (m *Metrics) skipped(reason string, bytes int) {
	m.uninspected.WithLabelValues(reason).Inc()
	m.uninspectedBytes.WithLabelValues(reason).Add(float64(bytes))
}
