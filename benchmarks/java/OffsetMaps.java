import io.confluent.parallelconsumer.offsets.OffsetMapCodecManager;
import io.confluent.parallelconsumer.offsets.OffsetSimultaneousEncoder;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Base64;
import java.util.TreeSet;

/**
 * The codec of Confluent's Parallel Consumer, line by line. "encode BASE HIGHEST INCOMPLETE..." prints the map and every
 * body that it was chosen from as NAME:BODY; "decode BASE MAP" prints the highest offset and the incomplete ones.
 */
public final class OffsetMaps {
    private static final Base64.Encoder BASE64 = Base64.getEncoder();

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            long base = Long.parseLong(words[1]);
            System.out.println(words[0].equals("encode") ? encode(base, words) : decode(base, words[2]));
        }
    }

    private static String encode(long base, String[] words) throws Exception {
        var incomplete = new TreeSet<Long>();
        for (int number = 3; number < words.length; number++) {
            incomplete.add(Long.parseLong(words[number]));
        }
        var encoder = new OffsetSimultaneousEncoder(base, Long.parseLong(words[2]), incomplete).invoke();
        var printed = new StringBuilder(BASE64.encodeToString(encoder.packSmallest()));
        encoder.getEncodingMap().forEach(
                (form, body) -> printed.append(' ').append(form.name()).append(':').append(BASE64.encodeToString(body)));
        return printed.toString();
    }

    private static String decode(long base, String map) throws Exception {
        var found = OffsetMapCodecManager.deserialiseIncompleteOffsetMapFromBase64(base, map);
        var printed = new StringBuilder().append(found.getHighestSeenOffset().orElseThrow());
        found.getIncompleteOffsets().forEach(offset -> printed.append(' ').append(offset));
        return printed.toString();
    }
}
