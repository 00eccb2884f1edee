/*
 * counters.c - setval is not undone by ROLLBACK, so within a copy-back it only ever moves a living
 * sequence forward, which loses nothing. Setting one back comes after COMMIT.
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

enum bs_done
bs_counters_look(struct bs_restore *r,
                 const struct bs_point_object *of,
                 struct bs_counter_pair **out,
                 size_t *n,
                 struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;

    *n = 0;
    *out = bs_arena_array(&r->arena, m->n_sequences + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many sequences");
    for (size_t i = 0; i < m->n_sequences; i++) {
        struct bs_counter_pair *pair = &(*out)[*n];
        if (!bs_counter_belongs(&m->sequences[i], of))
            continue;
        pair->saved = &m->sequences[i];
        if (look(r, pair->saved, &pair->live, err) != BS_DONE)
            return BS_FAILED;
        (*n)++;
    }
    return BS_DONE;
}

/* Setting back. */

/* Columns of whole numbers that a sequence belongs to, or that have it in their default. */
static const char find_users[] =
    "SELECT n.nspname, c.relname, a.attname FROM (SELECT d.refobjid AS rel, d.refobjsubid AS att"
    " FROM pg_catalog.pg_depend d WHERE d.objid = $1::pg_catalog.regclass AND d.objsubid = 0"
    " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid"
    " AND d.refobjsubid > 0 UNION SELECT f.adrelid, f.adnum FROM pg_catalog.pg_depend d"
    " JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid"
    " WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
    " AND d.refobjid = $1::pg_catalog.regclass) u"
    " JOIN pg_catalog.pg_class c ON c.oid = u.rel AND c.relkind IN ('r', 'p')"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = u.rel AND a.attnum = u.att"
    " WHERE a.atttypid IN (20, 21, 23, 1700) ORDER BY c.oid, a.attnum";

/* Locks a table and looks whether it has a number beyond what is to be set. */
static enum bs_done
is_beyond(struct bs_restore *r,
          const struct bs_counter_pair *pair,
          const PGresult *users,
          int i,
          bool *beyond,
          struct bs_err *err)
{
    bool up = pair->live.increment > 0;
    PGresult *result = NULL;
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, 4096);
    bs_put_str(&sql, "LOCK TABLE ");
    bs_put_name(&sql, PQgetvalue(users, i, 0), PQgetvalue(users, i, 1));
    bs_put_str(&sql, " IN SHARE ROW EXCLUSIVE MODE");
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_clear(&sql);
    bs_put_fmt(&sql, "SELECT pg_catalog.%s(", up ? "max" : "min");
    bs_put_ident(&sql, PQgetvalue(users, i, 2));
    bs_put_fmt(&sql, ") %s %lld FROM ",
               up ? (pair->saved->is_called ? ">" : ">=") : (pair->saved->is_called ? "<" : "<="),
               (long long)pair->saved->last_value);
    bs_put_name(&sql, PQgetvalue(users, i, 0), PQgetvalue(users, i, 1));
    if (done == BS_DONE)
        result = bs_rdb_query(&r->db, &sql, 0, NULL, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    *beyond = *beyond || PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return BS_DONE;
}

static PGresult *
ask_users(struct bs_restore *r, const struct bs_point_sequence *s, struct bs_err *err)
{
    PGresult *result = NULL;
    const char *values[1];
    struct bs_buf name;

    bs_buf_init(&name, 1024);
    bs_put_name(&name, s->schema, s->name);
    bs_put_u8(&name, 0);
    values[0] = (const char *)name.p;
    if (name.failed)
        (void)BS_FAIL(err, LIMIT, "a sequence's name is too long");
    else
        result = bs_rdb_ask(&r->db, find_users, 1, values, err);
    bs_buf_fini(&name);
    return result;
}

static enum bs_done
set_one_back(struct bs_restore *r,
             const struct bs_counter_pair *pair,
             bool *beyond,
             struct bs_err *err)
{
    PGresult *users = NULL;
    enum bs_done done = bs_rdb_do(&r->db, "BEGIN", err);

    *beyond = false;
    if (done == BS_DONE)
        users = ask_users(r, pair->saved, err);
    done = users == NULL ? BS_FAILED : BS_DONE;
    for (int i = 0; done == BS_DONE && i < PQntuples(users); i++)
        done = is_beyond(r, pair, users, i, beyond, err);
    PQclear(users);
    if (done == BS_DONE && !*beyond)
        done = set(r, pair->saved, err);
    if (done == BS_DONE)
        return bs_rdb_commit(&r->db, err);
    bs_rdb_rollback(&r->db);
    return BS_FAILED;
}

static bool
differs(const struct bs_counter_pair *p)
{
    return p->live.exists &&
           (p->live.last_value != p->saved->last_value || p->live.is_called != p->saved->is_called);
}

enum bs_done
bs_counters_set_back(struct bs_restore *r,
                     const struct bs_point_object *of,
                     size_t *n,
                     const char ***left,
                     size_t *n_left,
                     struct bs_err *err)
{
    struct bs_counter_pair *pairs;
    size_t n_pairs;

    *n = *n_left = 0;
    if (bs_counters_look(r, of, &pairs, &n_pairs, err) != BS_DONE)
        return BS_FAILED;
    *left = bs_arena_array(&r->arena, n_pairs + 1, sizeof(**left));
    if (*left == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many sequences");
    for (size_t i = 0; i < n_pairs; i++) {
        bool beyond = false;
        if (!differs(&pairs[i]))
            continue;
        if (set_one_back(r, &pairs[i], &beyond, err) != BS_DONE)
            return BS_FAILED;
        if (beyond)
            (*left)[(*n_left)++] =
                bs_arena_fmt(&r->arena, "%s.%s", pairs[i].saved->schema, pairs[i].saved->name);
        else
            (*n)++;
    }
    return BS_DONE;
}
