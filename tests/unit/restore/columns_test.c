/*
 * columns_test.c - columns that a statement took away or gave other values, given back on a real
 * PostgreSQL: all rows and the schema as before, but for the order of columns; what others did
 * since; and the way back from the way back.
 */
#include "restore/columns.h"

#include "restore/copyback.h"
#include "restore/diff.h"
#include "restore/preview.h"
#include "restore/rebuild.h"
#include "unit/recovery/pg.h"

static char root[] = "/tmp/bs-columns-XXXXXX";
static char spool_dir[128], helper[256], dsn[256];
static struct bs_store *store;
static struct bs_audit *audit;
static struct bs_arena arena;
static struct bs_plan_table tables[8];
static struct bs_plan plan;

static const char roles_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS PASSWORD 'secret';"
    "GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO helper;"
    "CREATE ROLE app LOGIN; CREATE ROLE reader";

static const char schema_sql[] =
    "SET client_min_messages = error; CREATE SCHEMA shop;"
    "CREATE TYPE shop.mood AS ENUM ('sad', 'ok');"
    "CREATE TYPE shop.pair AS (a int, b text);"
    "CREATE DOMAIN shop.posint AS int NOT NULL CHECK (VALUE > 0);"
    "CREATE COLLATION shop.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic ="
    " false);"
    "CREATE SEQUENCE shop.shared;"
    "CREATE TABLE shop.users (id int PRIMARY KEY, name text COLLATE shop.nocase DEFAULT 'x' NOT"
    " NULL, n numeric(10,4) DEFAULT 1.5, m shop.mood, moods shop.mood[], p shop.pair,"
    " d shop.posint, j json, ts timestamptz, num int DEFAULT nextval('shop.shared'),"
    " own serial, code int GENERATED ALWAYS AS IDENTITY, twice numeric GENERATED ALWAYS AS (n * 2)"
    " STORED, q numeric(10,4) DEFAULT 1.5, i int DEFAULT 7, note text, CONSTRAINT n_small CHECK (n "
    "< 1000000), CONSTRAINT q_small CHECK (q < 1000),"
    " CONSTRAINT n_name CHECK (name <> '' OR n > 0) NOT VALID, UNIQUE (code));"
    "INSERT INTO shop.users (id, name, n, m, moods, p, d, j, ts, note) SELECT g, 'n' || g, g / 7.0,"
    " 'ok', ARRAY['sad', NULL]::shop.mood[], ROW(g, 'p')::shop.pair, g, '{\"a\":1, \"a\":2}',"
    " '2020-01-01', repeat('z', g % 3000) FROM generate_series(1, 300) g;"
    "UPDATE shop.users SET n = NULL, m = NULL WHERE id % 10 = 0;"
    "ALTER TABLE shop.users ALTER note SET STORAGE EXTERNAL, ALTER note SET STATISTICS 77,"
    " ALTER note SET (n_distinct = 5);"
    "UPDATE shop.users SET q = id / 7.0; CREATE INDEX users_q ON shop.users (q);"
    "CREATE INDEX users_n ON shop.users (n); CREATE INDEX users_partly ON shop.users (id) WHERE"
    " name > 'n5'; CREATE STATISTICS shop.users_stats ON n, i FROM shop.users;"
    "CREATE VIEW shop.v AS SELECT id, n FROM shop.users; CREATE VIEW shop.vv AS SELECT * FROM"
    " shop.v;"
    "CREATE TABLE shop.log (id int); INSERT INTO shop.log VALUES (0);"
    "CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO shop.log"
    " VALUES (1); RETURN NEW; END$$;"
    "CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON shop.users FOR EACH ROW EXECUTE FUNCTION"
    " shop.touch();"
    "CREATE TRIGGER touch_n BEFORE UPDATE OF n ON shop.users FOR EACH ROW EXECUTE FUNCTION"
    " shop.touch();"
    "GRANT SELECT (name, n), UPDATE (n) ON shop.users TO reader;"
    "COMMENT ON COLUMN shop.users.n IS 'it''s n'; COMMENT ON INDEX shop.users_n IS 'index';"
    "CREATE TABLE shop.other (n_id int PRIMARY KEY, user_code int REFERENCES shop.users (code));"
    "INSERT INTO shop.other SELECT g, g FROM generate_series(1, 9) g;"
    "CREATE TABLE shop.nokey (a int, b text, c numeric(6,2)); INSERT INTO shop.nokey"
    " SELECT g / 2, 'b' || g / 4, g FROM generate_series(1, 40) g;"
    "CREATE TABLE shop.base (id int PRIMARY KEY, a text, b int DEFAULT 3);"
    "CREATE TABLE shop.kid (x int, PRIMARY KEY (id)) INHERITS (shop.base);"
    "ALTER TABLE shop.kid ALTER b SET DEFAULT 4;"
    "INSERT INTO shop.base SELECT g, 'a' || g, g FROM generate_series(1, 20) g;"
    "INSERT INTO shop.kid SELECT g, 'k' || g, g, g FROM generate_series(21, 30) g;"
    "CREATE TABLE shop.parted (k int, at text, v numeric(8,3) NOT NULL, PRIMARY KEY (k))"
    " PARTITION BY RANGE (k);"
    "CREATE TABLE shop.parted1 PARTITION OF shop.parted FOR VALUES FROM (0) TO (50);"
    "CREATE TABLE shop.parted2 (at text, gone int, v numeric(8,3) NOT NULL, k int NOT NULL);"
    "ALTER TABLE shop.parted2 DROP COLUMN gone; ALTER TABLE shop.parted ATTACH PARTITION"
    " shop.parted2 FOR VALUES FROM (50) TO (100);"
    "INSERT INTO shop.parted SELECT g, 'at' || g, g / 3.0 FROM generate_series(0, 99) g;"
    "CREATE INDEX parted_v ON shop.parted (v)";

/* Plans columns; `names`: "table column column;table column". */
static void
plan_for(PGconn *conn, const char *names, enum bs_kind kind)
{
    char *text = bs_arena_str(&arena, names), *rest = NULL, *more = NULL;

    plan = (struct bs_plan){.kind = BS_PLAN_WHOLE, .tables = tables, .definition = true};
    for (char *one = strtok_r(text, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest)) {
        struct bs_plan_table *t = &tables[plan.n_tables++];
        char sql[300], relkind[256];
        *t = (struct bs_plan_table){
            .schema = "shop", .name = strtok_r(one, " ", &more), .kind = kind, .exclusive = true};
        t->columns = bs_arena_array(&arena, 16, sizeof(*t->columns));
        for (char *c = strtok_r(NULL, " ", &more); c != NULL; c = strtok_r(NULL, " ", &more))
            t->columns[t->n_columns++] = c;
        (void)snprintf(sql, sizeof(sql), "SELECT 'shop.%s'::regclass::oid", t->name);
        t->oid = (uint32_t)pg_number(conn, sql);
        (void)snprintf(sql, sizeof(sql), "SELECT relkind FROM pg_class WHERE oid = %u", t->oid);
        t->relkind = pg_text(conn, sql, relkind)[0];
    }
}

/* Locks, makes a point as the gateway would, runs the statement under a savepoint and commits. */
static bool
destroy(const char *names, enum bs_kind kind, const char *statement, char id[BS_POINT_ID_TEXT])
{
    PGconn *actor = PQconnectdb(dsn);
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .plan = &plan,
                                   .actor_pid = PQbackendPID(actor),
                                   .actor = {.agent = "cursor", .owner = "alice"},
                                   .statement = {.kind = bs_kind_name(kind), .text = statement}};
    struct bs_point_event armed = {.state = BS_EVENT_ARMED, .xid = 5},
                          committed = {.state = BS_EVENT_COMMITTED};
    struct bs_capture_result result = {0};
    struct bs_capture *c = NULL;
    struct bs_err err = {0};
    bool ok = pg_run(actor, "SET client_min_messages = error; BEGIN");

    plan_for(actor, names, kind);
    for (size_t i = 0; ok && i < plan.n_tables; i++) {
        char lock[300];
        (void)snprintf(lock, sizeof(lock), "LOCK TABLE ONLY shop.%s IN SHARE ROW EXCLUSIVE MODE",
                       plan.tables[i].name);
        ok = pg_run(actor, lock);
    }
    ok = ok && bs_capture_open(&q, &c, &err) == BS_DONE &&
         bs_capture_run(c, &result, &err) == BS_DONE;
    ok = ok && pg_run(actor, "SAVEPOINT s") && pg_run(actor, statement);
    armed.xid = (uint64_t)pg_number(actor, "SELECT pg_current_xact_id()");
    ok = ok && bs_capture_event(c, &armed, &err) == BS_DONE && pg_run(actor, "COMMIT") &&
         bs_capture_event(c, &committed, &err) == BS_DONE;
    if (ok)
        memcpy(id, result.manifest->id, BS_POINT_ID_TEXT);
    if (!tap_check(ok, "destroy", __FILE__, __LINE__))
        printf("# %s: %s\n", statement, err.message);
    bs_capture_close(&c);
    PQfinish(actor);
    return ok;
}

static bool
open_restore(struct bs_restore *r, const char *id)
{
    struct bs_restore_request q = {.store = store,
                                   .point = id,
                                   .dsn = dsn,
                                   .helper = helper,
                                   .spool = spool_dir,
                                   .by = "operator",
                                   .audit = audit,
                                   .database = "shop"};
    struct bs_err err = {0};

    *r = (struct bs_restore){0};
    if (bs_restore_open(&q, r, &err) == BS_DONE && bs_restore_connect(r, &err) == BS_DONE)
        return true;
    printf("# cannot open %s: %s\n", id, err.message);
    return tap_check(false, "open_restore", __FILE__, __LINE__);
}

/* Schema as sorted lines, and all rows with their columns by name: what order they are in is left out. */
static void
picture(const char *name)
{
    static const char questions[] =
        "SELECT format('SELECT %L, count(*), md5(string_agg(to_jsonb(x)::text, %L ORDER BY"
        " to_jsonb(x)::text)) FROM ONLY %s x', c.oid::regclass, '|', c.oid::regclass)"
        " FROM pg_class c WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'"
        " ORDER BY c.oid::regclass::text \\gexec\n"
        "SELECT format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass,"
        " c.oid::regclass) FROM pg_class c WHERE relnamespace = 'shop'::regnamespace AND"
        " relkind = 'S' ORDER BY c.oid::regclass::text \\gexec\n";
    char path[256];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/questions.sql", root);
    f = fopen(path, "w");
    if (f == NULL || fputs(questions, f) < 0 || fclose(f) != 0)
        EXPECT(!"questions.sql");
    EXPECT(pg_shell("%s/pg_dump -s -h %s -U postgres shop | grep -v '^.restrict\\|^.unrestrict' |"
                    " sed 's/,$//; s/ON i, n FROM/ON n, i FROM/' | sort >%s/%s.sql",
                    pg_bin, pg_dir, root, name));
    EXPECT(pg_shell("%s/psql -h %s -U postgres -AtXq shop -f %s >%s/%s.rows", pg_bin, pg_dir, path,
                    root, name));
}

static bool
equal(const char *a, const char *b)
{
    bool sql = pg_shell("diff %s/%s.sql %s/%s.sql | sed 's/^/# /'; cmp -s %s/%s.sql %s/%s.sql",
                        root, a, root, b, root, a, root, b);
    bool rows = pg_shell("diff %s/%s.rows %s/%s.rows | sed 's/^/# /'; cmp -s %s/%s.rows %s/%s.rows",
                         root, a, root, b, root, a, root, b);

    return sql && rows;
}

static const struct bs_copyback_options plain;

/* Copies back; the point of what was there before goes to `undo`. */
static bool
copy_back(const char *id,
          const struct bs_copyback_options *options,
          char undo[BS_POINT_ID_TEXT],
          enum bs_code want)
{
    struct bs_restore r;
    struct bs_copyback out;
    struct bs_err err = {0};

    if (!open_restore(&r, id))
        return false;
    (void)!bs_copyback_run(&r, options, NULL, &out, &err);
    if (err.code != want)
        printf("# %s\n", err.message);
    if (err.code == BS_OK && undo != NULL)
        memcpy(undo, out.point, BS_POINT_ID_TEXT);
    if (err.code == BS_OK && out.difference != NULL && getenv("BS_TEST_SHOW") != NULL)
        printf("# %s\n", out.difference);
    bs_restore_close(&r);
    return err.code == want;
}

/* What a preview says that contains a word. */
static bool
previews(const char *id, const char *word)
{
    struct bs_restore r;
    struct bs_preview p;
    struct bs_err err = {0};
    bool found = false;

    if (!open_restore(&r, id))
        return false;
    if (bs_preview_make(&r, NULL, &p, &err) == BS_DONE) {
        for (size_t i = 0; i < p.n_conflicts; i++)
            found = found || strstr(p.conflicts[i], word) != NULL;
        for (size_t i = 0; i < p.n_conflicts && !found; i++)
            printf("# %s\n", p.conflicts[i]);
    }
    if (err.code != BS_OK)
        printf("# %s\n", err.message);
    bs_restore_close(&r);
    return found;
}

static bool
same(const char *id)
{
    struct bs_restore r;
    struct bs_diff d = {0};
    struct bs_err err = {0};

    if (!open_restore(&r, id))
        return false;
    if (bs_diff_run(&r, NULL, &d, &err) != BS_DONE)
        printf("# %s\n", err.message);
    bs_restore_close(&r);
    return d.same;
}

/* A statement, which columns of which tables it is about, and what the preview says. */
static const struct {
    const char *what;
    const char *names;
    enum bs_kind kind;
    const char *statement;
    const char *says;
} rows[] = {
    {"a column with all that hangs on it", "users n", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN n CASCADE", "300 rows"},
    {"two columns at once", "users note m", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN note, DROP COLUMN m", "users.m is gone"},
    {"collation, default, NOT NULL, partial index", "users name", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN name CASCADE", "300 rows get the saved value"},
    {"enum arrays, composites, json", "users moods p j", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN moods, DROP COLUMN p, DROP COLUMN j",
     "as the last column"},
    {"a domain that refuses null", "users d", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN d", "users.d is gone"},
    {"a default that draws from a sequence", "users num", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN num", "users.num is gone"},
    {"a serial", "users own", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN own", "users.own is gone"},
    {"an identity with a key that others refer to", "users code", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN code CASCADE", "users.code is gone"},
    {"a generated column", "users twice", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN twice", "computed again"},
    {"the primary key", "users id", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.users DROP COLUMN id CASCADE", "users.id is gone"},
    {"no key at all", "nokey b", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.nokey DROP COLUMN b", "40 rows get the saved value"},
    {"the only key of a table", "other n_id", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.other DROP COLUMN n_id", "9 rows get the saved value"},
    {"children", "base a b;kid a b", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.base DROP COLUMN a, DROP COLUMN b", "30 rows get the saved value"},
    {"partitions", "parted v at;parted1 v at;parted2 v at", BS_KIND_ALTER_TABLE_DROP_COLUMN,
     "ALTER TABLE shop.parted DROP COLUMN v, DROP COLUMN at", "100 rows get the saved value"},
    {"a type that rounds", "users q", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.users ALTER q TYPE numeric(10,1)",
     "users.q is numeric(10,1) and was numeric(10,4)"},
    {"a type that checks are rewritten for", "users q", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.users ALTER q TYPE int", "users.q is integer"},
    {"a type with USING", "users i", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.users ALTER i DROP DEFAULT, ALTER i TYPE text USING 'x' || i % 2",
     "300 rows get the saved value"},
    {"the same type with USING", "users note", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.users ALTER note TYPE text USING 'gone'", "other values"},
    {"a type that holds all", "users num", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.users ALTER num TYPE bigint", "users.num is bigint"},
    {"the type of a key alone", "other n_id", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.other ALTER n_id TYPE text USING 'k' || n_id", "9 rows get"},
    {"the type of a key alone, that holds all", "other n_id", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.other ALTER n_id TYPE bigint", "9 rows get"},
    {"a type without a rewrite", "nokey c", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.nokey ALTER c TYPE numeric(20,2)", "nokey.c is numeric(20,2)"},
    {"types of partitions", "parted v;parted1 v;parted2 v", BS_KIND_ALTER_TABLE_ALTER_TYPE,
     "ALTER TABLE shop.parted ALTER v TYPE int", "100 rows get the saved value"},
    {"an expression that went", "users twice", BS_KIND_ALTER_TABLE_DROP_EXPRESSION,
     "ALTER TABLE shop.users ALTER twice DROP EXPRESSION", "computed again"},
};

static void
every_column_comes_back(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char id[BS_POINT_ID_TEXT] = "", undo[BS_POINT_ID_TEXT] = "";
        int before = tap_misses;

        picture("before");
        if (!destroy(rows[i].names, rows[i].kind, rows[i].statement, id))
            break;
        picture("gone");
        EXPECT(previews(id, rows[i].says));
        EXPECT(!same(id));
        picture("looked");
        EXPECT(equal("gone", "looked"));
        EXPECT(copy_back(id, &plain, undo, BS_OK));
        EXPECT(undo[0] != '\0');
        EXPECT(same(id));
        picture("after");
        EXPECT(equal("before", "after"));
        if (tap_misses != before)
            printf("# in row: %s\n", rows[i].what);
    }
}

static const struct tap_case cases[] = {
    {"every column comes back", every_column_comes_back},
};

static bool
set_up(void)
{
    char url[128], dir[128];
    struct bs_audit_options options = {.directory = dir};
    struct bs_err err = {0};
    PGconn *conn;
    bool ok;

    if (mkdtemp(root) == NULL || !pg_start())
        return false;
    bs_arena_init(&arena, "test", 64u << 20);
    (void)snprintf(url, sizeof(url), "file://%s/store", root);
    (void)snprintf(dir, sizeof(dir), "%s/audit", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper password=secret dbname=shop",
                   pg_dir);
    (void)snprintf(dsn, sizeof(dsn), "host=%s user=app dbname=shop", pg_dir);
    conn = pg_connect("postgres");
    ok = pg_run(conn, roles_sql) && pg_run(conn, "CREATE DATABASE shop OWNER app");
    PQfinish(conn);
    conn = PQconnectdb(dsn);
    ok = ok && pg_run(conn, schema_sql);
    PQfinish(conn);
    if (bs_store_open(url, &store, &err) != BS_DONE ||
        bs_audit_open(&options, &audit, &err) != BS_DONE) {
        printf("# %s\n", err.message);
        return false;
    }
    return ok;
}

int
main(void)
{
    int status = 1;

    if (!set_up())
        printf("Bail out! no PostgreSQL could be started; BACKSTOP_PG_BIN names its programs\n");
    else
        status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_audit_close(&audit);
    bs_store_close(&store);
    bs_arena_fini(&arena);
    pg_stop();
    (void)pg_shell("rm -rf %s", root);
    return status;
}
