import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** Records that a member's handler cannot process: it seeks back to them and tries again, or ends. */
final class Mishaps {
    private final Map<TopicPartition, Long> seek;
    private final Map<TopicPartition, Long> fail;
    private final Set<TopicPartition> back = new HashSet<>(); // what is left of the poll lies behind such a record

    Mishaps(JsonNode r) {
        seek = offsets(r.path("seek_at"));
        fail = offsets(r.path("fail_at"));
    }

    static Map<TopicPartition, Long> offsets(JsonNode named) {
        Map<TopicPartition, Long> all = new HashMap<>();
        named.properties().forEach(e -> all.put(MemberOptions.partition(e.getKey()), e.getValue().asLong()));
        return all;
    }

    /** Whether a record can be processed. The first one after a poll says so. */
    boolean handles(KafkaConsumer<?, ?> consumer, ConsumerRecord<?, ?> rec) {
        TopicPartition tp = new TopicPartition(rec.topic(), rec.partition());
        if (fail.getOrDefault(tp, -1L) == rec.offset()) {
            throw new IllegalStateException("cannot process offset " + rec.offset() + " of " + tp);
        }
        if (seek.getOrDefault(tp, -1L) == rec.offset()) {
            consumer.seek(tp, rec.offset());
            back.add(tp);
        }
        return !back.contains(tp);
    }

    /** The poll has been worked off; the next try of what failed comes after a moment, as error handlers do it. */
    void polled() throws InterruptedException {
        if (!back.isEmpty()) {
            back.clear();
            TimeUnit.MILLISECONDS.sleep(200);
        }
    }
}
