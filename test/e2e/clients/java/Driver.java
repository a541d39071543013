import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

/** The driver of Apache Kafka's own Java client: reads requests, runs each in its own thread, writes answers. */
public final class Driver {
    static final ObjectMapper JSON = new ObjectMapper();

    /** What one operation does with its request. */
    interface Op {
        JsonNode run(JsonNode request) throws Exception;
    }

    private static final Map<String, Op> OPS = new TreeMap<>();

    static void op(String name, Op op) {
        OPS.put(name, op);
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        System.setOut(System.err);
        op("hello", r -> hello());
        AdminOps.register();
        OffsetOps.register();
        ProducerOps.register();
        ConsumeOp.register();
        ConsumerOps.register();
        StreamsOps.register();
        ExecutorService pool = Executors.newCachedThreadPool();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            pool.execute(() -> {
                String answer = answer(request).toString();
                synchronized (out) {
                    out.println(answer);
                    out.flush();
                }
            });
        }
        System.exit(0);
    }

    private static ObjectNode answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        answer.set("id", request.get("id"));
        Op op = OPS.get(request.path("op").asText());
        if (op == null) {
            answer.put("ok", false).put("unsupported", true);
            answer.putObject("error").put("message", "the Java driver has no operation " + request.path("op").asText());
            return answer;
        }
        try {
            JsonNode result = op.run(request);
            answer.put("ok", true).set("result", result);
        } catch (Throwable t) {
            answer.put("ok", false).set("error", error(t));
        }
        return answer;
    }

    /** The innermost meaningful exception, as the protocol's error object. */
    static ObjectNode error(Throwable thrown) {
        Throwable t = thrown;
        while (t instanceof ExecutionException && t.getCause() != null) {
            t = t.getCause();
        }
        ObjectNode e = JSON.createObjectNode();
        e.put("name", t.getClass().getSimpleName());
        Errors code = Errors.forException(t);
        if (code == Errors.UNKNOWN_SERVER_ERROR) {
            e.putNull("code");
        } else {
            e.put("code", code.code());
        }
        e.put("message", String.valueOf(t.getMessage()));
        e.put("retriable", t instanceof RetriableException);
        return e;
    }

    private static JsonNode hello() throws Exception {
        Properties about = new Properties();
        about.load(Driver.class.getResourceAsStream("/kafka/kafka-version.properties"));
        ObjectNode r = JSON.createObjectNode();
        r.put("client", "java").put("version", about.getProperty("version"));
        for (String c : ("admin create_partitions alter_configs delete_records list_offsets describe_cluster group_offsets delete_group idempotent transactions "
                + "send_offsets codec:gzip codec:snappy codec:lz4 codec:zstd headers timestamps acks0 group group:consumer group:share streams sasl:PLAIN sasl:SCRAM-SHA-256 "
                + "sasl:SCRAM-SHA-512 tls mtls").split(" ")) {
            r.withArray("capabilities").add(c);
        }
        return r;
    }
}
