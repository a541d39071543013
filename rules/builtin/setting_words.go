package builtin

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"warder/rules"
)

// settingNames are the names of settings in libraries that do not take over
// Apache Kafka's, as Java and librdkafka do but for one.
var settingNames = map[rules.Library]map[string]string{
	rules.Librdkafka: {"fetch.max.wait.ms": "fetch.wait.max.ms"},
	rules.KafkaPython: {
		"session.timeout.ms": "session_timeout_ms", "heartbeat.interval.ms": "heartbeat_interval_ms", "group.instance.id": "group_instance_id",
		"max.poll.interval.ms": "max_poll_interval_ms", "max.poll.records": "max_poll_records",
		"fetch.min.bytes": "fetch_min_bytes", "fetch.max.wait.ms": "fetch_max_wait_ms", "metadata.max.age.ms": "metadata_max_age_ms",
		"enable.idempotence": "enable_idempotence",
	},
	rules.KafkaJS: {
		"session.timeout.ms": "sessionTimeout", "heartbeat.interval.ms": "heartbeatInterval",
		"fetch.min.bytes": "minBytes", "fetch.max.wait.ms": "maxWaitTimeInMs", "metadata.max.age.ms": "metadataMaxAge", "enable.idempotence": "idempotent",
	},
	rules.Sarama: {
		"session.timeout.ms": "Consumer.Group.Session.Timeout", "heartbeat.interval.ms": "Consumer.Group.Heartbeat.Interval", "group.instance.id": "Consumer.Group.InstanceId",
		"fetch.min.bytes": "Consumer.Fetch.Min", "fetch.max.wait.ms": "Consumer.MaxWaitTime", "metadata.max.age.ms": "Metadata.RefreshFrequency",
		"enable.idempotence": "Producer.Idempotent",
	},
	rules.FranzGo: {
		"session.timeout.ms": "kgo.SessionTimeout", "heartbeat.interval.ms": "kgo.HeartbeatInterval", "group.instance.id": "kgo.InstanceID",
		"fetch.min.bytes": "kgo.FetchMinBytes", "fetch.max.wait.ms": "kgo.FetchMaxWait", "metadata.max.age.ms": "kgo.MetadataMaxAge",
	},
	rules.KafkaGo: {
		"session.timeout.ms": "SessionTimeout", "heartbeat.interval.ms": "HeartbeatInterval",
		"fetch.min.bytes": "ReaderConfig.MinBytes", "fetch.max.wait.ms": "ReaderConfig.MaxWait", "metadata.max.age.ms": "Transport.MetadataTTL",
	},
}

// setting is the name of a setting as a library writes it.
func setting(l rules.Library, kafka string) string { return cmp.Or(settingNames[l][kafka], kafka) }

// tuning is what a library calls what the rules about settings advise. Each is a
// sentence, or several.
type tuning struct {
	batch    string // how to send more records in a batch
	compress string // the setting that compresses with lz4, and with what packages
	together string // how not to wait for each record
	keep     string // what is to be made once and kept
}

// tunings is the one table of them. The numbers of `batch` are those that the large
// producers of the world use: a few milliseconds, and room for them.
var tunings = map[rules.Library]tuning{
	rules.Java: {
		batch:    "Set linger.ms to 5 to 20%s and batch.size to between 65536 and 262144 (16384 by default).",
		compress: "compression.type=lz4",
		together: "Do not call get() on the future of each send(): give send() a callback, or collect the futures and wait for many at once.",
		keep:     "one KafkaProducer, KafkaConsumer or AdminClient",
	},
	rules.Librdkafka: {
		batch:    "Set linger.ms (queue.buffering.max.ms) to 20 or more (5 by default), and leave batch.num.messages (10000) and batch.size (1000000) at their defaults.",
		compress: "compression.codec=lz4",
		together: "Do not call flush(), or wait for the delivery report, after each produce(): serve the reports with poll() and flush once, at the end.",
		keep:     "one Producer or Consumer",
	},
	rules.Sarama: {
		batch:    "Set Producer.Flush.Frequency to 5 to 20 ms and Producer.Flush.Bytes to 65536 or more (0 by default: whatever there is goes out at once).",
		compress: "Producer.Compression = sarama.CompressionLZ4",
		together: "Use an AsyncProducer, or give SendMessages of the SyncProducer many messages, instead of SendMessage for each.",
		keep:     "one sarama.Client, with the producers and consumers that are made from it",
	},
	rules.FranzGo: {
		batch:    "Set kgo.ProducerLinger to 5 to 20 ms%s, and do not write record by record with ProduceSync, which sends at once whatever waits.",
		compress: "kgo.ProducerBatchCompression(kgo.Lz4Compression())",
		together: "Use Produce with a promise, or give ProduceSync many records, instead of one ProduceSync for each.",
		keep:     "one kgo.Client",
	},
	rules.KafkaJS: {
		batch:    "kafkajs does not wait for more: collect messages for some milliseconds and pass them to one producer.send() or sendBatch().",
		compress: "compression: CompressionTypes.GZIP in send() (LZ4 and ZSTD need a package of their own)",
		together: "Pass many messages to one producer.send() instead of awaiting one for each.",
		keep:     "one producer, consumer or admin, connected once",
	},
	rules.KafkaPython: {
		batch:    "Set linger_ms to 5 to 20 (0 by default) and batch_size to between 65536 and 262144 (16384 by default).",
		compress: "compression_type='lz4' (with the package lz4)",
		together: "Do not call get() on the future of each send(): use add_callback, and flush() at the end.",
		keep:     "one KafkaProducer, KafkaConsumer or KafkaAdminClient",
	},
	rules.KafkaGo: {
		batch:    "Set Writer.BatchTimeout to 5 to 20 ms (1 s by default) and Writer.BatchSize to some hundreds (100 by default), and give WriteMessages many messages.",
		compress: "Writer.Compression = kafka.Lz4",
		together: "Give WriteMessages many messages, or set Writer.Async: a call waits until its batch is full or Writer.BatchTimeout (1 s by default) has passed.",
		keep:     "one Writer, Reader or Client",
	},
	// kafkajs and kafka-go among them, unless they are told to say what they are.
	rules.UnknownLibrary: {
		batch:    "Let the producer wait some milliseconds for more records, and give a batch room for 64 KiB or more (linger.ms and batch.size, whatever the library calls them). kafkajs, which does not say what it is, does not wait: pass many messages to one send().",
		compress: "compression.type=lz4, or what the library calls it",
		together: "Do not wait for the answer to each record before the next one is sent: use callbacks, or pass many messages to one send() with kafkajs, which does not say what it is.",
		keep:     "one producer, consumer or admin client",
	},
}

// batchAdvice is tuning.batch with the default of the version at hand.
func batchAdvice(id *rules.Identity) string {
	text := tunings[id.Library()].batch
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, lingerDefault(id))
	}
	return text
}

// lingerDefault says how long a client waits for more records by default: Java 5 ms
// since 4.0 (KIP-1030), franz-go 10 ms since 1.20, and nothing before.
func lingerDefault(id *rules.Identity) string {
	since, linger := [2]int{4, 0}, "5"
	if id.Library() == rules.FranzGo {
		since, linger = [2]int{1, 20}, "10 ms"
	}
	major, minor, ok := majorMinor(id.SoftwareVersion)
	switch {
	case !ok:
		return ""
	case major > since[0] || major == since[0] && minor >= since[1]:
		return fmt.Sprintf(" (%s by default)", linger)
	}
	return " (0 by default)"
}

// majorMinor reads the beginning of a version, as in v1.22.3 or 4.1.0.
func majorMinor(version string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err == nil && err2 == nil
}

// sizeText is an amount of bytes for people: 300 bytes, 64 KiB, 1.5 MiB.
func sizeText(n int64) string {
	switch {
	case n >= 1<<20:
		return strconv.FormatFloat(places(float64(n)/(1<<20), 1), 'f', -1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatFloat(places(float64(n)/(1<<10), 1), 'f', -1, 64) + " KiB"
	}
	return several(n, "byte")
}
