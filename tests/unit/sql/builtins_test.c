/*
 * builtins_test.c - the generated table answers for what it has, and refuses the rest.
 */
#include "sql/builtins.h"

#include "sql/classify.h"
#include "tap.h"

static void
harmless(void)
{
    static const char *const names[] = {
        "abs",
        "lower",
        "count",
        "sum",
        "array_agg",
        "row_number",
        "now",
        "random",
        "to_char",
        "format_type",
        "pg_get_expr",
        "pg_table_is_visible",
        "pg_relation_size",
        "pg_locks",
        "pg_lock_status",
        "pg_stat_get_activity",
        "pg_sleep",
        "json_agg",
        "jsonb_each",
        "xpath",
        "current_setting",
        "version",
        "any_value",
        "uuidv7",
        "pg_get_sequence_data", /* pg_dump 18 */
        "json_to_record",
        "generate_series",
        "float4send",
        "int4in",
        "zeroblob",
    };
    size_t listed = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        listed += bs_builtin_function(names[i], -1).risk == BS_RISK_SAFE;
    /* pg_locks is a view and zeroblob is SQLite's. */
    EXPECT_EQ(listed, sizeof(names) / sizeof(names[0]) - 2);
}

static void
by_arguments(void)
{
    EXPECT_EQ(bs_builtin_function("ts_rewrite", 3).risk, BS_RISK_SAFE);
    EXPECT_EQ(bs_builtin_function("ts_rewrite", 2).flags, BS_FLAG_DYNAMIC_SQL);
    EXPECT_EQ(bs_builtin_function("ts_rewrite", -1).flags, BS_FLAG_DYNAMIC_SQL);
}

static void
not_harmless(void)
{
    EXPECT_EQ(bs_builtin_function("nextval", 1).risk, BS_RISK_HIGH);
    EXPECT_EQ(bs_builtin_function("nextval", 1).point, BS_POINT_STATE);
    EXPECT_EQ(bs_builtin_function("pg_advisory_lock", 1).risk, BS_RISK_HIGH);
    EXPECT_EQ(bs_builtin_function("pg_advisory_unlock_all", 0).risk, BS_RISK_SAFE);
    EXPECT_EQ(bs_builtin_function("query_to_xml", 4).risk, BS_RISK_CRITICAL);
    EXPECT_EQ(bs_builtin_function("query_to_xml", 4).flags, BS_FLAG_DYNAMIC_SQL);
    EXPECT_EQ(bs_builtin_function("lo_export", 2).flags, BS_FLAG_SERVER_FILE);
    EXPECT_EQ(bs_builtin_function("lo_open", 2).risk, BS_RISK_CRITICAL);
    EXPECT_EQ(bs_builtin_function("lo_put", 3).risk, BS_RISK_CRITICAL);
    EXPECT_EQ(bs_builtin_function("lowrite", 2).risk, BS_RISK_CRITICAL);
    EXPECT_EQ(bs_builtin_function("loread", 2).risk, BS_RISK_SAFE);
    EXPECT_EQ(bs_builtin_function("pg_export_snapshot", 0).risk, BS_RISK_SAFE);
    EXPECT_EQ(bs_builtin_function("record_in", 3).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("array_in", 3).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("enum_in", 2).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("range_in", 3).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("fmgr_sql_validator", 1).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("RI_FKey_cascade_del", 0).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("", 0).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("Lower", 1).risk, BS_RISK_UNKNOWN);
    EXPECT_EQ(bs_builtin_function("int4", -1).risk, BS_RISK_SAFE);
}

static void
by_oid(void)
{
    EXPECT(bs_builtin_oid_listed(65));    /* int4eq */
    EXPECT(bs_builtin_oid_listed(870));   /* lower(text) */
    EXPECT(bs_builtin_oid_listed(2079));  /* pg_table_is_visible */
    EXPECT(!bs_builtin_oid_listed(2078)); /* set_config */
    EXPECT(!bs_builtin_oid_listed(1574)); /* nextval */
    EXPECT(!bs_builtin_oid_listed(2925)); /* query_to_xml */
    EXPECT(!bs_builtin_oid_listed(964));  /* lo_unlink */
    EXPECT(!bs_builtin_oid_listed(2096)); /* pg_terminate_backend */
    EXPECT(!bs_builtin_oid_listed(0));
    EXPECT(!bs_builtin_oid_listed(16384));
    EXPECT(!bs_builtin_oid_listed(UINT32_MAX));
}

static void
other_sorts(void)
{
    EXPECT(bs_builtin_operator("="));
    EXPECT(bs_builtin_operator("@?") && bs_builtin_operator("->>") && bs_builtin_operator("!~~*"));
    EXPECT(!bs_builtin_operator("===") && !bs_builtin_operator("!=") &&
           !bs_builtin_operator("lower"));
    EXPECT(bs_builtin_type("int4") && bs_builtin_type("_text") && bs_builtin_type("bigserial"));
    EXPECT(!bs_builtin_type("mood") && !bs_builtin_type("lower") && !bs_builtin_type("integer"));
    EXPECT(bs_builtin_information_schema("_pg_expandarray"));
    EXPECT(!bs_builtin_information_schema("lower"));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"harmless functions are listed", harmless},
        {"some by number of arguments", by_arguments},
        {"others are not", not_harmless},
        {"by OID", by_oid},
        {"operators, types, helpers", other_sorts},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
