/*
 * sample.c - some of the rows for whoever has to approve: as they are and, where SET says it in
 * words that are vetted, as they would be. Only columns of types whose values the server itself
 * prints; long values are cut.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/effect.h"
#include "recovery/facts.h"
#include "recovery/measuring.h"

enum {
    ROWS = 5,
    TABLES = 3,       /* that are shown */
    COLUMNS = 40,     /* of each */
    VALUE = 120,      /* bytes of a value that are shown */
    STORED = 4000,    /* bytes that a value may have in its table to be fetched at all */
    ALL = 256 * 1024, /* of what is shown of a table */
};

/* $1: a table. Types of the server's own, enums, and domains over the first: no code but its C. */
static const char columns_sql[] =
    "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = "
    "a.atttypid"
    " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " AND a.attgenerated <> 'v'"
    " AND (t.oid < 16384 OR t.typtype = 'e' OR (t.typtype = 'd' AND t.typbasetype < 16384))"
    " ORDER BY a.attnum LIMIT 40";

/* Where the rows are that are shown. */
struct place {
    uint32_t oid;
    uint64_t at;
};

static bool
put_ctids(struct bs_buf *sql, const struct place *places, size_t n, uint32_t oid)
{
    size_t put = 0;

    bs_put_str(sql, "'{");
    for (size_t i = 0; i < n; i++) {
        if (places[i].oid == oid)
            bs_put_fmt(sql, "%s\"(%u,%u)\"", put++ == 0 ? "" : ",", (unsigned)(places[i].at >> 16),
                       (unsigned)(places[i].at & 0xffff));
    }
    bs_put_str(sql, "}'::pg_catalog.tid[]");
    return put != 0;
}

/* "value unless it is long, its size" */
static void
put_value(struct bs_buf *sql, const char *of, const char *column)
{
    struct bs_buf name;

    bs_buf_init(&name, 1024);
    bs_facts_put_column(&name, column);
    bs_put_u8(&name, '\0');
    bs_put_fmt(sql,
               ", CASE WHEN pg_catalog.pg_column_size(%s.%s) OPERATOR(pg_catalog.<=) %d THEN %s.%s"
               " END, pg_catalog.pg_column_size(%s.%s)",
               of, (const char *)name.p, STORED, of, (const char *)name.p, of,
               (const char *)name.p);
    bs_buf_fini(&name);
}

/* A prefix of a text that ends between characters. */
static size_t
cut(const char *text, size_t n)
{
    if (n <= VALUE)
        return n;
    n = VALUE;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static json_t *
value_json(const PGresult *res, int row, int column)
{
    const char *text = PQgetvalue(res, row, column);
    size_t n = (size_t)PQgetlength(res, row, column), show = cut(text, n);
    json_t *whole, *out;

    if (PQgetisnull(res, row, column + 1))
        return json_null();
    if (PQgetisnull(res, row, column))
        return json_sprintf("... (%s bytes)", PQgetvalue(res, row, column + 1));
    whole = json_stringn(text, show);
    if (whole == NULL) /* another encoding than UTF-8 */
        return json_sprintf("... (%zu bytes)", n);
    if (show == n)
        return whole;
    out = json_sprintf("%s... (%zu bytes)", json_string_value(whole), n);
    json_decref(whole);
    return out;
}

/* Rows of values, each behind its place; `before` has more of the row where only some are new. */
static json_t *
rows_json(const PGresult *res, int first)
{
    json_t *rows = json_array();

    for (int i = 0; i < PQntuples(res); i++) {
        json_t *row = json_array();
        for (int k = first; k + 1 < PQnfields(res); k += 2)
            (void)json_array_append_new(row, value_json(res, i, k));
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *
columns_json(const PGresult *names)
{
    json_t *list = json_array();

    for (int i = 0; i < PQntuples(names); i++)
        (void)json_array_append_new(list, json_string(PQgetvalue(names, i, 0)));
    return list;
}

/* The rows at these places, or where there are none to choose from the first. */
static enum bs_done
read_before(struct bs_measuring *m,
            const struct bs_target *t,
            const PGresult *names,
            const struct place *places,
            size_t n,
            PGresult **out,
            struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 256 * 1024);
    bs_put_str(&sql, "SELECT r.ctid");
    for (int i = 0; i < PQntuples(names); i++)
        put_value(&sql, "r", PQgetvalue(names, i, 0));
    bs_put_str(&sql, " FROM ONLY ");
    bs_facts_put_name(&sql, t->schema, t->name);
    bs_put_str(&sql, " AS r");
    if (places != NULL) {
        bs_put_str(&sql, " WHERE r.ctid = ANY (");
        (void)put_ctids(&sql, places, n, t->oid);
        bs_put_str(&sql, ") ORDER BY r.ctid");
    }
    bs_put_fmt(&sql, " LIMIT %d", ROWS);
    bs_put_u8(&sql, '\0');
    done = sql.failed ? BS_FAIL(err, LIMIT, "a table has too many columns")
                      : bs_helper_query(&m->helper, (const char *)sql.p, 0, NULL, out, err);
    bs_buf_fini(&sql);
    return done;
}

/* What is assigned in those rows, in the same order. NULL: it is not told. */
static enum bs_done
read_assigned(struct bs_measuring *m,
              const struct bs_plan_select *s,
              const struct bs_target *t,
              const struct place *places,
              size_t n,
              PGresult **out,
              struct bs_err *err)
{
    struct bs_plan_select set = *s;
    struct bs_buf head, tail;
    enum bs_done done;
    char name[24];

    set.sql = s->set_sql;
    set.n_params = s->n_set_params;
    if (set.sql == NULL || !bs_select_has_values(&set, m->ask->bounds, m->ask->n_bounds))
        return BS_DONE;
    bs_buf_init(&head, 64 * 1024);
    bs_buf_init(&tail, 64 * 1024);
    bs_put_str(&head, "SELECT s.b");
    bs_put_str(&tail, ") s(a, b");
    for (size_t i = 0; i < s->n_set; i++) {
        (void)snprintf(name, sizeof(name), "c%zu", i);
        put_value(&head, "s", name);
        bs_put_fmt(&tail, ", c%zu", i);
    }
    bs_put_str(&head, " FROM (");
    bs_put_u8(&head, '\0');
    bs_put_fmt(&tail, ") WHERE s.a OPERATOR(pg_catalog.=) %u AND s.b = ANY (", t->oid);
    (void)put_ctids(&tail, places, n, t->oid);
    bs_put_fmt(&tail, ") ORDER BY s.b LIMIT %d", ROWS);
    bs_put_u8(&tail, '\0');
    done = head.failed || tail.failed
               ? BS_FAIL(err, LIMIT, "too many columns are assigned")
               : bs_select_ask(&m->helper, (const char *)head.p, &set, (const char *)tail.p,
                               m->ask->bounds, out, err);
    bs_buf_fini(&head);
    bs_buf_fini(&tail);
    return done;
}

static int
column_of(const PGresult *names, const char *name)
{
    for (int i = 0; i < PQntuples(names); i++) {
        if (strcmp(PQgetvalue(names, i, 0), name) == 0)
            return i;
    }
    return -1;
}

/* The same rows with what is assigned put in its place. NULL where a row is missing or double. */
static json_t *
after_json(const json_t *before,
           const PGresult *old,
           const PGresult *new,
           const PGresult *names,
           const struct bs_plan_select *s)
{
    json_t *after;

    if (new == NULL || PQntuples(new) != PQntuples(old))
        return NULL;
    after = json_deep_copy(before);
    for (int i = 0; i < PQntuples(new); i++) {
        if (strcmp(PQgetvalue(old, i, 0), PQgetvalue(new, i, 0)) != 0) {
            json_decref(after);
            return NULL;
        }
        for (size_t k = 0; k < s->n_set; k++) {
            int at = column_of(names, s->set[k]);
            if (at >= 0)
                (void)json_array_set_new(json_array_get(after, (size_t)i), (size_t)at,
                                         value_json(new, i, 1 + 2 * (int)k));
        }
    }
    return after;
}

static enum bs_done
show(struct bs_measuring *m,
     const struct bs_plan_select *s,
     struct bs_target *t,
     const struct place *places,
     size_t n,
     struct bs_err *err)
{
    char oid[16];
    const char *params[] = {oid};
    PGresult *names = NULL, *old = NULL, *new = NULL;
    json_t *before, *after, *all;
    char *text;
    enum bs_done done;

    (void)snprintf(oid, sizeof(oid), "%u", t->oid);
    done = bs_helper_query(&m->helper, columns_sql, 1, params, &names, err);
    if (done == BS_DONE)
        done = read_before(m, t, names, places, n, &old, err);
    if (done == BS_DONE && s != NULL)
        done = read_assigned(m, s, t, places, n, &new, err);
    if (done == BS_DONE) {
        before = rows_json(old, 1);
        after = s == NULL ? NULL : after_json(before, old, new, names, s);
        all = json_pack("{s:o, s:o, s:o*}", "columns", columns_json(names), "before", before,
                        "after", after);
        text = json_dumps(all, JSON_COMPACT);
        if (text != NULL && strlen(text) <= ALL)
            t->sample = bs_arena_str(m->arena, text);
        free(text);
        json_decref(all);
    }
    PQclear(names);
    PQclear(old);
    PQclear(new);
    return done;
}

/* Some rows that a select finds. */
static enum bs_done
find_places(struct bs_measuring *m,
            const struct bs_plan_select *s,
            struct place *out,
            size_t *n,
            struct bs_err *err)
{
    PGresult *res = NULL;

    *n = 0;
    if (bs_select_ask(&m->helper, "SELECT s.a, s.b FROM (", s, ") s(a, b) LIMIT 5", m->ask->bounds,
                      &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res) && *n < ROWS; i++) {
        out[*n].oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
        if (bs_taken_place(PQgetvalue(res, i, 1), &out[*n].at))
            (*n)++;
    }
    PQclear(res);
    return BS_DONE;
}

/* Whether rows of this target are shown; `n` of them were found, of all targets together. */
static enum bs_done
sample_target(struct bs_measuring *m,
              struct bs_target *t,
              const struct place *places,
              size_t n,
              struct bs_err *err)
{
    const struct bs_plan_select *s = bs_measuring_select(m, t->stmt);
    struct bs_err why = {0};
    bool ready, found = false;

    for (size_t i = 0; i < n; i++)
        found = found || places[i].oid == t->oid;
    if (s != NULL && !found)
        return BS_DONE;
    if (bs_measuring_ready(m, &ready, err) != BS_DONE)
        return BS_FAILED;
    if (!ready || show(m, s, t, s == NULL ? NULL : places, n, &why) == BS_DONE)
        return BS_DONE;
    return bs_measuring_forget(m, &why, err);
}

static enum bs_done
sample_stmt(struct bs_measuring *m, size_t stmt, size_t *left, struct bs_err *err)
{
    const struct bs_plan_select *s = bs_measuring_select(m, stmt);
    struct place places[ROWS];
    struct bs_err why = {0};
    size_t n = 0;
    bool ready;

    if (s != NULL) {
        if (!bs_select_has_values(s, m->ask->bounds, m->ask->n_bounds))
            return BS_DONE;
        if (bs_measuring_ready(m, &ready, err) != BS_DONE)
            return BS_FAILED;
        if (!ready)
            return BS_DONE;
        if (find_places(m, s, places, &n, &why) != BS_DONE)
            return bs_measuring_forget(m, &why, err);
    }
    for (size_t i = 0; i < m->facts->n_targets && *left != 0; i++) {
        struct bs_target *t = &m->facts->targets[i];
        if (t->stmt != stmt || !bs_target_loses_rows(t) || strchr("rm", t->relkind) == NULL ||
            t->how == BS_MEASURE_NONE || t->rows == 0 || !t->quiet ||
            (s == NULL && bs_measuring_by_select(t->kind)))
            continue;
        if (sample_target(m, t, places, n, err) != BS_DONE)
            return BS_FAILED;
        *left -= t->sample != NULL;
    }
    return BS_DONE;
}

enum bs_done
bs_measuring_samples(struct bs_measuring *m, struct bs_err *err)
{
    size_t left = TABLES;

    for (size_t i = 0; i < m->ask->unit->n_stmts && left != 0; i++) {
        if (sample_stmt(m, i, &left, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}
