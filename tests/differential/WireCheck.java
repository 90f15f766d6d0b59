import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Gives our bytes to Kafka's own classes. Each line of the files is a kind, a category, a message's
 * name, its key, a version and bytes in hex. A "sample" must read to its end and be written back to
 * the same bytes; a "default" must be what a new object of Kafka's writes.
 */
public final class WireCheck {
    private static final Map<String, String> PACKAGES = Map.of(
        "request", "org.apache.kafka.common.message.%sData",
        "response", "org.apache.kafka.common.message.%sData",
        "header", "org.apache.kafka.common.message.%sData",
        "metadata", "org.apache.kafka.common.metadata.%s",
        "group", "org.apache.kafka.coordinator.group.generated.%s",
        "share", "org.apache.kafka.coordinator.share.generated.%s",
        "transaction", "org.apache.kafka.coordinator.transaction.generated.%s",
        "remote", "org.apache.kafka.server.log.remote.metadata.storage.generated.%s");

    private static final String[] OTHERS = {
        "org.apache.kafka.common.message.%s",
        "org.apache.kafka.raft.generated.%s",
        "org.apache.kafka.server.log.remote.metadata.storage.generated.%s",
    };

    private static Class<?> find(String category, String name) throws ClassNotFoundException {
        String javaName = name.replace("Kraft", "KRaft");
        String only = PACKAGES.get(category);
        if (only != null) {
            return Class.forName(String.format(only, javaName));
        }
        for (String pattern : OTHERS) {
            try {
                return Class.forName(String.format(pattern, javaName));
            } catch (ClassNotFoundException ignored) {
                // The next one.
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static String check(String kind, Class<?> type, short version, byte[] bytes) {
        try {
            Message message = (Message) type.getDeclaredConstructor().newInstance();
            if (kind.equals("sample")) {
                ByteBufferAccessor readable = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
                message.read(readable, version);
                if (readable.remaining() > 0) {
                    return readable.remaining() + " bytes left";
                }
            }
            ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] theirs = new byte[written.remaining()];
            written.get(theirs);
            if (!java.util.Arrays.equals(theirs, bytes)) {
                return "writes " + HexFormat.of().formatHex(theirs) + " for "
                    + HexFormat.of().formatHex(bytes);
            }
            return null;
        } catch (NullPointerException error) {
            // Kafka leaves null what it cannot write.
            return kind.equals("default") ? null : error.toString();
        } catch (ReflectiveOperationException | RuntimeException error) {
            return error.toString();
        }
    }

    public static void main(String[] files) throws Exception {
        Map<String, String> failed = new TreeMap<>();
        int agreed = 0;
        for (String file : files) {
            for (String line : Files.readAllLines(Path.of(file))) {
                String[] words = line.split(" ", -1);
                Class<?> type = find(words[1], words[2]);
                byte[] bytes = HexFormat.of().parseHex(words[5]);
                String error = check(words[0], type, Short.parseShort(words[4]), bytes);
                if (error == null) {
                    agreed++;
                } else {
                    failed.putIfAbsent(words[0] + " " + words[2] + " version " + words[4], error);
                }
            }
        }
        failed.forEach((what, error) -> System.out.println(what + ": " + error));
        System.out.println(agreed + " agreed, " + failed.size() + " messages and versions did not");
        if (!failed.isEmpty() || agreed == 0) {
            System.exit(1);
        }
    }
}
