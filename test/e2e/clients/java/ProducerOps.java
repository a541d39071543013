import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producers by handle. */
final class ProducerOps {
    private ProducerOps() {}

    /** An open producer, and whether records say their partition or the library's partitioner chooses it. */
    private record Opened(KafkaProducer<byte[], byte[]> producer, boolean manual) {}

    private static final Map<String, Opened> OPEN = new ConcurrentHashMap<>();
    private static final AtomicInteger NEXT = new AtomicInteger();

    static void register() {
        Driver.op("producer_open", ProducerOps::open);
        Driver.op("produce", ProducerOps::produce);
        call("flush", (p, r) -> p.flush());
        call("begin", (p, r) -> p.beginTransaction());
        call("commit", (p, r) -> p.commitTransaction());
        call("abort", (p, r) -> p.abortTransaction());
        call("send_offsets", ProducerOps::sendOffsets);
        Driver.op("producer_close", r -> {
            OPEN.remove(r.get("handle").asText()).producer().close(java.time.Duration.ofSeconds(10));
            return Driver.JSON.createObjectNode();
        });
    }

    interface Call {
        void run(KafkaProducer<byte[], byte[]> p, JsonNode r) throws Exception;
    }

    private static void call(String name, Call call) {
        Driver.op(name, r -> {
            call.run(OPEN.get(r.get("handle").asText()).producer(), r);
            return Driver.JSON.createObjectNode();
        });
    }

    private static JsonNode open(JsonNode r) throws Exception {
        Properties p = Conn.properties(r.get("conn"));
        String acks = r.path("acks").asText("all");
        int request = r.path("request_timeout_ms").asInt(10000);
        int linger = r.path("linger_ms").asInt(5);
        p.put("acks", acks);
        p.put("enable.idempotence", Boolean.toString(r.path("idempotent").asBoolean(true)));
        p.put("compression.type", r.path("codec").asText("none"));
        p.put("linger.ms", Integer.toString(linger));
        p.put("max.in.flight.requests.per.connection", Integer.toString(r.path("max_in_flight").asInt(5)));
        p.put("request.timeout.ms", Integer.toString(request));
        p.put("delivery.timeout.ms", Integer.toString(Math.max(r.path("delivery_timeout_ms").asInt(30000), request + linger)));
        p.put("max.block.ms", "30000");
        if (r.path("batch_bytes").asInt(0) > 0) {
            p.put("batch.size", r.get("batch_bytes").asText());
        }
        if (r.path("max_request_bytes").asInt(0) > 0) {
            p.put("max.request.size", r.get("max_request_bytes").asText());
        }
        String partitioner = r.path("partitioner").asText("manual");
        if (!partitioner.equals("manual") && !partitioner.equals("default")) {
            p.put("partitioner.class", partitioner);
        }
        String txn = r.path("transactional_id").asText("");
        if (!txn.isEmpty()) {
            p.put("transactional.id", txn);
            if (r.path("transaction_timeout_ms").asInt(0) > 0) {
                p.put("transaction.timeout.ms", r.get("transaction_timeout_ms").asText());
            }
        }
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
        if (!txn.isEmpty()) {
            producer.initTransactions();
        }
        String handle = "p" + NEXT.incrementAndGet();
        OPEN.put(handle, new Opened(producer, partitioner.equals("manual")));
        return Driver.JSON.createObjectNode().put("handle", handle);
    }

    private static JsonNode produce(JsonNode r) throws Exception {
        Opened p = OPEN.get(r.get("handle").asText());
        String topic = r.get("topic").asText();
        JsonNode g = r.get("generate");
        int count = g == null ? r.get("records").size() : g.get("count").asInt();
        boolean sync = r.path("mode").asText("async").equals("sync");
        double rate = r.path("rate").asDouble(0);
        long start = System.nanoTime();
        Outcomes outcomes = new Outcomes(g == null);
        List<Future<RecordMetadata>> waiting = new ArrayList<>();
        List<Integer> partitions = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            if (rate > 0) {
                TimeUnit.NANOSECONDS.sleep(start + (long) (i * 1e9 / rate) - System.nanoTime());
            }
            ProducerRecord<byte[], byte[]> record = g == null ? Rec.of(topic, r.get("records").get(i), p.manual()) : Rec.generated(topic, g, i, p.manual());
            Future<RecordMetadata> f = send(p.producer(), record, outcomes.slowest);
            if (sync) {
                outcomes.add(i, record.partition(), f);
            } else {
                waiting.add(f);
                partitions.add(record.partition());
            }
        }
        if (!sync) {
            p.producer().flush();
        }
        for (int i = 0; i < waiting.size(); i++) {
            outcomes.add(i, partitions.get(i), waiting.get(i));
        }
        return outcomes.json();
    }

    private static Future<RecordMetadata> send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record, AtomicLong slowest) {
        long handed = System.nanoTime();
        try {
            return producer.send(record, (m, e) -> slowest.accumulateAndGet(System.nanoTime() - handed, Math::max));
        } catch (Exception e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private static void sendOffsets(KafkaProducer<byte[], byte[]> p, JsonNode r) throws Exception {
        ConsumerGroupMetadata group = ConsumerOps.metadata(r.get("consumer").asText());
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        r.get("offsets").properties().forEach(e -> offsets.put(MemberOptions.partition(e.getKey()), new OffsetAndMetadata(e.getValue().asLong())));
        p.sendOffsetsToTransaction(offsets, group);
    }

    /** Counts outcomes and keeps them one by one (records) or the first errors only (generated ones). */
    private static final class Outcomes {
        private final boolean each;
        private final ArrayNode results = Driver.JSON.createArrayNode();
        private final AtomicLong slowest = new AtomicLong(); // nanoseconds from handing over to the outcome
        private int acked;
        private int failed;

        Outcomes(boolean each) {
            this.each = each;
        }

        /** The partition is null when it was the library's to choose; what it chose is known only of what was stored. */
        void add(int i, Integer partition, Future<RecordMetadata> f) {
            try {
                RecordMetadata m = f.get(90, TimeUnit.SECONDS);
                acked++;
                if (each) {
                    results.addObject().put("p", m.partition()).put("o", m.hasOffset() ? m.offset() : -1).putNull("error");
                }
            } catch (Exception e) {
                failed++;
                if (each) {
                    results.addObject().put("p", partition == null ? -1 : partition).put("o", -1).set("error", Driver.error(e));
                } else if (results.size() < 20) {
                    results.addObject().put("i", i).set("error", Driver.error(e));
                }
            }
        }

        ObjectNode json() {
            ObjectNode n = Driver.JSON.createObjectNode().put("acked", acked).put("failed", failed);
            n.set(each ? "results" : "errors", results);
            if (!each) {
                n.put("slowest_ms", TimeUnit.NANOSECONDS.toMillis(slowest.get()));
            }
            return n;
        }
    }
}
