package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"warder/protocol"
	"warder/proxy/audit"
	"warder/record"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
)

// bootstrapNode is the node of a connection that was accepted on a bootstrap
// listener: which broker answers is not known.
const bootstrapNode int32 = -1

// session is one client connection with its broker connection. It is over when
// both loops have ended for good and both sockets are closed.
type session struct {
	// set at construction
	id       uint64
	srv      *Server
	listener *listener
	node     int32 // the broker that this connection stands for, or bootstrapNode
	opened   time.Time
	remote   netip.AddrPort
	inflight *inflight
	gate     *engine.Gate
	played   *played // its connections, when they are of the past; else nil

	// set at construction, wrapped once by open; both guarded by mu for other goroutines than run
	client net.Conn

	// set by run before the response loop starts
	broker        net.Conn
	brokerAddress string
	in, out       *window // client to broker, broker to client
	up, down      *writer

	// owned by the request loop
	request      request
	authDeadline bool // a read deadline for limits.unauthenticated is set
	clientName   []byte
	hadRefusal   bool // a batch of this session was refused: out of order sequences may follow
	subscribed   subscriptions

	readCommitted bool                // the isolation level of the last Fetch
	sharePolled   time.Time           // when it was last told that a member of a share group fetches
	reading       *state.FetchSession // by which the client read last, see tellAbandoned
	abandoned     time.Time           // when one was told of that it has left for another

	// owned by the response loop
	response answer
	answered int       // exchanges whose answers stand in the window, not yet written
	fetching *fetching // nil until there are Fetch answers to be more than relayed
	uses     uses      // see uses.go

	transactional atomic.Pointer[transactional] // whose transactions the client writes; nil: none, or nobody wants to know

	reads atomic.Pointer[state.FetchSession] // what the client reads outside a fetch session, see reads.go

	loops   atomic.Int32      // that have not ended for good, set once both may begin
	over    func(cause error) // set by run
	release func() bool       // set by run: it lets go of the context

	idle, unfinished sameRequest // see rest.go and lull.go

	auth     authentication // see api_sasl.go
	side     sideRequests   // see lookup_inband.go
	identity atomic.Pointer[rules.Identity]
	requests atomic.Int64
	profile  profile // see profile.go

	fromClient, toBroker lull // reads inside a request, and writes of requests; see lull.go

	recording *record.Tap // set by open; nil while nobody records

	mu       sync.Mutex
	stopping bool      // guarded by mu: asked to end at the next frame boundary
	until    time.Time // guarded by mu: when the patience for that ends
	last     error     // guarded by mu: why no more requests are read
	lost     bool      // guarded by mu: no answer reaches the client any more
	parted   bool      // guarded by mu: the broker was told that nothing more comes
	ended    bool      // guarded by mu
	cause    error     // guarded by mu: the first reason to end

	requestsRest, responsesRest bool // guarded by mu: the loop has no goroutine, see rest.go
}

func newSession(srv *Server, ln *listener, node int32, conn net.Conn, id uint64) *session {
	s := &session{
		id: id, srv: srv, listener: ln, node: node, opened: srv.now(), client: asSocket(conn),
		inflight: newInflight(ln.settings().inFlight),
		gate:     srv.engine.Gate(),
	}
	if addr, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		s.remote = addr.AddrPort()
	}
	s.side.sess = s
	s.identity.Store(&rules.Identity{Remote: s.remote, Listener: ln.name})
	return s
}

// run serves the connection, and calls over with why it ended, always a *CloseError: before it
// returns, or in another goroutine when it has rested since.
func (s *session) run(ctx context.Context, over func(cause error)) {
	s.over = over
	s.release = context.AfterFunc(ctx, func() { s.end(closing(ReasonDrainDeadline, context.Cause(ctx))) })
	if err := s.open(ctx); err != nil {
		s.end(err)
		s.leave()
		return
	}
	s.loops.Store(2)
	go s.serveResponses()
	s.serveRequests()
}

// serveRequests runs the loop from client to broker until it rests or ends.
func (s *session) serveRequests() {
	cause := s.guard(s.readRequests)
	for errors.Is(cause, errRest) {
		if !s.authDeadline && s.rest(&s.requestsRest, s.in.beneath) {
			return
		}
		cause = s.guard(s.readRequests)
	}
	s.awaitAnswers(cause)
	s.loopEnded()
}

// serveResponses runs the loop from broker to client until it rests or ends.
func (s *session) serveResponses() {
	cause := s.guard(s.readResponses)
	for errors.Is(cause, errRest) {
		if s.rest(&s.responsesRest, s.out.beneath) {
			return
		}
		cause = s.guard(s.readResponses)
	}
	s.end(s.withoutClient(cause))
	s.loopEnded()
}

// loopEnded is called by each loop when it has ended for good; the second has the last word.
func (s *session) loopEnded() {
	if s.loops.Add(-1) > 0 {
		return
	}
	s.recorded()
	s.side.close(s.inflight.orphans())
	s.unansweredEnd()
	s.membersGone(s.cause)
	s.usesEnd(s.cause)
	s.lingerClose()
	s.leave()
}

// leave lets go of what the session holds, and tells that it is over.
func (s *session) leave() {
	s.dropReads()
	s.fetching.close()
	s.gate.Close()
	s.release()
	s.over(s.cause)
}

// open brings both connections up: client TLS, the first bytes, then the broker.
// The broker is dialled only when the client has spoken, so that port scans and
// load balancer checks never reach a broker.
func (s *session) open(ctx context.Context) error {
	limit := s.listener.settings().unauthenticated
	if err := s.client.SetReadDeadline(s.srv.now().Add(limit)); err != nil {
		return closing(ReasonClientGone, err)
	}
	s.authDeadline = true
	if err := s.acceptTLS(ctx); err != nil {
		return err
	}
	s.up, s.down = &writer{lull: &s.toBroker}, &writer{conn: s.client}
	s.in = newWindow(s.client, s.srv.now, s.flushUp, s.patience)
	s.in.lull = &s.fromClient
	if err := s.in.wait(); err != nil {
		return s.clientError(err)
	}
	if err := s.sniff(); err != nil {
		return err
	}
	broker, address, err := s.dial(ctx)
	if err != nil {
		s.resetClient()
		return err
	}
	s.mu.Lock()
	s.broker, s.brokerAddress, s.up.conn = broker, address, broker
	ended := s.ended
	s.mu.Unlock()
	if ended { // end closed what it knew of
		broker.Close()
		return s.cause
	}
	s.out = newWindow(broker, s.srv.now, s.flushDown, s.patience)
	s.record()
	s.srv.metrics.dialled.Inc()
	s.srv.log.Debug().Uint64("conn_id", s.id).Str("listener", s.listener.name).Stringer("client_addr", s.remote).
		Str("broker", address).Stringer("broker_side", broker.LocalAddr()).Msg("connection opened")
	return nil
}

func (s *session) dial(ctx context.Context) (net.Conn, string, error) {
	if s.played != nil {
		return s.played.dial()
	}
	if s.node == bootstrapNode {
		return s.srv.dialer.bootstrap(ctx)
	}
	return s.srv.dialer.node(ctx, s.node)
}

// acceptTLS completes the TLS handshake on a TLS listener.
func (s *session) acceptTLS(ctx context.Context) error {
	config := s.listener.tlsConfig()
	if config == nil {
		return nil
	}
	conn := tls.Server(s.client, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		var notTLS tls.RecordHeaderError
		switch {
		case errors.As(err, &notTLS):
			return closingf(ReasonPlaintextOnTLS, "the client speaks plaintext to TLS listener %q (its first bytes are % x): set security.protocol to SSL or SASL_SSL in the client", s.listener.name, notTLS.RecordHeader)
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
			return closing(ReasonClientGone, err)
		}
		return closing(ReasonClientTLS, err)
	}
	s.mu.Lock()
	s.client = conn
	s.mu.Unlock()
	if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
		subject := certs[0].Subject.String()
		s.identify(func(id *rules.Identity) { id.TLSSubject, id.Principal = subject, userPrincipal(subject) })
		s.audit(audit.LoggedIn, audit.Event{Time: s.srv.now(), Mechanism: "TLS"})
	}
	return nil
}

// sniff names a client that speaks TLS to a plaintext listener: without it the
// ClientHello reads as a request of 369 MB and the log would say so.
func (s *session) sniff() error {
	if s.in.buffered() < 3 {
		return nil
	}
	head, err := s.in.peek(3)
	if err != nil {
		return s.clientError(err)
	}
	if protocol.LooksLikeTLS(head) {
		return closingf(ReasonTLSOnPlaintext, "the client speaks TLS to plaintext listener %q: set security.protocol to PLAINTEXT or SASL_PLAINTEXT in the client, or give the listener a certificate", s.listener.name)
	}
	return nil
}

// identify replaces the identity by a copy that f has changed. Values handed out stay as they were.
func (s *session) identify(f func(*rules.Identity)) {
	for {
		old := s.identity.Load()
		id := *old
		f(&id)
		if s.identity.CompareAndSwap(old, &id) {
			return
		}
	}
}

// guard turns a panic of one loop into the end of this session alone.
func (s *session) guard(loop func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.srv.panicked(s, v)
		}
	}()
	return loop()
}

// stop asks the session to end at the next frame boundary of the client and once
// every open request is answered, but no later than until.
func (s *session) stop(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping, s.until = true, until
	s.client.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed socket ends the loop as well
	s.wakeLocked()
}

// patience is what a window asks when a deadline passes inside a frame: a frame
// that has begun when the session is stopped is still served.
func (s *session) patience() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping && time.Now().Before(s.until) {
		return s.until, true
	}
	return time.Time{}, false
}

// authenticated ends the deadline for the first request.
func (s *session) authenticated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authDeadline = false
	if !s.stopping {
		s.client.SetReadDeadline(time.Time{}) //nolint:errcheck // a closed socket ends the loop as well
	}
}

// clientError gives an error of the client's socket its reason.
func (s *session) clientError(err error) error {
	switch {
	case errors.Is(err, errRest):
		return errRest
	case errors.Is(err, errStop), errors.Is(err, os.ErrDeadlineExceeded):
		s.mu.Lock()
		stopping := s.stopping
		s.mu.Unlock()
		if stopping {
			return &CloseError{Reason: ReasonShutdown}
		}
		return closingf(ReasonUnauthenticated, "no request, or no finished authentication, within %v", s.listener.settings().unauthenticated)
	case errors.Is(err, io.EOF):
		return &CloseError{Reason: ReasonClientGone}
	}
	return closing(ReasonClientGone, err)
}
