package record

import (
	"net/netip"
	"time"

	"warder/rules"
)

// Kind says what an Entry tells.
type Kind uint8

// Kinds of entries. Those of one connection come in the order in which they
// happened; Opened is the first of them, also where the traffic that a Source reads
// began before. Closed is the last, where the end was seen.
const (
	// Opened: a connection begins. Remote, Broker, Listener and Node are set, and
	// Identity where somebody knew more of the client than it says itself.
	Opened Kind = iota + 1
	// Request: Data is the next bytes of the client.
	Request
	// Answer: Data is the next bytes to the client.
	Answer
	// Lost: bytes are missing. What is given before and after it are whole frames: a
	// Source fills up a frame that has begun, with zeros where it has nothing else. The
	// requests that are still open have no answer any more, and answers whose
	// requests are missing are left out.
	Lost
	// Identified: Identity has changed, by what the recording leaves out.
	Identified
	// Closed: the connection has ended.
	Closed
	// Learned: Topic is what the cluster said of a topic when warder asked. Conn is 0.
	Learned
	// Found: Finding is what was found live. Conn is 0.
	Found
	// Passed: nothing has happened, but time has passed. Conn is 0. A Source that waits
	// for traffic gives it now and then.
	Passed
)

// Entry is one thing that happened.
type Entry struct {
	At   time.Time
	Kind Kind
	Conn uint64 // number of the connection, from 1; never used again within a source

	Data []byte // Request, Answer: at least one byte, not necessarily whole frames

	Remote   netip.AddrPort  // Opened: the client
	Broker   string          // Opened: host:port of the broker, as whoever watched could tell
	Listener string          // Opened: name of the listener; "" in a capture
	Node     int32           // Opened: the broker that the connection stands for, -1 when that was not known
	Identity *rules.Identity // Opened, Identified

	ByBroker bool // Closed: the broker ended it, or warder did; else the client

	Topic   *rules.Topic   // Learned
	Finding *rules.Finding // Found
}

// Source gives entries in the order of their times. io.EOF ends it. The entry is
// valid until the next call.
type Source interface {
	Next() (*Entry, error)
}
