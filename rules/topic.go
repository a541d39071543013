package rules

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Topic is what is known of a topic, at the moment it was asked for.
type Topic struct {
	// Name is empty when only the id was seen so far.
	Name string `json:"name"`
	// ID is zero when unknown, as in clusters before Kafka 2.8.
	ID TopicID `json:"id,omitzero"`
	// Partitions is 0 when unknown.
	Partitions int32 `json:"partitions,omitempty"`
	// Cleanup is cleanup.policy.
	Cleanup CleanupPolicy `json:"cleanup_policy"`
	// ConfigTime is when Cleanup was learnt; zero when it is unknown.
	ConfigTime time.Time `json:"config_time,omitzero"`
	// Settings are those entries of its configuration by which records are kept.
	Settings TopicSettings `json:"settings,omitzero"`
}

// TopicSettings are entries of a topic's configuration as they are in force,
// whether they are set on the topic or come from the brokers.
type TopicSettings struct {
	// Known says that the cluster has answered. What it has left out is zero.
	Known bool `json:"known,omitempty"`
	// RetentionMs and RetentionBytes are retention.ms and retention.bytes: -1 is
	// no limit. A limit of 0, which keeps nothing, counts as not known.
	RetentionMs    int64 `json:"retention_ms,omitempty"`
	RetentionBytes int64 `json:"retention_bytes,omitempty"`
	// MinInsync is min.insync.replicas.
	MinInsync int32 `json:"min_insync_replicas,omitempty"`
	// Unclean is unclean.leader.election.enable.
	Unclean bool `json:"unclean_leader_election,omitempty"`
}

// Names of the entries in TopicSettings (TopicConfig.java).
const (
	RetentionMs    = "retention.ms"
	RetentionBytes = "retention.bytes"
	MinInsync      = "min.insync.replicas"
	Unclean        = "unclean.leader.election.enable"
)

// SettingNames are the entries of TopicSettings.
func SettingNames() []string { return []string{RetentionMs, RetentionBytes, MinInsync, Unclean} }

// Set takes in the value of an entry; other entries and values that cannot be read
// change nothing.
func (s *TopicSettings) Set(name, value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case name == Unclean:
		s.Unclean = value == "true"
	case err != nil:
	case name == RetentionMs:
		s.RetentionMs = n
	case name == RetentionBytes:
		s.RetentionBytes = n
	case name == MinInsync:
		s.MinInsync = int32(min(n, math.MaxInt32))
	}
}

// TopicID is a topic's id (KIP-516), zero when there is none.
type TopicID [16]byte

// String is the id as Kafka's tools write it (Uuid.toString).
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText is String.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *TopicID) UnmarshalText(text []byte) error {
	n, err := base64.RawURLEncoding.Decode(id[:], text[:min(len(text), base64.RawURLEncoding.EncodedLen(len(id)))])
	if err != nil || n != len(id) || len(text) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return fmt.Errorf("%q is not a topic id", text)
	}
	return nil
}

// CleanupPolicy is the topic configuration cleanup.policy, a set.
type CleanupPolicy uint8

// The policies. CleanupNone is the empty list that Kafka 4 allows.
const (
	CleanupUnknown CleanupPolicy = 0
	CleanupDelete  CleanupPolicy = 1 << iota
	CleanupCompact
	CleanupNone
)

// ParseCleanupPolicy reads the value of cleanup.policy, as in "compact,delete".
// A word it does not know counts for nothing.
func ParseCleanupPolicy(value string) CleanupPolicy {
	var p CleanupPolicy
	for word := range strings.SplitSeq(value, ",") {
		switch strings.TrimSpace(word) {
		case "compact":
			p |= CleanupCompact
		case "delete":
			p |= CleanupDelete
		}
	}
	if p == CleanupUnknown {
		return CleanupNone
	}
	return p
}

// Known says whether the policy has been learnt.
func (p CleanupPolicy) Known() bool { return p != CleanupUnknown }

// Compacts says whether the log cleaner compacts the topic.
func (p CleanupPolicy) Compacts() bool { return p&CleanupCompact != 0 }

// Deletes says whether records are deleted when they are older than retention.ms
// or the log larger than retention.bytes.
func (p CleanupPolicy) Deletes() bool { return p&CleanupDelete != 0 }

// String is the policy as Kafka writes it, "unknown" when it is not known.
func (p CleanupPolicy) String() string {
	switch p {
	case CleanupUnknown:
		return "unknown"
	case CleanupNone:
		return ""
	case CleanupDelete:
		return "delete"
	case CleanupCompact:
		return "compact"
	}
	return "compact,delete"
}

// MarshalText is String.
func (p CleanupPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *CleanupPolicy) UnmarshalText(text []byte) error {
	if string(text) == "unknown" {
		*p = CleanupUnknown
		return nil
	}
	*p = ParseCleanupPolicy(string(text))
	if *p == CleanupNone && len(text) > 0 {
		return fmt.Errorf("%q is not a cleanup.policy", text)
	}
	return nil
}
