/*
 * settings_test.c - SET in all its spellings, and set_config, which is SET.
 */
#include "unit.h"

/* clang-format off */
static const struct {
    const char *sql;
    enum bs_risk risk;
    uint32_t flags; /* exactly these of READ_WRITE, SEARCH_PATH and PRIVILEGE */
    const char *label, *value;
} rows[] = {
#define S BS_RISK_SAFE
#define C BS_RISK_CRITICAL
#define RW BS_FLAG_READ_WRITE
#define SP BS_FLAG_SEARCH_PATH
#define PR BS_FLAG_PRIVILEGE
    {"SET application_name = 'psql'", S, 0, "application_name", "psql"},
    {"SET APPLICATION_NAME TO 'psql'", S, 0, "application_name", "psql"},
    {"SET DateStyle TO ISO, MDY", S, 0, "datestyle", "iso, mdy"},
    {"SET TIME ZONE 'UTC'", S, 0, "timezone", "UTC"},
    {"SET TIME ZONE LOCAL", S, 0, "timezone", NULL},
    {"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", S, 0, "timezone", "-08:00"},
    {"SET SESSION statement_timeout = 0", S, 0, "statement_timeout", "0"},
    {"SET LOCAL lock_timeout = '5s'", S, 0, "lock_timeout", "5s"},
    {"SET extra_float_digits = 3", S, 0, "extra_float_digits", "3"},
    {"SET enable_seqscan TO DEFAULT", S, 0, "enable_seqscan", NULL},
    {"RESET enable_seqscan", S, 0, "enable_seqscan", NULL},
    {"SET SEED TO 0.5", S, 0, "seed", "0.5"},
    {"SET XML OPTION DOCUMENT", S, 0, "xmloption", "DOCUMENT"},
    {"SET jit = off", S, 0, "jit", "off"},
    {"SET synchronize_seqscans TO off", S, 0, "synchronize_seqscans", "off"},

    {"SET search_path = public, pg_catalog", S, SP, "search_path", "public, pg_catalog"},
    {"SET SCHEMA 'shadow'", S, 0, "search_path", "shadow"},
    {"SET search_path TO public, shadow", S, 0, "search_path", "public, shadow"},
    {"SET search_path TO \"$user\", Shadow, pg_temp", S, 0, "search_path", "$user, shadow, pg_temp"},
    {"SET search_path TO pg_catalog, shadow", S, 0, "search_path", "pg_catalog, shadow"},
    {"SET search_path TO shadow, pg_catalog", S, SP, "search_path", "shadow, pg_catalog"},
    {"SET search_path TO shadow, \"PG_CATALOG\"", S, SP, "search_path", "shadow, PG_CATALOG"},
    {"SELECT set_config('search_path', 'shadow, PG_Catalog', false)", S, SP, "search_path", "shadow, PG_Catalog"},
    {"SELECT set_config('search_path', E'shadow,\\tpg_catalog', false)", S, SP, "search_path", "shadow,\tpg_catalog"},
    {"SELECT set_config('search_path', 'shadow,\"pg_catalog\"', false)", S, SP, "search_path", "shadow,\"pg_catalog\""},
    {"SELECT set_config('search_path', 'pg_temp,shadow', false)", S, SP, "search_path", "pg_temp,shadow"},
    {"SET search_path TO shadow, pg_temp_3", S, SP, "search_path", "shadow, pg_temp_3"},
    {"SET search_path TO shadow, pg_toast", S, SP, "search_path", "shadow, pg_toast"},
    {"SET search_path TO shadow, pg_temp, public", S, SP, "search_path", "shadow, pg_temp, public"},
    {"SET search_path TO pg_temp", S, SP, "search_path", "pg_temp"},
    {"SET search_path TO pg_temp, public", S, SP, "search_path", "pg_temp, public"},
    {"SET search_path = '\"public\", pg_catalog'", S, SP, "search_path", "\"public\", pg_catalog"},
    {"SET LOCAL search_path TO ''", S, 0, "search_path", ""},
    {"SET search_path = public", S, 0, "search_path", "public"},
    {"SET search_path = \"$user\", public", S, 0, "search_path", "$user, public"},
    {"SET search_path = pg_catalog, public, pg_temp", S, 0, "search_path", "pg_catalog, public, pg_temp"},
    {"SET search_path TO DEFAULT", S, 0, "search_path", NULL},
    {"RESET search_path", S, 0, "search_path", NULL},
    {"RESET ALL", S, 0, NULL, NULL},
    {"DISCARD ALL", S, 0, NULL, NULL},

    {"SET standard_conforming_strings = on", S, 0, "standard_conforming_strings", "on"},
    {"SET standard_conforming_strings = off", C, 0, "standard_conforming_strings", "off"},
    {"SET \"Standard_Conforming_Strings\" = off", C, 0, "standard_conforming_strings", "off"},
    {"RESET standard_conforming_strings", C, 0, "standard_conforming_strings", NULL},
    {"SET standard_conforming_strings TO DEFAULT", C, 0, "standard_conforming_strings", NULL},
    {"SET backslash_quote = on", C, 0, "backslash_quote", "on"},
    {"SET backslash_quote = safe_encoding", S, 0, "backslash_quote", "safe_encoding"},
    {"SET client_encoding = 'UTF8'", S, 0, "client_encoding", "UTF8"},
    {"SET client_encoding = 'utf-8'", S, 0, "client_encoding", "utf-8"},
    {"SET NAMES 'UTF8'", S, 0, "client_encoding", "UTF8"},
    {"SET NAMES 'SJIS'", C, 0, "client_encoding", "SJIS"},
    {"SET client_encoding = SQL_ASCII", C, 0, "client_encoding", "sql_ascii"},
    {"SET client_encoding TO DEFAULT", C, 0, "client_encoding", NULL},

    {"SET session_replication_role = replica", C, 0, "session_replication_role", "replica"},
    {"SET row_security = off", S, 0, "row_security", "off"},
    {"SET synchronous_commit = off", C, 0, "synchronous_commit", "off"},
    {"SET transform_null_equals = on", C, 0, "transform_null_equals", "on"},
    {"SET local_preload_libraries = 'x'", C, 0, "local_preload_libraries", "x"},
    {"SET zero_damaged_pages = on", C, 0, "zero_damaged_pages", "on"},
    {"SET track_counts = off", C, 0, "track_counts", "off"},
    {"SET event_triggers = off", C, 0, "event_triggers", "off"},
    {"SET app.tenant = '5'", C, 0, "app.tenant", "5"},
    {"SET never_heard_of = 1", C, 0, "never_heard_of", "1"},

    {"SET ROLE boss", C, PR, "role", "boss"},
    {"SET ROLE NONE", C, PR, "role", "none"},
    {"SET LOCAL ROLE 'boss'", C, PR, "role", "boss"},
    {"SET role = boss", C, PR, "role", "boss"},
    {"SET \"role\" TO boss", C, PR, "role", "boss"},
    {"RESET ROLE", C, PR, "role", NULL},
    {"SET SESSION AUTHORIZATION boss", C, PR, "session_authorization", "boss"},
    {"SET SESSION AUTHORIZATION DEFAULT", C, PR, "session_authorization", NULL},
    {"SET session_authorization = 'boss'", C, PR, "session_authorization", "boss"},

    {"SET TRANSACTION READ ONLY", S, 0, "transaction", NULL},
    {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", S, 0, "transaction", NULL},
    {"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", S, 0, "transaction", NULL},
    {"SET TRANSACTION READ WRITE", C, RW, "transaction", NULL},
    {"SET TRANSACTION READ ONLY, READ WRITE", C, RW, "transaction", NULL},
    {"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", C, RW, "transaction", NULL},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", S, 0, "session characteristics", NULL},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", C, RW, "session characteristics", NULL},
    {"SET TRANSACTION SNAPSHOT '00000003-0000001B-1'", S, 0, "transaction snapshot", NULL},
    {"SET transaction_read_only = on", S, 0, "transaction_read_only", "on"},
    {"SET transaction_read_only = off", C, RW, "transaction_read_only", "off"},
    {"SET transaction_read_only TO DEFAULT", C, RW, "transaction_read_only", NULL},
    {"RESET transaction_read_only", C, RW, "transaction_read_only", NULL},
    {"SET default_transaction_read_only = 1", S, 0, "default_transaction_read_only", "1"},
    {"SET default_transaction_read_only = 0", C, RW, "default_transaction_read_only", "0"},
    {"SET default_transaction_read_only = 'of'", C, RW, "default_transaction_read_only", "of"},
    {"SET transaction_isolation = 'serializable'", S, 0, "transaction_isolation", "serializable"},
    {"BEGIN READ WRITE", S, RW, NULL, NULL},
    {"BEGIN READ ONLY, READ WRITE", S, RW, NULL, NULL},
    {"START TRANSACTION READ WRITE", S, RW, NULL, NULL},
    {"BEGIN READ ONLY", S, 0, NULL, NULL},

    {"SELECT pg_catalog.set_config('search_path', '', false)", S, 0, "search_path", ""},
    {"SELECT set_config('search_path', 'shadow', false)", S, 0, "search_path", "shadow"},
    {"SELECT set_config('search_path', $1, false)", S, SP, "search_path", NULL},
    {"SELECT set_config('jit', $1, false)", S, 0, "jit", NULL},
    {"SELECT set_config('TimeZone'::text, 'UTC', true)", S, 0, "timezone", "UTC"},
    {"SELECT set_config('standard_conforming_strings', 'off', false)", C, 0, "standard_conforming_strings", "off"},
    {"SELECT set_config('standard_conforming_strings', $1, false)", C, 0, "standard_conforming_strings", NULL},
    {"SELECT set_config('role', 'boss', false)", C, PR, "role", "boss"},
    {"SELECT set_config('transaction_read_only', 'off', true)", C, RW, "transaction_read_only", "off"},
    {"SELECT set_config($1, 'off', false)", C, 0, NULL, NULL},
    {"SELECT set_config('ro' || 'le', 'boss', false)", C, 0, NULL, NULL},
    {"SELECT set_config(setting_name => 'role', new_value => 'boss', is_local => false)", C, 0, NULL, NULL},
    {"SELECT set_config(VARIADIC ARRAY['role', 'boss'])", C, 0, NULL, NULL},
    {"SELECT set_config(NULL, 'x', false)", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'x'", C, 0, "x", "view, foreign-table"},
    {"SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'", S, 0, "restrict_nonsystem_relation_kind", "view, foreign-table"},
    {"SELECT set_config(name, '', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'", C, 0, "restrict_nonsystem_relation_kind", ""},
    {"SELECT set_config(name, 'off', false) FROM pg_catalog.pg_settings WHERE name = 'jit'", S, 0, "jit", "off"},
    {"SELECT set_config(name, 'boss', false) FROM pg_settings WHERE name = 'role'", C, PR, "role", "boss"},
    {"SELECT set_config(name, 'off', false) FROM evil.pg_settings WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM other WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings s (x, name) WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings, other WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit' OR true", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings WHERE name <> 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings WHERE name LIKE 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings WHERE category = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(category, 'off', false) FROM pg_settings WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false), set_config(name, 'x', false) FROM pg_settings WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT (SELECT set_config(name, 'off', false) FROM pg_settings WHERE true) FROM pg_settings WHERE name = 'jit'", C, 0, NULL, NULL},
    {"SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit' UNION SELECT set_config(name, 'off', false) FROM pg_settings", C, 0, NULL, NULL},
    {"SET row_security = on", S, 0, "row_security", "on"},
    {"SELECT set_config('jit', 'off', false), set_config('role', 'boss', false)", C, PR, "jit", "off"},
    {"SELECT set_config('jit', trap(), false)", C, 0, "jit", NULL},
    {"SELECT evil.set_config('jit', 'off', false)", C, 0, NULL, NULL},
    {"UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'", C, 0, NULL, NULL},
#undef S
#undef C
#undef RW
#undef SP
#undef PR
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
every_row(void)
{
    const uint32_t looked_at = BS_FLAG_READ_WRITE | BS_FLAG_SEARCH_PATH | BS_FLAG_PRIVILEGE;

    for (size_t i = 0; i < COUNT(rows); i++) {
        int before = tap_misses;
        struct bs_arena arena;
        bs_arena_init(&arena, "test", 1u << 20);
        struct bs_unit unit = unit_of(rows[i].sql, &arena);

        EXPECT_EQ(unit.risk, rows[i].risk);
        EXPECT_EQ(unit.flags & looked_at, rows[i].flags);
        REQUIRE(unit.n_stmts == 1);
        EXPECT(same(unit.stmts[0].label, rows[i].label));
        EXPECT(same(unit.stmts[0].value, rows[i].value));
        if (tap_misses != before) {
            unit_show(rows[i].sql, &unit);
            printf("#   label %s, value %s\n", unit.stmts[0].label, unit.stmts[0].value);
        }
        bs_arena_fini(&arena);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {{"settings, row by row", every_row}};

    return tap_main(cases, COUNT(cases));
}
