package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyCreateTopics     = 19
	keyDeleteTopics     = 20
	keyCreatePartitions = 37
)

// NewTopic is one topic of a CreateTopics request.
type NewTopic struct {
	Name              string
	Partitions        int   // -1: the broker's default, or as many as are assigned by hand
	ReplicationFactor int16 // -1: the broker's default, or assigned by hand
	Configs           []Config
}

// CreateTopics is a CreateTopics request.
type CreateTopics struct {
	Topics       []NewTopic
	ValidateOnly bool // nothing is created, though the answer looks as if
}

// ParseCreateTopicsRequest reads the body of a CreateTopics request.
//
// Errors of all Parse functions of this file: *VersionError, *LimitError,
// *MalformedError.
func ParseCreateTopicsRequest(version int16, body []byte, lim Limits) (CreateTopics, error) {
	rq, err := read[*kmsg.CreateTopicsRequest](DecodeRequest(keyCreateTopics, version, body, lim))
	if err != nil {
		return CreateTopics{}, err
	}
	out := CreateTopics{ValidateOnly: rq.ValidateOnly, Topics: make([]NewTopic, len(rq.Topics))}
	for i := range rq.Topics {
		t := &rq.Topics[i]
		n := NewTopic{Name: t.Topic, Partitions: int(t.NumPartitions), ReplicationFactor: t.ReplicationFactor}
		if len(t.ReplicaAssignment) > 0 {
			n.Partitions = len(t.ReplicaAssignment)
		}
		for j := range t.Configs {
			n.Configs = append(n.Configs, newConfig(t.Configs[j].Name, t.Configs[j].Value))
		}
		out.Topics[i] = n
	}
	return out, nil
}

// CreatedTopic is one topic of a CreateTopics response.
type CreatedTopic struct {
	Name      string
	ID        [16]byte // zero below version 7
	ErrorCode int16    // 0: it was created (or would be, with ValidateOnly)
	// Described says that the fields below hold what the topic got, defaults
	// included: version 5 and above, if the client may describe it.
	Described         bool
	Partitions        int   // -1 when not described
	ReplicationFactor int16 // -1 when not described
	Configs           []Config
}

// ParseCreateTopicsResponse reads the body of a CreateTopics response.
func ParseCreateTopicsResponse(version int16, body []byte, lim Limits) ([]CreatedTopic, error) {
	resp, err := read[*kmsg.CreateTopicsResponse](DecodeResponse(keyCreateTopics, version, body, lim))
	if err != nil {
		return nil, err
	}
	out := make([]CreatedTopic, len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		c := CreatedTopic{Name: t.Topic, ID: t.TopicID, ErrorCode: t.ErrorCode, Partitions: -1, ReplicationFactor: -1}
		// KIP-525: a client who may not describe gets TopicConfigErrorCode and null.
		if version >= 5 && t.ErrorCode == 0 && t.ConfigErrorCode == 0 && t.Configs != nil {
			c.Described = true
			c.Partitions, c.ReplicationFactor = int(t.NumPartitions), t.ReplicationFactor
			for j := range t.Configs {
				e := &t.Configs[j]
				k := newConfig(e.Name, e.Value)
				k.Source, k.Sensitive = ConfigSource(e.Source), e.IsSensitive
				c.Configs = append(c.Configs, k)
			}
		}
		out[i] = c
	}
	return out, nil
}

// TopicRef names a topic by name or, when that is empty, by id.
type TopicRef struct {
	Name string
	ID   [16]byte
}

// ParseDeleteTopicsRequest reads the body of a DeleteTopics request: names, or
// from version 6 on names or ids.
func ParseDeleteTopicsRequest(version int16, body []byte, lim Limits) ([]TopicRef, error) {
	rq, err := read[*kmsg.DeleteTopicsRequest](DecodeRequest(keyDeleteTopics, version, body, lim))
	if err != nil {
		return nil, err
	}
	refs := make([]TopicRef, 0, len(rq.TopicNames)+len(rq.Topics))
	for _, name := range rq.TopicNames {
		refs = append(refs, TopicRef{Name: name})
	}
	for i := range rq.Topics {
		refs = append(refs, TopicRef{Name: deref(rq.Topics[i].Topic), ID: rq.Topics[i].TopicID})
	}
	return refs, nil
}

// DeletedTopic is one topic of a DeleteTopics response.
type DeletedTopic struct {
	TopicRef        // version 6 and above fill in both unless the client may not know the name
	ErrorCode int16 // 0: it is marked for deletion
}

// ParseDeleteTopicsResponse reads the body of a DeleteTopics response.
func ParseDeleteTopicsResponse(version int16, body []byte, lim Limits) ([]DeletedTopic, error) {
	resp, err := read[*kmsg.DeleteTopicsResponse](DecodeResponse(keyDeleteTopics, version, body, lim))
	if err != nil {
		return nil, err
	}
	out := make([]DeletedTopic, len(resp.Topics))
	for i := range resp.Topics {
		t := &resp.Topics[i]
		out[i] = DeletedTopic{TopicRef: TopicRef{Name: deref(t.Topic), ID: t.TopicID}, ErrorCode: t.ErrorCode}
	}
	return out, nil
}

// TopicPartitions is one topic of a CreatePartitions request.
type TopicPartitions struct {
	Name       string
	Partitions int // in all, not in addition
}

// CreatePartitions is a CreatePartitions request.
type CreatePartitions struct {
	Topics       []TopicPartitions
	ValidateOnly bool
}

// ParseCreatePartitionsRequest reads the body of a CreatePartitions request.
func ParseCreatePartitionsRequest(version int16, body []byte, lim Limits) (CreatePartitions, error) {
	rq, err := read[*kmsg.CreatePartitionsRequest](DecodeRequest(keyCreatePartitions, version, body, lim))
	if err != nil {
		return CreatePartitions{}, err
	}
	out := CreatePartitions{ValidateOnly: rq.ValidateOnly, Topics: make([]TopicPartitions, len(rq.Topics))}
	for i := range rq.Topics {
		out.Topics[i] = TopicPartitions{Name: rq.Topics[i].Topic, Partitions: int(rq.Topics[i].Count)}
	}
	return out, nil
}

// TopicResult is the outcome for one topic.
type TopicResult struct {
	Name      string
	ErrorCode int16
}

// ParseCreatePartitionsResponse reads the body of a CreatePartitions response.
func ParseCreatePartitionsResponse(version int16, body []byte, lim Limits) ([]TopicResult, error) {
	resp, err := read[*kmsg.CreatePartitionsResponse](DecodeResponse(keyCreatePartitions, version, body, lim))
	if err != nil {
		return nil, err
	}
	out := make([]TopicResult, len(resp.Topics))
	for i := range resp.Topics {
		out[i] = TopicResult{Name: resp.Topics[i].Topic, ErrorCode: resp.Topics[i].ErrorCode}
	}
	return out, nil
}
