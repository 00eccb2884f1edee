import java.sql.Connection;
import org.postgresql.util.PSQLException;
import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

public class Spring {
    /** What the gateway or the server said: Spring knows no class ZB, so it is an UncategorizedSQLException. */
    static PSQLException said(DataAccessException e) {
        return e.getRootCause() instanceof PSQLException p ? p : null;
    }

    /** Outside of @Transactional: a transaction that has read is not held open while a human thinks. */
    static int whenApproved(JdbcTemplate jdbc, String sql, Object... values) {
        while (true) {
            try {
                return jdbc.update(sql, values);
            } catch (DataAccessException e) {
                if (said(e) == null || !"ZB001".equals(said(e).getSQLState()))
                    throw e;
                System.out.println("held");
                if (!"approved".equals(jdbc.execute((Connection c) -> Jdbc.decided(c, said(e)))))
                    throw e;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        var jdbc = new JdbcTemplate(new DriverManagerDataSource(args[0]));
        System.out.println("read " + jdbc.queryForObject("SELECT count(*) FROM orders", Integer.class));
        try {
            System.out.println("deleted " + whenApproved(jdbc, "DELETE FROM orders WHERE paid = ?", false));
        } catch (DataAccessException e) {
            System.out.println("stopped " + said(e).getSQLState() + " " + said(e).getServerErrorMessage().getMessage());
            System.exit(3);
        }
    }
}
