package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"warder/configs"
)

// listener is one configured listener: a bootstrap socket, and one socket per
// broker that is bound when the broker first appears and kept while warder
// runs, since clients come back to it before the broker does.
type listener struct {
	// set at construction
	name  string
	srv   *Server
	cfg   configs.Listener
	certs *certificates

	limits atomic.Pointer[listenerLimits] // replaced by a reload

	mu      sync.RWMutex
	base    net.Listener         // guarded by mu: the bootstrap socket
	ports   map[int32]brokerPort // guarded by mu: node id to its socket
	plan    *PortPlan            // guarded by mu
	refused map[int32]bool       // guarded by mu: brokers without a port, to say so once
	closed  bool                 // guarded by mu

	connMu sync.Mutex
	conns  int                // guarded by connMu
	perIP  map[netip.Addr]int // guarded by connMu; at most conns entries
}

// brokerPort is the socket that stands for one broker.
type brokerPort struct {
	port uint16
	ln   net.Listener
}

// listenerLimits is configs.Limits in the types that the loops compare with.
type listenerLimits struct {
	connections, perIP, inFlight, frame int
	unauthenticated                     time.Duration
}

func newListener(srv *Server, cfg configs.Listener) (*listener, error) {
	certs, err := serverCertificates(cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", cfg.Name, err)
	}
	l := &listener{
		name: cfg.Name, srv: srv, cfg: cfg, certs: certs,
		ports: make(map[int32]brokerPort), plan: NewPortPlan(cfg, nil), refused: make(map[int32]bool),
		perIP: make(map[netip.Addr]int),
	}
	l.limit(cfg.Limits)
	return l, nil
}

func (l *listener) limit(c configs.Limits) {
	l.limits.Store(&listenerLimits{
		connections: c.Connections, perIP: c.ConnectionsPerIP, inFlight: c.InFlight,
		frame: int(c.Frame), unauthenticated: c.Unauthenticated,
	})
}

func (l *listener) settings() *listenerLimits { return l.limits.Load() }

func (l *listener) tlsConfig() *tls.Config { return l.certs.config() }

// open binds the bootstrap socket and those of the brokers that are already known.
func (l *listener) open() error {
	ln, err := net.Listen("tcp", string(l.cfg.Address))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listener %s: %w: a broker or another warder is there; choose another address (--listen)", l.name, err)
	}
	if err != nil {
		return fmt.Errorf("listener %s: %w", l.name, err)
	}
	l.mu.Lock()
	l.base = ln
	l.mu.Unlock()
	l.srv.accept(l, ln, bootstrapNode)
	for _, b := range l.srv.topology.all() {
		l.advertised(b.NodeID)
	}
	return nil
}

// advertised returns the address that clients of this listener are given for
// broker id, after making sure that it is served. ok is false when the pool has no port left.
func (l *listener) advertised(id int32) (host string, port int32, ok bool) {
	l.mu.RLock()
	p, bound := l.ports[id]
	l.mu.RUnlock()
	if !bound {
		if p, ok = l.bind(id); !ok {
			return "", 0, false
		}
	}
	host, port = l.plan.Advertised(id, p.port)
	return host, port, true
}

// bind gives broker id its port: the one it had before, first port plus id where
// that is free, else the next free one.
func (l *listener) bind(id int32) (brokerPort, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.ports[id]; ok || l.closed {
		return p, ok
	}
	var last error
	for port := range l.plan.Choices(id) {
		ln, err := net.Listen("tcp", net.JoinHostPort(l.cfg.Address.Host(), strconv.Itoa(int(port))))
		if err != nil {
			last = err
			continue
		}
		p := brokerPort{port: uint16(ln.Addr().(*net.TCPAddr).Port), ln: ln} //nolint:forcetypeassert // net.Listen("tcp")
		l.ports[id] = p
		l.plan.Keep(id, p.port)
		delete(l.refused, id)
		l.srv.log.Info().Str("listener", l.name).Int32("node_id", id).Int("port", int(p.port)).Msg("serving a broker")
		l.srv.accept(l, ln, id)
		l.srv.changed()
		return p, true
	}
	if !l.refused[id] && len(l.refused) < maxBrokers {
		l.refused[id] = true
		l.srv.metrics.unmapped.Inc()
		l.srv.log.Error().Err(last).Str("listener", l.name).Int32("node_id", id).
			Msg("no port left for a broker: clients of this listener will not see it; widen listeners[].ports")
	}
	return brokerPort{}, false
}

// restore takes over the ports of the state file.
func (l *listener) restore(ports map[int32]uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan = NewPortPlan(l.cfg, ports)
}

// remembered returns the port of every broker that has or had one.
func (l *listener) remembered() map[int32]uint16 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.plan.Ports()
}

// address returns where the bootstrap socket is bound, "" before open.
func (l *listener) address() string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.base == nil {
		return ""
	}
	return l.base.Addr().String()
}

// close stops accepting.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.base != nil {
		l.base.Close()
	}
	for _, p := range l.ports {
		p.ln.Close()
	}
}

// enter counts a connection in; false means that a limit is reached.
func (l *listener) enter(ip netip.Addr) bool {
	limits := l.settings()
	l.connMu.Lock()
	defer l.connMu.Unlock()
	if l.conns >= limits.connections || l.perIP[ip] >= limits.perIP {
		return false
	}
	l.conns++
	l.perIP[ip]++
	return true
}

// leave counts a connection out.
func (l *listener) leave(ip netip.Addr) {
	l.connMu.Lock()
	defer l.connMu.Unlock()
	l.conns--
	if l.perIP[ip]--; l.perIP[ip] <= 0 {
		delete(l.perIP, ip)
	}
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// acceptLoop serves one socket until it is closed. Any other error, such as too
// many open files, passes: it waits longer each time and tries again.
func (l *listener) acceptLoop(ctx context.Context, ln net.Listener, node int32) {
	pause := minAcceptPause
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			l.srv.serve(l, node, conn)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			l.srv.metrics.acceptErrors.Inc()
			l.srv.log.Error().Err(err).Str("listener", l.name).Dur("retry_in", pause).Msg("cannot accept a connection")
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			pause = min(2*pause, maxAcceptPause)
		}
	}
}
