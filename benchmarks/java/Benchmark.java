import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** One measurement of Confluent's Parallel Consumer; prints its figures as JSON, as benchmarks.runners does. */
public final class Benchmark {
    private static final AtomicLong STARTS = new AtomicLong();
    private static final AtomicLong ENDS = new AtomicLong();
    private static final CountDownLatch DONE = new CountDownLatch(1);
    private static volatile long began;
    private static volatile long ended;

    public static void main(String[] arguments) throws Exception {
        String ordering = arguments[0];
        String kind = arguments[1];
        long records = Long.parseLong(arguments[2]);
        int workers = Integer.parseInt(arguments[3]);
        long start = System.nanoTime();
        var consumer = new KafkaConsumer<byte[], byte[]>(
                Map.of("bootstrap.servers", arguments[4], "group.id", arguments[6],
                        "auto.offset.reset", "earliest", "enable.auto.commit", false),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<byte[], byte[]>builder()
                        .consumer(consumer)
                        .ordering(ProcessingOrder.valueOf(ordering))
                        .commitMode(CommitMode.PERIODIC_CONSUMER_SYNC)
                        .maxConcurrency(workers)
                        .build());
        processor.subscribe(List.of(arguments[5]));
        boolean sleeps = !kind.equals("nothing");
        processor.poll(context -> handle(context.getSingleConsumerRecord().value(), sleeps, records));
        if (!DONE.await(170, TimeUnit.SECONDS)) {
            throw new IllegalStateException("only " + ENDS.get() + " of " + records + " records were handled");
        }
        processor.close();
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        System.out.printf("%n{\"seconds\": %.6f, \"wall\": %.6f, \"cpu\": %.6f, \"peak\": %s}%n",
                (ended - began) / 1e9, (System.nanoTime() - start) / 1e9, system.getProcessCpuTime() / 1e9, peak());
    }

    private static void handle(byte[] value, boolean sleeps, long records) {
        if (STARTS.incrementAndGet() == 1) {
            began = System.nanoTime();
        }
        if (sleeps) {
            try {
                TimeUnit.MICROSECONDS.sleep(Long.parseLong(new String(value, 9, 8, StandardCharsets.US_ASCII)));
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        if (ENDS.incrementAndGet() == records) {
            ended = System.nanoTime();
            DONE.countDown();
        }
    }

    /** The most memory this process had, in megabytes; null where the system has no such file. */
    private static String peak() throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return "null";
        }
        for (String line : Files.readAllLines(status)) {
            if (line.startsWith("VmHWM:")) {
                return String.valueOf(Long.parseLong(line.split("\\s+")[1]) / 1024.0);
            }
        }
        return "null";
    }
}
