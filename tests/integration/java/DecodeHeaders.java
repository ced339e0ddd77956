import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Prints the headers of the first record of a topic, each decoded as Spring Kafka and Kafka itself would: name, tab, value. */
public final class DecodeHeaders {
    public static void main(String[] arguments) {
        var config = Map.<String, Object>of("bootstrap.servers", arguments[0]);
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
            var partition = new TopicPartition(arguments[1], 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            var found = consumer.poll(Duration.ofSeconds(30));
            print(found.records(partition).get(0));
        }
    }

    private static void print(ConsumerRecord<byte[], byte[]> record) {
        for (Header header : record.headers()) {
            System.out.println(header.key() + "\t" + decode(header.key(), header.value()));
        }
    }

    private static Object decode(String name, byte[] value) {
        return switch (name) {
            case "kafka_dlt-original-partition", "kafka_original-partition", "retry_topic-attempts" ->
                ByteBuffer.wrap(value).getInt();
            case "kafka_dlt-original-offset", "kafka_dlt-original-timestamp", "kafka_original-offset",
                "kafka_original-timestamp" -> ByteBuffer.wrap(value).getLong();
            case "retry_topic-original-timestamp", "retry_topic-backoff-timestamp" ->
                new BigInteger(value).longValueExact();
            case "__dlq.errors.partition", "__dlq.errors.offset", "__dlq.errors.delivery.count" ->
                Long.parseLong(new String(value, UTF_8));
            default -> new String(value, UTF_8).lines().findFirst().orElse("");
        };
    }
}
