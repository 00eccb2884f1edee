/*
 * What functions do, by their bodies: the traps that hide a change behind whatever PostgreSQL runs
 * by itself, and the honest functions of applications, which must not be stopped.
 */
#include <stdlib.h>

#include "catalog/judge.h"
#include "catalog/objects.h"
#include "recovery/plan.h"
#include "server.h"
#include "tap.h"

static struct server server;
static struct bs_snapshot *snapshot;
static char helper[200];

#define PL(name, args, result, body)                                                               \
    "CREATE FUNCTION " name "(" args ") RETURNS " result " LANGUAGE plpgsql AS $f$" body "$f$;"
#define SQL(name, args, result, how, body)                                                         \
    "CREATE FUNCTION " name "(" args ") RETURNS " result " LANGUAGE sql " how " AS $f$" body "$f$" \
    ";"

/* clang-format off */
static const char *const schema_sql[] = {
    "CREATE ROLE helper LOGIN BYPASSRLS;",
    "CREATE TABLE users (id bigint PRIMARY KEY, email text, n int DEFAULT 0, tags text[],"
    " updated_at timestamptz, doc jsonb, v tsvector);",
    "CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), what text, old jsonb);",
    "CREATE TABLE victim (id int PRIMARY KEY); CREATE SCHEMA shadow; CREATE TYPE pair AS (a int, b text);",
    "CREATE SEQUENCE seq;",

    /* Honest ones. */
    SQL("add", "int, int", "int", "IMMUTABLE", "SELECT $1 + $2"),
    SQL("user_email", "p bigint", "text", "STABLE", "SELECT email FROM users WHERE id = p"),
    PL("classify", "p int", "text", "DECLARE r text; i int := 0; u users%ROWTYPE; t users.email%TYPE;"
       " BEGIN FOR i IN 1..p LOOP r := coalesce(r, '') || i::text; EXIT WHEN i > 9; END LOOP;"
       " SELECT * INTO u FROM users WHERE id = p; u.n := u.n + 1; t := u.email;"
       " IF NOT FOUND THEN RAISE NOTICE 'no user %', p USING HINT = 'none'; RETURN NULL; END IF;"
       " CASE u.n WHEN 1, 2 THEN r := 'few'; ELSE r := lower(t); END CASE; RETURN r;"
       " EXCEPTION WHEN OTHERS THEN RAISE WARNING '%', SQLERRM; RETURN ''; END"),
    PL("list_users", "OUT id bigint, OUT email text", "SETOF record",
       "DECLARE c CURSOR (m int) FOR SELECT u.id, u.email FROM users u WHERE u.n > m; r record; BEGIN"
       " FOR r IN c(3) LOOP id := r.id; email := r.email; RETURN NEXT; END LOOP;"
       " RETURN QUERY SELECT u.id, u.email FROM users u; RETURN; END"),
    "CREATE FUNCTION search(q text) RETURNS TABLE(id bigint, rank real) LANGUAGE plpgsql STABLE AS $f$"
    "BEGIN RETURN QUERY SELECT u.id, ts_rank(u.v, plainto_tsquery(q)) FROM users u ORDER BY 2 DESC; END$f$;",
    PL("to_doc", "p users", "jsonb", "DECLARE r jsonb := '{}'; k text; BEGIN FOREACH k IN ARRAY p.tags LOOP"
       " r := jsonb_set(r, ARRAY[k], to_jsonb(p.n)); END LOOP; RETURN r || jsonb_build_object('id', p.id); END"),
    PL("fib", "n int", "int", "BEGIN IF n < 2 THEN RETURN n; END IF; RETURN fib(n - 1) + fib(n - 2); END"),
    PL("even", "n int", "bool", "BEGIN IF n = 0 THEN RETURN true; END IF; RETURN odd(n - 1); END"),
    PL("odd", "n int", "bool", "BEGIN IF n = 0 THEN RETURN false; END IF; RETURN even(n - 1); END"),
    PL("checked", "n int", "int", "BEGIN ASSERT n > 0, 'bad'; PERFORM 1 FROM users WHERE id = n;"
       " EXECUTE 'SELECT 1'; RETURN n; END"),
    "CREATE FUNCTION atomic_read(p bigint) RETURNS text BEGIN ATOMIC SELECT email FROM users WHERE id = p; END;",
    "CREATE FUNCTION atomic_sum(a int, b int) RETURNS int RETURN a + b;",
    "CREATE FUNCTION pathed(p bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public,"
    " pg_temp SET statement_timeout = '1s' AS $f$BEGIN RETURN (SELECT email FROM users WHERE id = p); END$f$;",
    "CREATE FUNCTION defaulted(a int, b int DEFAULT add(1, 2)) RETURNS int LANGUAGE sql AS 'SELECT $1 + $2';",
    "CREATE FUNCTION many(VARIADIC v int[]) RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM unnest(v)';",
    "CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int, INITCOND = '0');",
    "CREATE DOMAIN email AS text CHECK (VALUE ~ '@' AND add(1, 1) = 2);",
    PL("same_pair", "pair, pair", "bool", "BEGIN RETURN ($1).a = ($2).a; END"),
    "CREATE OPERATOR ==== (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same_pair);",
    PL("touch", "", "trigger", "BEGIN NEW.updated_at := now(); NEW.v := to_tsvector('english', NEW.email);"
       " RETURN NEW; END"),
    PL("log_change", "", "trigger", "BEGIN IF TG_OP = 'DELETE' THEN INSERT INTO audit (what, old)"
       " VALUES (TG_TABLE_NAME, to_jsonb(OLD)); RETURN OLD; END IF; INSERT INTO audit (what, old)"
       " VALUES (TG_OP, to_jsonb(NEW)); RETURN NEW; END"),
    PL("guard", "", "trigger", "BEGIN IF NEW.n < 0 THEN RAISE EXCEPTION 'negative'; END IF; RETURN NEW; END"),
    "CREATE TABLE touched (LIKE users); ALTER TABLE touched ADD PRIMARY KEY (id);"
    "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch();"
    "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON touched FOR EACH ROW WHEN (NEW.n <> 0) EXECUTE FUNCTION guard();",
    "CREATE TABLE logged (id int PRIMARY KEY, n int);"
    "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON logged FOR EACH ROW EXECUTE FUNCTION log_change();",
    "CREATE VIEW shown AS SELECT id, user_email(id) AS e, classify(n) AS c FROM users;",
    "CREATE TABLE secured (id int PRIMARY KEY); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;"
    "CREATE POLICY p ON secured USING (user_email(id) = current_user);",
    "CREATE TABLE honest (id int PRIMARY KEY DEFAULT add(1, 1), e email, c int CHECK (add(c, 1) > 0),"
    " g int GENERATED ALWAYS AS (add(id, 1)) STORED); CREATE INDEX ON honest ((add(c, 2)));",
    "CREATE PROCEDURE note(p text) LANGUAGE plpgsql AS $f$BEGIN INSERT INTO audit (what) VALUES (p); END$f$;",
    PL("next_number", "", "bigint", "BEGIN RETURN nextval('seq'); END"),
    PL("temp_work", "", "int", "BEGIN DROP TABLE IF EXISTS scratch; CREATE TEMP TABLE scratch (id int);"
       " INSERT INTO scratch SELECT id FROM users; RETURN (SELECT count(*) FROM scratch); END"),

    /* Traps. */
    PL("purge", "", "int", "BEGIN DELETE FROM victim; RETURN 1; END"),
    SQL("trap_sql", "", "int", "IMMUTABLE", "SELECT purge()"),
    SQL("trap_cte", "", "int", "", "WITH d AS (DELETE FROM victim RETURNING 1) SELECT 1"),
    PL("trap_deep", "", "int", "BEGIN RETURN add(trap_sql(), 1); END"),
    PL("trap_declared", "", "int", "DECLARE x int := purge(); BEGIN RETURN 1; END"),
    PL("trap_cursor", "", "int", "DECLARE c CURSOR FOR SELECT purge(); r record; BEGIN FOR r IN c LOOP NULL; END LOOP;"
       " RETURN 1; END"),
    PL("trap_refcursor", "", "refcursor", "DECLARE c refcursor := 'mine'; BEGIN OPEN c FOR SELECT purge(); RETURN c; END"),
    PL("trap_subscript", "", "int", "DECLARE a int[]; BEGIN a[purge()] := 1; RETURN 1; END"),
    PL("trap_raise", "", "int", "BEGIN RAISE NOTICE '%', purge(); RETURN 1; END"),
    PL("trap_handler", "", "int", "BEGIN RETURN 1/0; EXCEPTION WHEN OTHERS THEN RETURN purge(); END"),
    PL("trap_execute", "t text", "int", "BEGIN EXECUTE format('DELETE FROM %I', t); RETURN 1; END"),
    PL("trap_constant", "", "int", "BEGIN EXECUTE 'DELETE FROM victim'; RETURN 1; END"),
    PL("trap_using", "", "int", "BEGIN EXECUTE 'SELECT $1' USING purge(); RETURN 1; END"),
    PL("trap_query", "", "SETOF int", "BEGIN RETURN QUERY DELETE FROM victim RETURNING id; END"),
    PL("trap_loop", "", "int", "DECLARE r record; BEGIN FOR r IN DELETE FROM victim RETURNING id LOOP NULL; END LOOP;"
       " RETURN 1; END"),
    PL("trap_truncate", "", "int", "BEGIN TRUNCATE victim; RETURN 1; END"),
    PL("trap_drop", "", "int", "BEGIN DROP TABLE victim; RETURN 1; END"),
    PL("trap_alter", "", "int", "BEGIN ALTER TABLE victim ADD COLUMN x int; ALTER TABLE victim DROP COLUMN x; RETURN 1; END"),
    PL("trap_grant", "", "int", "BEGIN GRANT ALL ON victim TO PUBLIC; RETURN 1; END"),
    PL("trap_path", "", "int", "BEGIN SET search_path = pg_temp, public; RETURN 1; END"),
    PL("trap_config", "", "int", "BEGIN PERFORM set_config('search_path', current_user, false); RETURN 1; END"),
    PL("trap_role", "", "int", "BEGIN SET ROLE helper; RETURN 1; END"),
    PL("trap_setting", "", "int", "BEGIN SET session_replication_role = replica; RETURN 1; END"),
    PL("trap_notify", "", "int", "BEGIN NOTIFY x; RETURN 1; END"),
    PL("trap_setval", "", "int", "BEGIN PERFORM setval('seq', 1); RETURN 1; END"),
    PL("trap_prepare", "", "int", "BEGIN PREPARE p AS DELETE FROM victim; RETURN 1; END"),
    PL("trap_file", "", "text", "BEGIN RETURN pg_read_file('x'); END"),
    PL("trap_do", "", "int", "BEGIN DO 'BEGIN DELETE FROM victim; END'; RETURN 1; END"),
    PL("trap_fetch", "c refcursor", "int", "DECLARE x int; BEGIN FETCH c INTO x; RETURN x; END"),
    PL("trap_recursive", "n int", "int", "BEGIN IF n = 0 THEN RETURN purge(); END IF; RETURN trap_recursive(n - 1); END"),
    PL("ping", "", "int", "BEGIN RETURN pong(); END"), PL("pong", "", "int", "BEGIN PERFORM purge(); RETURN ping(); END"),
    "CREATE FUNCTION trap_shadowed() RETURNS int LANGUAGE plpgsql SET search_path = shadow, public AS"
    " $f$BEGIN RETURN helper_fn(1); END$f$;",
    SQL("public.helper_fn", "int", "int", "", "SELECT $1"),
    SQL("shadow.helper_fn", "int", "int", "", "SELECT public.purge()"),
    "CREATE FUNCTION trap_replica() RETURNS int LANGUAGE plpgsql SET session_replication_role = replica AS $f$BEGIN RETURN 1; END$f$;",
    "CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE FUNCTION overloaded(text) RETURNS int LANGUAGE sql AS 'SELECT purge()';",
    "CREATE FUNCTION overloaded(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE FUNCTION trap_default(a int DEFAULT purge()) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE FUNCTION trap_variadic(VARIADIC v int[]) RETURNS int LANGUAGE sql AS 'SELECT purge()';",
    "CREATE FUNCTION atomic_write() RETURNS void BEGIN ATOMIC DELETE FROM victim; END;",
    SQL("trap_sfunc", "int, int", "int", "", "SELECT purge()"),
    "CREATE AGGREGATE trap_total(int) (SFUNC = trap_sfunc, STYPE = int, INITCOND = '0');",
    SQL("trap_ffunc", "int", "int", "", "SELECT purge()"),
    "CREATE AGGREGATE trap_final(int) (SFUNC = add, STYPE = int, INITCOND = '0', FINALFUNC = trap_ffunc);",
    PL("trap_equal", "pair, pair", "bool", "BEGIN PERFORM purge(); RETURN true; END"),
    SQL("trap_cmp", "pair, text", "bool", "", "SELECT purge() = 1"),
    "CREATE OPERATOR =!= (LEFTARG = pair, RIGHTARG = text, FUNCTION = trap_cmp);",
    SQL("trap_ok", "text", "bool", "", "SELECT purge() = 1"),
    "CREATE DOMAIN trapped AS text CHECK (trap_ok(VALUE));",
    PL("trap_in_domain", "", "int", "DECLARE d trapped; BEGIN d := 'x'; RETURN 1; END"),
    PL("trap_domain_arg", "d trapped", "int", "BEGIN RETURN 1; END"),
    "CREATE TABLE with_trapped (id int PRIMARY KEY, d trapped);",
    PL("trap_rowtype", "", "int", "DECLARE r with_trapped%ROWTYPE; BEGIN r.d := 'x'; RETURN 1; END"),
    PL("trap_trigger", "", "trigger", "BEGIN UPDATE users SET n = n + 1; RETURN NEW; END"),
    "CREATE TABLE sly (id int PRIMARY KEY, n int);"
    "CREATE TRIGGER t AFTER INSERT OR UPDATE ON sly FOR EACH ROW EXECUTE FUNCTION trap_trigger();",
    "CREATE TABLE sly_later (id int PRIMARY KEY);"
    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON sly_later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    " EXECUTE FUNCTION trap_trigger();",
    "CREATE TABLE sly_log (id int PRIMARY KEY); ",
    PL("log_to_sly", "", "trigger", "BEGIN INSERT INTO sly VALUES (1); RETURN NEW; END"),
    "CREATE TRIGGER t AFTER INSERT ON sly_log FOR EACH ROW EXECUTE FUNCTION log_to_sly();",
    "CREATE VIEW trap_view AS SELECT trap_deep() AS x; CREATE VIEW trap_view_2 AS SELECT * FROM trap_view;",
    PL("reads_trap_view", "", "int", "BEGIN RETURN (SELECT x FROM trap_view_2); END"),
    "CREATE TABLE trap_secured (id int PRIMARY KEY); ALTER TABLE trap_secured ENABLE ROW LEVEL SECURITY;"
    "CREATE POLICY p ON trap_secured USING (trap_deep() = 1);",
    "CREATE TABLE trap_honest (id int PRIMARY KEY, x int DEFAULT trap_deep());",
    "CREATE TABLE trap_index (id int PRIMARY KEY); CREATE FUNCTION trap_imm(int) RETURNS int LANGUAGE plpgsql"
    " IMMUTABLE AS 'BEGIN RETURN purge(); END'; CREATE INDEX ON trap_index ((trap_imm(id)));",
    "CREATE PROCEDURE trap_proc() LANGUAGE plpgsql AS 'BEGIN PERFORM purge(); END';",
    "CREATE PROCEDURE trap_commit() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';",
    PL("by_key", "", "int", "BEGIN UPDATE users SET n = 1 WHERE id = 7; RETURN 1; END"),
    PL("broken", "", "int", "BEGIN RETURN (SELECT x FROM table_that_is_gone); END"),
    NULL,
};

#define SAFE     BS_RISK_SAFE
#define HIGH     BS_RISK_HIGH
#define CRITICAL BS_RISK_CRITICAL
#define REFUSE   BS_PLAN_REFUSE
#define NONE     BS_PLAN_NONE
#define RECORD   BS_PLAN_RECORD
#define ROWS     BS_PLAN_ROWS
#define WHOLE    BS_PLAN_WHOLE

static const struct row {
    const char *sql;
    enum bs_risk risk;
    enum bs_plan_kind plan;
    bool opaque;         /* nobody knows what it does: the session is in doubt, too */
    const char *reached; /* tables that code reaches, "name KIND", by name; NULL: any */
} rows[] = {
    /* Only reads and computes, however it is labelled. */
    {"SELECT add(1, 2), public.add(3, 4)", SAFE, NONE, false, ""},
    {"SELECT user_email(1)", SAFE, NONE, false, ""},
    {"SELECT classify(n) FROM users", SAFE, NONE, false, ""},
    {"SELECT * FROM list_users()", SAFE, NONE, false, ""},
    {"SELECT * FROM search('x') LIMIT 3", SAFE, NONE, false, ""},
    {"SELECT to_doc(u) FROM users u", SAFE, NONE, false, ""},
    {"SELECT u.to_doc FROM users u", SAFE, NONE, false, ""},
    {"SELECT fib(10), even(4)", SAFE, NONE, false, ""},
    {"SELECT checked(1)", SAFE, NONE, false, ""},
    {"SELECT atomic_read(1), atomic_sum(1, 2)", SAFE, NONE, false, ""},
    {"SELECT pathed(1)", SAFE, NONE, false, ""},
    {"SELECT defaulted(1), many(1, 2, 3)", SAFE, NONE, false, ""},
    {"SELECT total(n) FROM users", SAFE, NONE, false, ""},
    {"SELECT 'a@b'::email", SAFE, NONE, false, ""},
    {"SELECT ROW(1, 'x')::pair ==== ROW(1, 'y')::pair", SAFE, NONE, false, ""},
    {"SELECT * FROM shown", SAFE, NONE, false, ""},
    {"SELECT * FROM secured", SAFE, NONE, false, ""},
    {"EXPLAIN SELECT classify(1)", SAFE, NONE, false, ""},
    {"SELECT overloaded(1, 2)", SAFE, NONE, false, ""},
    {"DO 'BEGIN PERFORM classify(1); END'", HIGH, NONE, false, ""},

    /* Changes something, in a way that is bounded. */
    {"INSERT INTO touched (id) VALUES (1)", HIGH, RECORD, false, ""},
    {"UPDATE touched SET n = 1 WHERE id = 1", HIGH, ROWS, false, ""},
    {"INSERT INTO logged VALUES (1)", HIGH, RECORD, false, "audit INSERT"},
    {"UPDATE logged SET n = 1 WHERE id = 1", HIGH, ROWS, false, "audit INSERT"},
    {"DELETE FROM logged WHERE id = 1", HIGH, ROWS, false, "audit INSERT"},
    {"INSERT INTO honest (e) VALUES ('a@b')", HIGH, RECORD, false, ""},
    {"ANALYZE honest", HIGH, NONE, false, ""},
    {"CALL note('x')", HIGH, RECORD, false, "audit INSERT"},
    {"DO 'BEGIN INSERT INTO audit (what) VALUES (1); END'", HIGH, RECORD, false, "audit INSERT"},
    {"DO 'BEGIN CREATE TABLE IF NOT EXISTS fresh (id int); END'", HIGH, RECORD, false, ""},
    {"SELECT next_number()", HIGH, RECORD, false, ""},
    {"SELECT by_key()", HIGH, ROWS, false, "users UPDATE"},
    {"SELECT trap_notify()", HIGH, NONE, false, ""},
    {"SELECT temp_work()", CRITICAL, RECORD, false, ""},

    /* Traps: what they reach is known. */
    {"SELECT purge()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_sql()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_cte()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_deep()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_declared()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_cursor()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_refcursor()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_subscript()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_raise()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_handler()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_constant()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_using()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT * FROM trap_query()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_loop()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_do()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_recursive(3)", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT ping()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_shadowed()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT helper_fn(1)", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT public.helper_fn(1)", SAFE, NONE, false, ""},
    {"SELECT overloaded(1)", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_default()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_variadic(1, 2, 3)", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT atomic_write()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_total(n) FROM users", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_final(n) FROM users", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT ROW(1, 'x')::pair =!= 'x'", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT 'x'::trapped", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_in_domain()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_domain_arg(NULL)", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_rowtype()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT * FROM trap_view_2", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT reads_trap_view()", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT * FROM trap_secured", CRITICAL, ROWS, false, "victim DELETE"},
    {"EXPLAIN SELECT trap_imm(1)", CRITICAL, ROWS, false, "victim DELETE"},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT purge()", CRITICAL, ROWS, false, "victim DELETE"},
    {"COPY (SELECT purge()) TO STDOUT", CRITICAL, ROWS, false, "victim DELETE"},
    {"INSERT INTO trap_honest (id) VALUES (1)", CRITICAL, ROWS, false, "victim DELETE"},
    {"INSERT INTO trap_index VALUES (1)", CRITICAL, ROWS, false, "victim DELETE"},
    {"ANALYZE trap_index", CRITICAL, ROWS, false, "victim DELETE"},
    {"INSERT INTO sly VALUES (1)", CRITICAL, ROWS, false, "users UPDATE"},
    {"UPDATE sly SET n = 1 WHERE id = 1", CRITICAL, ROWS, false, "users UPDATE"},
    {"DELETE FROM sly WHERE id = 1", HIGH, ROWS, false, ""},
    {"INSERT INTO sly_later VALUES (1)", CRITICAL, ROWS, false, "users UPDATE"},
    {"INSERT INTO sly_log VALUES (1)", CRITICAL, ROWS, false, "sly INSERT, users UPDATE"},
    {"CALL trap_proc()", CRITICAL, ROWS, false, "victim DELETE"},
    {"DO 'BEGIN PERFORM trap_deep(); END'", CRITICAL, ROWS, false, "victim DELETE"},
    {"SELECT trap_truncate()", CRITICAL, WHOLE, false, "victim TRUNCATE"},
    {"SELECT trap_drop()", CRITICAL, WHOLE, false, "victim DROP TABLE"},

    /* Nobody can tell, or it is none of what can be kept. */
    {"SELECT trap_execute('victim')", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_alter()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_grant()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_path()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_config()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_setval()", HIGH, ROWS, true, NULL},
    {"SELECT trap_prepare()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_fetch('p')", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_replica()", CRITICAL, ROWS, true, NULL},
    {"SELECT broken()", CRITICAL, ROWS, true, NULL},
    {"CALL trap_commit()", CRITICAL, ROWS, true, NULL},
    {"SELECT trap_file()", CRITICAL, REFUSE, true, NULL},
    {"SELECT trap_role()", CRITICAL, NONE, false, NULL},
    {"SELECT trap_setting()", CRITICAL, NONE, false, NULL},
};
/* clang-format on */

struct verdict {
    struct bs_arena arena;
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_plan plan;
};

static bool
judge_in(struct verdict *v, const char *sql, struct bs_session_names names)
{
    struct bs_err err = {0};

    bs_arena_init(&v->arena, "test", 16u << 20);
    if (bs_classify(bs_bytes_of(sql), BS_CLASSIFY_LIMITS, &v->arena, &v->unit, &err) == BS_DONE &&
        bs_catalog_judge(snapshot, names, &v->unit, &v->arena, &v->facts, &err) == BS_DONE &&
        bs_plan_make(&v->unit, &v->facts, (struct bs_plan_limits){1 << 30, true}, &v->arena,
                     &v->plan, &err) == BS_DONE)
        return true;
    printf("# %s\n", err.message);
    return false;
}

static bool
judge(struct verdict *v, const char *sql)
{
    return judge_in(v, sql, (struct bs_session_names){0});
}

static int
by_name(const void *x, const void *y)
{
    const struct bs_target *a = x, *b = y;

    return strcmp(a->name, b->name);
}

static void
put_reached(struct bs_facts *facts, char *out, size_t size)
{
    size_t n = 0;

    if (facts->n_targets > 1)
        qsort(facts->targets, facts->n_targets, sizeof(*facts->targets), by_name);
    out[0] = '\0';
    for (size_t i = 0; i < facts->n_targets && n < size; i++) {
        const struct bs_target *t = &facts->targets[i];
        if (t->reach == BS_REACH_CALL)
            n += (size_t)snprintf(out + n, size - n, "%s%s %s", n == 0 ? "" : ", ", t->name,
                                  bs_kind_name(t->kind));
    }
}

static void
show(const struct verdict *v, const char *sql, const char *reached)
{
    printf("# in row: %s\n#   plan %s: %s\n#   reached: %s\n", sql, bs_plan_kind_name(v->plan.kind),
           v->plan.why, reached);
    for (size_t i = 0; i < v->unit.n_stmts; i++) {
        for (size_t k = 0; k < v->unit.stmts[i].n_reasons; k++)
            printf("#   %s %s: %s\n", bs_risk_name(v->unit.stmts[i].reasons[k].risk),
                   v->unit.stmts[i].reasons[k].code, v->unit.stmts[i].reasons[k].text);
    }
}

static void
bodies(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        int missed = tap_misses;
        struct verdict v = {0};
        char reached[512];

        EXPECT(judge(&v, row->sql));
        EXPECT_EQ(v.unit.risk, row->risk);
        EXPECT_EQ(v.plan.kind, row->plan);
        EXPECT_EQ((v.unit.flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0, row->opaque);
        EXPECT(!row->opaque || v.plan.unvetted || v.plan.kind == REFUSE);
        EXPECT(!v.facts.unknown_name);
        put_reached(&v.facts, reached, sizeof(reached));
        EXPECT(row->reached == NULL || strcmp(row->reached, reached) == 0);
        if (tap_misses != missed)
            show(&v, row->sql, reached);
        bs_arena_fini(&v.arena);
    }
}

/* Only ever asked once, whatever the order: a second round says the same. */
static void
asked_twice(void)
{
    bodies();
}

static bool
says(const struct bs_stmt *stmt, const char *words)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strstr(stmt->reasons[i].text, words) != NULL)
            return true;
    }
    return false;
}

static void
what_the_session_did(void)
{
    struct verdict v = {0};

    /* A path of the session's own does not reach into a function that has its own. */
    REQUIRE(
        judge_in(&v, "SELECT public.pathed(1)", (struct bs_session_names){.path_changed = true}));
    EXPECT_EQ(v.unit.risk, SAFE);
    bs_arena_fini(&v.arena);
    REQUIRE(judge_in(&v, "SELECT public.user_email(1)",
                     (struct bs_session_names){.path_changed = true}));
    EXPECT_EQ(v.unit.risk, CRITICAL);
    bs_arena_fini(&v.arena);
    REQUIRE(judge_in(&v, "SELECT public.pathed(1)", (struct bs_session_names){.temporary = true}));
    EXPECT_EQ(v.unit.risk, CRITICAL);
    bs_arena_fini(&v.arena);

    /* What has been replaced, or may have been, is not what the catalog has. */
    REQUIRE(judge(&v,
                  "CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS"
                  " 'BEGIN DELETE FROM public.victim; RETURN NEW; END';"
                  "INSERT INTO public.touched (id) VALUES (1)"));
    EXPECT_EQ(v.unit.stmts[1].risk, CRITICAL);
    EXPECT(says(&v.unit.stmts[1], "may have been replaced"));
    bs_arena_fini(&v.arena);
    REQUIRE(judge(&v, "CREATE OR REPLACE FUNCTION public.add(int, int) RETURNS int LANGUAGE sql AS"
                      " 'SELECT public.purge()'; SELECT public.add(1, 2)"));
    EXPECT_EQ(v.unit.stmts[1].risk, CRITICAL);
    bs_arena_fini(&v.arena);

    /* What only reads leaves no doubt behind. */
    REQUIRE(judge(&v, "SELECT classify(1); SELECT * FROM users"));
    EXPECT_EQ(v.unit.risk, SAFE);
    bs_arena_fini(&v.arena);
    REQUIRE(judge(&v, "SELECT trap_path(); SELECT * FROM users"));
    EXPECT_EQ(v.unit.stmts[1].risk, CRITICAL);
    bs_arena_fini(&v.arena);
}

/* A function replaced between two snapshots is read again, the others are not. */
static void
replaced_between(void)
{
    struct bs_snapshot *before = snapshot;
    struct bs_err err = {0};
    struct verdict v = {0};

    REQUIRE(server_run(&server, "CREATE OR REPLACE FUNCTION add(int, int) RETURNS int LANGUAGE sql"
                                " IMMUTABLE AS 'SELECT purge()'"));
    REQUIRE(bs_snapshot_load(helper, &snapshot, &err) == BS_DONE);
    REQUIRE(judge(&v, "SELECT add(1, 2)"));
    EXPECT_EQ(v.unit.risk, CRITICAL);
    bs_arena_fini(&v.arena);
    REQUIRE(judge(&v, "SELECT total(n) FROM users"));
    EXPECT_EQ(v.unit.risk, CRITICAL);
    bs_arena_fini(&v.arena);
    REQUIRE(judge(&v, "INSERT INTO honest (e) VALUES ('a@b')"));
    EXPECT_EQ(v.unit.risk, CRITICAL);
    bs_arena_fini(&v.arena);
    REQUIRE(judge(&v, "SELECT user_email(1)"));
    EXPECT_EQ(v.unit.risk, SAFE);
    bs_arena_fini(&v.arena);
    bs_snapshot_unref(&snapshot);
    snapshot = before;
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what bodies do", bodies},
        {"and once more", asked_twice},
        {"what the session did", what_the_session_did},
        {"a function is replaced", replaced_between},
    };
    struct bs_err err = {0};
    int failed = 1;

    if (!server_start(&server))
        return 0;
    (void)snprintf(helper, sizeof(helper), "host=%s user=helper dbname=postgres", server.dir);
    for (size_t i = 0; schema_sql[i] != NULL; i++) {
        if (!server_run(&server, schema_sql[i]))
            printf("# in: %s\n", schema_sql[i]);
    }
    if (bs_snapshot_load(helper, &snapshot, &err) == BS_DONE)
        failed = tap_main(cases, sizeof(cases) / sizeof(cases[0]));
    else
        printf("1..0 # %s\n", err.message);
    bs_snapshot_unref(&snapshot);
    server_stop(&server);
    return failed;
}
