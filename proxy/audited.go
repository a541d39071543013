package proxy

import (
	"net"
	"net/netip"

	"warder/proxy/audit"
	"warder/rules"
)

// What happens to connections, for the audit trail. Exchanges come to it by
// complete.

// audit tells the trail of something that happened to the session.
func (s *session) audit(kind string, e audit.Event) {
	if s.srv.audit == nil {
		return
	}
	e.Who(s.identity.Load())
	e.Session, e.NodeID = s.id, &s.node
	s.srv.audit.Event(kind, &e)
}

func (s *session) auditClosed(reason CloseReason, cause *CloseError) {
	if s.srv.audit == nil {
		return
	}
	now := s.srv.now()
	e := audit.Event{Time: now, Reason: string(reason), Requests: s.requests.Load(), OpenFor: now.Sub(s.opened)}
	if cause != nil && cause.Err != nil {
		e.Error = cause.Err.Error()
	}
	s.audit(audit.Closed, e)
}

// auditRefused tells the trail of a connection that never became a session.
func (s *Server) auditRefused(l *listener, conn net.Conn) {
	e := audit.Event{Time: s.now(), Reason: string(ReasonConnectionLimit)}
	id := rules.Identity{Listener: l.name}
	id.Remote, _ = netip.ParseAddrPort(conn.RemoteAddr().String())
	e.Who(&id)
	s.audit.Event(audit.Refused, &e)
}
