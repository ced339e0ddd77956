import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Confluent's Parallel Consumer, whose handlers append their starts and ends to a history of
 * kafka_parallel.testing.history; it ends with its standard input. benchmarks.crashes.logged_consumer is the same in
 * Python: same arguments, same records (handler time in microseconds, hash of the key), same history.
 */
public final class LoggedConsumer {
    private static final int START = 1;
    private static final int END = 2;
    private static final int ENTRY = 48;
    private static final int CHECKSUM = 12;

    private final FileChannel history;
    private final int topic;
    private final double scale;
    private final long run = ProcessHandle.current().pid();

    private LoggedConsumer(String[] arguments) throws IOException {
        history = FileChannel.open(Path.of(arguments[7]), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        topic = Integer.parseUnsignedInt(arguments[8]);
        scale = Double.parseDouble(arguments[9]);
    }

    public static void main(String[] arguments) throws Exception {
        var logged = new LoggedConsumer(arguments);
        var consumer = new KafkaConsumer<byte[], byte[]>(
                Map.of("bootstrap.servers", arguments[0], "group.id", arguments[2], "group.instance.id", "the-only-one",
                        "auto.offset.reset", "earliest", "enable.auto.commit", false),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<byte[], byte[]>builder()
                        .consumer(consumer)
                        .ordering(ProcessingOrder.valueOf(arguments[3].toUpperCase()))
                        .maxConcurrency(Integer.parseInt(arguments[4]))
                        .commitInterval(Duration.ofMillis(Long.parseLong(arguments[5])))
                        .commitMode(CommitMode.valueOf(arguments[6]))
                        .build());
        processor.subscribe(List.of(arguments[1]));
        processor.poll(context -> logged.handle(context.getSingleConsumerRecord()));
        while (System.in.read() != -1) {
            // its end is the sign to stop
        }
        processor.close();
    }

    private void handle(ConsumerRecord<byte[], byte[]> record) {
        String[] value = new String(record.value(), StandardCharsets.US_ASCII).split(" ");
        long key = Long.parseUnsignedLong(value[1]);
        append(START, record, key);
        try {
            TimeUnit.MICROSECONDS.sleep((long) (Long.parseLong(value[0]) * scale));
        } catch (InterruptedException error) {
            throw new IllegalStateException("interrupted", error);
        }
        append(END, record, key);
    }

    private void append(int kind, ConsumerRecord<byte[], byte[]> record, long key) {
        ByteBuffer entry = ByteBuffer.allocate(ENTRY).order(ByteOrder.LITTLE_ENDIAN);
        entry.putLong(System.nanoTime()).putInt(kind).putInt(0).putLong(run);
        entry.putInt(topic).putInt(record.partition()).putLong(record.offset()).putLong(key).flip();
        CRC32 checksum = new CRC32();
        checksum.update(entry.duplicate());
        entry.putInt(CHECKSUM, (int) checksum.getValue());
        try {
            history.write(entry);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
