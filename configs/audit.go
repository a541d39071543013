package configs

import (
	"maps"
	"slices"
)

// Audit is the trail of who did what.
type Audit struct {
	// A file with one JSON object per line, chained by hashes. Either this or `kafka`.
	File *AuditFile `yaml:"file"`
	// A Kafka topic with one JSON object a record, chained by hashes. Either this or `file`.
	Kafka *AuditKafka `yaml:"kafka"`
	// APIs whose requests stand in the trail, by name or by group: `auth`, `admin`, `group`, `offset`,
	// `transaction`, `produce`, `fetch`, `heartbeat`, `read`, or `all`. Connections, authentication and
	// reloads stand in it always.
	APIs []string `yaml:"apis"`
	// Of APIs by name or by group, the share of requests that stands in the trail: 0.01 is one of a
	// hundred. What is named here needs not be in `apis`. Above 0, up to 1.
	Sample map[string]float64 `yaml:"sample"`
	// What happens while the trail cannot be written: `drop` goes on, and the trail says later how much
	// is missing; `stop` closes connections that send a request of `apis` or `sample`.
	OnFailure string `yaml:"on_failure" enum:"drop,stop"`
	// File holding a key, by which lines are chained with HMAC-SHA-256 in place of SHA-256;
	// surrounding space is cut. Who does not have it cannot write a chain anew.
	KeyFile Path `yaml:"key_file"`
}

// SetDefaults fills every knob that has a default.
func (a *Audit) SetDefaults() {
	a.APIs = []string{"auth", "admin", "group", "offset", "transaction"}
	a.OnFailure = "drop"
}

// AuditFile is a trail in rotated files.
type AuditFile struct {
	// The file. Required.
	Path Path `yaml:"path"`
	// Size at which a new file is begun. 64KiB-1TiB.
	MaxSize Size `yaml:"max_size" min:"64KiB" max:"1TiB"`
	// How many full files are kept besides the current one; older ones are deleted. 1-10000.
	Keep int `yaml:"keep" min:"1" max:"10000"`
}

// SetDefaults fills every knob that has a default.
func (f *AuditFile) SetDefaults() {
	f.MaxSize = 100 * MiB
	f.Keep = 100
}

// AuditKafka is a trail in a topic.
type AuditKafka struct {
	// Topic the trail is written to, all of it to partition 0. It must be there, and no other warder
	// may write to it. Required.
	Topic string `yaml:"topic"`
	// Brokers of another cluster to write to; empty: those of `upstream`, with its `tls` and `lookup`.
	// Never warder itself.
	Bootstrap []Address `yaml:"bootstrap"`
	// Speak TLS to them, where `bootstrap` is given.
	TLS *ClientTLS `yaml:"tls"`
	// Credentials for writing, and for reading the last record. Default: those of `upstream.lookup`,
	// unless `bootstrap` is given.
	Login *Login `yaml:"login"`
}

// AuditGroups are the names under which the trail groups APIs. Each API that
// warder lets through is in one of them.
var AuditGroups = map[string][]string{
	"auth": {"SaslHandshake", "SaslAuthenticate", "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken"},
	"admin": {
		"CreateTopics", "DeleteTopics", "CreatePartitions", "DeleteRecords", "AlterConfigs", "IncrementalAlterConfigs",
		"CreateAcls", "DeleteAcls", "AlterUserScramCredentials", "AlterClientQuotas", "DeleteGroups", "OffsetDelete",
		"AlterShareGroupOffsets", "DeleteShareGroupOffsets", "AlterReplicaLogDirs", "ElectLeaders", "AlterPartitionReassignments",
		"UpdateFeatures", "UnregisterBroker", "WriteTxnMarkers", "InitializeShareGroupState", "WriteShareGroupState", "DeleteShareGroupState",
	},
	"group":       {"JoinGroup", "LeaveGroup"},
	"offset":      {"OffsetCommit", "TxnOffsetCommit"},
	"transaction": {"InitProducerId", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn"},
	"produce":     {"Produce"},
	"fetch":       {"Fetch", "ShareFetch", "ShareAcknowledge"},
	"heartbeat":   {"Heartbeat", "SyncGroup", "ConsumerGroupHeartbeat", "ShareGroupHeartbeat", "StreamsGroupHeartbeat"},
	"read": {
		"ApiVersions", "Metadata", "ListOffsets", "OffsetFetch", "FindCoordinator", "OffsetForLeaderEpoch", "DescribeCluster",
		"DescribeTopicPartitions", "DescribeGroups", "ListGroups", "ConsumerGroupDescribe", "ShareGroupDescribe", "StreamsGroupDescribe",
		"DescribeShareGroupOffsets", "DescribeAcls", "DescribeConfigs", "DescribeLogDirs", "DescribeDelegationToken",
		"DescribeClientQuotas", "DescribeUserScramCredentials", "DescribeQuorum", "DescribeProducers", "DescribeTransactions",
		"ListTransactions", "ListPartitionReassignments", "ListConfigResources", "GetTelemetrySubscriptions", "PushTelemetry",
		"ReadShareGroupState", "ReadShareGroupStateSummary", "StreamsGroupTopologyDescriptionUpdate",
	},
}

// AuditAll stands for every API, those that warder does not know included.
const AuditAll = "all"

// auditNames are the words that `apis` and `sample` may hold.
func auditNames() []string {
	names := append(slices.Sorted(maps.Keys(AuditGroups)), AuditAll)
	for _, group := range slices.Sorted(maps.Keys(AuditGroups)) {
		names = append(names, AuditGroups[group]...)
	}
	return names
}

// unknownAPI names what is near, or else only the groups, since there are so many APIs.
func unknownAPI(name string, names []string) string {
	if _, near := Nearest(name, names); !near {
		names = names[:len(AuditGroups)+1]
	}
	return unknown("API or group", name, "", names)
}

func (v *validator) audit() {
	a, names := v.config.Audit, auditNames()
	switch {
	case a.File == nil && a.Kafka == nil:
		v.fail("audit", "a trail must go somewhere: give `file` or `kafka`")
	case a.File != nil && a.Kafka != nil:
		v.fail("audit.kafka", "there is one trail and one chain: give either `file` or `kafka`")
	case a.File != nil && a.File.Path == "":
		v.fail("audit.file", "audit.file needs `path`")
	case a.Kafka != nil:
		v.kafkaTopic("audit.kafka", a.Kafka.Topic, a.Kafka.Bootstrap, a.Kafka.TLS, a.Kafka.Login)
	}
	if f := v.config.Sinks.File; f != nil && a.File != nil && f.Path == a.File.Path {
		v.fail("audit.file.path", "findings are written to this file (sinks.file); the trail needs one of its own")
	}
	for i, name := range a.APIs {
		if !slices.Contains(names, name) {
			v.fail(indexPath("audit.apis", i), "%s", unknownAPI(name, names))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Sample)) {
		path := "audit.sample." + name
		if !slices.Contains(names, name) {
			v.problems = append(v.problems, v.config.tree.problemOnKey(path, "%s", unknownAPI(name, names)))
		} else if share := a.Sample[name]; !(share > 0 && share <= 1) { // what is not a number is none either
			v.fail(path, "%v is no share: write what part of requests to keep, like 0.01 for one of a hundred", share)
		}
	}
	if a.KeyFile != "" {
		v.secretFile("audit.key_file", a.KeyFile)
	}
}
