import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Ruler;

/**
 * Asks AWS's own matcher whether events match patterns. Standard input holds pairs of lines, an event and a pattern, both
 * JSON on one line; standard output gets "true" or "false" for each pair.
 */
public final class Judge {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String event = input.readLine(); event != null; event = input.readLine()) {
            String pattern = input.readLine();
            if (pattern == null) {
                throw new IllegalArgumentException("the last event has no pattern");
            }
            System.out.println(Ruler.matchesRule(event, pattern));
        }
    }
}
