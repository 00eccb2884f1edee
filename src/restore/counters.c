/*
 * counters.c - setval is not undone by ROLLBACK, so it only ever moves a living sequence forward,
 * which loses nothing.
 */
#include "restore/counters.h"

#include "restore/text.h"

bool
bs_counter_behind(const struct bs_counter *live, const struct bs_point_sequence *saved)
{
    if (live->last_value == saved->last_value)
        return saved->is_called && !live->is_called;
    return live->increment > 0 ? saved->last_value > live->last_value
                               : saved->last_value < live->last_value;
}

void
bs_counter_put(struct bs_buf *b, const struct bs_point_sequence *s)
{
    struct bs_buf name;

    bs_buf_init(&name, 1024);
    bs_put_name(&name, s->schema, s->name);
    bs_put_u8(&name, 0);
    bs_put_str(b, "SELECT pg_catalog.setval(");
    bs_put_literal(b, name.failed ? "" : (const char *)name.p);
    bs_put_fmt(b, "::pg_catalog.regclass, %lld, %s)", (long long)s->last_value,
               s->is_called ? "true" : "false");
    bs_buf_fini(&name);
}

static enum bs_done
look(struct bs_restore *r,
     const struct bs_point_sequence *s,
     struct bs_counter *out,
     struct bs_err *err)
{
    const char *values[] = {s->schema, s->name};
    PGresult *result = bs_rdb_ask(&r->db,
                                  "SELECT p.seqincrement FROM pg_catalog.pg_class c"
                                  " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                                  " JOIN pg_catalog.pg_sequence p ON p.seqrelid = c.oid"
                                  " WHERE n.nspname = $1 AND c.relname = $2",
                                  2, values, err);
    struct bs_buf sql;

    *out = (struct bs_counter){0};
    if (result == NULL)
        return BS_FAILED;
    out->exists = PQntuples(result) == 1;
    out->increment = out->exists ? bs_rdb_number(result, 0, 0) : 0;
    PQclear(result);
    if (!out->exists)
        return BS_DONE;
    bs_buf_init(&sql, 1024);
    bs_put_str(&sql, "SELECT last_value, is_called FROM ");
    bs_put_name(&sql, s->schema, s->name);
    bs_put_u8(&sql, 0);
    result = sql.failed ? NULL : bs_rdb_ask(&r->db, (const char *)sql.p, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAIL(err, DATA, "a sequence cannot be read");
    out->last_value = bs_rdb_number(result, 0, 0);
    out->is_called = PQgetvalue(result, 0, 1)[0] == 't';
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
set(struct bs_restore *r, const struct bs_point_sequence *s, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 4096);
    bs_counter_put(&sql, s);
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

/* A partition draws from the sequence of the table it belongs to. */
bool
bs_counter_belongs(const struct bs_point_sequence *s, const struct bs_point_object *of)
{
    return of == NULL || s->table_oid == of->oid ||
           (of->parent_oid != 0 && s->table_oid == of->parent_oid);
}

enum bs_done
bs_counters_set(struct bs_restore *r,
                const struct bs_point_object *of,
                bs_counter_made made,
                void *ctx,
                size_t *n,
                struct bs_err *err)
{
    *n = 0;
    for (size_t i = 0; i < r->manifest.n_sequences; i++) {
        const struct bs_point_sequence *s = &r->manifest.sequences[i];
        struct bs_counter live;
        if (!bs_counter_belongs(s, of))
            continue;
        if (look(r, s, &live, err) != BS_DONE)
            return BS_FAILED;
        if (!live.exists || (!made(ctx, s) && !bs_counter_behind(&live, s)))
            continue;
        if (set(r, s, err) != BS_DONE)
            return BS_FAILED;
        (*n)++;
    }
    return BS_DONE;
}
