package proxy

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"time"
)

// ListenerView is one listener, what its clients may use, and what they do use. Its
// JSON names are stable.
type ListenerView struct {
	Name    string `json:"name"`
	Address string `json:"address"` // where the bootstrap socket is bound
	// Advertise is the host that clients are told to connect to.
	Advertise string `json:"advertise"`
	// TLS says that it speaks TLS, and ClientAuth whether clients need a
	// certificate: none, request or require.
	TLS        bool   `json:"tls"`
	ClientAuth string `json:"client_auth,omitempty"`
	// CertificateExpires is when the first of its certificates runs out.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// Ports for brokers, FIRST-LAST, or 0 for any that are free.
	Ports string `json:"ports"`
	// Brokers that have a port, by id.
	Brokers []ListenerBroker `json:"brokers"`
	// Unmapped brokers found no port left: clients do not see them.
	Unmapped []int32 `json:"unmapped_brokers,omitempty"`
	// Bootstrap is how many connections came to the bootstrap address.
	Bootstrap int            `json:"bootstrap_connections"`
	Limits    ListenerLimits `json:"limits"`
	Used      ListenerUsed   `json:"used"`
}

// ListenerBroker is a broker as a ListenerView shows it.
type ListenerBroker struct {
	NodeID      int32  `json:"node_id"`
	Advertised  string `json:"advertised"` // host:port that clients are given
	Connections int    `json:"connections"`
}

// ListenerLimits are the limits in force, listeners[].limits in the configuration.
type ListenerLimits struct {
	Connections       int   `json:"connections"`
	ConnectionsPerIP  int   `json:"connections_per_ip"`
	InFlight          int   `json:"in_flight"`
	FrameBytes        int   `json:"frame_bytes"`
	UnauthenticatedMs int64 `json:"unauthenticated_ms"`
}

// ListenerUsed is how near to its limits a listener is.
type ListenerUsed struct {
	Connections int `json:"connections"`
	// ConnectionsPerIP is of the address that has most of them, InFlight of the
	// connection that has most requests open.
	ConnectionsPerIP int `json:"connections_per_ip"`
	InFlight         int `json:"in_flight"`
}

// Listeners returns the listeners, in the order of the configuration.
func (s *Server) Listeners() []ListenerView {
	open, deepest := s.openByPort(), make(map[string]int)
	for _, sess := range s.open() {
		name := sess.listener.name
		deepest[name] = max(deepest[name], sess.inflight.depth())
	}
	list := make([]ListenerView, len(s.listeners))
	for i, l := range s.listeners {
		list[i] = l.view(open)
		list[i].Used.InFlight = deepest[l.name]
	}
	return list
}

func (l *listener) view(open map[servedPort]int) ListenerView {
	limits := l.settings()
	v := ListenerView{
		Name: l.name, Address: l.address(), Advertise: l.cfg.Advertise, Ports: portRange{*l.cfg.Ports}.String(),
		Brokers: []ListenerBroker{}, Bootstrap: open[servedPort{l.name, bootstrapNode}],
		Limits: ListenerLimits{
			Connections: limits.connections, ConnectionsPerIP: limits.perIP, InFlight: limits.inFlight,
			FrameBytes: limits.frame, UnauthenticatedMs: limits.unauthenticated.Milliseconds(),
		},
	}
	if l.certs != nil {
		v.TLS, v.ClientAuth = true, l.cfg.TLS.ClientAuth
		for _, e := range l.certs.expiries() {
			if v.CertificateExpires.IsZero() || e.until.Before(v.CertificateExpires) {
				v.CertificateExpires = e.until
			}
		}
	}
	l.mu.RLock()
	for _, id := range slices.Sorted(maps.Keys(l.ports)) {
		host, port := l.plan.Advertised(id, l.ports[id].port)
		v.Brokers = append(v.Brokers, ListenerBroker{id, net.JoinHostPort(host, strconv.Itoa(int(port))), open[servedPort{l.name, id}]})
	}
	v.Unmapped = slices.Sorted(maps.Keys(l.refused))
	l.mu.RUnlock()
	l.connMu.Lock()
	defer l.connMu.Unlock()
	v.Used.Connections = l.conns
	for _, n := range l.perIP {
		v.Used.ConnectionsPerIP = max(v.Used.ConnectionsPerIP, n)
	}
	return v
}
