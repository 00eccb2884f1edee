/*
 * sequences.c - the state of sequences before a statement that may set them: setval is not undone
 * by ROLLBACK, so afterwards nobody could tell any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recovery/facts.h"
#include "recovery/steps.h"

enum {
    AT_ONCE = 200,    /* sequences read by one statement */
    RELATIONS = 1259, /* pg_class, catalog/pg_class.h */
    TRIES = 3,        /* others may drop one between the list and the reading */
};

/*
 * $1: these only, but for those that $3 has made unreadable; NULL: all but $2 and those that the actor ($3, in database $4) has made
 * unreadable. Temporary ones are the sessions' own.
 */
static const char list_sql[] =
    "SELECT s.oid, n.nspname, s.relname, COALESCE(d.refobjid, 0), a.attname"
    " FROM pg_catalog.pg_class s JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace"
    " LEFT JOIN pg_catalog.pg_depend d ON d.objid = s.oid AND d.objsubid = 0"
    " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    " WHERE s.relkind = 'S' AND s.relpersistence <> 't'"
    " AND CASE WHEN $1::pg_catalog.oid[] IS NOT NULL THEN s.oid = ANY ($1::pg_catalog.oid[])"
    " ELSE s.oid <> ALL ($2::pg_catalog.oid[]) END AND s.oid NOT IN (SELECT l.relation"
    " FROM pg_catalog.pg_locks l WHERE l.pid = $3::pg_catalog.int4 AND l.locktype = 'relation'"
    " AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.database = $4::pg_catalog.oid)"
    " ORDER BY s.oid";

struct list {
    struct bs_point_sequence *all; /* by oid */
    size_t n;
};

static uint32_t
oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "there are more sequences than memory set aside for them");
}

static enum bs_done
take_names(const PGresult *res, struct bs_arena *arena, struct list *l, struct bs_err *err)
{
    l->all = bs_arena_array(arena, (size_t)PQntuples(res) + 1, sizeof(*l->all));
    l->n = 0;
    if (l->all == NULL)
        return full(err);
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_point_sequence *s = &l->all[l->n];
        if (l->n != 0 && l->all[l->n - 1].oid == oid_at(res, i, 0))
            continue;
        *s = (struct bs_point_sequence){
            .schema = bs_arena_str(arena, PQgetvalue(res, i, 1)),
            .name = bs_arena_str(arena, PQgetvalue(res, i, 2)),
            .oid = oid_at(res, i, 0),
            .table_oid = oid_at(res, i, 3),
            .column = PQgetisnull(res, i, 4) ? NULL : bs_arena_str(arena, PQgetvalue(res, i, 4)),
            .owned = !PQgetisnull(res, i, 4),
        };
        if (s->schema == NULL || s->name == NULL || (s->owned && s->column == NULL))
            return full(err);
        l->n++;
    }
    return BS_DONE;
}

static struct bs_point_sequence *
find(struct bs_point_sequence *all, size_t n, uint32_t oid)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (all[middle].oid == oid)
            return &all[middle];
        if (all[middle].oid < oid)
            low = middle + 1;
        else
            n = middle;
    }
    return NULL;
}

static void
put_states(struct bs_buf *sql, const struct bs_point_sequence *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bs_put_fmt(sql, "%sSELECT %u::pg_catalog.oid, last_value, is_called FROM ",
                   i == 0 ? "" : " UNION ALL ", s[i].oid);
        bs_facts_put_name(sql, s[i].schema, s[i].name);
    }
    bs_put_u8(sql, '\0');
}

/* The state of n sequences, by one statement. */
static enum bs_done
read_some(struct bs_helper *h, struct bs_point_sequence *s, size_t n, struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *res = NULL;
    enum bs_done done;

    bs_buf_init(&sql, AT_ONCE * 512);
    put_states(&sql, s, n);
    if (sql.failed)
        done = full(err);
    else
        done = bs_helper_query(h, (const char *)sql.p, 0, NULL, &res, err);
    bs_buf_fini(&sql);
    if (done == BS_DONE && (size_t)PQntuples(res) != n)
        done = BS_FAIL(err, NO_POINT, "not all sequences have a state");
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++) {
        struct bs_point_sequence *one = find(s, n, oid_at(res, i, 0));
        bs_assert(one != NULL);
        one->last_value = strtoll(PQgetvalue(res, i, 1), NULL, 10);
        one->is_called = PQgetvalue(res, i, 2)[0] == 't';
    }
    PQclear(res);
    return done;
}

static enum bs_done
read_states(struct bs_helper *h, struct list *l, struct bs_err *err)
{
    for (size_t i = 0; i < l->n; i += AT_ONCE) {
        size_t left = l->n - i;
        if (read_some(h, l->all + i, left < AT_ONCE ? left : AT_ONCE, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* "{1,2}" of those that are noted already. */
static const char *
known_text(struct bs_capture *c)
{
    struct bs_buf b;
    const char *out = NULL;

    bs_buf_init(&b, 3 + 11 * c->n_noted);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < c->n_noted; i++)
        bs_put_fmt(&b, "%s%u", i == 0 ? "" : ",", c->noted[i].oid);
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(&c->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

/* Those of `now`, none of which is among the noted ones, join them. */
static enum bs_done
merge(struct bs_capture *c, const struct list *now, struct bs_err *err)
{
    struct list both = {0};
    size_t i = 0, k = 0;

    if (now->n == 0)
        return BS_DONE;
    both.all = bs_arena_array(&c->arena, c->n_noted + now->n + 1, sizeof(*both.all));
    if (both.all == NULL)
        return full(err);
    while (i < c->n_noted || k < now->n) {
        bool old = i < c->n_noted && (k == now->n || c->noted[i].oid < now->all[k].oid);
        both.all[both.n++] = old ? c->noted[i++] : now->all[k++];
    }
    c->noted = both.all;
    c->n_noted = both.n;
    return BS_DONE;
}

static enum bs_done
note(struct bs_capture *c, struct bs_err *err)
{
    char pid[16], database[16];
    const char *params[] = {NULL, known_text(c), pid, database};
    PGresult *res = NULL;
    struct list now = {0};

    if (params[1] == NULL)
        return full(err);
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    if (bs_step_ask_again(c, list_sql, 4, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (take_names(res, &c->arena, &now, err) != BS_DONE) {
        PQclear(res);
        return BS_FAILED;
    }
    PQclear(res);
    return read_states(&c->helper, &now, err) == BS_DONE ? merge(c, &now, err) : BS_FAILED;
}

enum bs_done
bs_capture_sequences_note(struct bs_capture *c, struct bs_err *err)
{
    struct bs_err why = {0};

    for (int i = 0; i < TRIES; i++) {
        why = (struct bs_err){0};
        if (note(c, &why) == BS_DONE)
            return BS_DONE;
        if (strcmp(c->helper.sqlstate, "42P01") != 0)
            break;
    }
    return bs_step_no_point(err, &why);
}

static bool
among(const uint32_t *list, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == oid)
            return true;
    }
    return false;
}

/* "{1,2}" of those that may be read. */
static const char *
oids_text(struct bs_arena *arena, const uint32_t *oids, size_t n)
{
    struct bs_buf b;
    const char *out = NULL;

    bs_buf_init(&b, 3 + 11 * n);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < n; i++)
        bs_put_fmt(&b, "%s%u", i == 0 ? "" : ",", oids[i]);
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static enum bs_done
compare(struct bs_capture *c, struct list *now, struct bs_err *err)
{
    struct bs_manifest *m = &c->m;

    m->sequences = bs_arena_array(&c->arena, now->n + 1, sizeof(*m->sequences));
    if (m->sequences == NULL)
        return full(err);
    for (size_t i = 0; i < now->n; i++) {
        const struct bs_point_sequence *was = find(c->noted, c->n_noted, now->all[i].oid);
        if (was == NULL)
            return BS_FAIL(err, UNCOVERED,
                           "sequence \"%.60s\".\"%.60s\" may have been set, and what it was is not "
                           "known",
                           now->all[i].schema, now->all[i].name);
        if (was->last_value != now->all[i].last_value || was->is_called != now->all[i].is_called)
            m->sequences[m->n_sequences++] = *was;
    }
    return BS_DONE;
}

enum bs_done
bs_step_sequences(struct bs_capture *c,
                  const uint32_t *oids,
                  size_t n,
                  const uint32_t *hidden,
                  size_t n_hidden,
                  struct bs_err *err)
{
    const char *params[] = {oids_text(&c->arena, oids, n), NULL, NULL, NULL};
    PGresult *res = NULL;
    struct list now = {0};
    enum bs_done done;

    if (n == 0)
        return BS_DONE;
    if (params[0] == NULL)
        return full(err);
    if (bs_helper_query(&c->helper, list_sql, 4, params, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_names(res, &c->arena, &now, err);
    PQclear(res);
    for (size_t i = 0; done == BS_DONE && i < now.n; i++) {
        if (among(hidden, n_hidden, now.all[i].oid))
            done = BS_FAIL(err, UNCOVERED,
                           "sequence \"%.60s\".\"%.60s\" is locked ACCESS EXCLUSIVE by the "
                           "transaction",
                           now.all[i].schema, now.all[i].name);
    }
    if (done == BS_DONE)
        done = read_states(&c->helper, &now, err);
    return done == BS_DONE ? compare(c, &now, err) : BS_FAILED;
}

/* The sequences among what the closure names that are not in the manifest yet. */
static const char *
closure_oids(struct bs_capture *c)
{
    const struct bs_manifest *m = &c->m;
    uint32_t *oids = bs_arena_array(&c->arena, m->n_closure + 1, sizeof(*oids));
    size_t n = 0;

    if (oids == NULL)
        return NULL;
    for (size_t i = 0; i < m->n_closure; i++) {
        bool have = m->closure[i].class_oid != RELATIONS;
        for (size_t k = 0; k < m->n_sequences; k++)
            have = have || m->sequences[k].oid == m->closure[i].oid;
        if (!have)
            oids[n++] = m->closure[i].oid;
    }
    return oids_text(&c->arena, oids, n);
}

enum bs_done
bs_step_closure_sequences(struct bs_capture *c, struct bs_err *err)
{
    struct bs_manifest *m = &c->m;
    struct bs_point_sequence *all;
    char pid[16], database[16];
    const char *params[] = {closure_oids(c), NULL, pid, database};
    PGresult *res = NULL;
    struct list now = {0};
    enum bs_done done;

    if (params[0] == NULL)
        return full(err);
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    (void)snprintf(database, sizeof(database), "%u", c->m.source.database_oid);
    if (bs_helper_query(&c->helper, list_sql, 4, params, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_names(res, &c->arena, &now, err);
    PQclear(res);
    if (done != BS_DONE || read_states(&c->helper, &now, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(&c->arena, m->n_sequences + now.n + 1, sizeof(*all));
    if (all == NULL)
        return full(err);
    for (size_t i = 0; i < m->n_sequences; i++)
        all[i] = m->sequences[i];
    for (size_t i = 0; i < now.n; i++)
        all[m->n_sequences++] = now.all[i];
    m->sequences = all;
    return BS_DONE;
}
