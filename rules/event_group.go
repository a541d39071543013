package rules

import "time"

// groupKey is the Key of an event about one group.
func groupKey(k KeyKind, group string) string {
	if k == ByGroup {
		return group
	}
	return ""
}

// Membership is whom a request to a group coordinator speaks for.
type Membership struct {
	Group string
	// MemberID is empty in the first JoinGroup of a dynamic member.
	MemberID string
	// InstanceID is group.instance.id (KIP-345), empty for dynamic members.
	InstanceID string
	// Generation of the group, or the member epoch of KIP-848; -1 when the
	// request carries none.
	Generation int32
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// JoinRequested says that a member asks to join a classic group: JoinGroup is on
// its way to the coordinator, which holds it until the generation is complete.
type JoinRequested struct {
	At     time.Time
	Client *Identity
	Membership
	// SessionTimeout is session.timeout.ms. RebalanceTimeout is how long the
	// coordinator waits for the member to join again: max.poll.interval.ms in
	// Java, librdkafka and kafka-python; 0 in JoinGroup version 0.
	SessionTimeout, RebalanceTimeout time.Duration
	// ProtocolType is "consumer" for consumers, Kafka Streams among them.
	ProtocolType string
	// Protocols are the assignors that the member offers, first the one it
	// prefers, as in "range" or "cooperative-sticky".
	Protocols []string
	// Topics of the subscription; nil when the metadata cannot be read.
	Topics []string
	// Owned are the partitions that the member still holds, as cooperative
	// members say (ConsumerProtocolSubscription version 1).
	Owned []TopicPartition
	// Metadata is a hash of the member's metadata: another one is another
	// subscription.
	Metadata uint64
	// Reason why it joins again (KIP-800, version 8), as the library words it.
	Reason string
}

// Kind is KindJoinRequested.
func (JoinRequested) Kind() Kind { return KindJoinRequested }

// When is the time of the request.
func (e JoinRequested) When() time.Time { return e.At }

// Key knows ByGroup.
func (e JoinRequested) Key(k KeyKind) string { return groupKey(k, e.Group) }

// Joined is the coordinator's answer to JoinGroup: the generation begins, or an
// error says why not. MemberID and Generation are those of the answer.
type Joined struct {
	At     time.Time
	Client *Identity
	Membership
	Requested time.Time // when the request came
	// RequestedID is the member id that the request carried.
	RequestedID string
	// Protocol is the assignor that was chosen.
	Protocol string
	Leader   string // member id
	// Members of the generation, which only the leader is told.
	Members   []GroupMember
	ErrorCode int16
}

// GroupMember is one member as the leader of a group is told of it.
type GroupMember struct{ MemberID, InstanceID string }

// Kind is KindJoined.
func (Joined) Kind() Kind { return KindJoined }

// When is the time of the answer.
func (e Joined) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Joined) Key(k KeyKind) string { return groupKey(k, e.Group) }

// Synced is the coordinator's answer to SyncGroup: the member has its share.
type Synced struct {
	At     time.Time
	Client *Identity
	Membership
	Requested time.Time
	// Assigned partitions (ConsumerProtocolAssignment). Readable is false when
	// the assignment is of another form; then nothing is known of it.
	Assigned  []TopicPartition
	Readable  bool
	ErrorCode int16
}

// Kind is KindSynced.
func (Synced) Kind() Kind { return KindSynced }

// When is the time of the answer.
func (e Synced) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Synced) Key(k KeyKind) string { return groupKey(k, e.Group) }

// Heartbeat is the coordinator's answer to Heartbeat.
type Heartbeat struct {
	At     time.Time
	Client *Identity
	Membership
	Requested time.Time
	ErrorCode int16
}

// Kind is KindHeartbeat.
func (Heartbeat) Kind() Kind { return KindHeartbeat }

// When is the time of the answer.
func (e Heartbeat) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Heartbeat) Key(k KeyKind) string { return groupKey(k, e.Group) }

// Left is the coordinator's answer to LeaveGroup.
type Left struct {
	At        time.Time
	Client    *Identity
	Group     string
	Requested time.Time
	Members   []LeavingMember
	ErrorCode int16 // of the whole request
}

// LeavingMember is one member that leaves, or that an administrator removes.
type LeavingMember struct {
	MemberID, InstanceID string
	// Reason as the library words it (KIP-800, version 5).
	Reason    string
	ErrorCode int16
}

// Kind is KindLeft.
func (Left) Kind() Kind { return KindLeft }

// When is the time of the answer.
func (e Left) When() time.Time { return e.At }

// Key knows ByGroup.
func (e Left) Key(k KeyKind) string { return groupKey(k, e.Group) }

// EpochProtocol says which of the protocols a group speaks that are made of
// heartbeats with member epochs.
type EpochProtocol uint8

// The protocols.
const (
	ConsumerEpochs EpochProtocol = iota // ConsumerGroupHeartbeat, KIP-848
	ShareEpochs                         // ShareGroupHeartbeat, KIP-932
	StreamsEpochs                       // StreamsGroupHeartbeat, KIP-1071
)

// ConsumerHeartbeat is a ConsumerGroupHeartbeat (KIP-848) with its answer, or the
// heartbeat of a share group (KIP-932) or a Streams group (KIP-1071), which say the
// same of their members. Generation is the member epoch of the request: 0 joins, -1
// leaves, -2 is a static member that will come back.
type ConsumerHeartbeat struct {
	At     time.Time
	Client *Identity
	Membership
	Protocol  EpochProtocol
	Requested time.Time
	// RebalanceTimeout is max.poll.interval.ms; said only when joining, else 0.
	// Share groups do not say it.
	RebalanceTimeout time.Duration
	// Topics and Pattern of the subscription; Said when the request has them. Of
	// Streams they are what its topology reads.
	Topics  []string
	Pattern string
	Said    bool
	// Owned are the partitions that the member says it holds; OwnedSaid when
	// the request has them.
	Owned     []TopicPartition
	OwnedSaid bool

	// Of the answer.
	Epoch             int32
	HeartbeatInterval time.Duration
	// Assigned partitions; AssignedSaid when the answer has them (null means
	// unchanged). Partitions of topics whose id nobody can explain are left out.
	// In a share group others may have them as well; of Streams they are what the
	// active tasks read.
	Assigned     []TopicPartition
	AssignedSaid bool
	// Unreadable says that more is assigned than Assigned has: tasks of Streams
	// whose topology was not seen, or is a pattern.
	Unreadable bool
	// Streams is what only Streams says; nil for the others.
	Streams   *StreamsHeartbeat
	ErrorCode int16
}

// StreamsHeartbeat is what a StreamsGroupHeartbeat says beyond the others.
type StreamsHeartbeat struct {
	// TopologyEpoch of the request, which a member says when it joins; -1 else.
	TopologyEpoch int32
	// Active, Standby and Warmup are the tasks of the answer when AssignedSaid, as
	// Streams writes them: subtopology and partition, as in 0_3. Standby and
	// warm-up tasks follow changelogs; what they are for, others read.
	Active, Standby, Warmup []string
	// Status is what the coordinator finds wanting, as in "missing source
	// topics: Source topics orders are missing."; empty when all is well.
	Status []string
}

// Kind is KindConsumerHeartbeat.
func (ConsumerHeartbeat) Kind() Kind { return KindConsumerHeartbeat }

// When is the time of the answer.
func (e ConsumerHeartbeat) When() time.Time { return e.At }

// Key knows ByGroup.
func (e ConsumerHeartbeat) Key(k KeyKind) string { return groupKey(k, e.Group) }

// MemberGone says that the connection over which a member spoke to its
// coordinator has ended. The coordinator does not notice: the member stays until
// it leaves, comes back or its session times out.
type MemberGone struct {
	At     time.Time
	Client *Identity
	Membership
	// ByClient says that the client ended it, and not the broker or warder.
	ByClient bool
	// Left says that the member had left before, so that nobody is missing.
	Left bool
}

// Kind is KindMemberGone.
func (MemberGone) Kind() Kind { return KindMemberGone }

// When is the time when the session ended.
func (e MemberGone) When() time.Time { return e.At }

// Key knows ByGroup.
func (e MemberGone) Key(k KeyKind) string { return groupKey(k, e.Group) }

// GroupDescribed is what the cluster says of a group when warder asks by itself,
// which it does for those whose members do not all come through it.
type GroupDescribed struct {
	At    time.Time
	Group string
	// State as its coordinator names it, as in "Stable", "Empty", "Dead".
	State string
	// Members that the coordinator knows, -1 when it did not say.
	Members int
	// ProtocolType is "consumer" for a group that consumers join, and "" for one
	// whose consumers choose their partitions themselves.
	ProtocolType string
	// Consumer says that it is a group by KIP-848.
	Consumer bool
	// Every is how long it will take until warder asks again.
	Every time.Duration
}

// Kind is KindGroupDescribed.
func (GroupDescribed) Kind() Kind { return KindGroupDescribed }

// When is the time of the answer.
func (e GroupDescribed) When() time.Time { return e.At }

// Key knows ByGroup.
func (e GroupDescribed) Key(k KeyKind) string { return groupKey(k, e.Group) }

// GroupConfigured is what the cluster says of the configuration of a group by
// KIP-848, whose members are not told how long they may be silent.
type GroupConfigured struct {
	At    time.Time
	Group string
	// SessionTimeout is consumer.session.timeout.ms of the group, or the brokers'
	// group.consumer.session.timeout.ms.
	SessionTimeout time.Duration
}

// Kind is KindGroupConfigured.
func (GroupConfigured) Kind() Kind { return KindGroupConfigured }

// When is the time of the answer.
func (e GroupConfigured) When() time.Time { return e.At }

// Key knows ByGroup.
func (e GroupConfigured) Key(k KeyKind) string { return groupKey(k, e.Group) }
