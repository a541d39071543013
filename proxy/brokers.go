package proxy

import (
	"net"
	"strconv"
)

// BrokerView is one broker with the addresses that clients are given for it. Its
// JSON names are stable.
type BrokerView struct {
	BrokerInfo
	Advertised map[string]string `json:"advertised"` // listener name to host:port
	// Connections that came to such an address, by listener name. On a bootstrap
	// address nobody says which broker is meant: those are in none.
	Connections map[string]int `json:"connections"`
}

// Brokers returns the brokers that traffic or a probe has named, by id.
func (s *Server) Brokers() []BrokerView {
	brokers, open := s.topology.all(), s.openByPort()
	list := make([]BrokerView, len(brokers))
	for i, b := range brokers {
		list[i] = BrokerView{BrokerInfo: b, Advertised: make(map[string]string), Connections: make(map[string]int)}
		for _, l := range s.listeners {
			if host, port, ok := l.advertised(b.NodeID); ok {
				list[i].Advertised[l.name] = net.JoinHostPort(host, strconv.Itoa(int(port)))
			}
			list[i].Connections[l.name] = open[servedPort{l.name, b.NodeID}]
		}
	}
	return list
}

// KnownBrokers is the number of brokers that traffic or a probe has named.
func (s *Server) KnownBrokers() int { return s.topology.size() }

// servedPort is a socket of a listener by the broker that it stands for, or
// bootstrapNode.
type servedPort struct {
	listener string
	node     int32
}

// openByPort counts the open connections.
func (s *Server) openByPort() map[servedPort]int {
	open := make(map[servedPort]int)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range s.sessions {
		open[servedPort{sess.listener.name, sess.node}]++
	}
	return open
}
