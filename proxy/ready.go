package proxy

import (
	"fmt"
	"time"
)

// Check is one condition of readiness.
type Check struct {
	Name   string
	Status string // ok, degraded or failed
	Detail string // one sentence
}

// The statuses of a Check. Degraded is not failed: taking warder away would not
// mend what is outside of it.
const (
	checkOK       = "ok"
	checkDegraded = "degraded"
	checkFailed   = "failed"
)

// Ready tells whether clients can be served: listeners bound, not draining,
// certificates valid, a bootstrap broker answering, the audit trail written.
func (s *Server) Ready() []Check {
	checks := []Check{s.checkListeners(), s.checkDraining(), s.checkCertificates(), s.checkUpstream()}
	if s.audit != nil {
		checks = append(checks, s.checkAudit())
	}
	return checks
}

func (s *Server) checkAudit() Check {
	switch err, stops := s.audit.Check(); {
	case err == nil:
		return Check{"audit", checkOK, "the trail is written"}
	case stops:
		return Check{"audit", checkFailed, "requests are turned away, since the trail cannot be written: " + err.Error()}
	default:
		return Check{"audit", checkDegraded, "the trail cannot be written: " + err.Error()}
	}
}

func (s *Server) checkListeners() Check {
	for _, l := range s.listeners {
		if l.address() == "" {
			return Check{"listeners", checkFailed, fmt.Sprintf("listener %s is not bound", l.name)}
		}
	}
	return Check{"listeners", checkOK, fmt.Sprintf("%d bound", len(s.listeners))}
}

func (s *Server) checkDraining() Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return Check{"draining", checkFailed, fmt.Sprintf("ending; %d connections still open", len(s.sessions))}
	}
	return Check{"draining", checkOK, "serving"}
}

// certificateWarning is how long before its end a certificate reads degraded.
const certificateWarning = 7 * 24 * time.Hour

func (s *Server) checkCertificates() Check {
	worst := Check{"certificates", checkOK, "valid"}
	now := s.now()
	for _, c := range s.allCertificates() {
		for _, e := range c.expiries() {
			switch left := e.until.Sub(now); {
			case left <= 0:
				return Check{"certificates", checkFailed, fmt.Sprintf("%s ended on %s", e.file, e.until.Format(time.RFC3339))}
			case left < certificateWarning:
				worst = Check{"certificates", checkDegraded, fmt.Sprintf("%s ends on %s", e.file, e.until.Format(time.RFC3339))}
			}
		}
	}
	return worst
}

func (s *Server) checkUpstream() Check {
	at, err := s.probe.last()
	switch {
	case at.IsZero():
		return Check{"upstream", s.unreachable(), "not tried yet"}
	case err != nil:
		return Check{"upstream", s.unreachable(), err.Error()}
	}
	return Check{"upstream", checkOK, fmt.Sprintf("a bootstrap broker answered at %s", at.UTC().Format(time.RFC3339))}
}

func (s *Server) unreachable() string {
	if s.settings().requireUpstream {
		return checkFailed
	}
	return checkDegraded
}

// ClusterID returns the cluster id, "" while unknown.
func (s *Server) ClusterID() string { return s.topology.cluster() }
