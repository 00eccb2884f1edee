/*
 * settings.c - the list, and the few settings whose value decides.
 */
#include "sql/settings.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
static const char *const harmless[] = {
    /* display */
    "application_name", "bytea_output", "client_min_messages", "datestyle", "extra_float_digits",
    "escape_string_warning", "intervalstyle", "lc_messages", "lc_monetary", "lc_numeric",
    "lc_time", "timezone", "timezone_abbreviations", "quote_all_identifiers", "xmlbinary",
    "xmloption", "default_text_search_config", "seed",
    /* off lets nobody see more: it makes an error of a read that policies would filter */
    "row_security",
    /* time-outs */
    "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
    "idle_session_timeout", "transaction_timeout", "client_connection_check_interval",
    "tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout",
    /* transactions, but for READ WRITE */
    "transaction_isolation", "transaction_deferrable", "default_transaction_isolation",
    "default_transaction_deferrable",
    /* planner and memory */
    "constraint_exclusion", "cursor_tuple_fraction", "default_statistics_target",
    "effective_cache_size", "effective_io_concurrency", "maintenance_io_concurrency",
    "from_collapse_limit", "join_collapse_limit", "gin_fuzzy_search_limit",
    "geqo", "geqo_effort", "geqo_generations", "geqo_pool_size", "geqo_seed",
    "geqo_selection_bias", "geqo_threshold", "hash_mem_multiplier", "work_mem",
    "maintenance_work_mem", "temp_buffers", "logical_decoding_work_mem",
    "jit", "jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost",
    "max_parallel_workers", "max_parallel_workers_per_gather", "max_parallel_maintenance_workers",
    "min_parallel_index_scan_size", "min_parallel_table_scan_size",
    "parallel_leader_participation", "parallel_setup_cost", "parallel_tuple_cost",
    "plan_cache_mode", "recursive_worktable_factor", "seq_page_cost", "random_page_cost",
    "cpu_index_tuple_cost", "cpu_operator_cost", "cpu_tuple_cost", "synchronize_seqscans",
    "enable_async_append", "enable_bitmapscan", "enable_distinct_reordering", "enable_gathermerge",
    "enable_group_by_reordering", "enable_hashagg", "enable_hashjoin", "enable_incremental_sort",
    "enable_indexonlyscan", "enable_indexscan", "enable_material", "enable_memoize",
    "enable_mergejoin", "enable_nestloop", "enable_parallel_append", "enable_parallel_hash",
    "enable_partition_pruning", "enable_partitionwise_aggregate", "enable_partitionwise_join",
    "enable_presorted_aggregate", "enable_self_join_elimination", "enable_seqscan", "enable_sort",
    "enable_tidscan",
};
/* clang-format on */

/* Settings that are harmless with these values only: what the gateway pins, or only restricts. */
static const struct {
    const char *name;
    const char *values[4];
} pinned[] = {
    {"standard_conforming_strings", {"on", "true", "1", "yes"}},
    {"backslash_quote", {"safe_encoding"}},
    {"restrict_nonsystem_relation_kind", {"view, foreign-table"}},
    {"default_transaction_read_only", {"on", "true", "1", "yes"}},
    {"transaction_read_only", {"on", "true", "1", "yes"}},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "utf-8" and "UTF8" are one encoding to the server; "unicode" is its old name. */
static bool
is_utf8(const char *value)
{
    char plain[16];
    size_t n = 0;

    for (; *value != '\0'; value++) {
        if (!isalnum((unsigned char)*value))
            continue;
        if (n + 1 == sizeof(plain))
            return false;
        plain[n++] = *value;
    }
    plain[n] = '\0';
    return strcasecmp(plain, "utf8") == 0 || strcasecmp(plain, "unicode") == 0;
}

/* HARMLESS where the value is one that the gateway pins; OTHER also for names not pinned. */
static enum bs_setting_sort
judge_pinned(const char *name, const char *value)
{
    if (value == NULL)
        return BS_SETTING_OTHER;
    if (strcasecmp(name, "client_encoding") == 0 || strcasecmp(name, "names") == 0)
        return is_utf8(value) ? BS_SETTING_HARMLESS : BS_SETTING_OTHER;
    for (size_t i = 0; i < COUNT(pinned); i++) {
        for (size_t k = 0; k < COUNT(pinned[i].values) && pinned[i].values[k] != NULL; k++) {
            if (strcasecmp(pinned[i].name, name) == 0 &&
                strcasecmp(pinned[i].values[k], value) == 0)
                return BS_SETTING_HARMLESS;
        }
    }
    return BS_SETTING_OTHER;
}

/* The next schema of a path, unquoted and without blanks; false at the end. */
static bool
next_schema(const char **at, char out[64])
{
    size_t n = 0;

    while (**at == ' ' || **at == ',' || **at == '"')
        (*at)++;
    for (; **at != '\0' && **at != ','; (*at)++) {
        if (**at != ' ' && **at != '"' && n < 63)
            out[n++] = **at;
    }
    out[n] = '\0';
    return n != 0;
}

/* Nothing that the server could read in another way than next_schema does. */
static bool
is_plain(const char *path)
{
    for (; *path != '\0'; path++) {
        if (!isalnum((unsigned char)*path) && strchr("_$-\", ", *path) == NULL)
            return false;
    }
    return true;
}

/*
 * A path is vetted where pg_catalog comes before all others (as it does where nobody names it) and
 * temporary objects in the end, and not alone: what is made would be temporary. Which schemas are between them adds nothing: a name without a
 * schema is looked up in all of them, and the worst counts. Upper case is folded by the server,
 * or is not where it is quoted; both are taken for the name that would be trouble.
 */
static bool
is_vetted(const char *path)
{
    bool first = true, last = false;
    char schema[64];

    if (path == NULL || !is_plain(path))
        return false;
    while (next_schema(&path, schema)) {
        bool system = strncasecmp(schema, "pg_", 3) == 0;
        bool catalog = strcmp(schema, "pg_catalog") == 0 && first;
        if (last)
            return false;
        last = strcmp(schema, "pg_temp") == 0;
        if ((last && first) || (system && !catalog && !last))
            return false;
        first = false;
    }
    return true;
}

enum bs_setting_sort
bs_setting_judge(const char *name, const char *value)
{
    enum bs_setting_sort how = judge_pinned(name, value);

    if (how != BS_SETTING_OTHER)
        return how;
    if (strcasecmp(name, "search_path") == 0)
        return is_vetted(value) ? BS_SETTING_HARMLESS : BS_SETTING_SEARCH_PATH;
    if (strcasecmp(name, "role") == 0)
        return BS_SETTING_ROLE;
    if (strcasecmp(name, "session_authorization") == 0)
        return BS_SETTING_SESSION_AUTHORIZATION;
    if (strcasecmp(name, "transaction_read_only") == 0 ||
        strcasecmp(name, "default_transaction_read_only") == 0)
        return BS_SETTING_READ_WRITE;
    for (size_t i = 0; i < COUNT(harmless); i++) {
        if (strcasecmp(harmless[i], name) == 0)
            return BS_SETTING_HARMLESS;
    }
    return BS_SETTING_OTHER;
}
