/*
 * catalog.c - see catalog.h. One query each, which the server itself makes JSON of.
 */
#include "mcp/catalog.h"

#include <string.h>

#include "mcp/result.h"
#include "mcp/talk.h"

#define KIND                                                                                       \
    "CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' " \
    "WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END"

/* What one may not use is not shown; what is the system's own neither. */
#define VISIBLE                                                                                    \
    "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' "                              \
    "AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE') "

#define FROM_CLASS                                                                                 \
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "

static const char list_sql[] =
    "SELECT json_build_object('tables', coalesce(json_agg(json_build_object('schema', t.s, 'name', "
    "t.r, "
    "'kind', t.k, 'comment', left(obj_description(t.oid, 'pg_class'), 500), 'rows_estimated', "
    "CASE WHEN t.e >= 0 THEN t.e::bigint END, 'bytes', pg_total_relation_size(t.oid)) ORDER BY "
    "t.s, t.r), "
    "'[]'::json)) FROM (SELECT c.oid, n.nspname AS s, c.relname AS r, " KIND
    " AS k, c.reltuples AS e " FROM_CLASS "WHERE " VISIBLE
    "AND ($1::text IS NULL OR n.nspname = $1::text) "
    "AND ($2::text IS NULL OR strpos(lower(c.relname), lower($2::text)) > 0) "
    "ORDER BY n.nspname, c.relname LIMIT $3::bigint + 1 OFFSET $4::bigint) t";

static const char table_sql[] =
    "SELECT json_build_object('schema', n.nspname, 'name', c.relname, 'kind', " KIND
    ", 'comment', left(obj_description(c.oid, 'pg_class'), 4000), "
    "'rows_estimated', CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, "
    "'bytes', pg_total_relation_size(c.oid), "
    "'columns', (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', "
    "format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull, "
    "'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> '', "
    "'identity', a.attidentity <> '', 'comment', left(col_description(c.oid, a.attnum), 1000)) "
    "ORDER BY "
    "a.attnum), "
    "'[]'::json) FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d "
    "ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), "
    "'constraints', (SELECT coalesce(json_agg(json_build_object('name', k.conname, 'kind', "
    "CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'u' THEN 'unique' "
    "WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' ELSE 'other' END, "
    "'definition', pg_get_constraintdef(k.oid)) ORDER BY k.conname), '[]'::json) "
    "FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid), "
    "'referenced_by', (SELECT coalesce(json_agg(json_build_object('schema', rn.nspname, 'table', "
    "rc.relname, 'definition', pg_get_constraintdef(k.oid)) ORDER BY rn.nspname, rc.relname, "
    "k.conname), "
    "'[]'::json) FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class rc ON rc.oid = "
    "k.conrelid "
    "JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace "
    "WHERE k.confrelid = c.oid AND k.contype = 'f'), "
    "'indexes', (SELECT coalesce(json_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid), "
    "'[]'::json) FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)) " FROM_CLASS "WHERE " VISIBLE
    "AND c.relname = $2::text AND ($1::text IS NULL OR n.nspname = $1::text) "
    "ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname LIMIT 1";

static json_t *
text(const char *s)
{
    return s == NULL ? json_null() : json_string(s);
}

json_t *
bs_mcp_catalog_list(struct bs_mcp_request *r, const struct bs_mcp_listing *l, json_t **failed)
{
    json_t *params = json_pack("[o,o,I,I]", text(l->schema), text(l->search), (json_int_t)l->limit,
                               (json_int_t)l->offset);
    struct bs_mcp_order order = {.sql = list_sql, .params = params, .database = l->database};
    json_t *answer = bs_mcp_talk(r->actor, &r->watch, r, &order, failed);
    json_t *tables = json_object_get(answer, "tables");

    json_decref(params);
    if ((int64_t)json_array_size(tables) > l->limit) {
        (void)json_array_remove(tables, (size_t)l->limit);
        (void)json_object_set_new(answer, "next_offset",
                                  json_integer((json_int_t)(l->offset + l->limit)));
    }
    return answer;
}

json_t *
bs_mcp_catalog_table(struct bs_mcp_request *r,
                     const char *database,
                     const char *schema,
                     const char *name,
                     json_t **failed)
{
    json_t *params = json_pack("[o,o]", text(schema), text(name));
    struct bs_mcp_order order = {.sql = table_sql, .params = params, .database = database};
    json_t *answer = bs_mcp_talk(r->actor, &r->watch, r, &order, failed);

    json_decref(params);
    return answer == NULL ? NULL : json_pack("{s:o}", "table", answer);
}
