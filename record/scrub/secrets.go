package scrub

import (
	"bytes"

	"warder/protocol"
	"warder/protocol/wire"
)

// redact takes the secrets out of a body, in place; false when it cannot be read.
type redact func(version int16, body []byte) bool

// What may carry secrets, by API. Requests that change configurations keep the names
// and those values that rules judge by, or that say as little; everything that holds
// credentials in a form of its own goes altogether.
var (
	secretRequests = map[int16]redact{
		protocol.SaslAuthenticate:          saslRequest,
		protocol.CreateTopics:              createTopics,
		protocol.AlterConfigs:              alterConfigs,
		protocol.IncrementalAlterConfigs:   incrementalAlterConfigs,
		protocol.AlterUserScramCredentials: everything, // salted passwords
		protocol.RenewDelegationToken:      everything, // the HMAC of the token, as in the next
		protocol.ExpireDelegationToken:     everything,
		protocol.Envelope:                  everything, // another request
	}
	secretAnswers = map[int16]redact{
		protocol.SaslAuthenticate:        saslAnswer,
		protocol.CreateDelegationToken:   everything, // the HMAC
		protocol.DescribeDelegationToken: everything,
		protocol.Envelope:                everything,
	}
)

func everything(_ int16, body []byte) bool {
	clear(body)
	return true
}

// saslRequest zeroes the token of a SaslAuthenticate request, flexible from version 2.
func saslRequest(version int16, body []byte) bool {
	r := wire.NewReader(body)
	token, _ := r.FlexNullableBytes(version >= 2)
	clear(token)
	return r.Err() == nil
}

// saslAnswer is saslRequest for the answer. Its error stays, and so does the mark by
// which who follows SCRAM knows the last answer (RFC 5802), but not what it proves.
func saslAnswer(version int16, body []byte) bool {
	r := wire.NewReader(body)
	r.Int16()
	r.FlexNullableString(version >= 2)
	token, _ := r.FlexNullableBytes(version >= 2)
	clear(bytes.TrimPrefix(token, []byte("v=")))
	return r.Err() == nil
}

// kept are the settings of topics, whose values stay (TopicConfig.java). Those of
// brokers may be passwords, and what is not Kafka's may be anything.
var kept = map[string]bool{
	"cleanup.policy": true, "compression.type": true, "compression.gzip.level": true, "compression.lz4.level": true,
	"compression.zstd.level": true, "delete.retention.ms": true, "file.delete.delay.ms": true, "flush.messages": true,
	"flush.ms": true, "index.interval.bytes": true, "local.retention.bytes": true, "local.retention.ms": true,
	"max.compaction.lag.ms": true, "max.message.bytes": true, "message.downconversion.enable": true,
	"message.format.version": true, "message.timestamp.after.max.ms": true, "message.timestamp.before.max.ms": true,
	"message.timestamp.difference.max.ms": true, "message.timestamp.type": true, "min.cleanable.dirty.ratio": true,
	"min.compaction.lag.ms": true, "min.insync.replicas": true, "preallocate": true, "remote.log.copy.disable": true,
	"remote.log.delete.on.disable": true, "remote.storage.enable": true, "retention.bytes": true, "retention.ms": true,
	"segment.bytes": true, "segment.index.bytes": true, "segment.jitter.ms": true, "segment.ms": true,
	"unclean.leader.election.enable": true,
}

// entries zeroes the values in an array of configuration entries; operation says that
// each has one.
func (w *walk) entries(operation bool) {
	for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
		name := w.FlexString(w.flexible)
		if operation {
			w.Int8()
		}
		if value, _ := w.FlexNullableString(w.flexible); !kept[string(name)] {
			clear(value)
		}
		w.tags()
	}
}

func createTopics(version int16, body []byte) bool {
	w := walk{Reader: wire.NewReader(body), flexible: version >= 5}
	for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
		w.FlexString(w.flexible)
		w.Span(4 + 2) // NumPartitions, ReplicationFactor
		for n := w.ArrayLen(w.flexible); n > 0 && w.Err() == nil; n-- {
			w.Int32() // PartitionIndex
			w.Span(4 * max(w.ArrayLen(w.flexible), 0))
			w.tags()
		}
		w.entries(false)
		w.tags()
	}
	return w.Err() == nil
}

func alterConfigs(version int16, body []byte) bool { return resources(body, version >= 2, false) }

func incrementalAlterConfigs(version int16, body []byte) bool {
	return resources(body, version >= 1, true)
}

func resources(body []byte, flexible, operation bool) bool {
	w := walk{Reader: wire.NewReader(body), flexible: flexible}
	for n := w.ArrayLen(flexible); n > 0 && w.Err() == nil; n-- {
		w.Int8() // ResourceType
		w.FlexString(flexible)
		w.entries(operation)
		w.tags()
	}
	return w.Err() == nil
}
