package proxy

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// ClientInfo is one open connection. Its JSON names are stable.
type ClientInfo struct {
	ConnectionID    uint64    `json:"connection_id"`
	Listener        string    `json:"listener"`
	NodeID          int32     `json:"node_id"` // -1 on the bootstrap address
	Remote          string    `json:"remote"`
	Broker          string    `json:"broker,omitempty"`
	ClientID        string    `json:"client_id,omitempty"`
	Principal       string    `json:"principal,omitempty"`
	SoftwareName    string    `json:"software_name,omitempty"`
	SoftwareVersion string    `json:"software_version,omitempty"`
	TLSSubject      string    `json:"tls_subject,omitempty"`
	Opened          time.Time `json:"opened"`
	Requests        int64     `json:"requests"`
	InFlight        int       `json:"in_flight"`
	Profile
}

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// open returns the sessions of the open connections, oldest first.
func (s *Server) open() []*session {
	s.mu.Lock()
	sessions := slices.Collect(maps.Values(s.sessions))
	s.mu.Unlock()
	slices.SortFunc(sessions, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return sessions
}

// Clients returns the open connections, oldest first.
func (s *Server) Clients() []ClientInfo {
	sessions := s.open()
	list := make([]ClientInfo, len(sessions))
	for i, sess := range sessions {
		list[i] = sess.info()
	}
	return list
}

func (s *session) info() ClientInfo {
	id := s.identity.Load()
	s.mu.Lock()
	broker := s.brokerAddress
	s.mu.Unlock()
	return ClientInfo{
		ConnectionID: s.id, Listener: s.listener.name, NodeID: s.node, Remote: s.remote.String(), Broker: broker,
		ClientID: id.ClientID, Principal: id.Principal, SoftwareName: id.SoftwareName, SoftwareVersion: id.SoftwareVersion,
		TLSSubject: id.TLSSubject, Opened: s.opened, Requests: s.requests.Load(), InFlight: s.inflight.depth(),
		Profile: s.profile.view(),
	}
}
