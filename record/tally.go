package record

import (
	"encoding/binary"
	"time"

	"warder/protocol"
)

// Tally counts what a Source gives. The zero value has counted nothing.
type Tally struct {
	From        time.Time      `json:"from,omitzero"`
	To          time.Time      `json:"to,omitzero"`
	Connections int            `json:"connections"`
	Requests    map[string]int `json:"requests"` // by API
	Bytes       int64          `json:"bytes"`    // of requests and answers
	Gaps        int            `json:"gaps"`     // times that bytes of a connection are missing
	Findings    map[string]int `json:"findings"` // that were told, by rule; repeats of one incident count once

	conns map[uint64]*counting
	seen  map[string]bool
}

// counting is where a connection's requests stand.
type counting struct {
	rest int // of the frame under way
	head []byte
}

// maxIncidents bounds the incidents that are told apart.
const maxIncidents = 100_000

// Add counts an entry.
func (t *Tally) Add(e *Entry) {
	if t.conns == nil {
		t.conns, t.seen = map[uint64]*counting{}, map[string]bool{}
		t.Requests, t.Findings = map[string]int{}, map[string]int{}
		t.From = e.At
	}
	t.To = e.At
	t.Bytes += int64(len(e.Data))
	switch e.Kind {
	case Opened:
		t.Connections++
		t.conns[e.Conn] = &counting{}
	case Request:
		if c := t.conns[e.Conn]; c != nil {
			t.requests(c, e.Data)
		}
	case Lost:
		t.Gaps++
	case Closed:
		delete(t.conns, e.Conn)
	case Found:
		if f := e.Finding; !t.seen[f.Fingerprint] && len(t.seen) < maxIncidents {
			t.seen[f.Fingerprint] = true
			t.Findings[f.Rule]++
		}
	case Answer, Identified, Learned, Passed:
	}
}

// requests counts the requests that begin in p.
func (t *Tally) requests(c *counting, p []byte) {
	const head = protocol.FrameLengthSize + 2 // length and API key
	for len(p) > 0 {
		if c.rest > 0 {
			n := min(c.rest, len(p))
			c.rest -= n
			p = p[n:]
			continue
		}
		n := min(head-len(c.head), len(p))
		c.head = append(c.head, p[:n]...)
		p = p[n:]
		if len(c.head) == head {
			t.Requests[protocol.APIName(int16(binary.BigEndian.Uint16(c.head[protocol.FrameLengthSize:])))]++
			c.rest = max(frameSize(c.head)-head, 0)
			c.head = c.head[:0]
		}
	}
}
