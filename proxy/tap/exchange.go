package tap

import "time"

// MaxPartitions bounds the partitions one Exchange lists; the others are only counted in More.
const MaxPartitions = 16

// Outcomes of an exchange that are not the name of a Kafka error.
const (
	OutcomeOK       = "ok"        // answered without an error, or needing no answer (acks=0)
	OutcomeDenied   = "denied"    // a rule refused it, wholly or in part
	OutcomeLocal    = "local"     // answered by warder itself
	OutcomeClosed   = "closed"    // the connection ended before the answer
	OutcomeNoAnswer = "no-answer" // passed on, and Kafka never answers it (acks=0)
)

// Exchange is one request and its answer. It is published by pointer and read-only from then on.
// Its JSON form is stable: the lines of `warder tap --output json` and of the admin stream.
type Exchange struct {
	Time          time.Time     `json:"time"`                // when the request had been read
	Session       uint64        `json:"session"`             // number of the client connection, from 1 since start
	Listener      string        `json:"listener,omitempty"`  // name of the listener in the configuration
	Remote        string        `json:"remote"`              // client address, host:port
	ClientID      string        `json:"client_id,omitempty"` // as the client sent it: not trusted, may hold any byte
	Software      string        `json:"software,omitempty"`  // client_software_name and version of ApiVersions v3+
	NodeID        int32         `json:"node_id"`             // broker the connection leads to; -1 for a bootstrap connection
	API           string        `json:"api"`                 // Kafka's name of the API, such as Produce
	Key           int16         `json:"key"`                 // API key
	Version       int16         `json:"version"`             // API version
	CorrelationID int32         `json:"correlation_id"`      // as the client sent it
	RequestBytes  int           `json:"request_bytes"`       // with the 4 length bytes
	ResponseBytes int           `json:"response_bytes"`      // with the 4 length bytes; 0 without an answer
	Latency       time.Duration `json:"latency_ns"`          // from reading the request to having its answer; 0 without one
	Acks          *int16        `json:"acks,omitempty"`      // Produce only: -1, 0 or 1
	Partitions    []Partition   `json:"partitions,omitempty"`
	More          int           `json:"more_partitions,omitempty"` // partitions beyond MaxPartitions
	Outcome       string        `json:"outcome"`                   // one of the constants above, or a Kafka error name
}

// Partition is what an exchange did to one partition. Counts are 0 where nobody looked.
type Partition struct {
	Topic     string `json:"topic"`             // the name, or the topic id as Kafka prints it when the name is not known
	Partition int32  `json:"partition"`         // -1 where the exchange concerns the whole topic
	Records   int    `json:"records,omitempty"` // records written or returned
	Bytes     int    `json:"bytes,omitempty"`   // size of the record batches on the wire
	Codec     string `json:"codec,omitempty"`   // compression of the first batch: none, gzip, snappy, lz4 or zstd
	Error     string `json:"error,omitempty"`   // Kafka error name, empty for none
}

// AddPartition appends p, or only counts it beyond [MaxPartitions].
func (x *Exchange) AddPartition(p Partition) {
	if len(x.Partitions) >= MaxPartitions {
		x.More++
		return
	}
	x.Partitions = append(x.Partitions, p)
}
