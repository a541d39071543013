package rules

import "time"

// ChangeRule judges what an administrative request is about to change, before
// the broker sees it. It is called once for each Change of the request. Deny with
// WholeBatch says that the change should not be made: a rule on `block` refuses
// the whole request, which a broker would carry out entry by entry, with
// POLICY_VIOLATION whatever `error_code` says.
type ChangeRule interface {
	Change(c *Case, ch *Change)
}

// ChangeKind says what a Change does to its topic or group.
type ChangeKind uint8

// The kinds of changes. They name what is asked for; that it has happened is an
// Event.
const (
	// AlterTopic changes its configuration (AlterConfigs, IncrementalAlterConfigs).
	AlterTopic ChangeKind = iota
	// CreateTopic makes it (CreateTopics).
	CreateTopic
	// DeleteTopic removes it (DeleteTopics).
	DeleteTopic
	// AddPartitions gives it more partitions (CreatePartitions).
	AddPartitions
	// DeleteRecords removes its records before Offsets (DeleteRecords).
	DeleteRecords
	// DeleteGroup removes a group with all its offsets (DeleteGroups). It
	// concerns no topic in particular.
	DeleteGroup
	// DeleteOffsets removes the offsets of a group for the partitions in Offsets
	// (OffsetDelete).
	DeleteOffsets
	// SetOffsets sets the offsets of a group from outside: OffsetCommit without a
	// member id and a generation, as administrators send it. Consumers that are in
	// no group but keep their offsets in one, those with assign(), commit just so.
	// What a member commits is no Change.
	SetOffsets
)

// OfGroup says whether changes of this kind are about a group.
func (k ChangeKind) OfGroup() bool { return k >= DeleteGroup }

// Change is one entry of a request that wants to change something. Unlike a Batch
// it is no view of the request, and its texts may be kept.
type Change struct {
	// Time is when the last byte of the request was read. The engine sets it, and
	// Identity.
	Time     time.Time
	Identity *Identity
	// API is Kafka's name of the request, as in IncrementalAlterConfigs.
	API     string
	Version int16
	// ValidateOnly says that nothing will be changed: the client wants to know
	// whether it could be. Findings about it say so by themselves.
	ValidateOnly bool
	// Ordinal is the place of the entry in the request, from 0.
	Ordinal int

	Kind ChangeKind
	// Topic is what is known of the topic, never nil: the name alone where there
	// is nothing more, as of one to be made. The name is empty when a topic is
	// given by an id that nobody can explain, and with DeleteGroup.
	Topic *Topic
	// Group is the name of the group, where OfGroup.
	Group string
	// Offsets are the partitions of Topic that the entry names, with the offset to
	// be set, or before which records are removed: there -1 is the end of the log.
	// With DeleteOffsets it is always -1.
	Offsets []PartitionOffset
	// Partitions is how many a new topic, or one that gets more, is to have in
	// all; 0 when it does not say.
	Partitions int32
	// Configs are the entries of the topic's configuration that the request names.
	Configs []ConfigChange
	// Replaces says that every entry which is not in Configs goes back to the
	// broker's default (AlterConfigs); else those stay (KIP-339).
	Replaces bool
	// CleanupBefore and CleanupAfter are cleanup.policy now and once the change is
	// made, each unknown where it cannot be told: nobody has asked the cluster
	// yet, or the policy goes back to the broker's default.
	CleanupBefore, CleanupAfter CleanupPolicy
}

// Config gives the entry of that name, nil when the request does not name it.
func (ch *Change) Config(name string) *ConfigChange {
	for i := range ch.Configs {
		if ch.Configs[i].Name == name {
			return &ch.Configs[i]
		}
	}
	return nil
}

// ConfigChange is one entry of a configuration that is to change.
type ConfigChange struct {
	Name string
	Op   ConfigOp
	// Value as the request has it; "" with ConfigDelete. Passwords among them are
	// nothing for findings.
	Value string
}

// ConfigOp says what a request does to an entry (AlterConfigOp.OpType).
type ConfigOp int8

// The operations. Append and subtract are for lists.
const (
	ConfigSet      ConfigOp = 0
	ConfigDelete   ConfigOp = 1 // back to the broker's default
	ConfigAppend   ConfigOp = 2
	ConfigSubtract ConfigOp = 3
)
