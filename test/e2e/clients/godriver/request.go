// Package godriver is what the drivers of the Go client libraries share: the driver protocol of ../../README.md without any library.
package godriver

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Request is one request of the protocol. Fields that were left out are zero; the methods below give the protocol's defaults.
type Request struct {
	ID   int64  `json:"id"`
	Op   string `json:"op"`
	Conn Conn   `json:"conn"`

	Name        string            `json:"name"`
	Topic       string            `json:"topic"`
	Topics      []string          `json:"topics"`
	Group       string            `json:"group"`
	Type        string            `json:"type"`
	Keys        []string          `json:"keys"`
	Configs     map[string]string `json:"configs"`
	Set         map[string]string `json:"set"`
	Partitions  int32             `json:"partitions"`
	Replication int16             `json:"replication"`
	Total       int32             `json:"total"`
	Partition   int32             `json:"partition"`
	Offset      int64             `json:"offset"`
	Spec        string            `json:"spec"`

	Handle            string `json:"handle"`
	Acks              string `json:"acks"`
	Idempotent        *bool  `json:"idempotent"`
	Codec             string `json:"codec"`
	LingerMs          *int   `json:"linger_ms"`
	MaxInFlight       int    `json:"max_in_flight"`
	BatchBytes        int    `json:"batch_bytes"`
	RequestTimeoutMs  int    `json:"request_timeout_ms"`
	DeliveryTimeoutMs int    `json:"delivery_timeout_ms"`
	MaxRequestBytes   int    `json:"max_request_bytes"`
	TransactionalID   string `json:"transactional_id"`
	Partitioner       string `json:"partitioner"`
	// 0: the library's default.
	TransactionTimeoutMs int `json:"transaction_timeout_ms"`

	Records  []Record  `json:"records"`
	Generate *Generate `json:"generate"`
	Mode     string    `json:"mode"`
	Rate     float64   `json:"rate"`

	Offsets  map[string]int64 `json:"offsets"`
	Consumer string           `json:"consumer"`

	Isolation        string `json:"isolation"`
	Raw              bool   `json:"raw"`
	MaxFetchBytes    int    `json:"max_fetch_bytes"`
	TimeoutMs        int    `json:"timeout_ms"`
	Protocol         string `json:"protocol"`
	OffsetReset      string `json:"offset_reset"`
	SessionTimeoutMs int    `json:"session_timeout_ms"`
	AutoCommitMs     int    `json:"auto_commit_ms"`
	// HangAt is the offset at which the handler of a partition does not return.
	HangAt        map[string]int64 `json:"hang_at"`
	FetchMinBytes int              `json:"fetch_min_bytes"`

	HeartbeatIntervalMs int    `json:"heartbeat_interval_ms"`
	GroupInstanceID     string `json:"group_instance_id"`
	Assignor            string `json:"assignor"`
	MaxPollRecords      int    `json:"max_poll_records"`
	MetadataRefreshMs   int    `json:"metadata_refresh_ms"`
	SlowMs              int    `json:"slow_ms"`
}

// Conn says where and how to connect.
type Conn struct {
	Bootstrap string `json:"bootstrap"`
	ClientID  string `json:"client_id"`
	Security  struct {
		Protocol  string `json:"protocol"`
		Mechanism string `json:"mechanism"`
		Username  string `json:"username"`
		Password  string `json:"password"`
		CA        string `json:"ca"`
		Cert      string `json:"cert"`
		Key       string `json:"key"`
	} `json:"security"`
}

// Brokers is the bootstrap list.
func (c *Conn) Brokers() []string { return strings.Split(c.Bootstrap, ",") }

// TLS tells whether the connection is encrypted.
func (c *Conn) TLS() bool { return strings.HasSuffix(c.Security.Protocol, "SSL") }

// SASL tells whether the connection authenticates by SASL.
func (c *Conn) SASL() bool { return strings.HasPrefix(c.Security.Protocol, "SASL") }

// IsIdempotent is the producer's idempotence, on by default.
func (r *Request) IsIdempotent() bool { return r.Idempotent == nil || *r.Idempotent }

// IsManual tells whether records say their partition; else the library's partitioner chooses it.
func (r *Request) IsManual() bool { return r.Partitioner == "" || r.Partitioner == "manual" }

// Linger is linger_ms, 5 ms by default.
func (r *Request) Linger() time.Duration {
	if r.LingerMs == nil {
		return 5 * time.Millisecond
	}
	return time.Duration(*r.LingerMs) * time.Millisecond
}

// Millis is a field in milliseconds, or its default when it was left out.
func Millis(value, otherwise int) time.Duration {
	return time.Duration(Or(value, otherwise)) * time.Millisecond
}

// Or is value, or otherwise when value is zero.
func Or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// PartitionName is "topic/3".
func PartitionName(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// SplitPartition is the reverse of PartitionName.
func SplitPartition(name string) (topic string, partition int32, err error) {
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 {
		return "", 0, fmt.Errorf("%q is no topic/partition", name)
	}
	n, err := strconv.ParseInt(name[slash+1:], 10, 32)
	return name[:slash], int32(n), err
}
