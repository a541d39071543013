import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Records: from requests, generated, to answers, and the line that digests are made of. */
final class Rec {
    private Rec() {}

    static byte[] bytes(JsonNode n) {
        return n == null || n.isNull() || n.isMissingNode() ? null : Base64.getDecoder().decode(n.asText());
    }

    static String base64(byte[] b) {
        return b == null ? null : Base64.getEncoder().encodeToString(b);
    }

    /** A record as a request gives it; without `manual` the library chooses the partition. */
    static ProducerRecord<byte[], byte[]> of(String topic, JsonNode n, boolean manual) {
        List<Header> headers = new ArrayList<>();
        for (JsonNode h : n.path("h")) {
            headers.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1))));
        }
        Long ts = n.hasNonNull("ts") ? n.get("ts").asLong() : null;
        return new ProducerRecord<>(topic, manual ? n.get("p").asInt() : null, ts, bytes(n.get("k")), bytes(n.get("v")), headers);
    }

    /** Record i of a generator, as README.md defines it. */
    static ProducerRecord<byte[], byte[]> generated(String topic, JsonNode g, int i, boolean manual) {
        boolean mixed = g.path("flavour").asText("plain").equals("mixed");
        byte[] key = mixed && i % 5 == 4 ? null : key(g, i);
        byte[] value = value(g, i);
        if (mixed && i % 7 == 3) {
            value = null;
        } else if (mixed && i % 7 == 5) {
            value = new byte[0];
        }
        List<Header> headers = new ArrayList<>();
        if (mixed && i % 3 == 0) {
            headers.add(new RecordHeader("h1", ascii(Integer.toString(i))));
            headers.add(new RecordHeader("h2", null));
        }
        long ts = g.path("ts").asLong(0);
        Integer partition = manual ? i % Math.max(1, g.path("partitions").asInt(1)) : null;
        return new ProducerRecord<>(topic, partition, ts == 0 ? null : ts + i, key, value, headers);
    }

    private static byte[] key(JsonNode g, int i) {
        int keys = g.path("keys").asInt(0);
        int hot = g.path("hot").asInt(0);
        String name = hot > 0 && i % hot == 0 ? "hot" : "k" + (keys > 0 ? i % keys : i);
        return ascii(g.path("prefix").asText("") + name);
    }

    private static byte[] value(JsonNode g, int i) {
        String form = g.path("value").asText("text");
        switch (form) {
            case "text":
                return text(g, i);
            case "json":
                return ascii("{\"id\":" + i + ",\"name\":\"n" + i + "\",\"email\":\"e" + i + "@example.org\"}");
            case "json-null-email":
                return ascii("{\"id\":" + i + ",\"name\":\"n" + i + "\",\"email\":null}");
            case "confluent":
                byte[] text = text(g, i);
                return ByteBuffer.allocate(5 + text.length).put((byte) 0).putInt(7).put(text).array();
            case "null":
                return null;
            case "null-text":
                return ascii("null");
            case "empty":
                return new byte[0];
            case "empty-object":
                return ascii("{}");
            default:
                throw new IllegalArgumentException("no form of value " + form);
        }
    }

    private static byte[] text(JsonNode g, int i) {
        String text = g.path("prefix").asText("") + "v" + i + ":";
        byte[] v = new byte[Math.max(g.path("size").asInt(0), text.length())];
        System.arraycopy(ascii(text), 0, v, 0, text.length());
        for (int at = text.length(), j = 0; at < v.length; at++, j++) {
            v[at] = (byte) ('a' + ((long) i * 7 + (long) j * j) % 26);
        }
        return v;
    }

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.US_ASCII);
    }

    static ObjectNode json(ConsumerRecord<byte[], byte[]> r) {
        ObjectNode n = Driver.JSON.createObjectNode();
        n.put("t", r.topic()).put("p", r.partition()).put("o", r.offset()).put("k", base64(r.key())).put("v", base64(r.value())).put("ts", r.timestamp());
        ArrayNode hs = n.putArray("h");
        for (Header h : r.headers()) {
            hs.addArray().add(h.key()).add(base64(h.value()));
        }
        return n;
    }

    static String line(ConsumerRecord<byte[], byte[]> r) {
        StringBuilder b = new StringBuilder();
        b.append(r.key() == null ? "-" : base64(r.key())).append('\t').append(r.value() == null ? "-" : base64(r.value())).append('\t');
        String comma = "";
        for (Header h : r.headers()) {
            b.append(comma).append(h.key()).append('=').append(h.value() == null ? "-" : base64(h.value()));
            comma = ",";
        }
        return b.append('\t').append(r.timestamp()).append('\n').toString();
    }
}
