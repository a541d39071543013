import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Group members by handle, each polled by a thread of its own; commands to a member run in that thread. */
final class ConsumerOps {
    private ConsumerOps() {}

    private static final Map<String, Member> OPEN = new ConcurrentHashMap<>();
    private static final AtomicInteger NEXT = new AtomicInteger();

    static void register() {
        Driver.op("consumer_open", ConsumerOps::open);
        Driver.op("consumer_state", r -> member(r).state());
        Driver.op("consumer_take", r -> member(r).take());
        Driver.op("consumer_commit", r -> member(r).call(m -> {
            m.seek(Mishaps.offsets(r.path("offsets")));
            return m.commit();
        }));
        Driver.op("consumer_slow", r -> member(r).slow(r.get("slow_ms").asLong()));
        Driver.op("consumer_pause", r -> member(r).call(m -> m.pause(r.get("paused"))));
        Driver.op("consumer_close", r -> {
            Member m = OPEN.remove(r.get("handle").asText());
            m.stop();
            m.thread.join(20000);
            return Driver.JSON.createObjectNode();
        });
    }

    private static Member member(JsonNode r) {
        return OPEN.get(r.get("handle").asText());
    }

    static ConsumerGroupMetadata metadata(String handle) throws Exception {
        CompletableFuture<ConsumerGroupMetadata> f = new CompletableFuture<>();
        OPEN.get(handle).todo.add(m -> f.complete(((Group) m).consumer.groupMetadata()));
        return f.get(30, TimeUnit.SECONDS);
    }

    private static JsonNode open(JsonNode r) throws Exception {
        Properties p = ConsumeOp.properties(r);
        p.put("group.id", r.get("group").asText());
        Set<String> topics = new TreeSet<>();
        r.get("topics").forEach(t -> topics.add(t.asText()));
        String protocol = r.path("protocol").asText("classic");
        Member m;
        if (protocol.equals("share")) {
            p.remove("enable.auto.commit");
            p.remove("isolation.level");
            m = new Share(p, topics, r.path("release").asText(""));
        } else {
            p.put("fetch.min.bytes", r.path("fetch_min_bytes").asText("1"));
            p.put("auto.offset.reset", r.path("offset_reset").asText("earliest"));
            p.put("group.protocol", protocol);
            if (protocol.equals("classic")) {
                String session = r.path("session_timeout_ms").asText("10000");
                p.put("session.timeout.ms", session);
                p.put("heartbeat.interval.ms", Integer.toString(Math.max(200, Integer.parseInt(session) / 10)));
            }
            MemberOptions.apply(r, p);
            m = new Group(p, topics, new Mishaps(r));
        }
        m.slow(r.path("slow_ms").asLong(0));
        String handle = "c" + NEXT.incrementAndGet();
        OPEN.put(handle, m);
        m.thread.start();
        return Driver.JSON.createObjectNode().put("handle", handle);
    }

    interface Work {
        void run(Member m) throws Exception;
    }

    interface Answer {
        JsonNode run(Member m) throws Exception;
    }

    abstract static class Member {
        final BlockingQueue<Work> todo = new LinkedBlockingQueue<>();
        final Thread thread = new Thread(this::loop, "member");
        final Map<TopicPartition, Long> positions = new HashMap<>();
        final Set<TopicPartition> assigned = new java.util.HashSet<>();
        private ArrayNode taken = Driver.JSON.createArrayNode();
        private int count;
        int rebalances;
        private Throwable error;
        private long slowMs;
        private volatile boolean stop;

        abstract Iterable<ConsumerRecord<byte[], byte[]>> poll();

        /** Hands over what was polled. */
        void work() throws Exception {
            poll().forEach(this::got);
        }

        /** Goes to these offsets, as if all before them and nothing behind them had been received. */
        void seek(Map<TopicPartition, Long> offsets) {
            if (!offsets.isEmpty()) {
                throw new UnsupportedOperationException("only members of consumer groups have a place to go to");
            }
        }

        abstract JsonNode commit();

        abstract JsonNode pause(JsonNode partitions);

        abstract void close();

        private void loop() {
            try {
                while (!stop) {
                    work();
                    for (Work w = todo.poll(); w != null; w = todo.poll()) {
                        w.run(this);
                    }
                }
            } catch (Throwable t) {
                synchronized (this) {
                    error = t;
                }
            } finally {
                close();
            }
        }

        /** Takes as long over a record as was asked for, unless the member is closed or told to be quicker meanwhile. */
        synchronized void takeTime() throws InterruptedException {
            long begin = System.nanoTime();
            for (long left = slowMs; left > 0 && !stop; left = slowMs - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin)) {
                wait(left);
            }
        }

        synchronized JsonNode slow(long ms) {
            slowMs = ms;
            notifyAll();
            return Driver.JSON.createObjectNode();
        }

        synchronized void stop() {
            stop = true;
            notifyAll();
        }

        synchronized void got(ConsumerRecord<byte[], byte[]> rec) {
            count++;
            taken.add(Rec.json(rec));
            positions.put(new TopicPartition(rec.topic(), rec.partition()), rec.offset() + 1);
        }

        JsonNode call(Answer a) throws Exception {
            CompletableFuture<JsonNode> f = new CompletableFuture<>();
            todo.add(m -> {
                try {
                    f.complete(a.run(m));
                } catch (Exception e) {
                    f.completeExceptionally(e);
                }
            });
            return f.get(40, TimeUnit.SECONDS);
        }

        synchronized JsonNode take() {
            ObjectNode n = Driver.JSON.createObjectNode();
            n.set("records", taken);
            taken = Driver.JSON.createArrayNode();
            return n;
        }

        synchronized JsonNode state() {
            ObjectNode n = Driver.JSON.createObjectNode().put("count", count).put("rebalances", rebalances);
            ArrayNode a = n.putArray("assignment");
            assigned.stream().map(ConsumerOps::name).sorted().forEach(a::add);
            ObjectNode pos = n.putObject("positions");
            positions.forEach((tp, o) -> pos.put(name(tp), o));
            n.set("error", error == null ? null : Driver.error(error));
            return n;
        }
    }

    private static String name(TopicPartition tp) {
        return tp.topic() + "/" + tp.partition();
    }

    private static final class Group extends Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        private final Mishaps mishaps;

        Group(Properties p, Set<String> topics, Mishaps mishaps) {
            this.mishaps = mishaps;
            consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(topics, this);
        }

        @Override
        Iterable<ConsumerRecord<byte[], byte[]>> poll() {
            return consumer.poll(Duration.ofMillis(100));
        }

        @Override
        void work() throws Exception {
            for (ConsumerRecord<byte[], byte[]> rec : poll()) {
                takeTime();
                if (mishaps.handles(consumer, rec)) {
                    got(rec);
                }
            }
            mishaps.polled();
        }

        @Override
        void seek(Map<TopicPartition, Long> offsets) {
            offsets.forEach(consumer::seek);
            synchronized (this) {
                positions.putAll(offsets);
            }
        }

        @Override
        JsonNode commit() {
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            ObjectNode n = Driver.JSON.createObjectNode();
            ObjectNode out = n.putObject("offsets");
            synchronized (this) {
                positions.forEach((tp, o) -> {
                    if (assigned.contains(tp)) {
                        offsets.put(tp, new OffsetAndMetadata(o));
                        out.put(name(tp), o);
                    }
                });
            }
            consumer.commitSync(offsets, Duration.ofSeconds(20));
            return n;
        }

        @Override
        JsonNode pause(JsonNode partitions) {
            Set<TopicPartition> some = new java.util.HashSet<>();
            partitions.forEach(n -> some.add(MemberOptions.partition(n.asText())));
            consumer.resume(consumer.paused());
            consumer.pause(some);
            return Driver.JSON.createObjectNode();
        }

        @Override
        void close() {
            consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(Duration.ofSeconds(10)));
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> gone) {
            assigned.removeAll(gone);
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> added) {
            assigned.addAll(added);
            rebalances++;
        }
    }

    private static final class Share extends Member {
        private final KafkaShareConsumer<byte[], byte[]> consumer;
        private final String release;

        /** Accepts all records; unless release is empty those whose value begins with it are given back instead. */
        Share(Properties p, Set<String> topics, String release) {
            this.release = release;
            if (!release.isEmpty()) {
                p.put("share.acknowledgement.mode", "explicit");
            }
            consumer = new KafkaShareConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(topics);
        }

        @Override
        Iterable<ConsumerRecord<byte[], byte[]>> poll() {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
            if (!release.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> rec : records) {
                    boolean back = new String(rec.value(), StandardCharsets.UTF_8).startsWith(release);
                    consumer.acknowledge(rec, back ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
                }
            }
            return records;
        }

        /** Acknowledges what was delivered: the implicit mode accepts every record of the last poll at the next one. */
        @Override
        JsonNode commit() {
            consumer.commitSync(Duration.ofSeconds(20));
            return Driver.JSON.createObjectNode();
        }

        @Override
        JsonNode pause(JsonNode partitions) {
            throw new UnsupportedOperationException("a share consumer cannot pause partitions");
        }

        @Override
        void close() {
            consumer.close(Duration.ofSeconds(10));
        }
    }
}
