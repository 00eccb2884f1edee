/*
 * A body of PL/pgSQL is taken apart without losing anything: each row calls m1(), m2(), ... in
 * every place where the language takes SQL, and each of them has to turn up in a piece. A place
 * that is not listed here is one that nobody has looked at: pl_gram.y has them all.
 */
#include "sql/plpgsql.h"

#include <stdlib.h>

#include "sql/routine.h"
#include "tap.h"

enum shape { PLAIN, SET, VOID, TRIGGER, EVENT, OUT };

static struct bs_plpgsql_shape
shape_of(enum shape shape)
{
    static const char *const args[] = {"a", "b"};

    return (struct bs_plpgsql_shape){.name = "f",
                                     .args = shape < TRIGGER || shape == OUT ? args : NULL,
                                     .n_args = shape < TRIGGER || shape == OUT ? 2 : 0,
                                     .results = shape == OUT,
                                     .set = shape == SET,
                                     .value = shape != VOID,
                                     .trigger = shape == TRIGGER,
                                     .event_trigger = shape == EVENT};
}

static const struct {
    const char *what;
    enum shape shape;
    const char *body;
    int markers;
} rows[] = {
    {"declarations", VOID,
     "DECLARE x int := m1(); y CONSTANT text NOT NULL DEFAULT m2(); z ALIAS FOR a;"
     " c CURSOR FOR SELECT m3(); d CURSOR (p int, q text) IS SELECT m4(p, q);"
     " BEGIN NULL; END",
     4},
    {"assignments", VOID,
     "DECLARE x int[]; r record; BEGIN x := m1(); x[m2()] := m3(); x[m4():m5()] = m6();"
     " r.f := m7(); x := m8() FROM t WHERE m9(); f.a := m10(); END",
     10},
    {"composite variables", VOID,
     "DECLARE u users%ROWTYPE; v public.users; w public.users.id%TYPE; k a%TYPE; BEGIN"
     " u.id := m1(); v.name.part := m2(); w := m3(); SELECT m4() INTO u.id, v.name; k := 1; END",
     4},
    {"branches", VOID,
     "BEGIN IF m1() THEN PERFORM m2(); ELSIF m3() THEN PERFORM m4(); ELSEIF m5() THEN PERFORM m6();"
     " ELSE PERFORM m7(); END IF; CASE m8() WHEN m9(), m10() THEN PERFORM m11();"
     " ELSE PERFORM m12(); END CASE; CASE WHEN m13() THEN PERFORM m14(); END CASE; END",
     14},
    {"loops", VOID,
     "DECLARE r record; i int; BEGIN <<l>> LOOP PERFORM m1(); EXIT l WHEN m2(); CONTINUE WHEN m3();"
     " END LOOP l; WHILE m4() LOOP PERFORM m5(); END LOOP; FOR i IN REVERSE m6()..m7() BY m8() LOOP"
     " PERFORM m9(); END LOOP; FOR r IN SELECT m10() LOOP PERFORM m11(); END LOOP; FOREACH i SLICE "
     "1"
     " IN ARRAY m12() LOOP PERFORM m13(); END LOOP; FOR r IN INSERT INTO t SELECT m14() RETURNING *"
     " LOOP NULL; END LOOP; END",
     14},
    {"loops over cursors and texts", VOID,
     "DECLARE r record; c CURSOR (p int) FOR SELECT m1(); BEGIN FOR r IN c(m2()) LOOP PERFORM m3();"
     " END LOOP; FOR r IN EXECUTE m4() USING m5(), m6() LOOP PERFORM m7(); END LOOP; END",
     7},
    {"cursors", VOID,
     "DECLARE c refcursor; d CURSOR (p int) FOR SELECT m1(); x int; BEGIN OPEN c FOR SELECT m2();"
     " OPEN c FOR EXECUTE m3() USING m4(); OPEN d(m5()); OPEN d(p := m6()); FETCH d INTO x;"
     " FETCH RELATIVE m7() FROM d INTO x; MOVE FORWARD m8() FROM d; CLOSE d;"
     " OPEN c NO SCROLL FOR SELECT m9(); END",
     9},
    {"results", PLAIN, "BEGIN IF a THEN RETURN a; END IF; RETURN m1(); END", 1},
    {"results in sets", SET,
     "BEGIN RETURN NEXT m1(); RETURN QUERY SELECT m2(); RETURN QUERY EXECUTE m3() USING m4();"
     " RETURN QUERY DELETE FROM t WHERE m5() RETURNING *; RETURN; END",
     5},
    {"results in arguments", OUT, "BEGIN a := m1(); b := m2(); RETURN; END", 2},
    {"messages", VOID,
     "BEGIN RAISE NOTICE '% %', m1(), m2() USING ERRCODE = m3(), HINT = m4(), DETAIL = m5();"
     " RAISE EXCEPTION USING MESSAGE = m6(); RAISE unique_violation USING TABLE = m7();"
     " RAISE SQLSTATE 'ZB001'; ASSERT m8(), m9(); BEGIN NULL; EXCEPTION WHEN OTHERS THEN RAISE; "
     "END;"
     " END",
     9},
    {"statements", VOID,
     "DECLARE x int; BEGIN SELECT m1() INTO STRICT x; SELECT 1, m2() INTO x, a FROM t WHERE m3();"
     " INSERT INTO t VALUES (m4()) RETURNING id INTO x; UPDATE t SET n = m5() WHERE m6();"
     " WITH w AS (DELETE FROM t RETURNING m7()) SELECT count(*) FROM w INTO x; CALL p(m8(), x);"
     " EXECUTE m9() INTO x USING m10(); GET DIAGNOSTICS x = ROW_COUNT; PERFORM m11() FROM t; END",
     11},
    {"blocks", VOID,
     "<<o>> DECLARE x int := m1(); BEGIN <<i>> DECLARE x int := m2(); BEGIN o.x := m3(); i.x := "
     "m4();"
     " EXCEPTION WHEN division_by_zero OR SQLSTATE '22012' THEN PERFORM m5(); GET STACKED "
     "DIAGNOSTICS"
     " x = MESSAGE_TEXT; WHEN OTHERS THEN PERFORM m6(SQLERRM, SQLSTATE); END; END",
     6},
    {"a trigger", TRIGGER,
     "BEGIN IF TG_OP = 'INSERT' AND m1(TG_ARGV[0]) THEN NEW.updated_at := m2(); NEW.deep.er := "
     "m3();"
     " ELSIF OLD.x IS DISTINCT FROM NEW.x THEN INSERT INTO log VALUES (m4(), OLD.*); END IF;"
     " NEW := m5(NEW); RETURN NEW; END",
     5},
    {"an event trigger", EVENT,
     "DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP"
     " RAISE NOTICE '% %', tg_tag, m1(r.object_identity); END LOOP; END",
     1},
    {"comments, quotes and an option", VOID,
     "#variable_conflict use_column\nDECLARE \"A b\" int; BEGIN /* ; */ \"A b\" := m1($q$;$q$); -- "
     ";\n"
     " PERFORM m2('END;'); f.\"A b\" := 1; END;",
     2},
};

static bool
has_marker(const struct bs_plpgsql *p, int marker)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "m%d(", marker);
    for (size_t i = 0; i < p->n_pieces; i++) {
        if (strstr(p->pieces[i].text, text) != NULL)
            return true;
    }
    return false;
}

static void
nothing_is_lost(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_plpgsql_shape shape = shape_of(rows[i].shape);
        struct bs_plpgsql p = {0};
        struct bs_err err = {0};
        struct bs_arena arena;
        int before = tap_misses;

        bs_arena_init(&arena, "test", (size_t)8 << 20);
        EXPECT_EQ(bs_plpgsql_read(bs_bytes_of(rows[i].body), &shape, &arena, &p, &err), BS_DONE);
        EXPECT(p.error == NULL);
        if (p.error != NULL)
            printf("# %s\n", p.error);
        for (int m = 1; m <= rows[i].markers; m++) {
            if (!tap_check(has_marker(&p, m), "has_marker", __FILE__, __LINE__))
                printf("# m%d() is lost\n", m);
        }
        if (tap_misses != before)
            printf("# in row: %s\n", rows[i].what);
        bs_arena_fini(&arena);
    }
}

static struct bs_routine
routine_of(const char *body, enum shape shape, struct bs_arena *arena)
{
    struct bs_plpgsql_shape s = shape_of(shape);
    struct bs_routine r = {.opaque = "unset"};
    struct bs_err err = {0};

    EXPECT_EQ(bs_routine_plpgsql(bs_bytes_of(body), &s, arena, &r, &err), BS_DONE);
    return r;
}

/* What nobody can tell is said to be so. */
static void
what_is_opaque(void)
{
    static const struct {
        const char *body;
        enum shape shape;
        const char *why; /* part of it; NULL: it is not */
        bool dynamic;
    } all[] = {
        {"BEGIN EXECUTE 'DELETE FROM ' || a; END", VOID, "puts together", true},
        {"BEGIN EXECUTE format('DELETE FROM %I', a); END", VOID, "puts together", true},
        {"BEGIN EXECUTE a; END", VOID, "puts together", true},
        {"BEGIN EXECUTE E'DELETE FROM t\\x3b'; END", VOID, "puts together", true},
        {"DECLARE r record; BEGIN FOR r IN EXECUTE a LOOP NULL; END LOOP; END", VOID,
         "puts together", true},
        {"DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE a; END", VOID, "puts together", true},
        {"BEGIN RETURN QUERY EXECUTE a; END", SET, "puts together", true},
        {"BEGIN EXECUTE 'DELETE FROM t'; END", VOID, NULL, false},
        {"BEGIN EXECUTE 'SELECT $1' USING a; END", VOID, NULL, false},
        {"BEGIN EXECUTE 'not SQL'; END", VOID, "cannot be parsed", false},
        {"DECLARE c refcursor := a; x int; BEGIN FETCH c INTO x; END", VOID, "a cursor", false},
        {"BEGIN COMMIT; END", VOID, "ends the transaction", false},
        {"BEGIN ROLLBACK AND CHAIN; END", VOID, "ends the transaction", false},
        {"BEGIN nonsense; END", VOID, "cannot be", false},
        {"BEGIN x := 1; END", VOID, "cannot be read", false},
        {"BEGIN", VOID, "cannot be read", false},
        {"", VOID, "cannot be read", false},
        {"BEGIN PERFORM 1; END; DELETE FROM t", VOID, "cannot be read", false},
        {"BEGIN a := (SELECT 1; DELETE FROM t); END", VOID, "cannot be read", false},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct bs_arena arena;
        struct bs_routine r;
        int before = tap_misses;

        bs_arena_init(&arena, "test", (size_t)8 << 20);
        r = routine_of(all[i].body, all[i].shape, &arena);
        EXPECT((r.opaque == NULL) == (all[i].why == NULL));
        if (r.opaque != NULL && all[i].why != NULL)
            EXPECT(strstr(r.opaque, all[i].why) != NULL);
        EXPECT_EQ(r.dynamic, all[i].dynamic);
        if (tap_misses != before)
            printf("# in row: %s (%s)\n", all[i].body, r.opaque == NULL ? "-" : r.opaque);
        bs_arena_fini(&arena);
    }
}

static bool
has_kind(const struct bs_routine *r, enum bs_kind kind)
{
    for (size_t i = 0; i < r->n_stmts; i++) {
        if (r->stmts[i].kind == kind)
            return true;
    }
    return false;
}

static bool
calls(const struct bs_routine *r, const char *name)
{
    for (size_t i = 0; i < r->stmts[0].n_calls; i++) {
        if (strcmp(r->stmts[0].calls[i].name.name, name) == 0)
            return true;
    }
    return false;
}

static void
statements(void)
{
    struct bs_arena arena;
    struct bs_routine r;

    bs_arena_init(&arena, "test", (size_t)8 << 20);
    r = routine_of("DECLARE x int; BEGIN SELECT mine(1) INTO x FROM t; x := other(x) + 1;"
                   " a := 'y'::public.dom; INSERT INTO log VALUES (x); EXECUTE 'TRUNCATE t'; END",
                   VOID, &arena);
    EXPECT(r.opaque == NULL);
    EXPECT_EQ(r.n_stmts, 3); /* SELECT ... INTO is no CREATE TABLE AS, and melts with the rest */
    EXPECT_EQ(r.stmts[0].kind, BS_KIND_SELECT);
    EXPECT(calls(&r, "mine") && calls(&r, "other") && calls(&r, "dom"));
    EXPECT_EQ(r.stmts[0].n_reads, 1);
    EXPECT(has_kind(&r, BS_KIND_INSERT) && has_kind(&r, BS_KIND_TRUNCATE));
    EXPECT(!has_kind(&r, BS_KIND_SELECT_INTO));

    r = routine_of("BEGIN PERFORM set_config('search_path', 'shadow, pg_catalog', false); END",
                   VOID, &arena);
    EXPECT_EQ(r.n_stmts, 2); /* what changes the session does not melt */
    bs_arena_fini(&arena);
}

static void
bodies_in_sql(void)
{
    static const struct {
        const char *body;
        bool opaque;
        size_t n;
    } all[] = {
        {"SELECT 1; SELECT 2", false, 1},
        {"INSERT INTO t VALUES ($1); SELECT mine()", false, 2},
        {"SELECT nonsense nonsense nonsense", true, 1},
        {"", false, 1},
        {"BEGIN ATOMIC\n DELETE FROM public.t;\n SELECT 1;\nEND", false, 2},
        {"BEGIN ATOMIC END", false, 1},
        {"RETURN (a + public.mine(b))", false, 1},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct bs_routine r = {.opaque = "unset"};
        struct bs_err err = {0};
        struct bs_arena arena;
        int before = tap_misses;

        bs_arena_init(&arena, "test", (size_t)8 << 20);
        EXPECT_EQ(bs_routine_sql(bs_bytes_of(all[i].body), &arena, &r, &err), BS_DONE);
        EXPECT_EQ(r.opaque != NULL, all[i].opaque);
        EXPECT_EQ(r.n_stmts, all[i].n);
        if (tap_misses != before)
            printf("# in row: %s\n", all[i].body);
        bs_arena_fini(&arena);
    }
}

/* `n` times a text, then another; the caller frees. */
static char *
repeated(const char *first, const char *each, int n, const char *last)
{
    size_t one = strlen(each), at = strlen(first);
    char *text = malloc(at + one * (size_t)n + strlen(last) + 1);

    memcpy(text, first, at);
    for (int i = 0; i < n; i++, at += one)
        memcpy(text + at, each, one);
    memcpy(text + at, last, strlen(last) + 1);
    return text;
}

/* Neither depth nor size brings it down, and nothing that is cut off passes for read. */
static void
depth_and_size(void)
{
    static const struct {
        const char *first, *each, *last;
        int n;
    } all[] = {
        {"BEGIN ", "IF true THEN ", "DELETE FROM t; END", 9000},
        {"BEGIN ", "BEGIN ", "END", 20000},
        {"BEGIN a := ", "(", "; END", 120000},
        {"BEGIN a := ", "1+", "1; END", 60000},
        {"BEGIN a := ", "NOT ", "true; END", 30000},
        {"BEGIN PERFORM ", "'x'||", "'y'; END", 25000},
        {"BEGIN ", "a := 1; ", "END", 20000},
        {"", "/*", "", 60000},
        {"BEGIN EXECUTE '", "''", "'; END", 50000},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char *text = repeated(all[i].first, all[i].each, all[i].n, all[i].last);
        struct bs_arena arena;
        struct bs_routine r;

        bs_arena_init(&arena, "test", (size_t)64 << 20);
        r = routine_of(text, VOID, &arena);
        if (strlen(text) > BS_PLPGSQL_MAX)
            EXPECT(r.opaque != NULL);
        bs_arena_fini(&arena);
        free(text);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"nothing that a body runs is lost", nothing_is_lost},
        {"what cannot be told is opaque", what_is_opaque},
        {"pieces become statements", statements},
        {"bodies in SQL", bodies_in_sql},
        {"depth and size", depth_and_size},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
