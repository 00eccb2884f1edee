/*
 * What a snapshot holds of a live database.
 */
#include "catalog/snapshot.h"

#include "catalog/model.h"
#include "server.h"
#include "tap.h"

static struct server server;
static char helper[160];

static const char schema_sql[] =
    "CREATE ROLE helper LOGIN BYPASSRLS;"
    "CREATE TABLE t (a int PRIMARY KEY, b text);"
    "CREATE FUNCTION plain(x int, OUT y text, VARIADIC z int[] DEFAULT '{1}') LANGUAGE plpgsql"
    " STABLE STRICT SECURITY DEFINER SET search_path = a, \"b c\" SET work_mem = '1MB'"
    " AS 'BEGIN y := x; END';"
    "CREATE FUNCTION twin() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';"
    "CREATE FUNCTION twin2() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';"
    "CREATE FUNCTION atomic(int) RETURNS bigint BEGIN ATOMIC DELETE FROM t WHERE a = $1;"
    " SELECT count(*) FROM t; END;"
    "CREATE FUNCTION native(text) RETURNS int LANGUAGE internal AS 'textlen';"
    "CREATE FUNCTION native_in(cstring) RETURNS int LANGUAGE internal AS 'int4in';"
    "CREATE FUNCTION native_next(regclass) RETURNS bigint LANGUAGE internal AS 'nextval_oid';"
    "CREATE FUNCTION native_array(cstring, oid, int) RETURNS int[] LANGUAGE internal STABLE AS "
    "'array_in';"
    "CREATE FUNCTION native_set(text) RETURNS int LANGUAGE internal SET work_mem = '1MB' AS "
    "'textlen';"
    "CREATE FUNCTION listed() RETURNS TABLE (n int, m text) LANGUAGE sql AS 'SELECT 1, NULL';"
    "CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2';"
    "CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int);"
    "CREATE LANGUAGE other HANDLER plpgsql_call_handler;"
    "CREATE FUNCTION renamed() RETURNS int LANGUAGE other AS 'BEGIN RETURN 1; END';";

static const struct bs_function *
function(const struct bs_snapshot *s, const char *name)
{
    const struct bs_function *f = bs_snapshot_find_function(s, "public", name, NULL);

    EXPECT(f != NULL);
    return f;
}

static bool
is(const char *got, const char *want)
{
    return got != NULL && strcmp(got, want) == 0;
}

static void
bodies(void)
{
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    const struct bs_function *f;

    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    REQUIRE((f = function(s, "plain")) != NULL);
    EXPECT_EQ(f->runs, BS_LANGUAGE_PLPGSQL);
    EXPECT(f->volatility == 's' && f->strict && f->definer && f->variadic && !f->set);
    EXPECT(is(f->source, "BEGIN y := x; END"));
    EXPECT(is(f->config, "search_path=a, \"b c\"\nwork_mem=1MB"));
    EXPECT(f->defaults != NULL && f->result == 25);
    REQUIRE(f->n_params == 3);
    EXPECT(f->args[0].type == 23 && f->args[0].mode == 'i' && is(f->args[0].name, "x"));
    EXPECT(f->args[1].type == 25 && f->args[1].mode == 'o' && is(f->args[1].name, "y"));
    EXPECT(f->args[2].type == 1007 && f->args[2].mode == 'v' && is(f->args[2].name, "z"));

    REQUIRE((f = function(s, "twin")) != NULL && function(s, "twin2") != NULL);
    EXPECT(is(f->source, "SELECT 1") && f->source == function(s, "twin2")->source);
    EXPECT(f->set && f->config == NULL && f->n_params == 0 && f->volatility == 'v');
    REQUIRE((f = function(s, "atomic")) != NULL);
    EXPECT(f->atomic && f->runs == BS_LANGUAGE_SQL && f->args[0].name == NULL);
    EXPECT(f->source != NULL && strstr(f->source, "DELETE FROM public.t") != NULL);
    REQUIRE((f = function(s, "native")) != NULL);
    EXPECT(f->runs == BS_LANGUAGE_INTERNAL && f->source == NULL);
    REQUIRE((f = function(s, "listed")) != NULL);
    EXPECT(f->n_params == 2 && f->args[1].mode == 't' && f->n_args == 0);
    REQUIRE((f = function(s, "total")) != NULL);
    EXPECT(f->n_parts == 1 && f->parts[0] == function(s, "add")->id.oid && f->source == NULL);
    REQUIRE((f = function(s, "renamed")) != NULL);
    EXPECT(f->runs == BS_LANGUAGE_PLPGSQL && f->source != NULL);
    bs_snapshot_unref(&s);
}

/* PostgreSQL's own code under another name is what it is under its own. */
static void
aliases(void)
{
    static const struct {
        const char *name;
        enum bs_risk risk;
    } rows[] = {
        {"native", BS_RISK_SAFE},          {"native_in", BS_RISK_SAFE},
        {"native_next", BS_RISK_CRITICAL}, {"native_array", BS_RISK_CRITICAL},
        {"native_set", BS_RISK_CRITICAL},  {"total", BS_RISK_CRITICAL},
    };
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};

    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct bs_function *f = function(s, rows[i].name);
        if (f != NULL)
            EXPECT_EQ(f->risk, rows[i].risk);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].name);
    }
    bs_snapshot_unref(&s);
}

/* The server would wait for the lock to print the body, so it is opaque instead. */
static void
body_behind_a_lock(void)
{
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    PGconn *other = PQconnectdb(server.conninfo);
    PGresult *res = PQexec(other, "BEGIN; LOCK TABLE t");

    EXPECT(PQresultStatus(res) == PGRES_COMMAND_OK);
    PQclear(res);
    EXPECT(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    if (s != NULL) {
        EXPECT(function(s, "atomic")->atomic && function(s, "atomic")->source == NULL);
        EXPECT(function(s, "twin")->source != NULL);
    }
    PQfinish(other);
    bs_snapshot_unref(&s);
}

/* Long chains, wide tables, names of every byte: nothing takes long, and nothing is cut off. */
static void
extremes(void)
{
    static const char chains[] =
        "DO $$ BEGIN"
        " CREATE TABLE c0 (a int); CREATE VIEW v0 AS SELECT 1 AS a;"
        " FOR i IN 1..600 LOOP"
        "  EXECUTE format('CREATE TABLE c%s () INHERITS (c%s)', i, i - 1);"
        "  EXECUTE format('CREATE FUNCTION f%s(int) RETURNS int LANGUAGE sql AS ''SELECT $1''', i);"
        "  EXECUTE format('CREATE FUNCTION g%s(int) RETURNS int LANGUAGE sql AS ''SELECT 1''', i);"
        "  EXECUTE format('CREATE VIEW v%s AS SELECT f%s(g%s(a)) AS a FROM v%s', i, i, i, i - 1);"
        " END LOOP; END $$";
    static const char names[] =
        "DO $$ BEGIN"
        " EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('c' || n || ' int', ',')"
        "  FROM generate_series(1, 1600) n) || ')'; END $$;"
        "CREATE TABLE \"a\"\"b.c \\ '{:relid 1}\" (\":funcid 99 {\" int CHECK"
        " (\":funcid 99 {\" > 0));"
        "CREATE TABLE \"ééééééééééééééééééééééééééééééé\" (a int)";
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};
    const struct bs_relation *r;

    REQUIRE(server_run(&server, chains) && server_run(&server, names));
    if (bs_snapshot_load(helper, &s, &err) != BS_DONE)
        printf("# %s\n", err.message);
    REQUIRE(s != NULL);
    r = bs_snapshot_find_relation(s, "public", "v600", NULL);
    REQUIRE(r != NULL && r->n_reads == 1);
    EXPECT_EQ(r->use[BS_USE_READ].risk, BS_RISK_CRITICAL); /* more than anybody looks at */
    r = bs_snapshot_find_relation(s, "public", "v100", NULL);
    EXPECT(r != NULL && r->use[BS_USE_READ].n_runs == 200);
    r = bs_snapshot_find_relation(s, "public", "c600", NULL);
    EXPECT(r != NULL && r->n_parents == 1 && r->n_columns == 1);
    r = bs_snapshot_find_relation(s, "public", "wide", NULL);
    EXPECT(r != NULL && r->n_columns == 1600);
    r = bs_snapshot_find_relation(s, "public", "a\"b.c \\ '{:relid 1}", NULL);
    EXPECT(r != NULL && r->n_columns == 1);
    EXPECT(bs_snapshot_find_relation(s, "public", "ééééééééééééééééééééééééééééééé", NULL) != NULL);
    bs_snapshot_unref(&s);
}

static uint8_t
published(const struct bs_snapshot *s, const char *name)
{
    const struct bs_relation *r = bs_snapshot_find_relation(s, "public", name, NULL);

    EXPECT(r != NULL);
    return r == NULL ? 0 : r->published;
}

static void
publications(void)
{
    enum { DELETE = 1 << BS_USE_DELETE, INSERT = 1 << BS_USE_INSERT };
    struct bs_snapshot *s = NULL;
    struct bs_err err = {0};

    REQUIRE(server_run(&server, "CREATE TABLE told (a int) PARTITION BY LIST (a);"
                                "CREATE TABLE told1 PARTITION OF told DEFAULT;"
                                "CREATE UNLOGGED TABLE quiet (a int); CREATE SCHEMA elsewhere;"
                                "CREATE PUBLICATION p FOR TABLE told WITH (publish = 'delete')"));
    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    EXPECT_EQ(published(s, "told"), DELETE);
    EXPECT_EQ(published(s, "told1"), DELETE);
    EXPECT_EQ(published(s, "t"), 0);
    bs_snapshot_unref(&s);
    REQUIRE(server_run(&server, "CREATE PUBLICATION a FOR ALL TABLES WITH (publish = 'insert')"));
    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    EXPECT_EQ(published(s, "told1"), DELETE | INSERT);
    EXPECT_EQ(published(s, "t"), INSERT);
    EXPECT_EQ(published(s, "quiet"), 0);
    bs_snapshot_unref(&s);
    REQUIRE(server_run(&server, "DROP PUBLICATION a, p;"
                                "CREATE PUBLICATION e FOR TABLES IN SCHEMA elsewhere"));
    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    EXPECT_EQ(published(s, "told"), 0);
    bs_snapshot_unref(&s);
    REQUIRE(server_run(&server, "CREATE PUBLICATION p FOR TABLES IN SCHEMA public"));
    REQUIRE(bs_snapshot_load(helper, &s, &err) == BS_DONE);
    EXPECT((published(s, "t") & DELETE) != 0 && published(s, "quiet") == 0);
    bs_snapshot_unref(&s);
}

/* The ceiling is an error that says so, whoever reaches it. */
static void
ceiling(void)
{
    size_t was = bs_catalog_max_bytes;
    struct bs_snapshot *s = NULL;

    for (size_t max = 1000; max < 2000000; max *= 2) {
        struct bs_err err = {0};
        bs_catalog_max_bytes = max;
        EXPECT(bs_snapshot_load(helper, &s, &err) == BS_FAILED && s == NULL);
        EXPECT(err.code == BS_E_LIMIT && strstr(err.message, "too large") != NULL);
        bs_snapshot_unref(&s);
    }
    bs_catalog_max_bytes = was;
}

static const struct tap_case cases[] = {
    {"functions and their bodies", bodies},       {"names of internal functions", aliases},
    {"a body behind a lock", body_behind_a_lock}, {"publications", publications},
    {"chains, widths and names", extremes},       {"a catalog that is too large", ceiling},
};

int
main(void)
{
    int failed = 1;

    if (!server_start(&server))
        return 0;
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper dbname=postgres", server.dir);
    if (server_run(&server, schema_sql))
        failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    else
        printf("1..1\nnot ok 1 - the schema\n");
    server_stop(&server);
    return failed;
}
