import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams applications by handle, in groups of their own protocol (KIP-1071). */
final class StreamsOps {
    private StreamsOps() {}

    private static final Map<String, KafkaStreams> OPEN = new ConcurrentHashMap<>();
    private static final AtomicInteger NEXT = new AtomicInteger();

    static void register() {
        Driver.op("streams_open", StreamsOps::open);
        Driver.op("streams_state", r -> Driver.JSON.createObjectNode().put("state", OPEN.get(r.get("handle").asText()).state().name()));
        Driver.op("streams_close", r -> {
            OPEN.remove(r.get("handle").asText()).close(Duration.ofSeconds(20));
            return Driver.JSON.createObjectNode();
        });
    }

    private static JsonNode open(JsonNode r) throws Exception {
        String handle = "s" + NEXT.incrementAndGet();
        Properties p = Conn.properties(r.get("conn"));
        p.put("application.id", r.get("application").asText());
        p.put("group.protocol", "streams");
        p.put("client.id", p.getProperty("client.id") + "-" + handle);
        p.put("state.dir", Files.createTempDirectory("e2e-streams").toString());
        p.put("default.key.serde", Serdes.ByteArray().getClass().getName());
        p.put("default.value.serde", Serdes.ByteArray().getClass().getName());
        p.put("commit.interval.ms", "500");
        KafkaStreams s = new KafkaStreams(counting(r.get("from").asText(), r.get("to").asText()), p);
        OPEN.put(handle, s);
        s.start();
        return Driver.JSON.createObjectNode().put("handle", handle);
    }

    /** Counts records by value. The store is in memory: what keeps it on disk is not installed. */
    private static Topology counting(String from, String to) {
        StreamsBuilder b = new StreamsBuilder();
        b.<byte[], byte[]>stream(from).selectKey((k, v) -> v).groupByKey()
                .count(Materialized.<byte[], Long>as(Stores.inMemoryKeyValueStore("counts"))).toStream()
                .mapValues(n -> n.toString().getBytes()).to(to);
        return b.build();
    }
}
