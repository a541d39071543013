package builtin

import (
	"bytes"

	"warder/rules"
)

// brokerTopics are written by brokers alone.
var brokerTopics = rules.MustGlobs("__*")

// deleter is a writer that deletes with tombstones as part of its work. Both
// patterns must match; a name alone proves little.
type deleter struct{ clients, topics rules.Globs }

// knownDeleters are recognised by the names that their own code gives to
// clients and topics.
var knownDeleters = []deleter{
	// Kafka Streams: stores and their changelogs (ClientUtils.java,
	// ProcessorStateManager.storeChangelogTopic).
	{rules.MustGlobs("*-StreamThread-*"), rules.MustGlobs("*-changelog")},
	// ksqlDB: queries are Streams applications, sink tables included.
	{rules.MustGlobs("_confluent-ksql-*"), rules.Globs{}},
	// Kafka Connect workers: their topics under the usual names; under any
	// name by the client id of the worker (ConnectUtils.clientIdBase).
	{rules.Globs{}, rules.MustGlobs("*connect{-,_,.}{config,configs,offset,offsets,status,statuses}")},
	{rules.MustGlobs("*-{configs,offsets,statuses}"), rules.MustGlobs("*{config,offset,status}*")},
	// Schema registries: Confluent's and Apicurio's.
	{rules.Globs{}, rules.MustGlobs("_schemas", "kafkasql-journal")},
	// MirrorMaker 2: its own topics, and mirrored deletes, which somebody
	// made in the other cluster.
	{rules.Globs{}, rules.MustGlobs("mm2-*.internal", "*.checkpoints.internal")},
	{rules.MustGlobs("*MirrorSourceConnector*"), rules.Globs{}},
}

func deletesOnPurpose(clientID, topic string) bool {
	for i := range knownDeleters {
		d := &knownDeleters[i]
		if d.clients.Match(clientID) && d.topics.Match(topic) {
			return true
		}
	}
	return false
}

// debeziumDelete says whether a value is the event of a deleted row in JSON:
// an envelope with "op":"d" and "after":null, with or without a schema around
// it. Debezium writes a tombstone for the same key right after it
// (tombstones.on.delete). In Avro and Protobuf it cannot be told without the
// schema.
func debeziumDelete(value []byte) bool {
	return len(value) > 2 && value[0] == '{' && value[len(value)-1] == '}' &&
		hasMember(value, `"op"`, `"d"`) && hasMember(value, `"after"`, `null`)
}

// hasMember finds name, a colon and text with any white space around the
// colon. A name inside a string would have its quotes escaped, so it is not
// found there.
func hasMember(value []byte, name, text string) bool {
	for {
		i := bytes.Index(value, []byte(name))
		if i < 0 {
			return false
		}
		value = value[i+len(name):]
		rest, ok := bytes.CutPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte(":"))
		if ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(text)) {
			return true
		}
	}
}
