package messages

import "warder/protocol/wire"

// Bounds of what is read of one member's metadata or assignment. What is listed
// beyond them is left out, and Whole is false.
const (
	maxMemberTopics     = 5000
	maxMemberPartitions = 20_000
)

// Partition names a partition of a topic.
type Partition struct {
	Topic     string
	Partition int32
}

// MemberMetadata is what a consumer tells the leader of its group
// (ConsumerProtocolSubscription.json).
type MemberMetadata struct {
	Topics []string
	// Owned are the partitions that it still holds, from version 1 on.
	Owned []Partition
	// Whole is false when a bound was reached.
	Whole bool
}

// ParseMemberMetadata reads the metadata of a JoinGroup protocol. Versions of the
// future are read as far as the fields known here, as a group leader reads them
// (ConsumerProtocol.deserializeSubscription). It reports false when the bytes are
// of another form.
func ParseMemberMetadata(metadata []byte) (m MemberMetadata, ok bool) {
	r := wire.NewReader(metadata)
	version := r.Int16()
	if r.Err() != nil || version < 0 {
		return m, false
	}
	n := max(r.ArrayLen(false), 0)
	m.Whole = n <= maxMemberTopics
	for range n {
		name := r.String()
		if r.Err() != nil {
			return MemberMetadata{}, false
		}
		if len(m.Topics) < maxMemberTopics {
			m.Topics = append(m.Topics, string(name))
		}
	}
	r.NullableBytes() // what the assignor keeps for itself
	if version >= 1 {
		var whole bool
		m.Owned, whole = partitionLists(&r)
		m.Whole = m.Whole && whole
	}
	return m, r.Err() == nil
}

// ParseAssignment reads what a member is given (ConsumerProtocolAssignment.json).
// It reports false when the bytes are of another form; no bytes are an assignment
// of nothing, as members get while a rebalance goes on.
func ParseAssignment(assignment []byte) (list []Partition, whole, ok bool) {
	if len(assignment) == 0 {
		return nil, true, true
	}
	r := wire.NewReader(assignment)
	if version := r.Int16(); version < 0 {
		return nil, false, false
	}
	list, whole = partitionLists(&r)
	if r.Err() != nil {
		return nil, false, false
	}
	return list, whole, true
}

// partitionLists reads an array of topics with arrays of partitions.
func partitionLists(r *wire.Reader) (list []Partition, whole bool) {
	whole = true
	for range max(r.ArrayLen(false), 0) {
		topic := string(r.String())
		for range max(r.ArrayLen(false), 0) {
			p := r.Int32()
			if r.Err() != nil {
				return nil, false
			}
			if len(list) == maxMemberPartitions {
				whole = false
				continue
			}
			list = append(list, Partition{topic, p})
		}
	}
	return list, whole
}
