import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a topic from its beginning to the end it had when asked, and digests it. */
final class ConsumeOp {
    private ConsumeOp() {}

    static void register() {
        Driver.op("consume", ConsumeOp::consume);
    }

    private static final class Part {
        int count;
        long first = -1;
        long last = -1;
        final MessageDigest sha;

        Part() throws Exception {
            sha = MessageDigest.getInstance("SHA-256");
        }
    }

    static Properties properties(JsonNode r) throws Exception {
        Properties p = Conn.properties(r.get("conn"));
        p.put("enable.auto.commit", "false");
        p.put("isolation.level", r.path("isolation").asText("read_uncommitted"));
        p.put("default.api.timeout.ms", "30000");
        p.put("request.timeout.ms", "15000");
        return p;
    }

    private static JsonNode consume(JsonNode r) throws Exception {
        Properties p = properties(r);
        p.put("auto.offset.reset", "none");
        int max = r.path("max_fetch_bytes").asInt(0);
        if (max > 0) {
            p.put("max.partition.fetch.bytes", Integer.toString(max));
            p.put("fetch.max.bytes", Integer.toString(max));
        }
        ObjectNode result = Driver.JSON.createObjectNode();
        Map<Integer, Part> parts = new TreeMap<>();
        ArrayNode raw = r.path("raw").asBoolean(false) ? Driver.JSON.createArrayNode() : null;
        try (KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            read(c, r, parts, raw);
        }
        ObjectNode out = result.putObject("partitions");
        for (Map.Entry<Integer, Part> e : parts.entrySet()) {
            Part part = e.getValue();
            out.putObject(e.getKey().toString()).put("count", part.count).put("sha256", HexFormat.of().formatHex(part.sha.digest()))
                    .put("first", part.first).put("last", part.last);
        }
        if (raw != null) {
            result.set("records", raw);
        }
        return result;
    }

    private static void read(KafkaConsumer<byte[], byte[]> c, JsonNode r, Map<Integer, Part> parts, ArrayNode raw) throws Exception {
        String topic = r.get("topic").asText();
        List<TopicPartition> all = c.partitionsFor(topic).stream().map(i -> new TopicPartition(topic, i.partition())).toList();
        c.assign(all);
        Map<TopicPartition, Long> ends = c.endOffsets(all);
        c.seekToBeginning(all);
        long deadline = System.nanoTime() + r.path("timeout_ms").asLong(30000) * 1_000_000L;
        while (!done(c, ends)) {
            if (System.nanoTime() > deadline) {
                throw new java.util.concurrent.TimeoutException("consume: not at the end in time");
            }
            for (ConsumerRecord<byte[], byte[]> rec : c.poll(Duration.ofMillis(200))) {
                if (rec.offset() >= ends.get(new TopicPartition(topic, rec.partition()))) {
                    continue;
                }
                Part part = parts.get(rec.partition());
                if (part == null) {
                    parts.put(rec.partition(), part = new Part());
                    part.first = rec.offset();
                }
                part.count++;
                part.last = rec.offset();
                part.sha.update(Rec.line(rec).getBytes(StandardCharsets.UTF_8));
                if (raw != null) {
                    raw.add(Rec.json(rec));
                }
            }
        }
    }

    private static boolean done(KafkaConsumer<byte[], byte[]> c, Map<TopicPartition, Long> ends) {
        for (Map.Entry<TopicPartition, Long> e : ends.entrySet()) {
            if (c.position(e.getKey()) < e.getValue()) {
                return false;
            }
        }
        return true;
    }
}
