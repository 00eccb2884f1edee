/*
 * What a snapshot holds of a live database.
 */
#include "catalog/snapshot.h"

#include "catalog/objects.h"
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

static const struct tap_case cases[] = {
    {"functions and their bodies", bodies},
    {"names of internal functions", aliases},
    {"a body behind a lock", body_behind_a_lock},
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
