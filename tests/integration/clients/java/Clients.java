import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.util.DriverInfo;
import org.postgresql.util.PSQLException;

/**
 * pgjdbc against one database; see ../__init__.py.
 *
 * <pre>Clients.java pgjdbc URL CERTIFICATE-OF-ANOTHER direct|gateway</pre>
 */
public class Clients {
    static final String WORD = "SELECT word FROM club.types WHERE id = ?";
    static final String HELD = "UPDATE club.held SET times = times + 1 WHERE id <= ?";
    static final String IDS = "SELECT id FROM club.types ORDER BY id";

    interface Item {
        void run() throws Exception;
    }

    static String url;
    static Connection db;

    static String quoted(String text) {
        return text == null ? "null"
            : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"";
    }

    static void check(Object got, Object wanted) {
        if (!got.equals(wanted)) {
            throw new AssertionError(got + " is not " + wanted);
        }
    }

    static Connection open(String at, String... more) throws SQLException {
        URI uri = URI.create(at);
        String[] user = uri.getRawUserInfo().split(":");
        Properties properties = new Properties();
        properties.setProperty("user", user[0]);
        properties.setProperty("password", URLDecoder.decode(user[1].replace("+", "%2B"), StandardCharsets.UTF_8));
        properties.setProperty("channelBinding", "require");
        for (int n = 0; n < more.length; n += 2) {
            properties.setProperty(more[n], more[n + 1]);
        }
        return DriverManager.getConnection(
            "jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath() + "?" + uri.getRawQuery(),
            properties);
    }

    static List<Object> row(Connection c, String text, Object... values) throws SQLException {
        try (PreparedStatement one = c.prepareStatement(text)) {
            for (int n = 0; n < values.length; n++) {
                one.setObject(n + 1, values[n]);
            }
            try (ResultSet rows = one.executeQuery()) {
                List<Object> got = new ArrayList<>();
                rows.next();
                for (int n = 1; n <= rows.getMetaData().getColumnCount(); n++) {
                    got.add(rows.getObject(n));
                }
                return got;
            }
        }
    }

    static List<Integer> all(ResultSet rows) throws SQLException {
        List<Integer> got = new ArrayList<>();
        while (rows.next()) {
            got.add(rows.getInt(1));
        }
        return got;
    }

    static void run(String text) throws SQLException {
        try (Statement one = db.createStatement()) {
            one.execute(text);
        }
    }

    static SQLException failure(Callable<?> todo) throws Exception {
        try {
            todo.call();
        } catch (SQLException error) {
            return error;
        }
        throw new AssertionError("it did not fail");
    }

    static SQLException failure(String text) throws Exception {
        return failure(() -> {
            run(text);
            return null;
        });
    }

    static List<Integer> count(int n) {
        return IntStream.rangeClosed(1, n).boxed().collect(Collectors.toList());
    }

    static void tls(String other) throws Exception {
        String elsewhere = url.replaceFirst("sslrootcert=.*", "sslrootcert=" + URLEncoder.encode(other, StandardCharsets.UTF_8));
        String said = String.valueOf(failure(() -> open(elsewhere)).getCause());
        if (!said.contains("PKIX path")) {
            throw new AssertionError(said);
        }
        check(row(db, "SELECT 1"), List.of(1));
    }

    static void unprepared() throws Exception {
        try (Connection simple = open(url, "preferQueryMode", "simple")) {
            check(row(simple, "SELECT 1, 'two', NULL"), Arrays.asList(1, "two", null));
            check(row(simple, WORD, 7), List.of("wörd 7"));
        }
    }

    static void parameters() throws Exception {
        List<Object> got = row(db, "SELECT ?::int + 1, ?::text, ?::bytea, ?::float8, ?::uuid, ?::text", 41,
            "it's \\ ☃", new byte[] {0, 1, -1}, 2.5, new java.util.UUID(0, 7), null);
        got.set(2, Arrays.toString((byte[]) got.get(2)));
        check(got, Arrays.asList(42, "it's \\ ☃", "[0, 1, -1]", 2.5, new java.util.UUID(0, 7), null));
        check(row(db, WORD, 7), List.of("wörd 7"));
    }

    static void prepared() throws Exception {
        try (PreparedStatement one = db.prepareStatement(WORD)) {
            one.unwrap(PGStatement.class).setPrepareThreshold(2);
            for (int n = 1; n <= 10; n++) {
                one.setInt(1, n);
                try (ResultSet rows = one.executeQuery()) {
                    rows.next();
                    check(rows.getString(1), "wörd " + n);
                }
            }
            check(one.unwrap(PGStatement.class).isUseServerPrepare(), true);
        }
    }

    static void binary() throws Exception {
        try (Connection c = open(url, "prepareThreshold", "-1")) {
            List<Object> got = row(c, "SELECT big, bytes FROM club.types WHERE id = ?", 7);
            check(got.get(0), 7000000000000L);
            check(((byte[]) got.get(1))[0], (byte) 0x8f);
        }
    }

    static void cursor() throws Exception {
        db.setAutoCommit(false);
        try (Statement one = db.createStatement()) {
            one.setFetchSize(7);
            check(all(one.executeQuery(IDS)), count(50));
        }
        db.commit();
        db.setAutoCommit(true);
    }

    static void copyOut() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        check(db.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (" + IDS + ") TO STDOUT", out), 50L);
        check(out.toString().split("\n").length, 50);
    }

    static void copyIn() throws Exception {
        String lines = IntStream.range(0, 1000).mapToObj(n -> n + "\tline\n").collect(Collectors.joining());
        check(db.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY club.inbox FROM STDIN", new StringReader(lines)), 1000L);
        check(row(db, "SELECT sum(n) FROM club.inbox"), List.of(499500L));
    }

    /** Its batches are pipelines. */
    static void pipeline() throws Exception {
        try (PreparedStatement one = db.prepareStatement("INSERT INTO club.inbox VALUES (?, 'batch')")) {
            for (int n = 0; n < 300; n++) {
                one.setInt(1, n);
                one.addBatch();
            }
            check(Arrays.stream(one.executeBatch()).sum(), 300);
        }
    }

    static void hears() throws Exception {
        run("LISTEN club");
        run("NOTIFY club, 'news'");
        check(db.unwrap(PGConnection.class).getNotifications(5000)[0].getParameter(), "news");
    }

    static void cancel() throws Exception {
        long began = System.nanoTime();
        try (Statement one = db.createStatement()) {
            one.setQueryTimeout(1);
            check(failure(() -> one.executeQuery("SELECT pg_sleep(30)")).getSQLState(), "57014");
        }
        if (System.nanoTime() - began > 6_000_000_000L) {
            throw new AssertionError("too late");
        }
        check(row(db, "SELECT 1"), List.of(1));
    }

    static void breaks() throws Exception {
        db.setAutoCommit(false);
        run("INSERT INTO club.inbox VALUES (-1, 'lost')");
        check(failure("SELECT 1/0").getSQLState(), "22012");
        check(failure("SELECT 1").getSQLState(), "25P02");
        db.rollback();
        run("INSERT INTO club.inbox VALUES (-2, 'kept')");
        db.commit();
        db.setAutoCommit(true);
        check(row(db, "SELECT string_agg(word, '') FROM club.inbox WHERE n < 0"), List.of("kept"));
    }

    static int ask() throws SQLException {
        try (PreparedStatement one = db.prepareStatement(HELD)) {
            one.setInt(1, 3);
            return one.executeUpdate();
        }
    }

    static String detail(SQLException error) {
        return ((PSQLException) error).getServerErrorMessage().getDetail();
    }

    static void held(boolean direct) throws Exception {
        if (!direct) {
            SQLException first = failure(Clients::ask);
            System.out.println("{\"held\": {\"sqlstate\": " + quoted(first.getSQLState()) + ", \"message\": "
                + quoted(((PSQLException) first).getServerErrorMessage().getMessage()) + ", \"detail\": "
                + quoted(detail(first)) + "}}");
            new BufferedReader(new InputStreamReader(System.in)).readLine();
            check(ask(), 3);
            SQLException again = failure(Clients::ask);
            check(again.getSQLState(), "ZB001");
            check(detail(again).equals(detail(first)), false);
        } else {
            check(ask(), 3);
        }
    }

    public static void main(String[] args) throws Exception {
        url = args[1];
        db = open(url);
        Map<String, Item> items = new LinkedHashMap<>();
        items.put("tls", () -> tls(args[2]));
        items.put("unprepared", Clients::unprepared);
        items.put("parameters", Clients::parameters);
        items.put("prepared", Clients::prepared);
        items.put("binary", Clients::binary);
        items.put("server_side_cursor", Clients::cursor);
        items.put("copy_out", Clients::copyOut);
        items.put("copy_in", Clients::copyIn);
        items.put("pipeline", Clients::pipeline);
        items.put("notify", Clients::hears);
        items.put("cancel", Clients::cancel);
        items.put("error_in_a_transaction", Clients::breaks);
        items.put("held", () -> held(args[3].equals("direct")));
        System.out.println("{\"client\": " + quoted(args[0]) + ", \"version\": " + quoted(DriverInfo.DRIVER_VERSION) + "}");
        for (Map.Entry<String, Item> item : items.entrySet()) {
            String result = "\"passed\"";
            try {
                item.getValue().run();
            } catch (Exception | AssertionError error) {
                result = "\"failed\", \"why\": " + quoted(String.valueOf(error));
            }
            System.out.println("{\"item\": " + quoted(item.getKey()) + ", \"result\": " + result + "}");
        }
    }
}
