package admin

import (
	"context"
	"time"

	"warder/rules/sink"
)

// Source is where the interface gets what it shows. Functions must be safe for concurrent use and return values that
// nobody changes afterwards. A nil function makes its path answer 404 with a sentence. Values of type any are lists or
// objects whose JSON form is stable and documented at their own types.
type Source struct {
	Info  func() Info
	Ready func() []Check
	// Findings keeps what was found and streams what comes; nil answers 404 as well.
	Findings  *sink.Ring
	Clients   func() any                    // list: one object per client connection
	Brokers   func() any                    // list: one object per broker
	Listeners func() any                    // list: one object per listener
	Topics    func() any                    // the list of topics, with what nobody can tell of any
	Topic     func(name string) (any, bool) // the object of one topic; false when it is not known
	// Groups lists the groups with what is missing from the list; Group gives one,
	// false when it is not known, an error when that cannot be said now.
	Groups func() any
	Group  func(name string) (v any, known bool, err error)
	Config func() any                         // effective configuration, secrets removed
	Reload func(context.Context) (any, error) // reads the configuration again; the value says what changed
}

// Info is the state in short, for the page.
type Info struct {
	Version       string
	Cluster       string    // name of the upstream in the configuration
	ClusterID     string    // as the cluster says; empty while unknown
	Started       time.Time // when warder started
	Configuration string    // path of the live configuration; empty when there is no file
	LoadedAt      time.Time // when the live configuration was taken
	Connections   int       // client connections now
	Brokers       int       // brokers known
	Topics        int       // topics known
}

// Status is the outcome of a check, and of all together.
type Status string

// From best to worst. Degraded means that something outside warder is amiss: still ready.
const (
	StatusOK       Status = "ok"
	StatusDegraded Status = "degraded"
	StatusFailed   Status = "failed"
)

// Check is one condition of readiness, such as "listeners", "configuration", "certificates", "draining", "upstream".
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"` // one sentence for people
}

// overall is the worst status of all checks.
func overall(checks []Check) Status {
	worst := StatusOK
	for _, c := range checks {
		switch {
		case c.Status == StatusFailed:
			return StatusFailed
		case c.Status != StatusOK:
			worst = StatusDegraded
		}
	}
	return worst
}
