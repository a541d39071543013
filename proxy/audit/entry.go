package audit

import (
	"time"

	"warder/proxy/tap"
	"warder/rules"
)

// The events of a trail, as the member "event" of its lines.
const (
	Exchanged   = "exchange"              // one request and its answer
	Opened      = "opened"                // a client connected
	Refused     = "refused"               // a client connected, and a limit was reached
	LoggedIn    = "authenticated"         // a client is known by its principal
	LoginFailed = "authentication_failed" // the broker did not accept it
	Closed      = "closed"                // a connection ended
	Reloaded    = "reloaded"              // the configuration was read again
	Begun       = "begun"                 // a run of warder begins its part of the trail
	Ended       = "ended"                 // a run ends it, in order
	Lost        = "lost"                  // lines are missing here, since there was no room for them
	Torn        = "torn"                  // the line before was cut off
)

// Event is something that is no exchange. Members that say nothing are left out.
type Event struct {
	Time time.Time `json:"time"`

	// Of connections: as in tap.Exchange.
	Session    uint64 `json:"session,omitempty"`
	Listener   string `json:"listener,omitempty"`
	Remote     string `json:"remote,omitempty"`
	ClientID   string `json:"client_id,omitempty"`
	Software   string `json:"software,omitempty"`
	Principal  string `json:"principal,omitempty"`
	TLSSubject string `json:"tls_subject,omitempty"`
	NodeID     *int32 `json:"node_id,omitempty"`

	Mechanism string        `json:"mechanism,omitempty"`   // authenticated, authentication_failed: of SASL, or TLS
	Claimed   string        `json:"claimed,omitempty"`     // authentication_failed: the name that the client gave, of which nothing is known
	Outcome   string        `json:"outcome,omitempty"`     // reloaded: ok or refused
	Reason    string        `json:"reason,omitempty"`      // closed, refused: as in warder_connections_closed_total
	Error     string        `json:"error,omitempty"`       // closed, reloaded: in words
	Requests  int64         `json:"requests,omitempty"`    // closed: how many there were
	OpenFor   time.Duration `json:"open_for_ns,omitempty"` // closed

	Changed []string `json:"changed,omitempty"`     // reloaded: names of knobs, not their values
	Version string   `json:"version,omitempty"`     // begun: of warder
	Config  string   `json:"config_hash,omitempty"` // begun, reloaded
	Keyed   bool     `json:"keyed,omitempty"`       // begun: hashes are made with a key

	Lost     uint64     `json:"lost,omitempty"`        // lost: how many lines
	Since    *time.Time `json:"since,omitempty"`       // lost: when the first of them would have been written
	Torn     int64      `json:"torn_bytes,omitempty"`  // torn: how many bytes of the line there are
	TornHash string     `json:"torn_sha256,omitempty"` // torn: of these bytes
}

// Who fills in what is known of a client.
func (e *Event) Who(id *rules.Identity) {
	e.Listener, e.Remote, e.ClientID, e.Software = id.Listener, id.Remote.String(), id.ClientID, id.Software()
	e.Principal, e.TLSSubject = id.Principal, id.TLSSubject
}

// entry is what waits to become a line.
type entry struct {
	kind  string
	x     *tap.Exchange // of an exchange
	oneOf int           // of an exchange
	event *Event        // of all others
}

// line is the entry in the form that is marshalled; its members in this order.
func (e *entry) line(seq uint64, prev string) any {
	if e.x != nil {
		return &struct {
			Seq   uint64 `json:"seq"`
			Event string `json:"event"`
			*tap.Exchange
			OneOf int    `json:"one_of,omitempty"` // of so many exchanges of the API this one was chosen; absent: all are
			Prev  string `json:"prev"`
		}{seq, e.kind, e.x, omitOne(e.oneOf), prev}
	}
	return &struct {
		Seq  uint64 `json:"seq"`
		Kind string `json:"event"`
		*Event
		Prev string `json:"prev"`
	}{seq, e.kind, e.event, prev}
}

func omitOne(n int) int {
	if n == 1 {
		return 0
	}
	return n
}

// size is about what the entry holds in memory.
func (e *entry) size() int {
	const each = 600 // the structs, an address, a client id of usual length
	if e.x == nil {
		return each + len(e.event.ClientID) + len(e.event.Error)
	}
	n := each + len(e.x.ClientID)
	for i := range e.x.Partitions {
		n += 100 + len(e.x.Partitions[i].Topic)
	}
	for i := range e.x.Resources {
		n += 80 + len(e.x.Resources[i].Name)
	}
	return n
}
