/*
 * Roles, memberships, settings and the like: kept, changed in every way, and given back; then all
 * of them must read as before.
 */
#include "restore/globals.h"

#include "../recovery/pg.h"
#include "recovery/globals.h"
#include "recovery/seal.h"

#define ALL (BS_GLOBAL_ALL)

static char folder[] = "/tmp/bs-globals-XXXXXX";
static struct bs_store *store;
static int serial;

/* What is compared, as text. The server's own settings are read when it says so. */
static char *
reads(PGconn *conn)
{
    struct bs_buf sql;
    PGresult *res;
    char *text;

    bs_buf_init(&sql, 65536);
    bs_put_str(&sql, "SELECT pg_catalog.string_agg(pg_catalog.concat_ws('|', a.class, a.name,"
                     " a.value), E'\\n' ORDER BY a.class, a.name) FROM (");
    bs_globals_put_select(&sql, ALL, PQserverVersion(conn));
    bs_put_str(&sql, ") a");
    bs_put_u8(&sql, '\0');
    res = PQexec(conn, (const char *)sql.p);
    if (!tap_check(PQresultStatus(res) == PGRES_TUPLES_OK, "read", __FILE__, __LINE__))
        printf("# %s", PQerrorMessage(conn));
    text = strdup(PQntuples(res) == 1 ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    bs_buf_fini(&sql);
    return text;
}

/* Keeps the classes as a capture does; `rows` borrows `keys`. */
static bool
keep(PGconn *conn, unsigned classes, struct bs_point_object *rows, char keys[3][256])
{
    struct bs_seal *seal = NULL;
    struct bs_sealed sealed = {0};
    struct bs_err err = {0};
    struct bs_buf sql;
    char path[128], *data;
    int n;
    bool ok;
    static struct bs_point_part part;
    static struct bs_point_column columns[BS_GLOBALS_COLUMNS];

    (void)snprintf(path, sizeof(path), "%s/rows-%d", folder, ++serial);
    (void)snprintf(keys[0], 256, "globals-%d", serial);
    bs_buf_init(&sql, 65536);
    bs_put_str(&sql, "COPY (");
    bs_globals_put_select(&sql, classes, PQserverVersion(conn));
    bs_put_str(&sql, ") TO STDOUT (FORMAT binary)");
    bs_put_u8(&sql, '\0');
    ok = bs_seal_new(path, BS_ROWS_BINARY, BS_GLOBALS_COLUMNS, &seal, &err) == BS_DONE;
    PQclear(PQexec(conn, (const char *)sql.p));
    while (ok && (n = PQgetCopyData(conn, &data, 0)) > 0) {
        ok = bs_seal_put(seal, (struct bs_bytes){(uint8_t *)data, (size_t)n}, &err) == BS_DONE;
        PQfreemem(data);
    }
    PQclear(PQgetResult(conn));
    ok = ok && bs_seal_finish(seal, &sealed, &err) == BS_DONE &&
         bs_store_put_file(store, keys[0], path, &err) == BS_DONE;
    bs_seal_free(&seal);
    bs_buf_fini(&sql);
    (void)snprintf(keys[1], 256, "%s", sealed.sha256);
    (void)snprintf(keys[2], 256, "%s", sealed.row_hash);
    part = (struct bs_point_part){keys[0], sealed.stored_bytes, keys[1]};
    *rows = (struct bs_point_object){.schema = "",
                                     .name = "globals",
                                     .format = BS_ROWS_BINARY,
                                     .key = keys[0],
                                     .columns = columns,
                                     .n_columns = BS_GLOBALS_COLUMNS,
                                     .row_count = sealed.rows,
                                     .raw_bytes = sealed.raw_bytes,
                                     .stored_bytes = sealed.stored_bytes,
                                     .sha256 = keys[1],
                                     .row_hash = keys[2],
                                     .parts = &part,
                                     .n_parts = 1};
    if (!ok)
        printf("# %s\n", err.message);
    return ok;
}

/* Gives back what a change has taken; what the server then says about itself. */
static bool
give_back(struct bs_point_globals *g,
          enum bs_copyback_made made,
          struct bs_global_change **list,
          size_t *n,
          struct bs_restore *r)
{
    struct bs_err err = {0};
    char dsn[256];
    bool ok;

    (void)snprintf(dsn, sizeof(dsn), "host=%s user=postgres dbname=postgres", pg_dir);
    *r = (struct bs_restore){.request = {.store = store}};
    bs_arena_init(&r->arena, "test", 16 << 20);
    r->manifest.globals = g;
    r->manifest.n_globals = 1;
    r->manifest.source.data_encoding = "UTF8";
    ok = bs_rdb_open(dsn, &r->db, &err) == BS_DONE && bs_rdb_do(&r->db, "BEGIN", &err) == BS_DONE &&
         bs_globals_find(r, made, list, n, &err) == BS_DONE &&
         bs_globals_run(r, *list, *n, false, &err) == BS_DONE &&
         bs_rdb_do(&r->db, "COMMIT", &err) == BS_DONE &&
         bs_globals_run(r, *list, *n, true, &err) == BS_DONE;
    if (!ok)
        printf("# %s\n", err.message);
    bs_rdb_close(&r->db);
    return ok;
}

static const char scene[] =
    "CREATE ROLE lead CREATEROLE LOGIN PASSWORD 'one' CONNECTION LIMIT 3;"
    "CREATE ROLE \"odd \"\"role\" LOGIN VALID UNTIL '2031-02-03 04:05:06+00';"
    "CREATE ROLE team NOINHERIT; CREATE ROLE admins BYPASSRLS;"
    "COMMENT ON ROLE lead IS 'it''s lead';"
    "GRANT team TO lead WITH ADMIN OPTION; GRANT admins TO \"odd \"\"role\";"
    "ALTER ROLE lead SET search_path = \"$user\", 'a \"b', public;"
    "ALTER ROLE lead IN DATABASE side SET work_mem = '7MB'; ALTER ROLE ALL SET app.key = 'x=y';"
    "ALTER DATABASE side SET statement_timeout = '9s'; ALTER DATABASE side CONNECTION LIMIT 5;"
    "ALTER DATABASE side OWNER TO lead; COMMENT ON DATABASE side IS 'side';"
    "GRANT CREATE ON DATABASE side TO team WITH GRANT OPTION; REVOKE TEMP ON DATABASE side FROM "
    "PUBLIC;";

static const struct {
    const char *what;
    const char *sql;      /* several, cut at the semicolons that end a line */
    const char *about[3]; /* names in the point; none: everything */
    enum bs_copyback_made made;
    int changes; /* statements it takes; -1: whatever */
} rows[] = {
    {"attributes",
     "ALTER ROLE lead NOLOGIN SUPERUSER CONNECTION LIMIT -1 VALID UNTIL '2030-01-01'",
     {"lead"},
     BS_COPYBACK_KEEP,
     1},
    {"a password", "ALTER ROLE lead PASSWORD 'two'", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"a comment", "COMMENT ON ROLE lead IS NULL", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"a role renamed", "ALTER ROLE lead RENAME TO boss", {"lead"}, BS_COPYBACK_KEEP, -1},
    {"a role with a strange name",
     "ALTER ROLE \"odd \"\"role\" VALID UNTIL 'infinity'",
     {"odd \"role"},
     BS_COPYBACK_KEEP,
     1},
    {"a role dropped", "DROP ROLE \"odd \"\"role\"", {"odd \"role"}, BS_COPYBACK_KEEP, -1},
    {"a role made", "CREATE ROLE intruder SUPERUSER", {"intruder"}, BS_COPYBACK_REMOVE, -1},
    {"a membership given", "GRANT admins TO lead", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"a membership taken", "REVOKE team FROM lead CASCADE", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"an option taken", "REVOKE ADMIN OPTION FOR team FROM lead", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"an option given",
     "GRANT admins TO \"odd \"\"role\" WITH ADMIN OPTION",
     {"odd \"role"},
     BS_COPYBACK_KEEP,
     -1},
    {"a list of a role",
     "ALTER ROLE lead SET search_path = nowhere",
     {"lead"},
     BS_COPYBACK_KEEP,
     1},
    {"settings of a role", "ALTER ROLE lead RESET ALL", {"lead"}, BS_COPYBACK_KEEP, 1},
    {"settings in a database",
     "ALTER ROLE lead IN DATABASE side RESET ALL",
     {"lead"},
     BS_COPYBACK_KEEP,
     1},
    {"settings of all", "ALTER ROLE ALL SET app.key = 'z'", {NULL}, BS_COPYBACK_KEEP, 1},
    {"settings of a database",
     "ALTER DATABASE side SET statement_timeout = 0",
     {"side"},
     BS_COPYBACK_KEEP,
     1},
    {"a setting more", "ALTER DATABASE side SET work_mem = '1MB'", {"side"}, BS_COPYBACK_KEEP, 1},
    {"a database's owner", "ALTER DATABASE side OWNER TO postgres", {"side"}, BS_COPYBACK_KEEP, -1},
    {"a database's limits",
     "ALTER DATABASE side WITH CONNECTION LIMIT 0 ALLOW_CONNECTIONS false",
     {"side"},
     BS_COPYBACK_KEEP,
     1},
    {"a database renamed", "ALTER DATABASE side RENAME TO aside", {"side"}, BS_COPYBACK_KEEP, -1},
    {"a database's comment", "COMMENT ON DATABASE side IS 'other'", {"side"}, BS_COPYBACK_KEEP, 1},
    {"a database's privileges",
     "REVOKE ALL ON DATABASE side FROM PUBLIC, team, lead",
     {"side"},
     BS_COPYBACK_KEEP,
     1},
    {"privileges of a database",
     "GRANT ALL ON DATABASE side TO admins WITH GRANT OPTION",
     {"side"},
     BS_COPYBACK_KEEP,
     1},
    {"all that a role owns", "REASSIGN OWNED BY lead TO postgres", {"lead"}, BS_COPYBACK_KEEP, -1},
    {"the server's settings", "ALTER SYSTEM SET work_mem = '5MB'", {NULL}, BS_COPYBACK_KEEP, 1},
    {"a list of the server's",
     "ALTER SYSTEM SET search_path = 'x', 'y'",
     {NULL},
     BS_COPYBACK_KEEP,
     1},
};

static PGconn *conn;

static void
changed_and_given_back(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_point_globals g = {.classes = ""};
        struct bs_point_name about[3] = {0};
        struct bs_global_change *list = NULL;
        struct bs_restore r = {0};
        char keys[3][256], *before, *broken, *after;
        size_t n = 0;

        before = reads(conn);
        EXPECT(keep(conn, ALL, &g.rows, keys));
        for (; g.n_about < 3 && rows[i].about[g.n_about] != NULL; g.n_about++)
            about[g.n_about].name = rows[i].about[g.n_about];
        g.about = about;
        g.classes = "role,password,membership,setting,database,tablespace,parameter,system";
        EXPECT(pg_run(conn, rows[i].sql));
        broken = reads(conn);
        EXPECT(strcmp(before, broken) != 0);
        EXPECT(give_back(&g, rows[i].made, &list, &n, &r));
        after = reads(conn);
        EXPECT(strcmp(before, after) == 0);
        if (rows[i].changes >= 0)
            EXPECT_EQ(n, rows[i].changes);
        if (tap_misses != 0) {
            printf("# in row: %s\n", rows[i].what);
            for (size_t k = 0; k < n; k++)
                printf("#   %s\n", list[k].sql == NULL ? list[k].why : list[k].sql);
            printf("# before: %s\n# after: %s\n", before, after);
            free(before), free(broken), free(after);
            bs_arena_fini(&r.arena);
            return;
        }
        free(before), free(broken), free(after);
        bs_arena_fini(&r.arena);
    }
}

/* What others do meanwhile is theirs, and a secret is not shown. */
static void
others_stay(void)
{
    struct bs_point_name about[] = {{"lead"}};
    struct bs_point_globals g = {.about = about, .n_about = 1, .classes = "role,password"};
    struct bs_global_change *list = NULL;
    struct bs_restore r = {0};
    char keys[3][256];
    size_t n = 0;

    REQUIRE(keep(conn, BS_GLOBAL_ROLES | BS_GLOBAL_PASSWORDS, &g.rows, keys));
    EXPECT(pg_run(conn, "ALTER ROLE lead PASSWORD 'three'"));
    EXPECT(pg_run(conn, "ALTER ROLE team LOGIN"));
    EXPECT(give_back(&g, BS_COPYBACK_KEEP, &list, &n, &r));
    REQUIRE(tap_check(n == 1, "one change", __FILE__, __LINE__));
    EXPECT(strstr(list[0].sql, "SCRAM") != NULL && strstr(list[0].shown, "SCRAM") == NULL);
    EXPECT_EQ(pg_number(conn, "SELECT rolcanlogin::int FROM pg_roles WHERE rolname = 'team'"), 1);
    bs_arena_fini(&r.arena);
}

/* A class that this version does not know is not ignored. */
static void
unknown_class(void)
{
    struct bs_point_globals g = {.classes = "role,moon"};
    struct bs_global_change *list = NULL;
    struct bs_restore r = {0};
    char keys[3][256];
    size_t n = 0;

    EXPECT_EQ(bs_globals_parse("role,setting"), BS_GLOBAL_ROLES | BS_GLOBAL_SETTINGS);
    EXPECT_EQ(bs_globals_parse("role,moon"), 0);
    REQUIRE(keep(conn, BS_GLOBAL_ROLES, &g.rows, keys));
    EXPECT(!give_back(&g, BS_COPYBACK_KEEP, &list, &n, &r));
    bs_arena_fini(&r.arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"everything that changes is given back", changed_and_given_back},
        {"what others changed stays", others_stay},
        {"an unknown class is refused", unknown_class},
    };
    struct bs_err err = {0};
    char url[128];
    int failed;

    if (mkdtemp(folder) == NULL || !pg_start()) {
        printf("Bail out! no PostgreSQL could be started; BACKSTOP_PG_BIN names its programs\n");
        return 1;
    }
    (void)snprintf(url, sizeof(url), "file://%s/store", folder);
    if (bs_store_open(url, &store, &err) != BS_DONE) {
        printf("Bail out! %s\n", err.message);
        return 1;
    }
    conn = pg_connect("postgres");
    (void)pg_run(conn, "CREATE DATABASE side");
    (void)pg_run(conn, scene);
    (void)pg_run(conn, "ALTER SYSTEM SET search_path = \"$user\", 'q \"r'");
    failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    PQfinish(conn);
    bs_store_close(&store);
    pg_stop();
    (void)pg_shell("rm -rf %s", folder);
    return failed;
}
