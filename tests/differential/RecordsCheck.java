import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.internals.BufferSupplier;
import org.apache.kafka.common.utils.internals.PrimitiveRef;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * Record batches, ours against Kafka's own classes. Run with Kafka's jars on the class path:
 *
 * <pre>
 * write DIR   writes batches, NAME.bin, and what is in them, NAME.txt: the fixtures of
 *             client/records, whose tests read them
 * read DIR    reads the NAME.bin of the test `batches_for_java` there, and compares with NAME.txt
 * judge FILE  gives the batches of the test `verdicts_for_java` to the checks of a Kafka broker,
 *             and compares verdicts and what would be stored; SHOW="OURS KAFKA'S" lists one pair
 * </pre>
 */
public final class RecordsCheck {
    private static final TopicPartition PARTITION = new TopicPartition("t", 0);

    public static void main(String[] args) throws Exception {
        int wrong = switch (args[0]) {
            case "write" -> write(Path.of(args[1]));
            case "read" -> read(Path.of(args[1]));
            case "judge" -> judge(Path.of(args[1]));
            default -> throw new IllegalArgumentException(args[0]);
        };
        System.exit(wrong == 0 ? 0 : 1);
    }

    // What is in a batch, in words that client/records/tests/java.rs uses too.

    private static String field(ByteBuffer bytes) {
        if (bytes == null) return "null";
        CRC32C crc = new CRC32C();
        int size = bytes.remaining();
        crc.update(bytes.duplicate());
        return size + ":" + String.format("%08x", crc.getValue());
    }

    private static String field(byte[] bytes) {
        return field(bytes == null ? null : ByteBuffer.wrap(bytes));
    }

    private static String describe(MemoryRecords records) {
        StringBuilder text = new StringBuilder();
        for (RecordBatch batch : records.batches()) {
            batch.ensureValid();
            text.append(String.format(
                "batch %d..%d leader %d %s %s max %d producer %d %d %d..%d%s%s horizon %d count %d%n",
                batch.baseOffset(), batch.lastOffset(), batch.partitionLeaderEpoch(),
                batch.compressionType().name, batch.timestampType().name, batch.maxTimestamp(),
                batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.lastSequence(),
                batch.isTransactional() ? " transactional" : "", batch.isControlBatch() ? " control" : "",
                batch.deleteHorizonMs().orElse(-1), batch.countOrNull()));
            for (Record record : batch) {
                text.append(String.format("record %d %d %s %s", record.offset(), record.timestamp(),
                    field(record.key()), field(record.value())));
                for (Header header : record.headers()) {
                    byte[] name = header.key().getBytes(StandardCharsets.UTF_8);
                    text.append(' ').append(field(name)).append('=').append(field(header.value()));
                }
                text.append(System.lineSeparator());
            }
        }
        return text.toString();
    }

    // Batches for us.

    private static Compression codec(CompressionType type, boolean best) {
        return switch (type) {
            case GZIP -> Compression.gzip().level(best ? 9 : 1).build();
            case LZ4 -> Compression.lz4().level(best ? 17 : 1).build();
            case ZSTD -> Compression.zstd().level(best ? 19 : -5).build();
            default -> Compression.of(type).build();
        };
    }

    private static MemoryRecordsBuilder builder(
        Compression codec, TimestampType time, long producer, int sequence, boolean transactional
    ) {
        long now = time == TimestampType.LOG_APPEND_TIME ? 1_700_000_000_999L : RecordBatch.NO_TIMESTAMP;
        short epoch = (short) (producer < 0 ? -1 : 3);
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2, codec,
            time, 42, now, producer, epoch, sequence, transactional, 7);
    }

    private static MemoryRecords small(CompressionType type) {
        MemoryRecordsBuilder batch =
            builder(codec(type, false), TimestampType.CREATE_TIME, 9, Integer.MAX_VALUE - 1, true);
        byte[] noise = new byte[1500];
        new Random(type.id).nextBytes(noise);
        Header[] headers = {
            new RecordHeader("name", "one".getBytes(StandardCharsets.UTF_8)),
            new RecordHeader("name", null),
            new RecordHeader("", new byte[0]),
            new RecordHeader("größe", new byte[] {1}),
        };
        batch.append(1_700_000_000_000L, "key".getBytes(StandardCharsets.UTF_8), null, headers);
        batch.append(1_600_000_000_000L, (byte[]) null, noise);
        batch.append(1_800_000_000_000L, new byte[0], new byte[0]);
        return batch.build();
    }

    private static MemoryRecords large(CompressionType type) {
        MemoryRecordsBuilder batch =
            builder(codec(type, true), TimestampType.LOG_APPEND_TIME, -1, -1, false);
        String line = "{\"user\": \"someone\", \"page\": \"/somewhere\", \"took_ms\": ";
        for (int record = 0; record < 20; record++) {
            byte[] value = (line + record + "}\n").repeat(200).getBytes(StandardCharsets.UTF_8);
            batch.append(1_700_000_000_000L + record, ("" + record).getBytes(StandardCharsets.UTF_8), value);
        }
        return batch.build();
    }

    private static int write(Path dir) throws Exception {
        Files.createDirectories(dir);
        for (CompressionType type : CompressionType.values()) {
            save(dir, type.name + "-small", small(type));
            if (type != CompressionType.NONE) save(dir, type.name + "-large", large(type));
        }
        save(dir, "marker", MemoryRecords.withEndTransactionMarker(77, 1_700_000_000_000L, 5, 9, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 21)));
        return 0;
    }

    private static void save(Path dir, String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(dir.resolve(name + ".bin"), bytes);
        Files.writeString(dir.resolve(name + ".txt"), describe(records));
    }

    // Batches of ours.

    private static int read(Path dir) throws Exception {
        int wrong = 0;
        int count = 0;
        try (var files = Files.list(dir)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".bin")).sorted().toList()) {
                String wanted = Files.readString(Path.of(file.toString().replace(".bin", ".txt")));
                String found;
                try {
                    found = describe(MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file))));
                } catch (Exception e) {
                    found = e.toString();
                }
                count++;
                if (!found.equals(wanted)) {
                    wrong++;
                    System.out.println(file.getFileName() + ": wanted\n" + wanted + "found\n" + found);
                }
            }
        }
        System.out.println(count + " files read, " + wrong + " wrong");
        return wrong;
    }

    // Verdicts. A line: rules, batch in hex, our verdict, our description in hex.

    /** Where we differ on purpose: ours, Kafka's. */
    private static final Set<String> ON_PURPOSE = Set.of(
        // Bytes that do not decompress, or numbers too long: Kafka fails in some unforeseen way.
        "INVALID_RECORD UNKNOWN_SERVER_ERROR",
        "UNSUPPORTED_COMPRESSION_TYPE UNKNOWN_SERVER_ERROR",
        "INVALID_RECORD CORRUPT_MESSAGE",
        // Kafka's builder, when it compresses anew, does not expect negative timestamps or ids.
        "NONE UNKNOWN_SERVER_ERROR",
        // Behind a claim of log-append time, Kafka does not judge the records' own times.
        "INVALID_TIMESTAMP NONE",
        "INVALID_TIMESTAMP INVALID_RECORD",
        "INVALID_TIMESTAMP UNKNOWN_SERVER_ERROR",
        // Both are true: Kafka met the timestamp first.
        "INVALID_RECORD INVALID_TIMESTAMP",
        // Kafka overlooks offset deltas, bytes after the batch, and transactions without a producer;
        // where it skips keys and values, headers too.
        "INVALID_RECORD NONE");

    private static int judge(Path file) throws Exception {
        Map<String, Integer> counts = new TreeMap<>();
        Map<String, String> examples = new TreeMap<>();
        int wrong = 0;
        for (String line : Files.readAllLines(file)) {
            String[] parts = line.split(" ");
            String[] verdict = verdict(parts);
            String both = parts[8] + " " + verdict[0];
            if (both.equals(System.getenv("SHOW"))) {
                String ours = new String(HexFormat.of().parseHex(parts[9]), StandardCharsets.UTF_8);
                System.out.println("ours: " + ours + "; Kafka's: " + verdict[1]);
            }
            if (parts[8].equals("NONE") && verdict[0].equals("NONE")) {
                String ours = new String(HexFormat.of().parseHex(parts[9]), StandardCharsets.UTF_8);
                if (!ours.equals(verdict[1])) {
                    // A producer's claim of log-append time: we drop it and show the records' own
                    // times; Kafka keeps it as max timestamp, or compressing anew for each record.
                    boolean claims = (HexFormat.fromHexDigits(parts[7], 44, 46) & 8) != 0;
                    both = claims ? "stored without the claim" : "stored differently";
                    verdict[1] = "ours\n" + ours + "Kafka's\n" + verdict[1];
                }
            }
            counts.merge(both, 1, Integer::sum);
            boolean same = parts[8].equals(verdict[0]) && !both.equals("stored differently");
            if (!same) {
                examples.putIfAbsent(both, line + "\n" + verdict[1]);
                if (!ON_PURPOSE.contains(both)) wrong++;
            }
        }
        counts.forEach((both, count) -> System.out.println(count + " times " + both));
        examples.forEach((both, example) -> {
            if (!ON_PURPOSE.contains(both)) System.out.println(both + ", for example: " + example);
        });
        return wrong;
    }

    /** A partition's error in the Produce response, and what would be stored or the message. */
    private static String[] verdict(String[] parts) {
        try {
            return new String[] {"NONE", describe(stored(parts))};
        } catch (RecordValidationException e) {
            return new String[] {Errors.forException(e.invalidException()).name(), e.getMessage()};
        } catch (Throwable e) {
            return new String[] {Errors.forException(e).name(), e.toString()};
        }
    }

    private static MemoryRecords stored(String[] parts) {
        short version = Short.parseShort(parts[0]);
        boolean compacted = parts[1].equals("true");
        TimestampType time = TimestampType.forName(parts[2]);
        long now = Long.parseLong(parts[3]);
        long before = Long.parseLong(parts[4]);
        long after = Long.parseLong(parts[5]);
        int maxBytes = 1_048_588;
        byte[] bytes = HexFormat.of().parseHex(parts[7]);
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));

        ProduceRequest.validateRecords(version, records);
        MutableRecordBatch batch = records.batches().iterator().next();
        if (batch.baseOffset() != 0) throw new InvalidRecordException("base offset");
        if (batch.sizeInBytes() > maxBytes) throw new RecordTooLargeException("size");
        if (!batch.isValid()) throw new CorruptRecordException("crc");

        Compression target = parts[6].equals("producer")
            ? Compression.of(batch.compressionType()).build()
            : Compression.of(parts[6]).build();
        LogValidator validator = new LogValidator(records, PARTITION, fixed(now), batch.compressionType(),
            target, compacted, RecordBatch.MAGIC_VALUE_V2, time, before, after, -1, AppendOrigin.CLIENT);
        return validator.validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(0), new NoMetrics(),
            BufferSupplier.create()).validatedRecords();
    }

    private static Time fixed(long now) {
        return (Time) java.lang.reflect.Proxy.newProxyInstance(Time.class.getClassLoader(),
            new Class<?>[] {Time.class}, (proxy, method, args) -> switch (method.getName()) {
                case "milliseconds", "hiResClockMs" -> now;
                case "nanoseconds" -> now * 1_000_000;
                default -> throw new UnsupportedOperationException(method.getName());
            });
    }

    private static final class NoMetrics implements LogValidator.MetricsRecorder {
        @Override public void recordInvalidMagic() { }
        @Override public void recordInvalidOffset() { }
        @Override public void recordInvalidSequence() { }
        @Override public void recordInvalidChecksums() { }
        @Override public void recordNoKeyCompactedTopic() { }
    }
}
