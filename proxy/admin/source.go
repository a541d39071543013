package admin

import (
	"context"
	"time"

	"warder/proxy"
	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

// Source is where the interface gets what it shows, as JSON and as pages. Functions must be safe for concurrent use and
// return values that nobody changes afterwards; the JSON form is documented at their types. A nil function makes its
// path answer 404 with a sentence, and leaves it out of the page.
type Source struct {
	Info  func() Info
	Ready func() []Check
	// Findings keeps what was found and streams what comes; nil answers 404 as well.
	Findings  *sink.Ring
	Clients   func() []Client // one for each connection
	Brokers   func() []proxy.BrokerView
	Listeners func() []proxy.ListenerView
	Topics    func() state.TopicList
	Topic     func(name string) (state.TopicView, bool) // false when it is not known
	// Groups lists the groups with what is missing from the list; Group gives one,
	// false when it is not known, an error when that cannot be said now.
	Groups func() state.GroupList
	Group  func(name string) (v state.GroupView, known bool, err error)
	Config func() map[string]any              // effective configuration, secrets removed
	Reload func(context.Context) (any, error) // reads the configuration again; the value says what changed
	// Rules lists all rules, and Page gives a page of the documentation, as Markdown, by its path such as
	// rules/tombstone.md.
	Rules func() []Rule
	Page  func(path string) (text string, ok bool)
}

// Client is one connection with what is found about its client. Its JSON names
// are stable, as those of ClientInfo are.
type Client struct {
	proxy.ClientInfo
	// Findings about this client id, and this principal if they name one, that were
	// told within the last hour and are not over: the worst first, then the newest,
	// at most ten.
	Findings []ClientFinding `json:"findings,omitempty"`
}

// ClientFinding is a finding in short; /api/v1/findings has all of it.
type ClientFinding struct {
	ID       string         `json:"id"`
	Rule     string         `json:"rule"`
	Severity rules.Severity `json:"severity"`
	Summary  string         `json:"summary"`
	Advice   string         `json:"advice"`
	Last     time.Time      `json:"last_time"`
}

// Rule is one rule and what is done by it now.
type Rule struct {
	ID, Summary string
	Action      string // in the live configuration
	CanBlock    bool
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
