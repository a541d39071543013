package rules

import "time"

// Finding is what warder tells its operator: a value, safe anywhere, and one
// JSON object that looks the same in the log, a file and the API.
type Finding struct {
	// ID is a ULID and stays the same while an incident grows.
	ID string `json:"id"`
	// Time of what this line reports, in UTC with microseconds.
	Time     time.Time `json:"time"`
	Rule     string    `json:"rule"`
	Severity Severity  `json:"severity"`
	// Action is what was done: block means that the write was refused.
	Action Action `json:"action"`
	// WouldBlock says that `action: block` would have refused the write.
	WouldBlock bool     `json:"would_block"`
	Cluster    string   `json:"cluster"`
	Subject    Subject  `json:"subject"`
	Summary    string   `json:"summary"`
	Evidence   Evidence `json:"evidence"`
	Advice     string   `json:"advice"`
	// Doc is the rule's page.
	Doc string `json:"doc"`
	// Fingerprint is the same for all findings of one incident.
	Fingerprint string `json:"fingerprint"`
	// Count is how often it happened, from FirstTime to LastTime.
	Count     int       `json:"count"`
	FirstTime time.Time `json:"first_time"`
	LastTime  time.Time `json:"last_time"`
	// Resolved says that the incident is over.
	Resolved bool `json:"resolved,omitempty"`
	// News is Report.News, for folding.
	News bool `json:"-"`
}

// Subject is who and what a finding is about. Empty fields do not apply.
type Subject struct {
	Topic string `json:"topic,omitempty"`
	// Partition is nil when the finding concerns no single one.
	Partition       *int32 `json:"partition,omitempty"`
	Group           string `json:"group,omitempty"`
	Member          string `json:"member,omitempty"`
	ClientID        string `json:"client_id,omitempty"`
	Principal       string `json:"principal,omitempty"`
	Remote          string `json:"remote,omitempty"`
	Software        string `json:"software,omitempty"`
	TransactionalID string `json:"transactional_id,omitempty"`
}

// SubjectOf names a client.
func SubjectOf(id *Identity) Subject {
	s := Subject{ClientID: id.ClientID, Principal: id.Principal, Software: id.Software()}
	if id.Remote.IsValid() {
		s.Remote = id.Remote.String()
	}
	return s
}

// Fields is a set of fields of Subject.
type Fields uint16

// The fields that can tell incidents apart, in the order that Fingerprint uses. Remote and Software describe a
// client and do not identify it: ports change with every connection.
const (
	FieldTopic Fields = 1 << iota
	FieldPartition
	FieldGroup
	FieldMember
	FieldClientID
	FieldPrincipal
	FieldTransactionalID
)
