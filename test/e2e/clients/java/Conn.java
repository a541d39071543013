import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** Client properties of a request's {@code conn}. */
final class Conn {
    private Conn() {}

    static Properties properties(JsonNode conn) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", conn.path("bootstrap").asText());
        p.put("client.id", conn.path("client_id").asText("e2e-java"));
        p.put("reconnect.backoff.max.ms", "500");
        JsonNode s = conn.path("security");
        String protocol = s.path("protocol").asText("PLAINTEXT");
        p.put("security.protocol", protocol);
        if (protocol.startsWith("SASL")) {
            String mechanism = s.path("mechanism").asText("PLAIN");
            String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
            p.put("sasl.mechanism", mechanism);
            p.put("sasl.jaas.config", String.format("org.apache.kafka.common.security.%s required username=\"%s\" password=\"%s\";",
                    module, s.path("username").asText(), s.path("password").asText()));
        }
        if (protocol.endsWith("SSL")) {
            p.put("ssl.truststore.type", "PEM");
            p.put("ssl.truststore.location", s.path("ca").asText());
            if (!s.path("cert").asText("").isEmpty()) {
                p.put("ssl.keystore.type", "PEM");
                p.put("ssl.keystore.certificate.chain", Files.readString(Path.of(s.path("cert").asText())));
                p.put("ssl.keystore.key", Files.readString(Path.of(s.path("key").asText())));
            }
        }
        return p;
    }
}
