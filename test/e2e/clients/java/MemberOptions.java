import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.TopicPartition;

/** What `consumer_open` may say further of a group member. */
final class MemberOptions {
    private MemberOptions() {}

    private static final Map<String, String> SETTINGS = Map.of(
            "heartbeat_interval_ms", "heartbeat.interval.ms",
            "max_poll_interval_ms", "max.poll.interval.ms",
            "max_poll_records", "max.poll.records",
            "group_instance_id", "group.instance.id");

    private static final Map<String, String> ASSIGNORS = Map.of(
            "range", "RangeAssignor", "roundrobin", "RoundRobinAssignor", "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");

    static void apply(JsonNode r, Properties p) {
        SETTINGS.forEach((field, setting) -> {
            if (r.hasNonNull(field)) {
                p.put(setting, r.get(field).asText());
            }
        });
        if (r.hasNonNull("assignor")) {
            p.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + ASSIGNORS.get(r.get("assignor").asText()));
        }
        if (r.path("auto_commit_ms").asInt(0) > 0) {
            p.put("enable.auto.commit", "true");
            p.put("auto.commit.interval.ms", r.get("auto_commit_ms").asText());
        }
    }

    /** "topic/3" as a partition. */
    static TopicPartition partition(String name) {
        int slash = name.lastIndexOf('/');
        return new TopicPartition(name.substring(0, slash), Integer.parseInt(name.substring(slash + 1)));
    }
}
