import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** What an administrator does to the offsets of a group, as kafka-consumer-groups does it. */
final class OffsetOps {
    private OffsetOps() {}

    static void register() {
        AdminOps.op("alter_offsets", OffsetOps::alter);
        AdminOps.op("delete_offsets", OffsetOps::delete);
    }

    private static JsonNode alter(Admin a, JsonNode r) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        Mishaps.offsets(r.get("offsets")).forEach((tp, o) -> wanted.put(tp, new OffsetAndMetadata(o)));
        a.alterConsumerGroupOffsets(r.get("group").asText(), wanted).all().get();
        return Driver.JSON.createObjectNode();
    }

    private static JsonNode delete(Admin a, JsonNode r) throws Exception {
        a.deleteConsumerGroupOffsets(r.get("group").asText(), Mishaps.offsets(r.get("offsets")).keySet()).all().get();
        return Driver.JSON.createObjectNode();
    }
}
