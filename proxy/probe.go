package proxy

import (
	"context"
	"sync"
	"time"
)

const (
	probeEvery = 15 * time.Second
	probeFirst = time.Second // pause after a failed probe, doubled up to probeEvery
)

// probe tries now and then whether a bootstrap broker answers, so that a wrong
// upstream shows at once and not with the first client. While nothing is known
// of the cluster it also asks for its brokers, so that every broker port is served
// before a client comes back to it.
type probe struct {
	srv *Server

	mu  sync.Mutex
	at  time.Time // guarded by mu: of the last try
	err error     // guarded by mu: nil when it was answered
}

func newProbe(s *Server) *probe { return &probe{srv: s} }

func (p *probe) run(ctx context.Context) {
	pause := probeFirst
	failing := false
	for {
		err := p.try(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !failing {
				p.srv.log.Warn().Err(err).Msg("no bootstrap broker can be reached; trying again until one can")
			}
			failing = true
			pause = min(2*pause, probeEvery)
		} else {
			if failing {
				p.srv.log.Info().Msg("the cluster can be reached again")
			}
			failing, pause = false, probeEvery
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (p *probe) try(ctx context.Context) error {
	conn, _, err := p.srv.dialer.bootstrap(ctx)
	if err == nil {
		conn.Close()
		p.srv.lookups.brokers(ctx)
	}
	up := 0.0
	if err == nil {
		up = 1
	}
	p.srv.metrics.upstreamUp.Set(up)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.err = p.srv.now(), err
	return err
}

// last returns when the upstream was last tried and with what result.
func (p *probe) last() (at time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.err
}
