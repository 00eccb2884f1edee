/*
 * definitions_test.c - each kind of definition that a statement takes away or changes comes back:
 * the schema as pg_dump writes it is the same before and after, on a real PostgreSQL.
 */
#include "restore/copyback.h"

#include "lab.h"
#include "restore/diff.h"
#include "restore/preview.h"
#include "unit/recovery/pg.h"

static char root[] = "/tmp/bs-definitions-XXXXXX";
static char spool_dir[128], helper[256], dsn[256];
static struct bs_store *store;
static struct bs_audit *audit;
static struct bs_arena arena;

/* A point of the definition alone, then the statement. */
static bool
change(const char *statement, char id[BS_POINT_ID_TEXT])
{
    static const struct bs_plan plan = {.kind = BS_PLAN_WHOLE, .definition = true};
    PGconn *actor = pg_connect("lab");
    struct bs_capture_request q = {.helper = helper,
                                   .store = store,
                                   .spool = spool_dir,
                                   .plan = &plan,
                                   .actor_pid = PQbackendPID(actor),
                                   .actor = {.agent = "cursor", .owner = "alice"},
                                   .statement = {.kind = "DO", .text = statement}};
    struct bs_point_event armed = {.state = BS_EVENT_ARMED, .xid = 5},
                          committed = {.state = BS_EVENT_COMMITTED};
    struct bs_capture_result result = {0};
    struct bs_capture *c = NULL;
    struct bs_err err = {0};
    bool ok = pg_run(actor, "SET client_min_messages = error; BEGIN");

    ok = ok && bs_capture_open(&q, &c, &err) == BS_DONE &&
         bs_capture_run(c, &result, &err) == BS_DONE &&
         bs_capture_event(c, &armed, &err) == BS_DONE;
    ok = ok && pg_run(actor, statement) && pg_run(actor, "COMMIT") &&
         bs_capture_event(c, &committed, &err) == BS_DONE;
    if (ok)
        memcpy(id, result.manifest->id, BS_POINT_ID_TEXT);
    if (!tap_check(ok, "change", __FILE__, __LINE__))
        printf("# %s: %s\n", statement, err.message);
    bs_capture_close(&c);
    PQfinish(actor);
    return ok;
}

/* What a point would say the statement is about; asked before it runs. */
static struct bs_point_dependent named[8];
static size_t n_named;

static void
name(const char *const *objects)
{
    PGconn *conn = pg_connect("lab");

    n_named = 0;
    for (; *objects != NULL; objects++) {
        char sql[500];
        PGresult *res;
        (void)snprintf(sql, sizeof(sql),
                       "SELECT a.classid, a.objid, i.type, i.schema, i.identity FROM"
                       " pg_get_object_address(%s) a, pg_identify_object(classid, objid, 0) i",
                       *objects);
        res = PQexec(conn, sql);
        if (!tap_check(PQntuples(res) == 1, *objects, __FILE__, __LINE__)) {
            printf("# %s", PQerrorMessage(conn));
            PQclear(res);
            continue;
        }
        named[n_named++] = (struct bs_point_dependent){
            .class_oid = (uint32_t)strtoul(PQgetvalue(res, 0, 0), NULL, 10),
            .oid = (uint32_t)strtoul(PQgetvalue(res, 0, 1), NULL, 10),
            .type = bs_arena_str(&arena, PQgetvalue(res, 0, 2)),
            .schema = PQgetisnull(res, 0, 3) ? NULL : bs_arena_str(&arena, PQgetvalue(res, 0, 3)),
            .identity = bs_arena_str(&arena, PQgetvalue(res, 0, 4)),
        };
        PQclear(res);
    }
    PQfinish(conn);
}

static bool
open_restore(struct bs_restore *r, const char *id, const char *kind)
{
    struct bs_restore_request q = {.store = store,
                                   .point = id,
                                   .dsn = dsn,
                                   .helper = helper,
                                   .spool = spool_dir,
                                   .by = "operator",
                                   .audit = audit,
                                   .database = "lab"};
    struct bs_err err = {0};

    *r = (struct bs_restore){0};
    if (bs_restore_open(&q, r, &err) == BS_DONE && bs_restore_connect(r, &err) == BS_DONE) {
        if (kind != NULL) {
            r->manifest.closure = named;
            r->manifest.n_closure = n_named;
            r->manifest.statement.kind = kind;
        }
        return true;
    }
    printf("# cannot open %s: %s\n", id, err.message);
    return tap_check(false, "open_restore", __FILE__, __LINE__);
}

static void
picture(const char *file)
{
    EXPECT(pg_shell("%s/pg_dump -s -h %s -U postgres lab | grep -v '^.restrict\\|^.unrestrict' "
                    ">%s/%s.sql",
                    pg_bin, pg_dir, root, file));
}

static bool
equal(const char *a, const char *b)
{
    return pg_shell("diff %s/%s.sql %s/%s.sql | sed 's/^/# /'; cmp -s %s/%s.sql %s/%s.sql", root, a,
                    root, b, root, a, root, b);
}

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
    (void)snprintf(url, sizeof(url), "file://%s/store", root);
    (void)snprintf(dir, sizeof(dir), "%s/audit", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)snprintf(helper, sizeof(helper),
                   "host=%s user=helper password='it\\'s secret' dbname=lab", pg_dir);
    (void)snprintf(dsn, sizeof(dsn), "host=%s user=postgres dbname=lab", pg_dir);
    conn = pg_connect("postgres");
    ok = pg_shell("test -n '%s'", pg_dir);
    /* Each alone: CREATE DATABASE refuses a transaction. */
    for (const char *p = lab_roles; ok && *p != '\0';) {
        char one[200] = "";
        size_t n = strcspn(p, ";");
        memcpy(one, p, n < sizeof(one) - 1 ? n : sizeof(one) - 1);
        ok = pg_run(conn, one);
        p += n + (p[n] == ';');
    }
    PQfinish(conn);
    conn = pg_connect("lab");
    ok = ok && pg_run(conn, lab_made);
    PQfinish(conn);
    if (bs_store_open(url, &store, &err) != BS_DONE ||
        bs_audit_open(&options, &audit, &err) != BS_DONE) {
        printf("# %s\n", err.message);
        return false;
    }
    return ok;
}

static void
print_changes(const struct bs_changes *c)
{
    for (size_t i = 0; i < c->n; i++)
        printf("# %s %s %s%s%s: %s\n%s", bs_change_word(c->list[i].kind), c->list[i].type,
               c->list[i].name, c->list[i].now == NULL ? "" : " now ",
               c->list[i].now == NULL ? "" : c->list[i].now,
               c->list[i].why == NULL ? "-" : c->list[i].why,
               c->list[i].diff == NULL ? "" : c->list[i].diff);
}

/* One statement, and that all is as before after the copy-back. */
static void
there_and_back(const char *kind, const char *statement, const char *const *objects)
{
    struct bs_copyback_options options = {.made = BS_COPYBACK_REMOVE};
    struct bs_restore r;
    struct bs_copyback c;
    struct bs_err err = {0};
    char id[BS_POINT_ID_TEXT];
    int misses = tap_misses;

    picture("before");
    name(objects);
    if (!change(statement, id) || !open_restore(&r, id, kind))
        return;
    if (bs_copyback_run(&r, &options, NULL, &c, &err) != BS_DONE) {
        EXPECT(!"copy-back");
        printf("# %s: %s\n", statement, err.message);
    } else {
        picture("after");
        EXPECT(equal("before", "after"));
        EXPECT(c.compared && c.difference == NULL);
        if (tap_misses != misses) {
            printf("# after: %s\n", statement);
            print_changes(&c.changes);
        }
    }
    bs_restore_close(&r);
}

#define TABLE_U "'table', '{lab,u}', '{}'"

static const struct {
    const char *kind;
    const char *statement;
    const char *objects[4];
} rows[] = {
    /* lost */
    {"DROP INDEX", "DROP INDEX lab.ui", {"'index', '{lab,ui}', '{}'"}},
    {"DROP VIEW", "DROP VIEW lab.v CASCADE", {"'view', '{lab,v}', '{}'"}},
    {"DROP MATERIALIZED VIEW",
     "DROP MATERIALIZED VIEW lab.mv",
     {"'materialized view', '{lab,mv}', '{}'"}},
    {"DROP FUNCTION", "DROP FUNCTION lab.f() CASCADE", {"'function', '{lab,f}', '{}'"}},
    {"DROP FUNCTION", "DROP FUNCTION lab.g(int)", {"'function', '{lab,g}', '{integer}'"}},
    {"DROP PROCEDURE", "DROP PROCEDURE lab.pr()", {"'procedure', '{lab,pr}', '{}'"}},
    {"DROP AGGREGATE", "DROP AGGREGATE lab.agg(int)", {"'aggregate', '{lab,agg}', '{integer}'"}},
    {"DROP TRIGGER", "DROP TRIGGER quiet ON lab.u", {"'trigger', '{lab,u,quiet}', '{}'"}},
    {"DROP POLICY", "DROP POLICY p ON lab.u", {"'policy', '{lab,u,p}', '{}'"}},
    {"DROP RULE", "DROP RULE r ON lab.v", {"'rule', '{lab,v,r}', '{}'"}},
    {"DROP STATISTICS", "DROP STATISTICS lab.st", {"'statistics object', '{lab,st}', '{}'"}},
    {"DROP PUBLICATION", "DROP PUBLICATION pub", {"'publication', '{pub}', '{}'"}},
    {"DROP TEXT SEARCH",
     "DROP TEXT SEARCH CONFIGURATION lab.cfg",
     {"'text search configuration', '{lab,cfg}', '{}'"}},
    {"DROP TEXT SEARCH",
     "DROP TEXT SEARCH DICTIONARY lab.d",
     {"'text search dictionary', '{lab,d}', '{}'"}},
    {"DROP OPERATOR",
     "DROP OPERATOR lab.=== (text, text)",
     {"'operator', '{lab,===}', '{text,text}'"}},
    {"DROP CAST", "DROP CAST (lab.pair AS int)", {"'cast', '{lab.pair}', '{integer}'"}},
    {"DROP EVENT TRIGGER", "DROP EVENT TRIGGER et", {"'event trigger', '{et}', '{}'"}},
    {"DROP COLLATION", "DROP COLLATION lab.c", {"'collation', '{lab,c}', '{}'"}},
    {"DROP DOMAIN", "DROP DOMAIN lab.posint", {"'type', '{lab.posint}', '{}'"}},
    {"DROP SERVER", "DROP SERVER far CASCADE", {"'server', '{far}', '{}'"}},
    {"DROP FOREIGN TABLE", "DROP FOREIGN TABLE lab.ft", {"'foreign table', '{lab,ft}', '{}'"}},
    {"DROP USER MAPPING", "DROP USER MAPPING FOR app SERVER far", {"'server', '{far}', '{}'"}},
    {"ALTER TABLE DROP CONSTRAINT", "ALTER TABLE lab.u DROP CONSTRAINT c", {TABLE_U}},
    {"ALTER TABLE DROP CONSTRAINT",
     "ALTER TABLE lab.u DROP CONSTRAINT u_pkey CASCADE",
     {TABLE_U, "'table constraint', '{lab,o,o_u}', '{}'"}},
    {"ALTER TABLE DROP CONSTRAINT",
     "ALTER TABLE lab.o DROP CONSTRAINT o_u",
     {"'table', '{lab,o}', '{}'"}},
    {"COMMENT", "COMMENT ON TABLE lab.u IS NULL", {TABLE_U}},
    {"REVOKE", "REVOKE ALL ON lab.u FROM reader, clerk", {TABLE_U}},
    {"ALTER TABLE DETACH PARTITION",
     "ALTER TABLE lab.part DETACH PARTITION lab.part1",
     {"'table', '{lab,part}', '{}'", "'table', '{lab,part1}', '{}'"}},
    {"ALTER PUBLICATION",
     "ALTER PUBLICATION pub DROP TABLE lab.u",
     {"'publication', '{pub}', '{}'"}},
    /* changed */
    {"CREATE FUNCTION",
     "CREATE OR REPLACE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
     " $$BEGIN RETURN NULL; END$$",
     {"'function', '{lab,f}', '{}'"}},
    {"CREATE FUNCTION",
     "CREATE OR REPLACE FUNCTION lab.g(i int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
     {"'function', '{lab,g}', '{integer}'"}},
    {"ALTER FUNCTION",
     "ALTER FUNCTION lab.f() SET work_mem = '1MB' COST 7",
     {"'function', '{lab,f}', '{}'"}},
    {"CREATE OR REPLACE VIEW",
     "CREATE OR REPLACE VIEW lab.alone AS SELECT 2 AS one, 3 AS more",
     {"'view', '{lab,alone}', '{}'"}},
    {"CREATE OR REPLACE VIEW",
     "CREATE OR REPLACE VIEW lab.v AS SELECT id, a FROM lab.u WHERE n > 100",
     {"'view', '{lab,v}', '{}'"}},
    {"ALTER TABLE DISABLE TRIGGER", "ALTER TABLE lab.u DISABLE TRIGGER t", {TABLE_U}},
    {"ALTER TABLE ENABLE TRIGGER", "ALTER TABLE lab.u ENABLE ALWAYS TRIGGER quiet", {TABLE_U}},
    {"ALTER TABLE DISABLE ROW LEVEL SECURITY",
     "ALTER TABLE lab.u DISABLE ROW LEVEL SECURITY",
     {TABLE_U}},
    {"ALTER TABLE ENABLE ROW LEVEL SECURITY",
     "ALTER TABLE lab.o ENABLE ROW LEVEL SECURITY",
     {"'table', '{lab,o}', '{}'"}},
    {"ALTER TABLE ENABLE ROW LEVEL SECURITY",
     "ALTER TABLE lab.u FORCE ROW LEVEL SECURITY",
     {TABLE_U}},
    {"ALTER POLICY",
     "ALTER POLICY p ON lab.u TO clerk USING (true)",
     {"'policy', '{lab,u,p}', '{}'"}},
    {"CREATE RULE",
     "CREATE OR REPLACE RULE r AS ON INSERT TO lab.v DO INSTEAD DELETE FROM lab.o",
     {"'view', '{lab,v}', '{}'"}},
    {"COMMENT", "COMMENT ON COLUMN lab.u.a IS 'IS; ''other'", {TABLE_U}},
    {"COMMENT", "COMMENT ON COLUMN lab.u.n IS 'new IS'", {TABLE_U}},
    {"GRANT", "GRANT ALL ON lab.u TO clerk WITH GRANT OPTION", {TABLE_U}},
    {"GRANT", "GRANT SELECT (n), INSERT (n) ON lab.u TO reader, PUBLIC", {TABLE_U}},
    {"GRANT", "GRANT ALL ON lab.o TO PUBLIC", {"'table', '{lab,o}', '{}'"}},
    {"REVOKE", "REVOKE ALL ON lab.u FROM app", {TABLE_U}},
    {"GRANT",
     "GRANT EXECUTE ON FUNCTION lab.g(int) TO PUBLIC",
     {"'function', '{lab,g}', '{integer}'"}},
    {"REVOKE",
     "REVOKE USAGE ON SCHEMA lab FROM reader; GRANT CREATE ON SCHEMA lab TO clerk",
     {"'schema', '{lab}', '{}'"}},
    {"GRANT", "GRANT CREATE ON SCHEMA public TO reader", {"'schema', '{public}', '{}'"}},
    {"REVOKE", "REVOKE ALL ON SEQUENCE lab.s FROM clerk", {"'sequence', '{lab,s}', '{}'"}},
    {"GRANT",
     "GRANT USAGE ON TYPE lab.mood TO reader; REVOKE USAGE ON TYPE lab.mood FROM PUBLIC",
     {"'type', '{lab.mood}', '{}'"}},
    {"ALTER DEFAULT PRIVILEGES",
     "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA spare GRANT ALL ON TABLES TO clerk",
     {NULL}},
    {"ALTER DEFAULT PRIVILEGES",
     "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
     {NULL}},
    {"ALTER DEFAULT PRIVILEGES",
     "ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO clerk",
     {NULL}},
    {"ALTER TABLE OWNER TO", "ALTER TABLE lab.u OWNER TO other", {TABLE_U}},
    {"OWNER TO", "ALTER FUNCTION lab.f() OWNER TO other", {"'function', '{lab,f}', '{}'"}},
    {"OWNER TO", "ALTER SCHEMA lab OWNER TO other", {"'schema', '{lab}', '{}'"}},
    {"OWNER TO", "ALTER TYPE lab.mood OWNER TO other", {"'type', '{lab.mood}', '{}'"}},
    {"ALTER TABLE SET DEFAULT",
     "ALTER TABLE lab.u ALTER a SET DEFAULT 'y', ALTER n SET DEFAULT 1",
     {TABLE_U}},
    {"ALTER TABLE SET DEFAULT",
     "ALTER TABLE lab.o ALTER id DROP DEFAULT",
     {"'table', '{lab,o}', '{}'"}},
    {"ALTER TABLE DROP NOT NULL",
     "ALTER TABLE lab.u REPLICA IDENTITY FULL; ALTER TABLE lab.u ALTER n DROP NOT NULL",
     {TABLE_U}},
    {"ALTER TABLE SET NOT NULL", "ALTER TABLE lab.u ALTER a SET NOT NULL", {TABLE_U}},
    {"ALTER TABLE SET STORAGE",
     "ALTER TABLE lab.u ALTER a SET STORAGE MAIN, ALTER a SET COMPRESSION pglz, ALTER a SET"
     " STATISTICS 9, ALTER n RESET (n_distinct), ALTER n SET (n_distinct_inherited = 3)",
     {TABLE_U}},
    {"ALTER TABLE SET OPTIONS",
     "ALTER TABLE lab.u SET (fillfactor = 50, autovacuum_enabled = off, toast.vacuum_truncate ="
     " off)",
     {TABLE_U}},
    {"ALTER TABLE SET OPTIONS", "ALTER TABLE lab.u RESET (fillfactor)", {TABLE_U}},
    {"ALTER TABLE SET UNLOGGED",
     "ALTER TABLE lab.mum SET UNLOGGED",
     {"'table', '{lab,mum}', '{}'"}},
    {"ALTER TABLE CLUSTER ON", "ALTER TABLE lab.u CLUSTER ON un", {TABLE_U}},
    {"ALTER TABLE CLUSTER ON", "ALTER TABLE lab.u SET WITHOUT CLUSTER", {TABLE_U}},
    {"ALTER TABLE REPLICA IDENTITY", "ALTER TABLE lab.u REPLICA IDENTITY NOTHING", {TABLE_U}},
    {"ALTER TABLE REPLICA IDENTITY",
     "ALTER TABLE lab.o REPLICA IDENTITY FULL",
     {"'table', '{lab,o}', '{}'"}},
    {"ALTER TABLE ADD CONSTRAINT",
     "ALTER TABLE lab.u ADD CHECK (n < 1000), ADD UNIQUE (a)",
     {TABLE_U}},
    {"ALTER TABLE ALTER CONSTRAINT",
     "ALTER TABLE lab.o ALTER CONSTRAINT o_u DEFERRABLE",
     {"'table', '{lab,o}', '{}'"}},
    {"ALTER TABLE SET IDENTITY",
     "ALTER TABLE lab.u ALTER id SET GENERATED BY DEFAULT SET INCREMENT 7",
     {TABLE_U}},
    {"ALTER TABLE DROP IDENTITY", "ALTER TABLE lab.u ALTER id DROP IDENTITY", {TABLE_U}},
    {"ALTER SEQUENCE",
     "ALTER SEQUENCE lab.s INCREMENT 1 NO CYCLE NO MAXVALUE CACHE 9",
     {"'sequence', '{lab,s}', '{}'"}},
    {"ALTER SEQUENCE", "ALTER SEQUENCE lab.s OWNED BY lab.u.n", {"'sequence', '{lab,s}', '{}'"}},
    {"ALTER TYPE RENAME VALUE",
     "ALTER TYPE lab.mood RENAME VALUE 'sad' TO 'blue'",
     {"'type', '{lab.mood}', '{}'"}},
    {"ALTER DOMAIN",
     "ALTER DOMAIN lab.posint DROP CONSTRAINT pos; ALTER DOMAIN lab.posint SET NOT NULL; ALTER"
     " DOMAIN lab.posint DROP DEFAULT; ALTER DOMAIN lab.posint ADD CHECK (VALUE < 9)",
     {"'type', '{lab.posint}', '{}'"}},
    {"ALTER PUBLICATION",
     "ALTER PUBLICATION pub SET (publish = 'insert'); ALTER PUBLICATION pub SET TABLE lab.u",
     {"'publication', '{pub}', '{}'"}},
    {"ALTER EVENT TRIGGER", "ALTER EVENT TRIGGER et DISABLE", {"'event trigger', '{et}', '{}'"}},
    {"ALTER STATISTICS",
     "ALTER STATISTICS lab.st SET STATISTICS 50",
     {"'statistics object', '{lab,st}', '{}'"}},
    {"ALTER TEXT SEARCH",
     "ALTER TEXT SEARCH CONFIGURATION lab.cfg ADD MAPPING FOR word WITH lab.d",
     {"'text search configuration', '{lab,cfg}', '{}'"}},
    {"ALTER USER MAPPING",
     "ALTER USER MAPPING FOR app SERVER far OPTIONS (SET password 'x')",
     {"'server', '{far}', '{}'"}},
    /* called something else */
    {"RENAME", "ALTER TABLE lab.u RENAME TO people", {TABLE_U}},
    {"RENAME", "ALTER TABLE lab.u RENAME COLUMN a TO b", {TABLE_U}},
    {"RENAME", "ALTER TABLE lab.u RENAME COLUMN \"odd \"\"name\" TO plain", {TABLE_U}},
    {"RENAME", "ALTER TABLE lab.u RENAME CONSTRAINT u_pkey TO k", {TABLE_U}},
    {"RENAME", "ALTER INDEX lab.ui RENAME TO iu", {"'index', '{lab,ui}', '{}'"}},
    {"RENAME", "ALTER VIEW lab.v RENAME TO w", {"'view', '{lab,v}', '{}'"}},
    {"RENAME CODE",
     "ALTER FUNCTION lab.g(int) RENAME TO h",
     {"'function', '{lab,g}', '{integer}'"}},
    {"RENAME", "ALTER SCHEMA lab RENAME TO laboratory", {"'schema', '{lab}', '{}'"}},
    {"RENAME", "ALTER TYPE lab.mood RENAME TO humour", {"'type', '{lab.mood}', '{}'"}},
    {"RENAME", "ALTER DOMAIN lab.posint RENAME TO pint", {"'type', '{lab.posint}', '{}'"}},
    {"RENAME", "ALTER TRIGGER t ON lab.u RENAME TO tt", {TABLE_U}},
    {"RENAME", "ALTER POLICY p ON lab.u RENAME TO pp", {TABLE_U}},
    {"RENAME", "ALTER SEQUENCE lab.s RENAME TO ss", {"'sequence', '{lab,s}', '{}'"}},
    {"SET SCHEMA", "ALTER TABLE lab.u SET SCHEMA spare", {TABLE_U}},
    {"SET SCHEMA CODE",
     "ALTER FUNCTION lab.g(int) SET SCHEMA spare",
     {"'function', '{lab,g}', '{integer}'"}},
    {"SET SCHEMA", "ALTER TYPE lab.pair SET SCHEMA spare", {"'type', '{lab.pair}', '{}'"}},
    /* made */
    {"CREATE TRIGGER",
     "CREATE TRIGGER extra AFTER INSERT ON lab.u FOR EACH ROW EXECUTE FUNCTION lab.f()",
     {TABLE_U}},
    {"CREATE POLICY", "CREATE POLICY more ON lab.u USING (true)", {TABLE_U}},
    {"CREATE INDEX", "CREATE INDEX extra ON lab.u (n, a)", {TABLE_U}},
};

static void
every_kind_comes_back(void)
{
    const char *only = getenv("BACKSTOP_ONLY");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (only == NULL || strstr(rows[i].statement, only) != NULL)
            there_and_back(rows[i].kind, rows[i].statement, rows[i].objects);
    }
}

/* The copy-back made a point of its own: with that, what the statement had done is there again. */
static void
an_undo_can_be_undone(void)
{
    static const struct {
        const char *kind;
        const char *statement;
        const char *objects[2];
        const char *again; /* so that the next one finds things as they were */
    } some[] = {
        {"CREATE FUNCTION",
         "CREATE OR REPLACE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql AS"
         " $$BEGIN RETURN NULL; END$$",
         {"'function', '{lab,f}', '{}'"},
         "SELECT 1"},
        {"GRANT", "GRANT ALL ON lab.u TO clerk", {TABLE_U}, "SELECT 1"},
        {"ALTER TABLE SET DEFAULT",
         "ALTER TABLE lab.u ALTER a SET DEFAULT 'z'",
         {TABLE_U},
         "SELECT 1"},
        {"RENAME",
         "ALTER VIEW lab.alone RENAME TO alone2",
         {"'view', '{lab,alone}', '{}'"},
         "ALTER VIEW lab.alone2 RENAME TO alone"},
        {"ALTER TABLE DISABLE TRIGGER",
         "ALTER TABLE lab.u DISABLE TRIGGER t",
         {TABLE_U},
         "SELECT 1"},
    };
    static const struct bs_copyback_options remove = {.made = BS_COPYBACK_REMOVE};
    PGconn *conn = pg_connect("lab");

    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        char id[BS_POINT_ID_TEXT], undo[BS_POINT_ID_TEXT] = "";
        struct bs_restore r;
        struct bs_copyback c;
        struct bs_err err = {0};
        picture("before");
        name(some[i].objects);
        REQUIRE(change(some[i].statement, id));
        picture("changed");
        REQUIRE(open_restore(&r, id, some[i].kind));
        EXPECT_EQ(bs_copyback_run(&r, &remove, NULL, &c, &err), BS_DONE);
        memcpy(undo, c.point, sizeof(undo));
        bs_restore_close(&r);
        picture("after");
        EXPECT(equal("before", "after"));
        REQUIRE(undo[0] != '\0');
        REQUIRE(open_restore(&r, undo, NULL));
        EXPECT_EQ(bs_copyback_run(&r, &remove, NULL, &c, &err), BS_DONE);
        bs_restore_close(&r);
        picture("undone");
        EXPECT(equal("changed", "undone"));
        if (err.code != BS_OK)
            printf("# %s: %s\n", some[i].statement, err.message);
        pg_run(conn, some[i].again);
    }
    PQfinish(conn);
}

static void
what_a_sequence_had_is_kept(void)
{
    PGconn *conn = pg_connect("lab");

    EXPECT_EQ(pg_number(conn, "SELECT last_value FROM lab.s"), 1);
    EXPECT_EQ(pg_number(conn, "SELECT count(*) FROM lab.u"), 20);
    EXPECT_EQ(pg_number(conn, "SELECT sum(count) FROM lab.mv"), 20);
    PQfinish(conn);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"every kind comes back", every_kind_comes_back},
        {"an undo can be undone", an_undo_can_be_undone},
        {"rows and counters are as they were", what_a_sequence_had_is_kept},
    };
    int status;

    bs_arena_init(&arena, "test", 64 << 20);
    if (!set_up()) {
        printf("Bail out! no PostgreSQL\n");
        return 1;
    }
    status = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    bs_audit_close(&audit);
    bs_store_close(&store);
    pg_stop();
    bs_arena_fini(&arena);
    (void)pg_shell("rm -rf %s", root);
    return status;
}
