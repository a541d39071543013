package compare

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"time"
)

// warder is one that is followed, over all of its starts.
type warder struct {
	name     string
	encrypts bool // its connections to brokers are TLS
	ports    map[int]bool
	log      string

	// of the comparator's goroutine
	seen  int64              // bytes of the log that have been read
	conns map[uint64]*opened // by their numbers, of the start that the log is at

	sessions []*session // all of them; one that has ended holds little
}

// opened is what the log says of a connection.
type opened struct {
	at       time.Time
	client   netip.AddrPort
	broker   string
	verdicts []verdict // that refused something, in order, as far as they have not been met on the wire
}

// verdict refuses a number of entries of a request.
type verdict struct {
	api    string
	denied int
}

func newWarder(name, log string, ports []int, encrypts bool) *warder {
	w := &warder{name: name, encrypts: encrypts, log: log, ports: map[int]bool{}, conns: map[uint64]*opened{}}
	for _, p := range ports {
		w.ports[p] = true
	}
	return w
}

// logLine is what is read of a line.
type logLine struct {
	Time       time.Time      `json:"time"`
	Message    string         `json:"message"`
	Conn       uint64         `json:"conn_id"`
	Client     netip.AddrPort `json:"client_addr"`
	Broker     string         `json:"broker"`
	BrokerSide netip.AddrPort `json:"broker_side"`
	API        string         `json:"api"`
	Denied     int            `json:"denied"`
}

// read takes in what has come to the log, and tells each connection to a broker by warder's own address.
func (w *warder) read(each func(netip.AddrPort, *opened)) {
	file, err := os.Open(w.log)
	if err != nil {
		return // warder has not started yet
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, w.seen, 1<<40))
	if err != nil {
		return
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	w.seen += int64(len(text))
	for line := range bytes.Lines(text) {
		var l logLine
		if json.Unmarshal(line, &l) != nil { // what was printed before the log began
			continue
		}
		w.note(&l, each)
	}
}

func (w *warder) note(l *logLine, each func(netip.AddrPort, *opened)) {
	if l.Message == "connection opened" {
		o := &opened{at: l.Time, client: l.Client, broker: l.Broker}
		w.conns[l.Conn] = o
		each(l.BrokerSide, o)
		return
	}
	o := w.conns[l.Conn]
	if o == nil {
		return
	}
	switch l.Message {
	case "produce denied":
		o.verdicts = append(o.verdicts, verdict{"Produce", l.Denied})
	case "change denied":
		o.verdicts = append(o.verdicts, verdict{l.API, l.Denied})
	case "connection closed":
		delete(w.conns, l.Conn)
	}
}
