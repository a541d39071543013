package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a broker as Metadata or DescribeCluster names it.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string // "" when it has none
}

// TopicFacts is what Metadata says of a topic.
type TopicFacts struct {
	Name       string   // "" for a topic asked for by an id that does not exist
	ID         [16]byte // zero below version 10, and for a name that does not exist
	Partitions int
	Internal   bool
	ErrorCode  int16 // 0, or why the rest is not to be trusted
}

// Metadata is what a Metadata response says.
type Metadata struct {
	ErrorCode    int16  // 0 below version 13
	ClusterID    string // "" below version 2
	ControllerID int32  // -1 below version 1; under KRaft any broker
	Brokers      []Broker
	Topics       []TopicFacts
}

// TopicNames returns the names of the topics that exist and may be described.
func (m *Metadata) TopicNames() []string {
	names := make([]string, 0, len(m.Topics))
	for i := range m.Topics {
		if t := &m.Topics[i]; t.ErrorCode == 0 && t.Name != "" {
			names = append(names, t.Name)
		}
	}
	return names
}

// ParseMetadata reads the body of a Metadata response. A *TrailingError is not
// returned: the facts are good all the same.
//
// Errors: *VersionError, *LimitError, *MalformedError.
func ParseMetadata(version int16, body []byte, lim Limits) (Metadata, error) {
	resp, err := read[*kmsg.MetadataResponse](DecodeResponse(keyMetadata, version, body, lim))
	if err != nil {
		return Metadata{}, err
	}
	m := Metadata{ErrorCode: resp.ErrorCode, ClusterID: deref(resp.ClusterID), ControllerID: resp.ControllerID, Topics: MetadataTopics(resp)}
	m.Brokers = make([]Broker, len(resp.Brokers))
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		m.Brokers[i] = Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: deref(b.Rack)}
	}
	return m, nil
}

// MetadataTopics returns the topics of a Metadata response, nil for any other.
func MetadataTopics(resp kmsg.Response) []TopicFacts {
	md, ok := resp.(*kmsg.MetadataResponse)
	if !ok {
		return nil
	}
	topics := make([]TopicFacts, len(md.Topics))
	for i := range md.Topics {
		t := &md.Topics[i]
		topics[i] = TopicFacts{Name: deref(t.Topic), ID: t.TopicID, Partitions: len(t.Partitions), Internal: t.IsInternal, ErrorCode: t.ErrorCode}
	}
	return topics
}

// MetadataAsked is what a Metadata request asks for.
type MetadataAsked struct {
	// All says that every topic of the cluster is asked for.
	All bool
	// Topics that are asked for by name.
	Topics []string
	// AutoCreate allows the broker to create those that do not exist; below
	// version 4 that cannot be forbidden.
	AutoCreate bool
}

// ParseMetadataRequest reads the body of a Metadata request. In version 0 an
// empty list stands for all topics, later null does.
//
// Errors: *VersionError, *LimitError, *MalformedError.
func ParseMetadataRequest(version int16, body []byte, lim Limits) (MetadataAsked, error) {
	rq, err := read[*kmsg.MetadataRequest](DecodeRequest(keyMetadata, version, body, lim))
	if err != nil {
		return MetadataAsked{}, err
	}
	asked := MetadataAsked{
		All:        version == 0 && len(rq.Topics) == 0 || version > 0 && rq.Topics == nil,
		AutoCreate: version < 4 || rq.AllowAutoTopicCreation,
	}
	for i := range rq.Topics {
		if name := deref(rq.Topics[i].Topic); name != "" {
			asked.Topics = append(asked.Topics, name)
		}
	}
	return asked, nil
}

// NewMetadataByID asks for the names of topic ids. It is good at version 12 and
// above: versions 10 and 11 carry the field, but must not be asked so
// (MetadataRequest.json). It creates no topic.
func NewMetadataByID(ids [][16]byte) *kmsg.MetadataRequest {
	rq := kmsg.NewPtrMetadataRequest()
	rq.Topics = make([]kmsg.MetadataRequestTopic, len(ids))
	for i, id := range ids {
		rq.Topics[i] = kmsg.NewMetadataRequestTopic()
		rq.Topics[i].TopicID = id
	}
	return rq
}

// MetadataByIDMinVersion is the first version at which topics may be asked for
// by id.
const MetadataByIDMinVersion = 12

// Cluster is what a DescribeCluster response says.
type Cluster struct {
	ErrorCode    int16
	ClusterID    string
	ControllerID int32
	Controllers  bool // Brokers lists controllers (EndpointType 2, version 1 and above)
	Brokers      []Broker
}

// ParseDescribeCluster reads the body of a DescribeCluster response.
//
// Errors: *VersionError, *LimitError, *MalformedError.
func ParseDescribeCluster(version int16, body []byte, lim Limits) (Cluster, error) {
	resp, err := read[*kmsg.DescribeClusterResponse](DecodeResponse(keyDescribeCluster, version, body, lim))
	if err != nil {
		return Cluster{}, err
	}
	c := Cluster{ErrorCode: resp.ErrorCode, ClusterID: resp.ClusterID, ControllerID: resp.ControllerID, Controllers: resp.EndpointType == endpointTypeControllers}
	c.Brokers = make([]Broker, len(resp.Brokers))
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		c.Brokers[i] = Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: deref(b.Rack)}
	}
	return c, nil
}

// read narrows what DecodeRequest or DecodeResponse gave, and forgives trailing
// bytes, since nothing is encoded from it.
func read[M any, K any](decoded K, err error) (M, error) {
	m, ok := any(decoded).(M)
	if err != nil && !(ok && trailing(err)) {
		var none M
		return none, err
	}
	return m, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
