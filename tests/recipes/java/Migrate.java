import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import javax.sql.DataSource;
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

    /** Flyway sets the role that each connection has anyway, and SET ROLE asks: without that. */
    static <T> T withoutSetRole(Class<T> type, Object of) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> {
            if (args != null && args.length > 0 && args[0] instanceof String sql && sql.startsWith("SET ROLE "))
                args[0] = "SELECT 1";
            try {
                var made = method.invoke(of, args);
                if (made instanceof Connection)
                    return withoutSetRole(Connection.class, made);
                return method.getName().equals("createStatement") ? withoutSetRole(Statement.class, made) : made;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }));
    }

    /** A migration that is held is rolled back whole, so it begins anew; what went before it stays applied. */
    public static void main(String[] args) throws Exception {
        var source = new PGSimpleDataSource();
        source.setURL(args[0]);
        var flyway = Flyway.configure().dataSource(withoutSetRole(DataSource.class, source)).locations("filesystem:" + args[1])
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
