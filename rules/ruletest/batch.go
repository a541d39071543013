package ruletest

import (
	"time"

	"warder/protocol/records"
	"warder/rules"
)

// Batch gives a batch of one record to a rule that is called without an engine.
func Batch(topic string, id *rules.Identity, at time.Time) *rules.Batch {
	return &rules.Batch{
		Request: rules.Request{Time: at, Identity: id, Acks: -1, Partitions: 1},
		Topic:   &rules.Topic{Name: topic}, Header: &records.Header{Magic: 2, NumRecords: 1, ProducerID: -1}, Weight: 1,
	}
}
