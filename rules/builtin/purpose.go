package builtin

import (
	"bytes"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// purpose tells deletes that are meant from mistakes, for the rules that look at
// null and empty values.
type purpose struct {
	// header is the name of the record header that marks a delete on purpose;
	// "": there is none.
	header string
	// known leaves out knownDeleters and Debezium.
	known bool
}

// wants leaves out topics that are known not to be compacted, those that only
// brokers write, and those that their owners clean with tombstones.
func (p purpose) wants(id *rules.Identity, topic *rules.Topic) bool {
	if topic.Cleanup.Known() && !topic.Cleanup.Compacts() {
		return false
	}
	return !brokerTopics.Match(topic.Name) && !(p.known && deletesOnPurpose(id.ClientID, topic.Name))
}

// marked says whether the record carries the header of a delete on purpose.
func (p purpose) marked(r *rules.Record) bool {
	if p.header == "" {
		return false
	}
	_, ok := r.Header(p.header)
	return ok
}

// note remembers a Debezium delete that ends its batch: the tombstone that belongs
// to it begins the next one. The memory is shared by all sessions, since a batch
// may be sent again over another connection.
func (p purpose) note(deletes *state.Recent, b *rules.Batch, r *rules.Record) {
	if p.known && debeziumDelete(r.Value) {
		deletes.Add(deletedKey(deletes, b, r.Key), b.Time)
	}
}

// meant says whether a tombstone itself shows that the delete is meant: by its
// header, or because a Debezium delete of the same key comes right before it.
func (p purpose) meant(deletes *state.Recent, b *rules.Batch, r *rules.Record) bool {
	if p.marked(r) {
		return true
	}
	if !p.known {
		return false
	}
	if before, ok := b.Before(r); ok {
		return bytes.Equal(before.Key, r.Key) && debeziumDelete(before.Value)
	}
	return deletes.Has(deletedKey(deletes, b, r.Key), b.Time)
}

// newDeletes makes a memory for note and meant: at most 4,096 keys of about 150
// bytes. Beyond that it forgets the oldest, whose tombstone then counts as one.
func newDeletes() *state.Recent { return state.NewRecent(4096, 5*time.Minute) }

func deletedKey(deletes *state.Recent, b *rules.Batch, key []byte) *state.Thing {
	thing := deletes.Thing()
	thing.Part([]byte(b.Topic.Name))
	thing.Number(int64(b.Partition))
	thing.Part(key)
	return &thing
}

// endsBatch says whether the record is the last of its batch.
func endsBatch(b *rules.Batch, r *rules.Record) bool { return r.Index+1 == int(b.Header.NumRecords) }

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

// debeziumDelete says whether a value is the event of a deleted row: in JSON an
// envelope with "op":"d" and "after":null, with or without a schema around it, or a
// flattened row with "__deleted":"true" (ExtractNewRecordState); in Avro the
// envelope that avroDelete knows. Debezium writes a tombstone for the same key right
// after it (tombstones.on.delete). In Protobuf it cannot be told without the schema.
func debeziumDelete(value []byte) bool {
	switch {
	case len(value) <= 2:
		return false
	case value[0] == 0:
		return avroDelete(value)
	}
	return value[0] == '{' && value[len(value)-1] == '}' &&
		(hasMember(value, `"op"`, `"d"`) && hasMember(value, `"after"`, `null`) || hasMember(value, `"__deleted"`, `"true"`))
}

// avroOpDelete is op "d" in Avro, and the beginning of the ts_ms behind it, which is
// not null.
var avroOpDelete = []byte("\x02d\x02")

// avroDelete says whether a value with a schema id in front is Debezium's envelope of
// a deleted row. Its fields are before, after, source, … op, ts_ms (Envelope), and
// source begins with the strings version and connector
// (AbstractSourceInfoStructMaker): the null of after stands right before a version.
func avroDelete(value []byte) bool {
	op := bytes.LastIndex(value, avroOpDelete)
	if op < 0 {
		return false
	}
	for i := 1; i < op; i++ {
		if value[i] != 0 {
			continue
		}
		version, rest := avroShort(value[i+1 : op])
		if len(version) < len("1.0.0") || version[0] < '0' || version[0] > '9' || bytes.IndexByte(version, '.') < 0 {
			continue
		}
		if connector, _ := avroShort(rest); len(connector) > 2 && isWord(connector) && isWord(version) {
			return true
		}
	}
	return false
}

// avroShort gives a string of less than 64 bytes at the beginning of Avro, and what
// follows it.
func avroShort(data []byte) (text, rest []byte) {
	if len(data) == 0 || data[0]&0x81 != 0 || len(data) <= int(data[0]/2) { // zigzag: a positive number is even
		return nil, nil
	}
	end := 1 + int(data[0]/2)
	return data[1:end], data[end:]
}

// isWord says whether text has only letters, digits, dots, hyphens and underscores.
func isWord(text []byte) bool {
	for _, c := range text {
		if c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
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
