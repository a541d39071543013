import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * The Java client as a load. kafka-producer-perf-test sends no keys, which a compacted topic needs, so this does what it does, with keys.
 *
 * <p>produce BOOTSTRAP TOPIC RECORDS CODEC; trickle BOOTSTRAP TOPIC RECORDS PER_SECOND; consume BOOTSTRAP TOPIC RECORDS.
 * Prints "begin" when it has connected, and at the end the time of an acknowledgement in the middle, in microseconds; 0 for consumers.
 */
public class Load {
  static final int KEYS = 1_000_000;

  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[3]);
    switch (args[0]) {
      case "produce" -> produce(args[1], args[2], count, args[4], 0);
      case "trickle" -> produce(args[1], args[2], count, "none", Integer.parseInt(args[4]));
      case "consume" -> consume(args[1], args[2], count);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  static Properties common(String bootstrap) {
    Properties p = new Properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("client.id", "bench-java");
    for (String side : List.of("key", "value")) {
      p.put(side + ".serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
      p.put(side + ".deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
    }
    return p;
  }

  static byte[] value(Random random, int size) {
    String[] states = {"shipped", "pending", "packed", "returned"};
    StringBuilder v = new StringBuilder(String.format("{\"id\":%d,\"user\":\"u%06d\",\"state\":\"%s\",\"amount\":%.2f,\"note\":\"",
        random.nextInt(1_000_000_000), random.nextInt(KEYS), states[random.nextInt(states.length)], random.nextDouble() * 1000));
    while (v.length() < size - 2) {
      v.append((char) ('a' + random.nextInt(16)));
    }
    return v.append("\"}").toString().getBytes(StandardCharsets.UTF_8);
  }

  /** A record in its own request each 1/perSecond, or as fast as it goes when that is 0. */
  static void produce(String bootstrap, String topic, int count, String codec, int perSecond) throws Exception {
    Properties p = common(bootstrap);
    p.put("acks", "all");
    p.put("compression.type", codec);
    if (perSecond > 0) {
      p.put("linger.ms", "0");
    }
    Random random = new Random(1);
    byte[][] values = new byte[4096][];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(random, perSecond > 0 ? 1000 : 100);
    }
    long[] took = new long[count];
    AtomicReference<Exception> failed = new AtomicReference<>();
    CountDownLatch stored = new CountDownLatch(count);
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p)) {
      producer.partitionsFor(topic);
      System.out.println("begin");
      long start = System.nanoTime();
      for (int i = 0; i < count && failed.get() == null; i++) {
        if (perSecond > 0) {
          long due = start + i * 1_000_000_000L / perSecond;
          for (long now = System.nanoTime(); now < due; now = System.nanoTime()) {
            LockSupport.parkNanos(due - now);
          }
        }
        int at = i;
        long sent = System.nanoTime();
        byte[] key = String.format("user-%011d", random.nextInt(KEYS)).getBytes(StandardCharsets.UTF_8);
        producer.send(new ProducerRecord<>(topic, key, values[i & 4095]), (metadata, e) -> {
          took[at] = System.nanoTime() - sent;
          if (e != null) {
            failed.compareAndSet(null, e);
          }
          stored.countDown();
        });
      }
      producer.flush();
      if (failed.get() != null) {
        throw failed.get();
      }
      stored.await();
      Arrays.sort(took);
      System.out.println(took[count / 2] / 1000);
    }
  }

  static void consume(String bootstrap, String topic, int count) {
    Properties p = common(bootstrap);
    p.put("enable.auto.commit", "false");
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p)) {
      List<TopicPartition> all = consumer.partitionsFor(topic).stream().map(i -> new TopicPartition(topic, i.partition())).toList();
      consumer.assign(all);
      consumer.seekToBeginning(all);
      System.out.println("begin");
      for (int seen = 0; seen < count; ) {
        seen += consumer.poll(Duration.ofSeconds(10)).count();
      }
      System.out.println(0);
    }
  }
}
