/*
 * defaults.c - the server writes both scripts: whatever is granted is taken away, then what should
 * be is granted, item by item, in its order.
 */
#include "restore/defaults.h"

/* Of the role and those that it may act for, a row for each list: `is` what it has, `plain` what is built in. */
#define LISTS                                                                                      \
    "WITH d AS (SELECT d.oid, 'ALTER DEFAULT PRIVILEGES FOR ROLE '"                                \
    " || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole)) || COALESCE("            \
    "' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), '') || ' ' AS head, ' ON ' ||"            \
    " CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'"                       \
    " WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END AS class,"       \
    " NULLIF(d.defaclacl, '{}') AS is, CASE WHEN d.defaclnamespace = 0 THEN"                       \
    " pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END,"      \
    " d.defaclrole) END AS plain FROM pg_catalog.pg_default_acl d"                                 \
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace"                            \
    " WHERE d.defaclobjtype <> 'L' AND pg_catalog.pg_has_role(d.defaclrole, 'USAGE')"              \
    " AND (d.defaclnamespace = 0"                                                                  \
    " OR pg_catalog.has_schema_privilege(d.defaclnamespace, 'CREATE')"                             \
    " AND pg_catalog.has_schema_privilege(d.defaclrole, d.defaclnamespace, 'CREATE'))) "

#define GRANTEE                                                                                    \
    "CASE WHEN a.grantee = 0 THEN 'PUBLIC'"                                                        \
    " ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END"

/* From one list to the other. */
#define CHANGE(from, to)                                                                           \
    "SELECT pg_catalog.string_agg(x.sql, '; ' ORDER BY x.oid, x.step, x.at) FROM ("                \
    "SELECT d.oid, 1 AS step, 0::bigint AS at, d.head || 'REVOKE ALL' || d.class || ' FROM '"      \
    " || pg_catalog.string_agg(DISTINCT " GRANTEE ", ', ') AS sql"                                 \
    " FROM d, pg_catalog.aclexplode(d." from ") a GROUP BY d.oid, d.head, d.class"                 \
    " UNION ALL SELECT d.oid, 2, i.at, d.head || 'GRANT ' || a.privilege_type || d.class"          \
    " || ' TO ' || " GRANTEE " || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"  \
    " FROM d, pg_catalog.unnest(d." to ") WITH ORDINALITY i(item, at),"                            \
    " pg_catalog.aclexplode(ARRAY[i.item]) a) x"

static const char find[] = LISTS "SELECT (" CHANGE("is", "plain") "), (" CHANGE("plain", "is") ")";

enum bs_done
bs_defaults_plain(struct bs_rdb *db, struct bs_arena *arena, const char **back, struct bs_err *err)
{
    PGresult *result = bs_rdb_ask(db, find, 0, NULL, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;
    const char *away = NULL;

    *back = "";
    if (result != NULL && !PQgetisnull(result, 0, 0)) {
        away = bs_rdb_text(result, 0, 0, arena);
        *back = bs_rdb_text(result, 0, 1, arena);
        if (away == NULL || *back == NULL)
            done = BS_FAIL(err, LIMIT, "the restore's memory is used up");
    }
    PQclear(result);
    return done == BS_DONE && away != NULL ? bs_rdb_do(db, away, err) : done;
}
