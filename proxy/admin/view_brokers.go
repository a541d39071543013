package admin

import (
	"maps"
	"net/http"
	"slices"

	"warder/proxy"
)

// brokerRow is a broker, and where clients find it.
type brokerRow struct {
	proxy.BrokerView
	At []brokerAddress // by the name of the listener
}

// brokerAddress is a broker at one listener.
type brokerAddress struct {
	Listener, Address string
	Connections       int
}

func brokerRows(list []proxy.BrokerView) []brokerRow {
	rows := make([]brokerRow, len(list))
	for i, b := range list {
		rows[i].BrokerView = b
		for _, name := range slices.Sorted(maps.Keys(b.Advertised)) {
			rows[i].At = append(rows[i].At, brokerAddress{name, b.Advertised[name], b.Connections[name]})
		}
	}
	return rows
}

// usage is how much of a limit is used.
type usage struct {
	What        string
	Used, Limit int
}

// listenerRow is a listener, and how near to its limits it is.
type listenerRow struct {
	proxy.ListenerView
	Usage []usage
}

func listenerRows(list []proxy.ListenerView) []listenerRow {
	rows := make([]listenerRow, len(list))
	for i, l := range list {
		rows[i] = listenerRow{l, []usage{
			{"connections", l.Used.Connections, l.Limits.Connections},
			{"connections from the address that has most", l.Used.ConnectionsPerIP, l.Limits.ConnectionsPerIP},
			{"open requests of the connection that has most", l.Used.InFlight, l.Limits.InFlight},
		}}
	}
	return rows
}

func (s *Server) brokersPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Brokers == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no brokers here.")
		return
	}
	var listeners []listenerRow
	if s.opts.Source.Listeners != nil {
		listeners = listenerRows(s.opts.Source.Listeners())
	}
	s.show(w, r, "brokers", "Brokers and listeners", struct {
		Rows      []brokerRow
		Listeners []listenerRow
		Checks    []Check
	}{brokerRows(s.opts.Source.Brokers()), listeners, s.checks()})
}
