package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/protocol/messages"
	"warder/proxy/audit"
	"warder/proxy/tap"
	"warder/record"
	"warder/rules/engine"
	"warder/rules/state"
)

// Options is what a Server is made of. All fields are required but Logs, Groups,
// Audit and Recorder.
type Options struct {
	Config  *configs.Config
	Engine  *engine.Engine
	Topics  *state.Topics // shared with the engine
	Logs    *state.Logs   // shared with the models of the engine; nil if there are none
	Groups  *state.Groups // the model of the engine that is to survive a restart; nil if none is
	Metrics *Metrics
	Tap     *tap.Hub
	Audit   *audit.Trail // nil: none
	Log     zerolog.Logger
	// Recorder records every connection; nil records none. Whoever made it closes it
	// when Run has returned.
	Recorder *record.Recorder
}

// Server is the proxy: listeners towards clients, connections towards brokers.
// Its methods are safe for concurrent use.
type Server struct {
	// set at construction
	engine       *engine.Engine
	topics       *state.Topics
	members      *state.Members
	streams      *state.Topologies
	transactions *state.Transactions
	logs         *state.Logs
	groups       *state.Groups
	metrics      *Metrics
	tap          *tap.Hub
	recorder     *record.Recorder
	audit        *audit.Trail
	log          zerolog.Logger
	noise        zerolog.Logger // for what a hostile or broken peer can repeat at will: a bounded rate
	now          func() time.Time
	passive      bool // what passes has happened already, see Player: nothing is refused, rewritten or asked for
	listeners    []*listener
	topology     *topology
	dialer       *dialer
	upstream     *certificates
	lookups      *lookups
	versions     versionMemory
	stateFile    *stateFile
	groupFile    *groupFile
	probe        *probe
	sleepers     *sleepers // set by Listen; nil: no session rests

	live    atomic.Pointer[liveSettings] // replaced by a reload
	nextID  atomic.Uint64
	dirty   chan struct{} // capacity 1: something that the state file remembers has changed
	running sync.WaitGroup

	mu       sync.Mutex
	sessions map[uint64]*session // guarded by mu; bounded by limits.connections of each listener
	draining bool                // guarded by mu
	hard     context.Context     //nolint:containedctx // the life of every session; ends at the drain deadline
	cut      context.CancelCauseFunc
}

// liveSettings are the knobs that a reload changes without a restart.
type liveSettings struct {
	passUnknownAPIs bool
	refuse          bool // inspect.on_undecodable: refuse
	maxMessage      int
	drain           time.Duration
	requireUpstream bool
}

// New builds a server from o. Certificates and the state file are read; nothing is bound or dialled yet.
func New(o Options) (*Server, error) { return newServer(o, time.Now, false) }

func newServer(o Options, now func() time.Time, passive bool) (*Server, error) {
	s := &Server{
		engine: o.Engine, topics: o.Topics, members: state.NewMembers(0), streams: state.NewTopologies(0), transactions: state.NewTransactions(0), logs: o.Logs, groups: o.Groups, metrics: o.Metrics, tap: o.Tap, audit: o.Audit, recorder: o.Recorder, log: o.Log, now: now, passive: passive,
		noise:    o.Log.Sample(&zerolog.BurstSampler{Burst: 20, Period: time.Second}),
		dirty:    make(chan struct{}, 1),
		sessions: make(map[uint64]*session),
	}
	if s.logs == nil {
		s.logs = state.NewLogs(0)
	}
	s.engine.AddStore("logs", s.logs)
	s.engine.AddStore("members", s.members)
	s.engine.AddStore("topologies", s.streams)
	s.engine.AddStore("transactions", s.transactions)
	s.metrics.Observe(s.engine, o.Config.Metrics.MaxSeries)
	s.topology = newTopology(s.changed)
	s.hard, s.cut = context.WithCancelCause(context.Background())
	var err error
	if s.upstream, err = clientCertificates(o.Config.Upstream.TLS); err != nil {
		return nil, fmt.Errorf("upstream.tls: %w", err)
	}
	seeds := make([]string, len(o.Config.Upstream.Bootstrap))
	for i, a := range o.Config.Upstream.Bootstrap {
		seeds[i] = string(a)
	}
	timeout := o.Config.Upstream.DialTimeout
	s.dialer = &dialer{
		seeds: func() []string { return seeds }, timeout: func() time.Duration { return timeout },
		tls: s.upstream.config, topology: s.topology,
	}
	for _, cfg := range o.Config.Listeners {
		l, err := newListener(s, cfg)
		if err != nil {
			return nil, err
		}
		s.listeners = append(s.listeners, l)
	}
	s.adopt(o.Config)
	if s.lookups, err = newLookups(s, o.Config.Upstream.Lookup); err != nil {
		return nil, err
	}
	s.probe = newProbe(s)
	s.stateFile = &stateFile{path: string(o.Config.StateFile)}
	if err := s.restore(); err != nil {
		s.log.Warn().Err(err).Msg("the state file cannot be used: starting without what it remembered")
	}
	s.groupFile = newGroupFile(o.Config)
	if err := s.restoreGroups(); err != nil {
		s.log.Warn().Err(err).Str("file", s.groupFile.path).
			Msg("the state file of groups cannot be used: starting without what was known of offsets that groups had committed")
	}
	return s, nil
}

func (s *Server) adopt(c *configs.Config) {
	s.live.Store(&liveSettings{
		passUnknownAPIs: c.PassUnknownAPIs,
		refuse:          c.Inspect.OnUndecodable == "refuse",
		maxMessage:      int(c.Inspect.MaxMessage),
		drain:           c.Drain.Deadline,
		requireUpstream: c.ReadyRequiresUpstream,
	})
}

func (s *Server) settings() *liveSettings { return s.live.Load() }

func (s *Server) decodeLimits() messages.Limits {
	return messages.Limits{} // the package's defaults; requests are held to max_message before
}

func (s *Server) drainDeadline() time.Duration { return s.settings().drain }

// Reload takes over what c changes in live settings and reads certificates
// again. Connections stay open. The rules are the engine's, see engine.Configure.
func (s *Server) Reload(c *configs.Config) error {
	if err := s.ReloadCertificates(); err != nil {
		return err
	}
	s.adopt(c)
	byName := make(map[string]configs.Limits)
	for _, l := range c.Listeners {
		byName[l.Name] = l.Limits
	}
	for _, l := range s.listeners {
		if limits, ok := byName[l.name]; ok {
			l.limit(limits)
		}
	}
	return nil
}

// ReloadCertificates reads every certificate file again; on an error all keep what they had.
func (s *Server) ReloadCertificates() error {
	var errs []error
	for _, c := range s.allCertificates() {
		errs = append(errs, c.reload())
	}
	s.metrics.certificates(s.allCertificates())
	return errors.Join(errs...)
}

func (s *Server) allCertificates() []*certificates {
	all := []*certificates{s.upstream}
	for _, l := range s.listeners {
		all = append(all, l.certs)
	}
	return all
}

// Listen binds the bootstrap sockets, and those of the brokers that the state file knows.
func (s *Server) Listen() error {
	var err error
	if s.sleepers, err = newSleepers(); err != nil {
		return err
	}
	for _, l := range s.listeners {
		if err := l.open(); err != nil {
			for _, l := range s.listeners {
				l.close()
			}
			return err
		}
		s.log.Info().Str("listener", l.name).Str("address", l.address()).Str("advertise", l.cfg.Advertise).
			Stringer("ports", portRange{*l.cfg.Ports}).Bool("tls", l.certs != nil).Msg("listening")
	}
	s.metrics.certificates(s.allCertificates())
	return nil
}

// Addresses returns where each listener's bootstrap socket is bound, in the order of the configuration.
func (s *Server) Addresses() []string {
	list := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		list[i] = l.address()
	}
	return list
}

// Run serves until ctx ends, then drains: it stops accepting, lets every session
// answer what is open, and cuts what is left at the drain deadline. Listen must
// have been called.
func (s *Server) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	for _, task := range []func(context.Context){s.probe.run, s.lookups.run, s.lookups.readers.run, s.lookups.groups.run, s.tellTopics, s.saveState, s.lookForLulls, s.sleepers.run} {
		tasks.Go(func() { task(background) })
	}
	<-ctx.Done()
	s.drain()
	stop()
	tasks.Wait()
	s.lookups.close()
	s.cannotWrite(s.groupFile.path, s.saveGroups())
	return s.save()
}

// drain ends every session at its next frame boundary, or at the deadline.
func (s *Server) drain() {
	for _, l := range s.listeners {
		l.close()
	}
	until := s.now().Add(s.drainDeadline())
	s.mu.Lock()
	s.draining = true
	open := len(s.sessions)
	for _, session := range s.sessions {
		session.stop(until)
	}
	s.mu.Unlock()
	s.log.Info().Int("connections", open).Dur("deadline", s.drainDeadline()).Msg("draining")
	deadline := time.AfterFunc(s.drainDeadline(), func() { s.cut(errDrainDeadline) })
	defer deadline.Stop()
	s.running.Wait()
	s.cut(errDrainDeadline)
}

var errDrainDeadline = errors.New("the drain deadline has passed")

// accept serves socket ln in a goroutine that Run's drain waits for.
func (s *Server) accept(l *listener, ln net.Listener, node int32) {
	s.running.Go(func() { l.acceptLoop(s.hard, ln, node) })
}

// serve takes over conn: it closes it at once when a limit is reached, else runs its session.
func (s *Server) serve(l *listener, node int32, conn net.Conn) {
	var ip netip.Addr
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ip = tcp.AddrPort().Addr().Unmap()
	}
	if !l.enter(ip) {
		conn.Close()
		s.metrics.closed(ReasonConnectionLimit)
		s.noise.Warn().Str("listener", l.name).Str("client_addr", conn.RemoteAddr().String()).
			Str("reason", string(ReasonConnectionLimit)).Msg("connection refused")
		s.auditRefused(l, conn)
		return
	}
	sess := newSession(s, l, node, conn, s.nextID.Add(1))
	s.mu.Lock()
	s.sessions[sess.id] = sess
	draining := s.draining
	s.mu.Unlock()
	if draining {
		sess.stop(s.now())
	}
	s.metrics.opened(l.name, node)
	sess.audit(audit.Opened, audit.Event{Time: sess.opened})
	s.running.Add(1)
	go sess.run(s.hard, func(cause error) {
		defer s.running.Done()
		s.mu.Lock()
		delete(s.sessions, sess.id)
		s.mu.Unlock()
		l.leave(ip)
		s.farewell(sess, cause)
	})
}

// farewell logs the end of a session: quietly when all is well, else with its reason.
func (s *Server) farewell(sess *session, cause error) {
	reason := ReasonInternal
	var ce *CloseError
	if errors.As(cause, &ce) {
		reason = ce.Reason
	}
	s.metrics.left(sess.listener.name, sess.node, reason)
	sess.auditClosed(reason, ce)
	event := s.noise.Warn()
	switch {
	case reason == ReasonClientGone, reason == ReasonShutdown, reason == ReasonBrokerGone && ce.Err == nil:
		event = s.log.Debug()
	case reason == ReasonInternal:
		event = s.log.Error()
	}
	id := sess.identity.Load()
	event = event.Str("reason", string(reason)).Uint64("conn_id", sess.id).Str("listener", sess.listener.name).
		Stringer("client_addr", sess.remote).Str("client_id", id.ClientID).Str("principal", id.Principal).
		Str("broker", sess.brokerAddress).Int64("requests", sess.requests.Load()).Dur("open_for", s.now().Sub(sess.opened))
	if ce != nil && ce.Err != nil {
		event = event.AnErr("error", ce.Err)
	}
	event.Msg("connection closed")
}

// panicked reports a defect in one of a session's loops; the other sessions go on.
func (s *Server) panicked(sess *session, v any) error {
	s.metrics.panics.Inc()
	s.log.Error().Interface("panic", v).Uint64("conn_id", sess.id).Bytes("stack", debug.Stack()).
		Msg("defect in warder: this connection is closed, please report it")
	return closingf(ReasonInternal, "panic: %v", v)
}

// changed asks for the state file to be written.
func (s *Server) changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// portRange prints a port pool for the log.
type portRange struct{ configs.PortRange }

func (p portRange) String() string {
	text, _ := p.MarshalText()
	return string(text)
}
