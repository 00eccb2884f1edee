import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.postgresql.util.PSQLException;

public class Jdbc {
    static String field(String json, String name) {
        Matcher m = Pattern.compile("\"" + name + "\": ?\"([^\"]*)\"").matcher(json);
        return m.find() ? m.group(1) : "";
    }

    /** Waits until an operator has decided; the gateway answers every few seconds, decided or not. */
    static String decided(Connection c, PSQLException held) throws SQLException {
        String json = held.getServerErrorMessage().getDetail(), ticket = field(json, "ticket");
        while ("pending".equals(field(json, "state"))) {
            try (ResultSet r = c.createStatement().executeQuery("SHOW backstop.wait.\"" + ticket + "\"")) {
                r.next();
                json = r.getString(1);
            }
        }
        return field(json, "state");
    }

    /** Runs one statement; where it is held, the same statement again once it is approved. */
    static int whenApproved(PreparedStatement statement) throws SQLException {
        while (true) {
            try {
                return statement.executeUpdate();
            } catch (PSQLException e) {
                if (!"ZB001".equals(e.getSQLState())) // it will not run: ZB002 is an operator's no
                    throw e;
                System.out.println("held");
                if (!"approved".equals(decided(statement.getConnection(), e)))
                    throw e;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(args[0])) {
            try (ResultSet r = c.createStatement().executeQuery("SELECT count(*) FROM orders")) {
                r.next();
                System.out.println("read " + r.getInt(1));
            }
            try (PreparedStatement s = c.prepareStatement("DELETE FROM orders WHERE paid = ?")) {
                s.setBoolean(1, false);
                System.out.println("deleted " + whenApproved(s));
            } catch (PSQLException e) {
                System.out.println("stopped " + e.getSQLState() + " " + e.getServerErrorMessage().getMessage());
                System.exit(3);
            }
        }
    }
}
