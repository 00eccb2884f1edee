/*
 * ahead.c - what a statement is going to lock ACCESS EXCLUSIVE beside what it names: whoever drops a
 * table, or a key, locks so what its foreign keys point to, and what points to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/facts.h"
#include "recovery/steps.h"

/* $1 tables that go, or lose a key: those at the other end of foreign keys, with their partitions. */
static const char linked_sql[] =
    "WITH RECURSIVE f(oid) AS (SELECT k.confrelid FROM pg_catalog.pg_constraint k WHERE k.contype "
    "= 'f'"
    " AND k.conrelid = ANY ($1::pg_catalog.oid[]) UNION"
    " SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f'"
    " AND k.confrelid = ANY ($1::pg_catalog.oid[])),"
    " a(oid) AS (SELECT f.oid FROM f UNION SELECT i.inhrelid FROM a"
    " JOIN pg_catalog.pg_inherits i ON i.inhparent = a.oid)"
    " SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples,"
    " c.relpages::pg_catalog.int8 * pg_catalog.current_setting('block_size')::pg_catalog.int8"
    " FROM a JOIN pg_catalog.pg_class c ON c.oid = a.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384 ORDER BY c.oid";

static bool
locks_linked(const struct bs_plan_table *t)
{
    return t->exclusive &&
           (t->kind == BS_KIND_DROP_TABLE || t->kind == BS_KIND_ALTER_TABLE_DROP_CONSTRAINT);
}

static const struct bs_plan_table *
find(const struct bs_plan *plan, uint32_t oid)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (plan->tables[i].oid == oid)
            return &plan->tables[i];
    }
    return NULL;
}

/* "{1,2}" of the tables whose keys go; NULL: no memory. */
static const char *
dropped_oids(const struct bs_plan *plan, struct bs_arena *arena)
{
    struct bs_plan some = {0};

    some.tables = bs_arena_array(arena, plan->n_tables + 1, sizeof(*some.tables));
    if (some.tables == NULL)
        return NULL;
    for (size_t i = 0; i < plan->n_tables; i++) {
        if (locks_linked(&plan->tables[i]))
            some.tables[some.n_tables++] = plan->tables[i];
    }
    return bs_facts_oids(&some, arena);
}

static enum bs_done
take(const PGresult *res,
     const struct bs_plan *plan,
     struct bs_arena *arena,
     struct bs_plan_table **out,
     size_t *n,
     struct bs_err *err)
{
    *out = bs_arena_array(arena, (size_t)PQntuples(res) + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_plan_table *t = &(*out)[*n];
        *t = (struct bs_plan_table){
            .oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
            .schema = bs_arena_str(arena, PQgetvalue(res, i, 1)),
            .name = bs_arena_str(arena, PQgetvalue(res, i, 2)),
            .relkind = PQgetvalue(res, i, 3)[0],
            .reach = BS_REACH_DEPENDENT,
            .kind = BS_KIND_ALTER_TABLE_DROP_CONSTRAINT,
            .est_rows = strtod(PQgetvalue(res, i, 4), NULL),
            .est_bytes = strtoll(PQgetvalue(res, i, 5), NULL, 10),
            .exclusive = true,
            .ahead = true,
        };
        if (t->schema == NULL || t->name == NULL)
            return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
        *n += find(plan, t->oid) == NULL;
    }
    return BS_DONE;
}

enum bs_done
bs_capture_linked(struct bs_capture *c,
                  const struct bs_plan *plan,
                  struct bs_arena *arena,
                  struct bs_plan_table **out,
                  size_t *n,
                  struct bs_err *err)
{
    const char *params[] = {dropped_oids(plan, arena)};
    struct bs_err why = {0};
    PGresult *res = NULL;
    enum bs_done done;

    *out = NULL;
    *n = 0;
    if (params[0] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    if (strcmp(params[0], "{}") == 0)
        return BS_DONE;
    if (bs_step_ask_again(c, linked_sql, 1, params, &res, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    done = take(res, plan, arena, out, n, err);
    PQclear(res);
    return done;
}

static const char column_sql[] =
    "SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.oid"
    " AND NOT a.attisdropped AND a.attname = $2::pg_catalog.text"
    " UNION ALL SELECT 1 FROM pg_catalog.pg_inherits i"
    " WHERE i.inhparent = $1::pg_catalog.oid LIMIT 1";

enum bs_done
bs_capture_column(
    struct bs_capture *c, uint32_t table, const char *column, bool *seen, struct bs_err *err)
{
    char oid[16];
    const char *params[] = {oid, column};
    struct bs_err why = {0};
    PGresult *res = NULL;

    *seen = true;
    /* What it would see there is as old as the transaction. */
    if (c->helper.conn != NULL && PQtransactionStatus(c->helper.conn) == PQTRANS_INTRANS)
        return BS_DONE;
    (void)snprintf(oid, sizeof(oid), "%u", table);
    if (bs_step_ask_again(c, column_sql, 2, params, &res, &why) != BS_DONE)
        return bs_step_no_point(err, &why);
    *seen = PQntuples(res) != 0;
    PQclear(res);
    return BS_DONE;
}
