/*
 * secrets_test.c - passwords are hidden from people and records, and nothing else is.
 */
#include "unit.h"

#include "sql/secrets.h"

/* clang-format off */
static const struct { const char *in, *want; } rows[] = {
    {"ALTER ROLE a PASSWORD 'one'", "ALTER ROLE a PASSWORD '***'"},
    {"create user a encrypted password\n E'o\\'ne' valid until '2030-01-01'",
     "create user a encrypted password\n '***' valid until '2030-01-01'"},
    {"ALTER USER a WITH PASSWORD 'o'\n'ne'", "ALTER USER a WITH PASSWORD '***'"},
    {"ALTER ROLE a PASSWORD U&'o\\006ee' UESCAPE '!' LOGIN", "ALTER ROLE a PASSWORD '***' UESCAPE '!' LOGIN"},
    {"ALTER ROLE a PASSWORD $x$one$x$; SELECT 'x'", "ALTER ROLE a PASSWORD '***'; SELECT 'x'"},
    {"SELECT 'x'; ALTER ROLE a PASSWORD 'one' -- 'y'", "SELECT 'x'; ALTER ROLE a PASSWORD '***' -- 'y'"},
    {"ALTER ROLE a PASSWORD NULL VALID UNTIL 'infinity'", "ALTER ROLE a PASSWORD NULL VALID UNTIL 'infinity'"},
    {"CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'b', token 'one')",
     "CREATE USER MAPPING FOR a SERVER s OPTIONS (user '***', token '***')"},
    {"ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"it's\" 'one')",
     "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"it's\" '***')"},
    {"ALTER SERVER s OPTIONS (SET host 'h')", "ALTER SERVER s OPTIONS (SET host '***')"},
    {"CREATE SUBSCRIPTION s CONNECTION 'password=one' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p"},
    {"ALTER SYSTEM SET primary_conninfo = 'host=h password=one'", "ALTER SYSTEM SET primary_conninfo = '***'"},
    {"ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM SET work_mem = '1MB'"},
    /* It does not parse, and may hold one all the same. */
    {"ALTER ROLE a, PASSWORD 'one'", "ALTER ROLE a, PASSWORD '***'"},
    {"CREATE SERVER s, OPTIONS (host 'h')", "CREATE SERVER s, OPTIONS (host '***')"},
    {"ALTER USER MAPPING, FOR a OPTIONS (SET token 'one')", "ALTER USER MAPPING, FOR a OPTIONS (SET token '***')"},
    {"SELEKT 'x'; CREATE SUBSCRIPTION s CONNECTION 'one'", "SELEKT 'x'; CREATE SUBSCRIPTION s CONNECTION '***'"},
    {"DOO $$BEGIN ALTER ROLE a PASSWORD 'one'; PERFORM 'x'; END$$", "DOO $$BEGIN ALTER ROLE a PASSWORD '***'; PERFORM 'x'; END$$"},
    /* Nothing that runs can be hidden. */
    {"SELECT password 'one'", "SELECT password 'one'"},
    {"DO LANGUAGE password 'DELETE FROM t'", "DO LANGUAGE password 'DELETE FROM t'"},
    {"ALTER ROLE a PASSWORD 'one'; DO LANGUAGE password 'DELETE FROM t'",
     "ALTER ROLE a PASSWORD '***'; DO LANGUAGE password 'DELETE FROM t'"},
    {"ALTER ROLE a LOGIN -- PASSWORD '\n; DROP TABLE t; --'", "ALTER ROLE a LOGIN -- PASSWORD '\n; DROP TABLE t; --'"},
    {"UPDATE t SET password = 'one'", "UPDATE t SET password = 'one'"},
    /* In bodies of code. */
    {"DO $$BEGIN ALTER ROLE a PASSWORD 'one'; PERFORM 'x'; END$$", "DO $$BEGIN ALTER ROLE a PASSWORD '***'; PERFORM 'x'; END$$"},
    {"DO $x$BEGIN IF true THEN create user a encrypted password $$one$$ login; END IF; END$x$",
     "DO $x$BEGIN IF true THEN create user a encrypted password '***' login; END IF; END$x$"},
    {"DO 'BEGIN ALTER ROLE a PASSWORD ''one''; END'", "DO 'BEGIN ALTER ROLE a PASSWORD ''***''; END'"},
    {"DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''o''''ne'''; END$$",
     "DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''***'''; END$$"},
    {"CREATE FUNCTION f(p text) RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE USER MAPPING FOR a SERVER s"
     " OPTIONS (user 'b', token 'one'); RAISE NOTICE 'x'; END$$",
     "CREATE FUNCTION f(p text) RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE USER MAPPING FOR a SERVER s"
     " OPTIONS (user '***', token '***'); RAISE NOTICE 'x'; END$$"},
    {"CREATE OR REPLACE PROCEDURE f() AS 'SELECT 1; ALTER ROLE a PASSWORD E''o\\\\''''ne''' LANGUAGE sql",
     "CREATE OR REPLACE PROCEDURE f() AS 'SELECT 1; ALTER ROLE a PASSWORD ''***''' LANGUAGE sql"},
    {"DO $$BEGIN EXECUTE E'ALTER ROLE a\\n PASSWORD \\'one\\''; END$$",
     "DO $$BEGIN EXECUTE E'ALTER ROLE a\n PASSWORD ''***'''; END$$"},
    {"DO e'BEGIN ALTER ROLE \"a\\\\b\" PASSWORD \\'one''''two\\'; END'", "DO e'BEGIN ALTER ROLE \"a\\\\b\" PASSWORD ''***''; END'"},
    {"DO $$BEGIN EXECUTE 'ALTER ROLE a '\n  'PASSWORD ''one'''; END$$", "DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''***'''; END$$"},
    {"DO $$BEGIN EXECUTE('ALTER ROLE a PASSWORD ''one'''); END$$", "DO $$BEGIN EXECUTE('ALTER ROLE a PASSWORD ''***'''); END$$"},
    {"DO $$BEGIN EXECUTE ('ALTER ROLE a PASSWORD ''one''') || x; f('ALTER ROLE a PASSWORD ''one'''); END$$",
     "DO $$BEGIN EXECUTE ('ALTER ROLE a PASSWORD ''one''') || x; f('ALTER ROLE a PASSWORD ''one'''); END$$"},
    /* What runs there stays: a value of a type that is called so, other languages, strings put together. */
    {"DO $$BEGIN EXECUTE password 'DROP TABLE t'; END$$", "DO $$BEGIN EXECUTE password 'DROP TABLE t'; END$$"},
    {"DO $$BEGIN x := ALTER ROLE a PASSWORD 'one'; END$$", "DO $$BEGIN x := ALTER ROLE a PASSWORD 'one'; END$$"},
    {"CREATE FUNCTION f(language plpgsql) RETURNS int LANGUAGE plpython3u AS $$ALTER ROLE a PASSWORD 'one'$$",
     "CREATE FUNCTION f(language plpgsql) RETURNS int LANGUAGE plpython3u AS $$ALTER ROLE a PASSWORD 'one'$$"},
    {"DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''one''' || x; END$$", "DO $$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''one''' || x; END$$"},
    {"", ""},
};
/* clang-format on */

static void
every_row(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_bytes text = bs_bytes_of(rows[i].in), out = {0};
        struct bs_arena arena;
        struct bs_unit unit;
        struct bs_err err = {0};
        bool same;

        bs_arena_init(&arena, "test", 1u << 20);
        EXPECT_EQ(bs_classify(text, BS_CLASSIFY_LIMITS, &arena, &unit, &err), BS_DONE);
        EXPECT_EQ(bs_without_secrets(text, &unit, &arena, &out, &err), BS_DONE);
        same = bs_bytes_equal(out, bs_bytes_of(rows[i].want));
        EXPECT(same);
        if (!same)
            printf("# in %s\n# got %.*s\n", rows[i].in, (int)out.n, (const char *)out.p);
        bs_arena_fini(&arena);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {{"passwords are hidden, and nothing else", every_row}};

    return tap_main(cases, 1);
}
