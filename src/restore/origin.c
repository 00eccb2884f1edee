/*
 * origin.c - a row's xmin is 32 bits of the transaction that wrote it, and stays what it is.
 *
 * Measured on PostgreSQL 15: VACUUM FREEZE, VACUUM FULL and CLUSTER keep the xmin that one sees.
 * An ALTER TABLE that writes the table anew (another type, a volatile default, SET UNLOGGED) and
 * pg_restore give all rows the number of their own transaction: those rows read as somebody
 * else's, which is the safe side. After a savepoint a row carries the savepoint's number, a later
 * one. A partition move is an insert: the row that arrives carries the transaction's number.
 *
 * Whose savepoint a number was the server forgets, but with track_commit_timestamp it keeps when
 * each committed, and a transaction's savepoints commit with it. Somebody else who then wrote the
 * same row had to wait for that commit, so a time that is equal to the microsecond is not his.
 *
 * So a number says nothing in another cluster, after a return to an earlier time (the same numbers
 * are given out again, on another timeline), and once 2^31 further ones were given out.
 */
#include "restore/origin.h"

#include <string.h>

#define REACH (UINT64_C(1) << 31)

/* pg_snapshot_xmax: the next number, without using one up as pg_current_xact_id would. */
static const char ask[] =
    "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()),"
    " CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
    " THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) END,"
    " CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')"
    " THEN (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()) END,"
    " d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/* A point that was made before its statement ran learns the number when it is armed. */
enum bs_done
bs_origin_xid(struct bs_store *store,
              const struct bs_point_ref *ref,
              const struct bs_manifest *m,
              struct bs_arena *arena,
              uint64_t *xid,
              uint64_t *until,
              struct bs_err *err)
{
    struct bs_point_event *events;
    size_t n;

    *xid = m->capture.xid;
    if (until != NULL)
        *until = m->capture.xid_until;
    if (*xid != 0 && (until == NULL || *until != 0))
        return BS_DONE;
    if (bs_points_events(store, ref, arena, &events, &n, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (events[i].state != BS_EVENT_ARMED || events[i].xid == 0)
            continue;
        *xid = events[i].xid;
        if (until != NULL)
            *until = events[i].xid_until;
    }
    return BS_DONE;
}

/* Why the number means nothing here; NULL: it does. */
static const char *
why_not(const PGresult *now, const struct bs_manifest *m, uint64_t xid, struct bs_arena *arena)
{
    const struct bs_point_source *s = &m->source;
    uint64_t next = (uint64_t)bs_rdb_number(now, 0, 0);

    if (xid == 0)
        return "the point does not say which transaction it was made for";
    if (PQgetisnull(now, 0, 1) || PQgetisnull(now, 0, 2))
        return "this role may not ask which cluster this is";
    if (strcmp(PQgetvalue(now, 0, 1), s->system_identifier) != 0 ||
        bs_rdb_number(now, 0, 3) != (int64_t)s->database_oid)
        return "this is another database than the one the point was made in";
    if (bs_rdb_number(now, 0, 2) != (int64_t)s->timeline)
        return bs_arena_fmt(arena,
                            "the server went back in time or was promoted since: timeline %u then,"
                            " %lld now",
                            s->timeline, (long long)bs_rdb_number(now, 0, 2));
    if (next <= xid)
        return "the transaction's number has not been given out here";
    if (next - xid >= REACH)
        return "too many transactions have gone by: numbers are used again";
    return NULL;
}

static const char ask_time[] =
    "SELECT CASE WHEN pg_catalog.current_setting('track_commit_timestamp')::pg_catalog.bool"
    " THEN pg_catalog.pg_xact_commit_timestamp($1::pg_catalog.xid) END IS NOT NULL";

static enum bs_done
find_time(struct bs_rdb *db, struct bs_origin *o, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text};
    PGresult *result;

    (void)snprintf(text, sizeof(text), "%u", (unsigned)(o->xid & UINT32_MAX));
    result = bs_rdb_ask(db, ask_time, 1, values, err);
    if (result == NULL)
        return BS_FAILED;
    o->timed = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return BS_DONE;
}

enum bs_done
bs_origin_find(struct bs_rdb *db,
               struct bs_store *store,
               const struct bs_point_ref *ref,
               const struct bs_manifest *m,
               struct bs_arena *arena,
               struct bs_origin *out,
               struct bs_err *err)
{
    PGresult *now;

    *out = (struct bs_origin){.until = m->capture.xid_until};
    if (bs_origin_xid(store, ref, m, arena, &out->xid, &out->bound, err) != BS_DONE)
        return BS_FAILED;
    now = bs_rdb_ask(db, ask, 0, NULL, err);
    if (now == NULL)
        return BS_FAILED;
    out->seen = (uint64_t)bs_rdb_number(now, 0, 0);
    out->why = why_not(now, m, out->xid, arena);
    out->known = out->why == NULL;
    PQclear(now);
    return out->known ? find_time(db, out, err) : BS_DONE;
}

static void
put_xid(struct bs_buf *b, uint64_t xid)
{
    bs_put_fmt(b, "'%u'::pg_catalog.xid", (unsigned)(xid & UINT32_MAX));
}

/* How many numbers ago; ever larger for older rows, and the server's largest for frozen ones. */
static void
put_age(struct bs_buf *b, uint64_t xid)
{
    bs_put_str(b, "pg_catalog.age(");
    put_xid(b, xid);
    bs_put_str(b, ")");
}

void
bs_origin_put_newer(struct bs_buf *b, const struct bs_origin *o)
{
    if (!o->known) {
        bs_put_str(b, "true");
        return;
    }
    bs_put_str(b, "pg_catalog.age(l.xmin) OPERATOR(pg_catalog.<=) ");
    put_age(b, o->xid);
}

void
bs_origin_put_near(struct bs_buf *b, const struct bs_origin *o)
{
    if (!o->known || o->until <= o->xid) {
        bs_put_str(b, "false");
        return;
    }
    bs_put_str(b, "(pg_catalog.age(l.xmin) OPERATOR(pg_catalog.<) ");
    put_age(b, o->xid);
    bs_put_str(b, " AND pg_catalog.age(l.xmin) OPERATOR(pg_catalog.>) ");
    put_age(b, o->until);
    bs_put_str(b, ")");
}

static void
put_time(struct bs_buf *b, uint64_t xid)
{
    bs_put_str(b, " AND pg_catalog.pg_xact_commit_timestamp(l.xmin) OPERATOR(pg_catalog.=)"
                  " pg_catalog.pg_xact_commit_timestamp(");
    put_xid(b, xid);
    bs_put_str(b, ")");
}

void
bs_origin_put_own(struct bs_buf *b, const struct bs_origin *o)
{
    if (!o->known) {
        bs_put_str(b, "false");
        return;
    }
    bs_put_str(b, "(l.xmin OPERATOR(pg_catalog.=) ");
    put_xid(b, o->xid);
    if (o->timed) {
        bs_put_str(b, " OR ");
        bs_origin_put_near(b, o);
        put_time(b, o->xid);
    }
    bs_put_str(b, ")");
}

bool
bs_origin_is_own(const struct bs_origin *o, uint32_t xmin)
{
    return o->known && xmin == (uint32_t)o->xid;
}

bool
bs_origin_is_later(const struct bs_origin *o, uint32_t xmin)
{
    return o->known && o->bound != 0 && o->seen > o->bound &&
           xmin - (uint32_t)o->bound < (uint32_t)(o->seen - o->bound);
}
