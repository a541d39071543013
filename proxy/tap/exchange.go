package tap

import (
	"slices"
	"strings"
	"time"
)

// Bounds of one Exchange, which with them takes at most some 100 KB and in most cases less than one.
const (
	// MaxPartitions bounds the partitions it lists; the others are only counted in More.
	MaxPartitions = 100
	// MaxResources bounds the resources it lists; the others are only counted in MoreResources.
	MaxResources = 100
	// MaxConfigs bounds the settings that it names, of all topics and resources together.
	MaxConfigs = 100
	// MaxName is where names are cut, in bytes. Those of topics have at most 249; a group may be called anything.
	MaxName = 300
)

// Outcomes of an exchange that are not the name of a Kafka error.
const (
	OutcomeOK       = "ok"        // answered without an error, or needing no answer (acks=0)
	OutcomeDenied   = "denied"    // a rule refused it, wholly or in part
	OutcomeLocal    = "local"     // answered by warder itself
	OutcomeClosed   = "closed"    // the connection ended before the answer
	OutcomeNoAnswer = "no-answer" // passed on, and Kafka never answers it (acks=0)
	OutcomeUnread   = "unread"    // answered, and the answer was not looked into: too large (inspect.max_message), or not understood
)

// Exchange is one request and its answer. It is published by pointer and read-only from then on.
// Its JSON form is stable: the lines of `warder tap --output json` and of the admin stream.
type Exchange struct {
	Time          time.Time     `json:"time"`                     // when the request had been read
	Session       uint64        `json:"session"`                  // number of the client connection, from 1 since start
	Listener      string        `json:"listener,omitempty"`       // name of the listener in the configuration
	Remote        string        `json:"remote"`                   // client address, host:port
	ClientID      string        `json:"client_id,omitempty"`      // as the client sent it: not trusted, may hold any byte
	Software      string        `json:"software,omitempty"`       // client_software_name and version of ApiVersions v3+
	Principal     string        `json:"principal,omitempty"`      // type and name, as in User:alice; empty when nobody authenticated, or the mechanism hides it
	TLSSubject    string        `json:"tls_subject,omitempty"`    // of the client's certificate
	NodeID        int32         `json:"node_id"`                  // broker the connection leads to; -1 for a bootstrap connection
	API           string        `json:"api"`                      // Kafka's name of the API, such as Produce
	Key           int16         `json:"key"`                      // API key
	Version       int16         `json:"version"`                  // API version
	CorrelationID int32         `json:"correlation_id"`           // as the client sent it
	RequestBytes  int           `json:"request_bytes"`            // with the 4 length bytes
	ResponseBytes int           `json:"response_bytes"`           // with the 4 length bytes; 0 without an answer
	RequestUnread bool          `json:"request_unread,omitempty"` // what it names is not known: too large (inspect.max_message), or not understood
	Latency       time.Duration `json:"latency_ns"`               // from reading the request to having its answer; 0 without one
	Acks          *int16        `json:"acks,omitempty"`           // Produce only: -1, 0 or 1
	Partitions    []Partition   `json:"partitions,omitempty"`
	More          int           `json:"more_partitions,omitempty"` // partitions beyond MaxPartitions
	Resources     []Resource    `json:"resources,omitempty"`       // what the request names besides topics, and the group that a Fetch is for
	MoreResources int           `json:"more_resources,omitempty"`  // resources beyond MaxResources
	Rules         []string      `json:"rules,omitempty"`           // that refused it, where the outcome is denied
	Outcome       string        `json:"outcome"`                   // one of the constants above, or the name of the first Kafka error in the answer

	configs int // settings named so far
}

// Partition is what an exchange did to one partition. Counts are 0 where nobody looked.
type Partition struct {
	Topic     string   `json:"topic"`             // the name, or the topic id as Kafka prints it when the name is not known
	Partition int32    `json:"partition"`         // -1 where the exchange concerns the whole topic
	Records   int      `json:"records,omitempty"` // records written or returned
	Bytes     int      `json:"bytes,omitempty"`   // size of the record batches on the wire
	Codec     string   `json:"codec,omitempty"`   // compression of the first batch: none, gzip, snappy, lz4 or zstd
	Configs   []string `json:"configs,omitempty"` // names of the settings that it asks for or sets, never their values
	Error     string   `json:"error,omitempty"`   // Kafka error name, empty for none
}

// TypeGroup is the Type of a Resource that is a group of consumers, of whatever kind.
const TypeGroup = "group"

// Resource is something other than a topic that a request names.
type Resource struct {
	Type    string   `json:"type"`              // as Kafka calls it, in lower case: group, transactional_id, broker, user, acl
	Name    string   `json:"name"`              // an ACL is written out in one line
	Configs []string `json:"configs,omitempty"` // as in Partition; of a quota its keys
	Error   string   `json:"error,omitempty"`   // Kafka error name, empty for none
}

// AddPartition appends p, or only counts it beyond [MaxPartitions].
func (x *Exchange) AddPartition(p Partition) {
	if len(x.Partitions) >= MaxPartitions {
		x.More++
		return
	}
	p.Topic, p.Configs = cut(p.Topic), x.bounded(p.Configs)
	x.Partitions = append(x.Partitions, p)
}

// AddResource appends r unless it is listed already, or only counts it beyond [MaxResources]. A name that is empty
// names nothing.
func (x *Exchange) AddResource(r Resource) {
	r.Name = cut(r.Name)
	switch {
	case r.Name == "" || slices.ContainsFunc(x.Resources, func(one Resource) bool { return one.Type == r.Type && one.Name == r.Name }):
	case len(x.Resources) >= MaxResources:
		x.MoreResources++
	default:
		r.Configs = x.bounded(r.Configs)
		x.Resources = append(x.Resources, r)
	}
}

// Groups yields the names of the groups among the resources.
func (x *Exchange) Groups(yield func(string) bool) {
	for i := range x.Resources {
		if x.Resources[i].Type == TypeGroup && !yield(x.Resources[i].Name) {
			return
		}
	}
}

// Failed notes an error of what has the given name: of a topic, of one of its partitions if partition is not
// negative, or of a resource. The first error of an exchange is its outcome.
func (x *Exchange) Failed(name string, partition int32, kafkaError string) {
	if x.Outcome == "" {
		x.Outcome = kafkaError
	}
	name = cut(name)
	for i := range x.Partitions {
		if p := &x.Partitions[i]; p.Topic == name && (p.Partition == partition || p.Partition < 0 || partition < 0) && p.Error == "" {
			p.Error = kafkaError
		}
	}
	for i := range x.Resources {
		if r := &x.Resources[i]; r.Name == name && r.Error == "" {
			r.Error = kafkaError
		}
	}
}

// bounded is what an exchange may still list of names of settings.
func (x *Exchange) bounded(configs []string) []string {
	configs = configs[:min(len(configs), MaxConfigs-x.configs)]
	x.configs += len(configs)
	for i := range configs {
		configs[i] = cut(configs[i])
	}
	return configs
}

// cut shortens a name to MaxName bytes; what is beyond stands as an ellipsis.
func cut(name string) string {
	if len(name) <= MaxName {
		return name
	}
	return strings.ToValidUTF8(name[:MaxName-len("…")], "") + "…"
}
