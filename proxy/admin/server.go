package admin

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"warder/proxy/tap"
)

// Bounds of the interface.
const (
	MaxConnections = 128 // open connections; more wait in the listen queue
	MaxStreams     = 16  // findings streams and taps together; more are answered 503
	MaxFindings    = 1000

	headerTimeout = 5 * time.Second  // to send the request's header
	readTimeout   = 10 * time.Second // to send the whole request
	writeTimeout  = 30 * time.Second // to take an answer; for streams: each piece of it
	idleTimeout   = time.Minute      // between requests
	stopTimeout   = 3 * time.Second  // for requests under way when warder stops
	maxHeader     = 16 << 10         // bytes
	maxBody       = 64 << 10         // bytes; only the form that takes the token reads one
)

// Options say where to listen and what to show.
type Options struct {
	Address   string // host:port
	TokenFile string // file with the bearer token; required when Address is not loopback, honoured wherever it is set
	Gatherer  prometheus.Gatherer
	Source    Source
	Tap       *tap.Hub // nil: no tap
	Pprof     bool     // serve /debug/pprof/
	Log       zerolog.Logger
	Now       func() time.Time // nil for time.Now
}

// Server is a bound admin interface. Make it with [Listen].
type Server struct {
	opts    Options
	ln      net.Listener
	access  access
	streams chan struct{} // one token per stream under way
	now     func() time.Time
}

// Listen binds the address and checks the token file. Nothing is answered before Serve.
// It fails on an address that is not loopback without a readable, non-empty token file.
func Listen(ctx context.Context, o Options) (*Server, error) {
	s := &Server{opts: o, streams: make(chan struct{}, MaxStreams), now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	s.access = access{tokenFile: o.TokenFile, loopback: isLoopback(ln.Addr()), cookie: cookieName(ln.Addr()), now: s.now}
	if err := s.access.check(); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("admin: %s: %w", o.Address, err)
	}
	s.ln = newLimited(ln, MaxConnections)
	return s, nil
}

// Addr is the bound address, with the real port where 0 was asked for.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Close gives up the address without serving. After Serve it is not needed.
func (s *Server) Close() error { return s.ln.Close() }

// Serve answers requests until ctx ends, then ends streams at once, lets other requests finish for a few seconds, and
// returns nil. Any other end is an error.
func (s *Server) Serve(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(s.opts.Log.With().Str("part", "admin").Logger(), "", 0), //nolint:forbidigo // what net/http wants, writing to ours
	}
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(stop) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(s.ln)
	if release() { // ctx has not ended: the listener failed
		_ = srv.Close()
		return fmt.Errorf("admin: %w", err)
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("admin: %w", err)
}

func isLoopback(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
