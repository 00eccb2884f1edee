import java.sql.DriverManager;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.util.PSQLException;

public class Migrate {
    static PSQLException said(Throwable e) {
        while (e != null && !(e instanceof PSQLException))
            e = e.getCause();
        return (PSQLException) e;
    }

    static boolean isApproved(String url, PSQLException held) throws Exception {
        try (var c = DriverManager.getConnection(url)) {
            return "approved".equals(Jdbc.decided(c, held));
        }
    }

    /** A migration that is held is rolled back whole, so it begins anew; what went before it stays applied. */
    public static void main(String[] args) throws Exception {
        var source = new PGSimpleDataSource();
        source.setURL(args[0]);
        var flyway = Flyway.configure().dataSource(source).locations("filesystem:" + args[1])
                .baselineOnMigrate(true).baselineVersion("0").load();
        while (true) {
            try {
                System.out.println("applied " + flyway.migrate().migrationsExecuted);
                return;
            } catch (FlywayException e) {
                var why = said(e);
                if (why == null)
                    throw e;
                System.out.println("ZB001".equals(why.getSQLState()) ? "held" : "refused " + why.getSQLState() + " " + why.getServerErrorMessage().getMessage());
                if (!"ZB001".equals(why.getSQLState()) || !isApproved(args[0], why)) {
                    System.out.println("stopped");
                    System.exit(3);
                }
            }
        }
    }
}
