/*
 * earlier.c - a row of a catalog says by its xmin when it was written. Where the earlier snapshot
 * sees that transaction, the definition is as old as the dump; in doubt it is not.
 */
#include "recovery/earlier.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/globals.h"
#include "recovery/named.h"
#include "recovery/nested.h"
#include "recovery/steps.h"

enum { SQL_MAX = 16 * 1024 * 1024 };

/* Catalogs of objects with an OID, by their own (catalog/pg_*.h). */
static const struct {
    uint32_t oid;
    const char *name;
} catalogs[] = {
    {826, "pg_default_acl"},
    {1247, "pg_type"},
    {1255, "pg_proc"},
    {1259, "pg_class"},
    {1417, "pg_foreign_server"},
    {1418, "pg_user_mapping"},
    {2328, "pg_foreign_data_wrapper"},
    {2601, "pg_am"},
    {2602, "pg_amop"},
    {2603, "pg_amproc"},
    {2604, "pg_attrdef"},
    {2605, "pg_cast"},
    {2606, "pg_constraint"},
    {2607, "pg_conversion"},
    {2612, "pg_language"},
    {2615, "pg_namespace"},
    {2616, "pg_opclass"},
    {2617, "pg_operator"},
    {2618, "pg_rewrite"},
    {2620, "pg_trigger"},
    {2753, "pg_opfamily"},
    {3079, "pg_extension"},
    {3256, "pg_policy"},
    {3381, "pg_statistic_ext"},
    {3456, "pg_collation"},
    {3466, "pg_event_trigger"},
    {3576, "pg_transform"},
    {3600, "pg_ts_dict"},
    {3601, "pg_ts_parser"},
    {3602, "pg_ts_config"},
    {3764, "pg_ts_template"},
    {6104, "pg_publication"},
    {6106, "pg_publication_rel"},
    {6237, "pg_publication_namespace"},
};

#define N_CATALOGS (sizeof(catalogs) / sizeof(catalogs[0]))

bool
bs_earlier_holds(const struct bs_capture_request *request, uint32_t oid)
{
    for (size_t i = 0; i < request->n_earlier; i++) {
        const struct bs_manifest *m = request->earlier[i];
        for (size_t k = 0; k < m->n_objects; k++) {
            if (m->objects[k].oid == oid && !m->objects[k].partial && !m->objects[k].columns_only)
                return true;
        }
    }
    return false;
}

const struct bs_manifest *
bs_earlier_definition(const struct bs_capture_request *request)
{
    for (size_t i = 0; i < request->n_earlier; i++) {
        if (request->earlier[i]->schema.key != NULL &&
            request->earlier[i]->capture.snapshot != NULL)
            return request->earlier[i];
    }
    return NULL;
}

/* The condition that a row is as old as the snapshot $1, whose xmin is $2 (xid) and $3 (xid8). */
static void
put_new(struct bs_buf *sql)
{
    bs_put_str(sql, "NOT CASE WHEN pg_catalog.age(t.xmin) > pg_catalog.age($2::pg_catalog.xid)"
                    " THEN true ELSE pg_catalog.pg_visible_in_snapshot(($3::pg_catalog.int8"
                    " + pg_catalog.age($2::pg_catalog.xid) - pg_catalog.age(t.xmin))"
                    "::pg_catalog.text::pg_catalog.xid8, $1::pg_catalog.pg_snapshot) END");
}

/* A SELECT of those objects of one catalog that are newer. False: it has none. */
static bool
put_catalog(struct bs_buf *sql, size_t at, const struct bs_manifest *m, bool first)
{
    bool any = false;

    for (size_t i = 0; i < m->n_closure; i++) {
        if (m->closure[i].class_oid != catalogs[at].oid)
            continue;
        if (!any)
            bs_put_fmt(sql, "%sSELECT t.oid FROM pg_catalog.%s t WHERE t.oid IN (",
                       first ? "" : " UNION ALL ", catalogs[at].name);
        bs_put_fmt(sql, "%s%u", any ? "," : "", m->closure[i].oid);
        any = true;
    }
    if (!any)
        return false;
    bs_put_str(sql, ") AND ");
    put_new(sql);
    return true;
}

/* Of the relations among them, and of the tables of the plan, the columns. */
static void
put_columns(struct bs_buf *sql, const struct bs_plan *plan, const struct bs_manifest *m, bool first)
{
    bs_put_fmt(sql, "%sSELECT t.attrelid FROM pg_catalog.pg_attribute t WHERE t.attrelid IN (0",
               first ? "" : " UNION ALL ");
    for (size_t i = 0; i < m->n_closure; i++) {
        if (m->closure[i].class_oid == 1259)
            bs_put_fmt(sql, ",%u", m->closure[i].oid);
    }
    for (size_t i = 0; i < plan->n_tables; i++)
        bs_put_fmt(sql, ",%u", plan->tables[i].oid);
    bs_put_str(sql, ") AND ");
    put_new(sql);
}

const char *
bs_catalog_name(uint32_t class_oid)
{
    for (size_t i = 0; i < N_CATALOGS; i++) {
        if (catalogs[i].oid == class_oid)
            return catalogs[i].name;
    }
    return NULL;
}

enum bs_done
bs_earlier_still(struct bs_helper *h,
                 const struct bs_manifest *earlier,
                 const struct bs_plan *plan,
                 const struct bs_manifest *m,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    uint64_t xmin = strtoull(earlier->capture.snapshot, NULL, 10);
    const char *params[] = {earlier->capture.snapshot,
                            bs_arena_fmt(arena, "%" PRIu32, (uint32_t)xmin),
                            bs_arena_fmt(arena, "%" PRIu64, xmin)};
    PGresult *res = NULL;
    struct bs_buf sql;
    bool first = true;
    enum bs_done done = BS_DONE;

    for (size_t i = 0; i < m->n_closure; i++) {
        if (bs_catalog_name(m->closure[i].class_oid) == NULL)
            return BS_FAIL(err, NO_POINT, "it cannot be told how old the %.60s %.120s is",
                           m->closure[i].type, m->closure[i].identity);
    }
    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < N_CATALOGS; i++)
        first = !put_catalog(&sql, i, m, first) && first;
    put_columns(&sql, plan, m, first);
    bs_put_cstr(&sql, " LIMIT 1");
    if (sql.failed || params[1] == NULL || params[2] == NULL)
        done = BS_FAIL(err, LIMIT, "there is more to compare than memory set aside for it");
    if (done == BS_DONE)
        done = bs_helper_query(h, (const char *)sql.p, 3, params, &res, err);
    if (done == BS_DONE && PQntuples(res) != 0)
        done = BS_FAIL(err, UNCOVERED,
                       "others have changed what the statement is about since its definition was "
                       "kept");
    PQclear(res);
    bs_buf_fini(&sql);
    return done;
}

enum bs_done
bs_earlier_globals(struct bs_helper *h,
                   unsigned classes,
                   int server_version_num,
                   struct bs_arena *arena,
                   const char **out,
                   struct bs_err *err)
{
    PGresult *res = NULL;
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "SELECT pg_catalog.md5(COALESCE(pg_catalog.string_agg(x::pg_catalog.text, ','"
                     " ORDER BY x.class, x.oid, x.name, x.value), '')) FROM (");
    bs_globals_put_select(&sql, classes, server_version_num);
    bs_put_cstr(&sql, ") x");
    done = sql.failed ? BS_FAIL(err, LIMIT, "no memory set aside to ask about the cluster")
                      : bs_helper_query(h, (const char *)sql.p, 0, NULL, &res, err);
    *out = done == BS_DONE ? bs_arena_str(arena, PQgetvalue(res, 0, 0)) : NULL;
    PQclear(res);
    bs_buf_fini(&sql);
    if (done == BS_DONE && *out == NULL)
        return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    return done;
}

/* Nothing of the cluster can be locked: has somebody else changed it since? */
static enum bs_done
check_globals(struct bs_capture *c,
              const struct bs_manifest *point,
              struct bs_arena *arena,
              struct bs_err *err)
{
    const struct bs_point_globals *g = point->globals;
    const char *now;

    if (point->n_globals == 0 || g->digest == NULL)
        return BS_DONE;
    if (bs_earlier_globals(&c->helper, g->bits, c->m.source.server_version_num, arena, &now, err) !=
        BS_DONE)
        return BS_FAILED;
    return strcmp(now, g->digest) == 0
               ? BS_DONE
               : BS_FAIL(err, UNCOVERED,
                         "others have changed the %.60s of the cluster since the point was made",
                         g->classes);
}

/* What hangs on its objects by now, as the server says it: others may have made some of that since. */
static enum bs_done
check_since(struct bs_capture *c,
            const struct bs_manifest *point,
            const struct bs_plan *plan,
            struct bs_arena *arena,
            struct bs_err *err)
{
    struct bs_manifest now = *point;
    struct bs_named_before before = {c->req.earlier, c->req.n_earlier};

    now.closure = NULL;
    now.n_closure = 0;
    if (bs_named_closure(&c->helper, plan, before, arena, &now, err) != BS_DONE)
        return BS_FAILED;
    return bs_earlier_still(&c->helper, point, plan, &now, arena, err);
}

enum bs_done
bs_capture_still(struct bs_capture *c,
                 const struct bs_manifest *point,
                 const struct bs_plan *plan,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    struct bs_err why = {0};

    if (check_globals(c, point, arena, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    if (point->schema.key == NULL || point->capture.snapshot == NULL ||
        (bs_earlier_still(&c->helper, point, plan, point, arena, &why) == BS_DONE &&
         check_since(c, point, plan, arena, &why) == BS_DONE &&
         bs_nested_held(&c->helper, plan, arena, point, &why) == BS_DONE))
        return BS_DONE;
    return bs_step_no_point(err, &why);
}
