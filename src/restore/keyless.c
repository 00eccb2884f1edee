/*
 * keyless.c - see keyless.h.
 */
#include "restore/keyless.h"

#include <stdio.h>
#include <string.h>

#include "recovery/moved.h"

#define SQL_MAX (1u << 20)

/* What the events of the point say of rows; once. Points of older versions say nothing. */
static enum bs_done
read_moved(struct bs_restore *r, struct bs_err *err)
{
    struct bs_point_event *events;
    size_t n;

    if (r->moved != NULL)
        return BS_DONE;
    if (bs_points_events(r->request.store, &r->ref, &r->arena, &events, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (events[i].state == BS_EVENT_ARMED &&
            bs_moved_take(events[i].details, &r->arena, &r->moved, &r->n_moved) == BS_DONE)
            return BS_DONE;
    }
    r->n_moved = 0;
    r->moved = bs_arena_array(&r->arena, 1, sizeof(*r->moved));
    return r->moved == NULL ? BS_FAIL(err, LIMIT, "the restore's memory is used up") : BS_DONE;
}

static void
add_up(const struct bs_restore *r, const struct bs_live *live, struct bs_keyless *k)
{
    for (size_t i = 0; i < live->n_parts; i++) {
        for (size_t m = 0; m < r->n_moved; m++) {
            const struct bs_moved *one = &r->moved[m];
            if (one->oid != live->parts[i]->oid)
                continue;
            k->counted = true;
            k->inserted += one->inserted;
            k->updated += one->updated;
            k->deleted += one->deleted;
            k->rewritten = k->rewritten || one->rewritten;
        }
    }
}

static enum bs_done
ask_number(struct bs_restore *r, struct bs_buf *sql, int64_t *out, struct bs_err *err)
{
    PGresult *result = bs_rdb_query(&r->db, sql, 0, NULL, err);

    bs_buf_fini(sql);
    if (result == NULL)
        return BS_FAILED;
    *out = bs_rdb_number(result, 0, 0);
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
count_own(struct bs_restore *r, const struct bs_live *live, int64_t *own, struct bs_err *err)
{
    struct bs_buf sql;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "SELECT pg_catalog.count(*) FROM ");
    bs_put_live(&sql, live);
    bs_put_str(&sql, " l WHERE ");
    bs_origin_put_own(&sql, &r->origin);
    return ask_number(r, &sql, own, err);
}

/* Its partitions, where it is one. */
static enum bs_done
look_at_tree(struct bs_restore *r,
             const struct bs_live *live,
             struct bs_keyless *k,
             struct bs_err *err)
{
    static const char find[] =
        "SELECT r.oid, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(r.oid)"
        " WHERE isleaf) FROM (SELECT pg_catalog.pg_partition_root($1::pg_catalog.oid)::"
        "pg_catalog.oid AS oid) r WHERE r.oid IS NOT NULL";
    char oid[16];
    const char *values[] = {oid};
    PGresult *result;

    (void)snprintf(oid, sizeof(oid), "%u", live->oid);
    result = bs_rdb_ask(&r->db, find, 1, values, err);
    if (result == NULL)
        return BS_FAILED;
    k->root = live->oid;
    k->partitions = k->compared = 1;
    if (PQntuples(result) == 1) {
        k->root = (uint32_t)bs_rdb_number(result, 0, 0);
        k->partitions = bs_rdb_number(result, 0, 1);
    }
    PQclear(result);
    return BS_DONE;
}

enum bs_done
bs_keyless_count(struct bs_restore *r, struct bs_diff_table *t, struct bs_err *err)
{
    struct bs_keyless *k = &t->keyless;

    *k = (struct bs_keyless){0};
    if (t->live.key != BS_LIVE_NO_KEY)
        return BS_DONE;
    if (read_moved(r, err) != BS_DONE || count_own(r, &t->live, &k->own, err) != BS_DONE)
        return BS_FAILED;
    add_up(r, &t->live, k);
    k->snapshot = r->ref.outcome == BS_EVENT_TAKEN;
    if (k->snapshot && look_at_tree(r, &t->live, k, err) != BS_DONE)
        return BS_FAILED;
    /* As many as were replaced were saved, and all that it wrote is there: so none was only locked,
     * and a row that is older than the transaction has never been one of these. */
    k->only_newer = r->origin.known && k->counted && !k->rewritten && t->live.object->partial &&
                    t->live.object->row_count == k->updated + k->deleted &&
                    k->own == k->updated + k->inserted;
    return BS_DONE;
}

enum bs_done
bs_keyless_others(struct bs_restore *r, size_t at, struct bs_diff_table *t, struct bs_err *err)
{
    struct bs_buf sql;

    if (t->live.key != BS_LIVE_NO_KEY)
        return BS_DONE;
    if (!t->live.object->partial) {
        t->keyless.others = t->extra - t->made;
        return BS_DONE;
    }
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "SELECT pg_catalog.count(*) FROM ");
    bs_put_live(&sql, &t->live);
    bs_put_str(&sql, " l WHERE ");
    bs_origin_put_newer(&sql, &r->origin);
    bs_put_str(&sql, " AND NOT EXISTS (SELECT FROM ");
    bs_compare_put_result(&sql, at);
    bs_put_str(&sql, " d WHERE d.live = l.ctid AND d.leaf = l.tableoid)");
    return ask_number(r, &sql, &t->keyless.others, err);
}

void
bs_keyless_join(struct bs_diff_table *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct bs_keyless *k = &all[i]->keyless;
        for (size_t j = 0; j < n && k->snapshot; j++) {
            const struct bs_diff_table *other = all[j];
            if (j == i || !other->keyless.snapshot || other->keyless.root != k->root)
                continue;
            k->others += other->extra;
            k->compared++;
        }
    }
}

bool
bs_keyless_would_replace(const struct bs_diff_table *t)
{
    const struct bs_keyless *k = &t->keyless;

    return t->live.key == BS_LIVE_NO_KEY && k->counted && !k->rewritten && k->updated != 0 &&
           k->inserted == 0 && k->own <= k->updated;
}

bool
bs_keyless_replaces(const struct bs_diff_table *t)
{
    return bs_keyless_would_replace(t) && t->missing != 0 && t->made != 0;
}

/* What the transaction updated: where it was not counted, what the statement was says it. */
static bool
has_updated(const struct bs_diff_table *t)
{
    const char *kind = t->live.object->kind;

    if (t->keyless.counted)
        return t->keyless.updated != 0;
    return kind != NULL && (strcmp(kind, "UPDATE") == 0 || strcmp(kind, "MERGE") == 0);
}

/* A saved row may be there as what somebody else has made of it since. */
static bool
may_have_changed(const struct bs_diff_table *t)
{
    const struct bs_keyless *k = &t->keyless;

    if (k->others == 0)
        return false;
    if (has_updated(t) && (!k->counted || k->own < k->updated + k->inserted))
        return true;
    return k->counted && !k->rewritten && !t->live.object->partial &&
           t->missing > k->updated + k->deleted;
}

/* A saved row may be there, changed: here, or in a partition that nobody has looked at. */
static enum bs_done
check_snapshot(const struct bs_diff_table *t, struct bs_err *err)
{
    const struct bs_keyless *k = &t->keyless;
    const char *name = t->live.object->name;

    if (k->others == 0 && k->compared >= k->partitions)
        return BS_DONE;
    if (k->others != 0)
        (void)BS_FAIL(
            err, CONFLICT,
            "\"%.63s\" has no key: %lld saved rows of it are not there, and of %lld others"
            " that are it cannot be told which of those they were",
            name, (long long)t->missing, (long long)k->others);
    else
        (void)BS_FAIL(err, CONFLICT,
                      "\"%.63s\" has no key: %lld saved rows of it are not there, and may be in"
                      " another partition, changed",
                      name, (long long)t->missing);
    bs_err_hint(err, "nothing was done, so that no row is there twice; restore run loads the saved"
                     " rows into a table of their own, and --where puts those back that it names");
    return BS_FAILED;
}

enum bs_done
bs_keyless_check(const struct bs_diff_table *t, bool removed, struct bs_err *err)
{
    const char *name = t->live.object->name;

    if (t->live.key != BS_LIVE_NO_KEY || t->missing == 0 || t->chosen)
        return BS_DONE;
    if (t->keyless.snapshot)
        return check_snapshot(t, err);
    if (may_have_changed(t)) {
        (void)BS_FAIL(err, CONFLICT,
                      "\"%.63s\" has no key: %lld rows of it were written by others since, and"
                      " which of them were saved rows cannot be told",
                      name, (long long)t->keyless.others);
        bs_err_hint(err, "nothing was done, so that no row is there twice; restore run loads the"
                         " saved rows into a table of their own");
        return BS_FAILED;
    }
    if (removed || t->made == 0 || bs_keyless_replaces(t) ||
        (t->keyless.counted && t->keyless.updated == 0))
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT,
                  "\"%.63s\" has no key: which of the %lld rows that the transaction wrote were"
                  " saved rows before, and which it inserted, cannot be told",
                  name, (long long)t->made);
    bs_err_hint(err, "nothing was done, so that no row is there twice; --remove-inserted takes all"
                     " of them away");
    return BS_FAILED;
}
