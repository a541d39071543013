package configs

import "time"

// Upstream is the Kafka cluster behind warder.
type Upstream struct {
	// Name of the cluster in findings and metrics.
	Name string `yaml:"name"`
	// Brokers to begin with, as host:port; any live one serves. Required.
	Bootstrap []Address `yaml:"bootstrap"`
	// Speak TLS to the brokers. `{}` trusts the system's authorities; leave it out for plaintext.
	// The files are read again when their content changes.
	TLS *ClientTLS `yaml:"tls"`
	// What warder asks the brokers by itself, and as whom: topic configuration and ids, and the groups
	// that do not come through it. Without it questions about topics ride on the connections of clients, and nobody asks for groups.
	Lookup *Lookup `yaml:"lookup"`
	// Where schema ids get their names. Without it findings tell ids alone.
	SchemaRegistry *SchemaRegistry `yaml:"schema_registry"`
	// Longest wait for one broker to accept a connection. 100ms-2m.
	DialTimeout time.Duration `yaml:"dial_timeout" min:"100ms" max:"2m"`
}

// SetDefaults fills every knob that has a default.
func (u *Upstream) SetDefaults() {
	u.Name = "default"
	u.DialTimeout = 10 * time.Second
}

// ClientTLS is warder as a TLS client. Below `upstream` its files are read again when
// their content changes; sinks, the audit trail and the schema registry read them at
// the start. Another path waits for a restart.
type ClientTLS struct {
	// PEM file of the authorities that sign the servers' certificates; empty trusts the system's.
	CA Path `yaml:"ca"`
	// PEM file of warder's own certificate, for servers that ask for one; needs `key`.
	Cert Path `yaml:"cert"`
	// PEM file of the private key of `cert`.
	Key Path `yaml:"key"`
	// Name to expect in every server's certificate, when it is not the name dialled.
	ServerName string `yaml:"server_name"`
}

// Lookup is warder's own connection to the brokers, and who it is there.
type Lookup struct {
	// SASL user name; leave it out where the brokers want no credentials.
	Username string `yaml:"username"`
	// File holding the password; surrounding space is cut. Needed with `username`.
	PasswordFile Path `yaml:"password_file"`
	// SASL mechanism.
	Mechanism string `yaml:"mechanism" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"`
	// Groups whose offsets, lag and state warder asks for.
	Groups GroupLookup `yaml:"groups"`
}

// SetDefaults fills every knob that has a default.
func (l *Lookup) SetDefaults() {
	l.Mechanism = "SCRAM-SHA-512"
	l.Groups = GroupLookup{Patterns: []Pattern{"*"}, Every: 30 * time.Second}
}

// LogsIn says whether there are credentials. It may be called on nil.
func (l *Lookup) LogsIn() bool { return l != nil && l.Username != "" }

// Login is what of it logs in.
func (l *Lookup) Login() Login { return Login{l.Username, l.PasswordFile, l.Mechanism} }

// GroupLookup is which groups warder asks the brokers for, and how often.
type GroupLookup struct {
	// Names of groups; those whose members all come through warder are asked for less often. At most 2000 groups and
	// 100000 partitions in a round.
	Patterns []Pattern `yaml:"patterns"`
	// Time between rounds, 10s-1h; 0s asks for none. After errors it is longer.
	Every time.Duration `yaml:"every" min:"0s" max:"1h"`
}

// Login is an identity at brokers.
type Login struct {
	// SASL user name.
	Username string `yaml:"username"`
	// File holding the password; surrounding space is cut. It is read for every login.
	PasswordFile Path `yaml:"password_file"`
	// SASL mechanism.
	Mechanism string `yaml:"mechanism" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"`
}

// SetDefaults fills every knob that has a default.
func (l *Login) SetDefaults() { l.Mechanism = "SCRAM-SHA-512" }

// SchemaRegistry is a registry that speaks Confluent's REST API.
type SchemaRegistry struct {
	// http or https URL, with a path if the API has one, as in
	// `https://schemas.internal/apis/ccompat/v7`. Required.
	URL string `yaml:"url" secret:"url"`
	// User name, for registries that ask for one; needs `password_file`.
	Username string `yaml:"username"`
	// File holding the password; surrounding space is cut. It is read for every question.
	PasswordFile Path `yaml:"password_file"`
	// For https, where the system's authorities do not do, or the registry wants a certificate. The files are
	// read at the start.
	TLS *ClientTLS `yaml:"tls"`
}
