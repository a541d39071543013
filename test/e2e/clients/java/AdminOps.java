import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

/** Operations of the Admin client; each opens and closes its own. */
final class AdminOps {
    private AdminOps() {}

    interface Call {
        JsonNode run(Admin admin, JsonNode request) throws Exception;
    }

    static void register() {
        op("create_topic", AdminOps::createTopic);
        op("create_partitions", (a, r) -> {
            a.createPartitions(Map.of(r.get("name").asText(), NewPartitions.increaseTo(r.get("total").asInt()))).all().get();
            return empty();
        });
        op("delete_topic", (a, r) -> {
            a.deleteTopics(List.of(r.get("name").asText())).all().get();
            return empty();
        });
        op("list_topics", (a, r) -> sorted("topics", a.listTopics().names().get()));
        op("describe_topic", AdminOps::describeTopic);
        op("describe_cluster", AdminOps::describeCluster);
        op("describe_configs", AdminOps::describeConfigs);
        op("alter_configs", AdminOps::alterConfigs);
        op("list_groups", (a, r) -> sorted("groups", a.listGroups().all().get().stream().map(g -> g.groupId()).toList()));
        op("describe_group", (a, r) -> {
            ConsumerGroupDescription d = a.describeConsumerGroups(List.of(r.get("group").asText())).all().get().get(r.get("group").asText());
            return empty().put("state", d.groupState().toString()).put("members", d.members().size());
        });
        op("delete_group", (a, r) -> {
            a.deleteConsumerGroups(List.of(r.get("group").asText())).all().get();
            return empty();
        });
        op("group_offsets", AdminOps::groupOffsets);
        op("list_offsets", AdminOps::listOffsets);
        op("delete_records", AdminOps::deleteRecords);
        op("move_leader", AdminOps::moveLeader);
        op("alter_share_offsets", AdminOps::shareFromEarliest);
    }

    static void op(String name, Call call) {
        Driver.op(name, r -> {
            Properties p = Conn.properties(r.get("conn"));
            p.put("default.api.timeout.ms", "30000");
            p.put("request.timeout.ms", "10000");
            try (Admin admin = Admin.create(p)) {
                return call.run(admin, r);
            }
        });
    }

    private static ObjectNode empty() {
        return Driver.JSON.createObjectNode();
    }

    private static ObjectNode sorted(String field, Collection<String> names) {
        ObjectNode n = empty();
        ArrayNode a = n.putArray(field);
        new TreeSet<>(names).forEach(a::add);
        return n;
    }

    private static JsonNode createTopic(Admin a, JsonNode r) throws Exception {
        Map<String, String> configs = new HashMap<>();
        r.path("configs").properties().forEach(e -> configs.put(e.getKey(), e.getValue().asText()));
        NewTopic t = new NewTopic(r.get("name").asText(), r.path("partitions").asInt(1), (short) r.path("replication").asInt(1)).configs(configs);
        a.createTopics(List.of(t)).all().get();
        return empty();
    }

    private static JsonNode describeTopic(Admin a, JsonNode r) throws Exception {
        TopicDescription d = a.describeTopics(List.of(r.get("name").asText())).allTopicNames().get().get(r.get("name").asText());
        ObjectNode n = empty();
        ArrayNode parts = n.putArray("partitions");
        for (TopicPartitionInfo p : d.partitions()) {
            ObjectNode o = parts.addObject().put("id", p.partition()).put("leader", p.leader() == null ? -1 : p.leader().id());
            ArrayNode replicas = o.putArray("replicas");
            p.replicas().forEach(b -> replicas.add(b.id()));
            ArrayNode isr = o.putArray("isr");
            p.isr().stream().map(Node::id).sorted().forEach(isr::add);
        }
        return n;
    }

    private static JsonNode describeCluster(Admin a, JsonNode r) throws Exception {
        DescribeClusterResult d = a.describeCluster();
        ObjectNode n = empty().put("cluster_id", d.clusterId().get()).put("controller", d.controller().get().id());
        ArrayNode brokers = n.putArray("brokers");
        d.nodes().get().stream().sorted(Comparator.comparingInt(Node::id))
                .forEach(b -> brokers.addObject().put("id", b.id()).put("host", b.host()).put("port", b.port()));
        return n;
    }

    private static JsonNode describeConfigs(Admin a, JsonNode r) throws Exception {
        ConfigResource.Type type = r.path("type").asText("topic").equals("broker") ? ConfigResource.Type.BROKER : ConfigResource.Type.TOPIC;
        Config c = a.describeConfigs(List.of(new ConfigResource(type, r.get("name").asText()))).all().get().values().iterator().next();
        ObjectNode n = empty();
        ObjectNode configs = n.putObject("configs");
        r.get("keys").forEach(k -> {
            ConfigEntry e = c.get(k.asText());
            if (e != null) {
                configs.put(k.asText(), e.value());
            }
        });
        return n;
    }

    private static JsonNode alterConfigs(Admin a, JsonNode r) throws Exception {
        List<AlterConfigOp> ops = new ArrayList<>();
        r.get("set").properties().forEach(e -> ops.add(new AlterConfigOp(new ConfigEntry(e.getKey(), e.getValue().asText()), AlterConfigOp.OpType.SET)));
        ConfigResource.Type type = r.path("type").asText("topic").equals("group") ? ConfigResource.Type.GROUP : ConfigResource.Type.TOPIC;
        a.incrementalAlterConfigs(Map.of(new ConfigResource(type, r.get("name").asText()), ops)).all().get();
        return empty();
    }

    private static JsonNode groupOffsets(Admin a, JsonNode r) throws Exception {
        ObjectNode n = empty();
        ObjectNode offsets = n.putObject("offsets");
        a.listConsumerGroupOffsets(r.get("group").asText()).partitionsToOffsetAndMetadata().get().forEach((tp, o) -> {
            if (o != null) {
                offsets.put(tp.topic() + "/" + tp.partition(), o.offset());
            }
        });
        return n;
    }

    private static JsonNode listOffsets(Admin a, JsonNode r) throws Exception {
        String topic = r.get("topic").asText();
        OffsetSpec spec = r.path("spec").asText("latest").equals("earliest") ? OffsetSpec.earliest() : OffsetSpec.latest();
        Map<TopicPartition, OffsetSpec> ask = new HashMap<>();
        a.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().forEach(p -> ask.put(new TopicPartition(topic, p.partition()), spec));
        ObjectNode n = empty();
        ObjectNode offsets = n.putObject("offsets");
        a.listOffsets(ask).all().get().forEach((tp, o) -> offsets.put(Integer.toString(tp.partition()), o.offset()));
        return n;
    }

    private static JsonNode deleteRecords(Admin a, JsonNode r) throws Exception {
        TopicPartition tp = new TopicPartition(r.get("topic").asText(), r.get("partition").asInt());
        var done = a.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(r.get("offset").asLong())));
        return empty().put("low_watermark", done.lowWatermarks().get(tp).get().lowWatermark());
    }

    /** Moves one partition's leadership in an orderly way: reorders its replicas so that {@code leader} is preferred, then elects it. */
    private static JsonNode moveLeader(Admin a, JsonNode r) throws Exception {
        String topic = r.get("topic").asText();
        TopicPartition tp = new TopicPartition(topic, r.get("partition").asInt());
        List<Integer> replicas = new ArrayList<>();
        replicas.add(r.get("leader").asInt());
        a.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(tp.partition()).replicas().forEach(b -> {
            if (!replicas.contains(b.id())) {
                replicas.add(b.id());
            }
        });
        a.alterPartitionReassignments(Map.of(tp, Optional.of(new NewPartitionReassignment(replicas)))).all().get();
        Set<TopicPartition> one = new HashSet<>(List.of(tp));
        for (int tries = 0; !a.listPartitionReassignments(one).reassignments().get().isEmpty() && tries < 300; tries++) {
            Thread.sleep(20);
        }
        Optional<Throwable> failed = a.electLeaders(ElectionType.PREFERRED, one).partitions().get().get(tp);
        if (failed.isPresent() && !failed.get().getClass().getSimpleName().equals("ElectionNotNeededException")) {
            throw new IllegalStateException("electing " + tp, failed.get());
        }
        return empty();
    }

    /** A share group starts at the end of a topic unless its own configuration says otherwise. */
    private static JsonNode shareFromEarliest(Admin a, JsonNode r) throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, r.get("group").asText());
        a.incrementalAlterConfigs(Map.of(group, List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
        return empty();
    }
}
