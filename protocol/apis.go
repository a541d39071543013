package protocol

// APIKey is the number of an API: the first field of every request.
type APIKey = int16

// The API keys of Apache Kafka 4.4 (ApiKeys.java), by Kafka's own names.
const (
	Produce                               APIKey = 0
	Fetch                                 APIKey = 1
	ListOffsets                           APIKey = 2
	Metadata                              APIKey = 3
	LeaderAndIsr                          APIKey = 4
	StopReplica                           APIKey = 5
	UpdateMetadata                        APIKey = 6
	ControlledShutdown                    APIKey = 7
	OffsetCommit                          APIKey = 8
	OffsetFetch                           APIKey = 9
	FindCoordinator                       APIKey = 10
	JoinGroup                             APIKey = 11
	Heartbeat                             APIKey = 12
	LeaveGroup                            APIKey = 13
	SyncGroup                             APIKey = 14
	DescribeGroups                        APIKey = 15
	ListGroups                            APIKey = 16
	SaslHandshake                         APIKey = 17
	ApiVersions                           APIKey = 18
	CreateTopics                          APIKey = 19
	DeleteTopics                          APIKey = 20
	DeleteRecords                         APIKey = 21
	InitProducerId                        APIKey = 22
	OffsetForLeaderEpoch                  APIKey = 23
	AddPartitionsToTxn                    APIKey = 24
	AddOffsetsToTxn                       APIKey = 25
	EndTxn                                APIKey = 26
	WriteTxnMarkers                       APIKey = 27
	TxnOffsetCommit                       APIKey = 28
	DescribeAcls                          APIKey = 29
	CreateAcls                            APIKey = 30
	DeleteAcls                            APIKey = 31
	DescribeConfigs                       APIKey = 32
	AlterConfigs                          APIKey = 33
	AlterReplicaLogDirs                   APIKey = 34
	DescribeLogDirs                       APIKey = 35
	SaslAuthenticate                      APIKey = 36
	CreatePartitions                      APIKey = 37
	CreateDelegationToken                 APIKey = 38
	RenewDelegationToken                  APIKey = 39
	ExpireDelegationToken                 APIKey = 40
	DescribeDelegationToken               APIKey = 41
	DeleteGroups                          APIKey = 42
	ElectLeaders                          APIKey = 43
	IncrementalAlterConfigs               APIKey = 44
	AlterPartitionReassignments           APIKey = 45
	ListPartitionReassignments            APIKey = 46
	OffsetDelete                          APIKey = 47
	DescribeClientQuotas                  APIKey = 48
	AlterClientQuotas                     APIKey = 49
	DescribeUserScramCredentials          APIKey = 50
	AlterUserScramCredentials             APIKey = 51
	Vote                                  APIKey = 52
	BeginQuorumEpoch                      APIKey = 53
	EndQuorumEpoch                        APIKey = 54
	DescribeQuorum                        APIKey = 55
	AlterPartition                        APIKey = 56
	UpdateFeatures                        APIKey = 57
	Envelope                              APIKey = 58
	FetchSnapshot                         APIKey = 59
	DescribeCluster                       APIKey = 60
	DescribeProducers                     APIKey = 61
	BrokerRegistration                    APIKey = 62
	BrokerHeartbeat                       APIKey = 63
	UnregisterBroker                      APIKey = 64
	DescribeTransactions                  APIKey = 65
	ListTransactions                      APIKey = 66
	AllocateProducerIds                   APIKey = 67
	ConsumerGroupHeartbeat                APIKey = 68
	ConsumerGroupDescribe                 APIKey = 69
	ControllerRegistration                APIKey = 70
	GetTelemetrySubscriptions             APIKey = 71
	PushTelemetry                         APIKey = 72
	AssignReplicasToDirs                  APIKey = 73
	ListConfigResources                   APIKey = 74
	DescribeTopicPartitions               APIKey = 75
	ShareGroupHeartbeat                   APIKey = 76
	ShareGroupDescribe                    APIKey = 77
	ShareFetch                            APIKey = 78
	ShareAcknowledge                      APIKey = 79
	AddRaftVoter                          APIKey = 80
	RemoveRaftVoter                       APIKey = 81
	UpdateRaftVoter                       APIKey = 82
	InitializeShareGroupState             APIKey = 83
	ReadShareGroupState                   APIKey = 84
	WriteShareGroupState                  APIKey = 85
	DeleteShareGroupState                 APIKey = 86
	ReadShareGroupStateSummary            APIKey = 87
	StreamsGroupHeartbeat                 APIKey = 88
	StreamsGroupDescribe                  APIKey = 89
	DescribeShareGroupOffsets             APIKey = 90
	AlterShareGroupOffsets                APIKey = 91
	DeleteShareGroupOffsets               APIKey = 92
	StreamsGroupTopologyDescriptionUpdate APIKey = 93
	UnregisterController                  APIKey = 94
)

// MaxKey is the highest API key of the table.
const MaxKey = UnregisterController

// NeverFlexible is the FlexibleFrom of an API without flexible versions.
const NeverFlexible = -1

// Treatment says what warder does with the requests and responses of an API.
type Treatment uint8

const (
	// TreatPass forwards request and response as opaque bytes.
	TreatPass Treatment = iota
	// TreatProduce walks the records of the request before it goes on, and
	// rewrites the broker endpoints of the response (v10+).
	TreatProduce
	// TreatFetch walks the response as it streams by, shows rules samples of its
	// records if any want them, and rewrites its broker endpoints (v16+). The
	// request is read when somebody follows readers.
	TreatFetch
	// TreatRewrite decodes the response, because it carries the addresses of
	// brokers, and replaces them.
	TreatRewrite
	// TreatObserve forwards both untouched, and reads a copy to learn of topics,
	// their configuration and who subscribes to them; a rule may refuse a request
	// that changes topics, deletes records, or changes the offsets of a group from
	// outside.
	TreatObserve
	// TreatNegotiate is ApiVersions: the response is clamped to this table.
	TreatNegotiate
	// TreatSASL is authentication: forwarded untouched, and followed by the
	// session, since it changes what may come next.
	TreatSASL
	// TreatRefuse closes the connection, as a broker does on an API that its
	// listener does not serve, and leaves the API out of ApiVersions.
	TreatRefuse
)

var treatmentNames = [...]string{"pass", "produce", "fetch", "rewrite", "observe", "negotiate", "sasl", "refuse"}

// String returns the treatment in one lower-case word.
func (t Treatment) String() string {
	if int(t) < len(treatmentNames) {
		return treatmentNames[t]
	}
	return "unknown"
}

// API is a row of the table.
type API struct {
	Key  APIKey
	Name string // as in ApiKeys.java and the message definitions
	// Min and Max bound the versions that warder offers to clients and
	// decodes: all that Kafka 0.11 to 4.4 speak, without those that a release
	// marks unstable. For refused APIs they only say which headers exist.
	Min, Max int16
	// FlexibleFrom is the first version with compact fields and tags (KIP-482),
	// or NeverFlexible. Versions above Max are flexible too if there is one.
	FlexibleFrom int16
	Treatment    Treatment
}

// Flexible reports whether version has compact fields and tags.
func (a *API) Flexible(version int16) bool {
	return a.FlexibleFrom != NeverFlexible && version >= a.FlexibleFrom
}

// Decodes reports whether version is one of those that warder decodes.
func (a *API) Decodes(version int16) bool { return a.Min <= version && version <= a.Max }

// LookupAPI returns the row of key, or nil if the table has none. The row is
// shared and must not be changed.
func LookupAPI(key APIKey) *API {
	if key < 0 || int(key) >= len(apis) {
		return nil
	}
	return &apis[key]
}

// APIs returns a copy of the table in the order of the keys.
func APIs() []API { return append([]API(nil), apis[:]...) }

// APIName returns the name of key, or "unknown": a bounded set, fit for labels.
func APIName(key APIKey) string {
	if a := LookupAPI(key); a != nil {
		return a.Name
	}
	return "unknown"
}

// The table. Refused are, beside what TreatRefuse says of every row:
// LeaderAndIsr to ControlledShutdown, which 4.0 removed and which only
// controllers may send before; Vote to EndQuorumEpoch, AlterPartition,
// Envelope, FetchSnapshot, BrokerRegistration, BrokerHeartbeat,
// AllocateProducerIds, ControllerRegistration, AssignReplicasToDirs and
// UpdateRaftVoter, which only controller listeners serve; AddRaftVoter,
// RemoveRaftVoter and UnregisterController, which change the quorum and carry
// the caller's own endpoints.
//
// Produce starts at 0 although 4.x accepts 3 and later only: brokers advertise
// 0 as well, because librdkafka turns compression off otherwise (KAFKA-18659).
// The share APIs start at 1, since their version 0 never became stable; so
// InitProducerId ends at 5 (6 is unstable, KIP-939).
var apis = [MaxKey + 1]API{
	//                 key, name, min, max, flexible from, treatment
	Produce:                               {Produce, "Produce", 0, 13, 9, TreatProduce},
	Fetch:                                 {Fetch, "Fetch", 0, 18, 12, TreatFetch},
	ListOffsets:                           {ListOffsets, "ListOffsets", 0, 11, 6, TreatPass},
	Metadata:                              {Metadata, "Metadata", 0, 13, 9, TreatRewrite},
	LeaderAndIsr:                          {LeaderAndIsr, "LeaderAndIsr", 0, 7, 4, TreatRefuse},
	StopReplica:                           {StopReplica, "StopReplica", 0, 4, 2, TreatRefuse},
	UpdateMetadata:                        {UpdateMetadata, "UpdateMetadata", 0, 8, 6, TreatRefuse},
	ControlledShutdown:                    {ControlledShutdown, "ControlledShutdown", 0, 3, 3, TreatRefuse},
	OffsetCommit:                          {OffsetCommit, "OffsetCommit", 0, 10, 8, TreatObserve},
	OffsetFetch:                           {OffsetFetch, "OffsetFetch", 0, 10, 6, TreatPass},
	FindCoordinator:                       {FindCoordinator, "FindCoordinator", 0, 6, 3, TreatRewrite},
	JoinGroup:                             {JoinGroup, "JoinGroup", 0, 9, 6, TreatObserve},
	Heartbeat:                             {Heartbeat, "Heartbeat", 0, 4, 4, TreatPass},
	LeaveGroup:                            {LeaveGroup, "LeaveGroup", 0, 5, 4, TreatPass},
	SyncGroup:                             {SyncGroup, "SyncGroup", 0, 5, 4, TreatPass},
	DescribeGroups:                        {DescribeGroups, "DescribeGroups", 0, 6, 5, TreatPass},
	ListGroups:                            {ListGroups, "ListGroups", 0, 5, 3, TreatPass},
	SaslHandshake:                         {SaslHandshake, "SaslHandshake", 0, 1, -1, TreatSASL},
	ApiVersions:                           {ApiVersions, "ApiVersions", 0, 5, 3, TreatNegotiate},
	CreateTopics:                          {CreateTopics, "CreateTopics", 0, 7, 5, TreatObserve},
	DeleteTopics:                          {DeleteTopics, "DeleteTopics", 0, 6, 4, TreatObserve},
	DeleteRecords:                         {DeleteRecords, "DeleteRecords", 0, 2, 2, TreatObserve},
	InitProducerId:                        {InitProducerId, "InitProducerId", 0, 5, 2, TreatPass},
	OffsetForLeaderEpoch:                  {OffsetForLeaderEpoch, "OffsetForLeaderEpoch", 0, 4, 4, TreatPass},
	AddPartitionsToTxn:                    {AddPartitionsToTxn, "AddPartitionsToTxn", 0, 5, 3, TreatPass},
	AddOffsetsToTxn:                       {AddOffsetsToTxn, "AddOffsetsToTxn", 0, 4, 3, TreatPass},
	EndTxn:                                {EndTxn, "EndTxn", 0, 5, 3, TreatPass},
	WriteTxnMarkers:                       {WriteTxnMarkers, "WriteTxnMarkers", 0, 2, 1, TreatPass},
	TxnOffsetCommit:                       {TxnOffsetCommit, "TxnOffsetCommit", 0, 6, 3, TreatPass},
	DescribeAcls:                          {DescribeAcls, "DescribeAcls", 0, 3, 2, TreatPass},
	CreateAcls:                            {CreateAcls, "CreateAcls", 0, 3, 2, TreatPass},
	DeleteAcls:                            {DeleteAcls, "DeleteAcls", 0, 3, 2, TreatPass},
	DescribeConfigs:                       {DescribeConfigs, "DescribeConfigs", 0, 4, 4, TreatPass},
	AlterConfigs:                          {AlterConfigs, "AlterConfigs", 0, 2, 2, TreatObserve},
	AlterReplicaLogDirs:                   {AlterReplicaLogDirs, "AlterReplicaLogDirs", 0, 2, 2, TreatPass},
	DescribeLogDirs:                       {DescribeLogDirs, "DescribeLogDirs", 0, 5, 2, TreatPass},
	SaslAuthenticate:                      {SaslAuthenticate, "SaslAuthenticate", 0, 2, 2, TreatSASL},
	CreatePartitions:                      {CreatePartitions, "CreatePartitions", 0, 3, 2, TreatObserve},
	CreateDelegationToken:                 {CreateDelegationToken, "CreateDelegationToken", 0, 3, 2, TreatPass},
	RenewDelegationToken:                  {RenewDelegationToken, "RenewDelegationToken", 0, 2, 2, TreatPass},
	ExpireDelegationToken:                 {ExpireDelegationToken, "ExpireDelegationToken", 0, 2, 2, TreatPass},
	DescribeDelegationToken:               {DescribeDelegationToken, "DescribeDelegationToken", 0, 3, 2, TreatPass},
	DeleteGroups:                          {DeleteGroups, "DeleteGroups", 0, 3, 2, TreatObserve},
	ElectLeaders:                          {ElectLeaders, "ElectLeaders", 0, 2, 2, TreatPass},
	IncrementalAlterConfigs:               {IncrementalAlterConfigs, "IncrementalAlterConfigs", 0, 1, 1, TreatObserve},
	AlterPartitionReassignments:           {AlterPartitionReassignments, "AlterPartitionReassignments", 0, 1, 0, TreatPass},
	ListPartitionReassignments:            {ListPartitionReassignments, "ListPartitionReassignments", 0, 0, 0, TreatPass},
	OffsetDelete:                          {OffsetDelete, "OffsetDelete", 0, 0, -1, TreatObserve},
	DescribeClientQuotas:                  {DescribeClientQuotas, "DescribeClientQuotas", 0, 1, 1, TreatPass},
	AlterClientQuotas:                     {AlterClientQuotas, "AlterClientQuotas", 0, 1, 1, TreatPass},
	DescribeUserScramCredentials:          {DescribeUserScramCredentials, "DescribeUserScramCredentials", 0, 0, 0, TreatPass},
	AlterUserScramCredentials:             {AlterUserScramCredentials, "AlterUserScramCredentials", 0, 0, 0, TreatPass},
	Vote:                                  {Vote, "Vote", 0, 2, 0, TreatRefuse},
	BeginQuorumEpoch:                      {BeginQuorumEpoch, "BeginQuorumEpoch", 0, 1, 1, TreatRefuse},
	EndQuorumEpoch:                        {EndQuorumEpoch, "EndQuorumEpoch", 0, 1, 1, TreatRefuse},
	DescribeQuorum:                        {DescribeQuorum, "DescribeQuorum", 0, 2, 0, TreatPass},
	AlterPartition:                        {AlterPartition, "AlterPartition", 0, 3, 0, TreatRefuse},
	UpdateFeatures:                        {UpdateFeatures, "UpdateFeatures", 0, 2, 0, TreatPass},
	Envelope:                              {Envelope, "Envelope", 0, 0, 0, TreatRefuse},
	FetchSnapshot:                         {FetchSnapshot, "FetchSnapshot", 0, 1, 0, TreatRefuse},
	DescribeCluster:                       {DescribeCluster, "DescribeCluster", 0, 2, 0, TreatRewrite},
	DescribeProducers:                     {DescribeProducers, "DescribeProducers", 0, 0, 0, TreatPass},
	BrokerRegistration:                    {BrokerRegistration, "BrokerRegistration", 0, 4, 0, TreatRefuse},
	BrokerHeartbeat:                       {BrokerHeartbeat, "BrokerHeartbeat", 0, 2, 0, TreatRefuse},
	UnregisterBroker:                      {UnregisterBroker, "UnregisterBroker", 0, 0, 0, TreatPass},
	DescribeTransactions:                  {DescribeTransactions, "DescribeTransactions", 0, 0, 0, TreatPass},
	ListTransactions:                      {ListTransactions, "ListTransactions", 0, 2, 0, TreatPass},
	AllocateProducerIds:                   {AllocateProducerIds, "AllocateProducerIds", 0, 0, 0, TreatRefuse},
	ConsumerGroupHeartbeat:                {ConsumerGroupHeartbeat, "ConsumerGroupHeartbeat", 0, 1, 0, TreatObserve},
	ConsumerGroupDescribe:                 {ConsumerGroupDescribe, "ConsumerGroupDescribe", 0, 1, 0, TreatPass},
	ControllerRegistration:                {ControllerRegistration, "ControllerRegistration", 0, 0, 0, TreatRefuse},
	GetTelemetrySubscriptions:             {GetTelemetrySubscriptions, "GetTelemetrySubscriptions", 0, 0, 0, TreatPass},
	PushTelemetry:                         {PushTelemetry, "PushTelemetry", 0, 0, 0, TreatPass},
	AssignReplicasToDirs:                  {AssignReplicasToDirs, "AssignReplicasToDirs", 0, 0, 0, TreatRefuse},
	ListConfigResources:                   {ListConfigResources, "ListConfigResources", 0, 1, 0, TreatPass},
	DescribeTopicPartitions:               {DescribeTopicPartitions, "DescribeTopicPartitions", 0, 0, 0, TreatPass},
	ShareGroupHeartbeat:                   {ShareGroupHeartbeat, "ShareGroupHeartbeat", 1, 1, 0, TreatObserve},
	ShareGroupDescribe:                    {ShareGroupDescribe, "ShareGroupDescribe", 1, 1, 0, TreatPass},
	ShareFetch:                            {ShareFetch, "ShareFetch", 1, 2, 0, TreatRewrite},
	ShareAcknowledge:                      {ShareAcknowledge, "ShareAcknowledge", 1, 2, 0, TreatRewrite},
	AddRaftVoter:                          {AddRaftVoter, "AddRaftVoter", 0, 1, 0, TreatRefuse},
	RemoveRaftVoter:                       {RemoveRaftVoter, "RemoveRaftVoter", 0, 0, 0, TreatRefuse},
	UpdateRaftVoter:                       {UpdateRaftVoter, "UpdateRaftVoter", 0, 0, 0, TreatRefuse},
	InitializeShareGroupState:             {InitializeShareGroupState, "InitializeShareGroupState", 0, 0, 0, TreatPass},
	ReadShareGroupState:                   {ReadShareGroupState, "ReadShareGroupState", 0, 0, 0, TreatPass},
	WriteShareGroupState:                  {WriteShareGroupState, "WriteShareGroupState", 0, 1, 0, TreatPass},
	DeleteShareGroupState:                 {DeleteShareGroupState, "DeleteShareGroupState", 0, 0, 0, TreatPass},
	ReadShareGroupStateSummary:            {ReadShareGroupStateSummary, "ReadShareGroupStateSummary", 0, 1, 0, TreatPass},
	StreamsGroupHeartbeat:                 {StreamsGroupHeartbeat, "StreamsGroupHeartbeat", 0, 1, 0, TreatObserve},
	StreamsGroupDescribe:                  {StreamsGroupDescribe, "StreamsGroupDescribe", 0, 1, 0, TreatPass},
	DescribeShareGroupOffsets:             {DescribeShareGroupOffsets, "DescribeShareGroupOffsets", 0, 1, 0, TreatPass},
	AlterShareGroupOffsets:                {AlterShareGroupOffsets, "AlterShareGroupOffsets", 0, 0, 0, TreatPass},
	DeleteShareGroupOffsets:               {DeleteShareGroupOffsets, "DeleteShareGroupOffsets", 0, 0, 0, TreatPass},
	StreamsGroupTopologyDescriptionUpdate: {StreamsGroupTopologyDescriptionUpdate, "StreamsGroupTopologyDescriptionUpdate", 0, 0, 0, TreatPass},
	UnregisterController:                  {UnregisterController, "UnregisterController", 0, 0, 0, TreatRefuse},
}
