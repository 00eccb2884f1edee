/*
 * rows.c - hold-commit: what an open transaction has replaced, read from outside before it commits.
 *
 * A row version that the transaction T deleted or updated carries T in its raw xmax, and since T is
 * still open, every other session sees that version: with a snapshot taken after the statement, all
 * of them and each as it was before T. (T itself waited for whoever changed a row before it until
 * that one had left the list of running transactions, so his version is in the snapshot, too.)
 * What can stand in the raw xmax of such a version:
 *
 *   T's xid, or that of a subtransaction of T    assigned after T's, so not older than it. A
 *                                                prepared transaction keeps its xid.
 *   a multixact with one of them as a member     others may hold the row's key shared. It is at
 *                                                least the table's relminmxid and below the next.
 *
 * Nothing else: whoever would write another xid there must first wait for T to end, freezing keeps
 * the xid of a running updater (alone, or in a multixact made anew), and a version that T deletes
 * cannot be pruned while T runs. So the two conditions below miss nothing. Both numbers come from
 * one raw field that does not tell what it is, hence the "or". Of what could be a multixact the
 * members are asked for, and one whose members are all older than T is none of T's: else every
 * parent that two children ever locked at once would be kept. They still let in more: rows that T or
 * a later transaction has only locked, rows that a later one has changed or tried to, and old rows
 * whose xmax happens to look like one of the table's multixacts. Restore compares with the live rows
 * and does nothing to these.
 *
 * "xmax <> 0" alone would also give every foreign key's parent that any child ever locked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "recovery/facts.h"
#include "recovery/steps.h"

enum {
    FIRST_NORMAL_OID = 16384, /* access/transam.h: below are system relations */
    CONDITION_MAX = 768,
};

/* What is found out about one changed table. */
struct table {
    const struct bs_changed *changed;
    char relminmxid[16];
};

struct pass {
    struct bs_capture *c;
    const struct bs_replaced *what;
    struct table *tables; /* one each of m.objects */
    uint32_t *hidden;     /* relations under the actor's ACCESS EXCLUSIVE lock */
    size_t n_hidden;
    bool members; /* of multixacts are asked for */
    int64_t start_us;
};

static bool
is_kept(const struct pass *p, const struct bs_changed *ch)
{
    return ch->replaced != 0 || (p->what->grown && ch->inserted != 0);
}

/* "{1,2}": all relations that are asked about, or the changed tables alone. */
static const char *
oids_text(struct pass *p, bool sequences)
{
    const struct bs_replaced *w = p->what;
    struct bs_buf b;
    const char *out = NULL;
    size_t n = 0;

    bs_buf_init(&b, 3 + 11 * (w->n_changed + w->n_sequences));
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < w->n_changed; i++) {
        if (is_kept(p, &w->changed[i]))
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", w->changed[i].oid);
    }
    for (size_t i = 0; sequences && i < w->n_sequences; i++)
        bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", w->sequences[i]);
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(&p->c->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static const char held_sql[] =
    "SELECT l.relation, l.transactionid::pg_catalog.text,"
    " pg_catalog.pg_xact_status($4::pg_catalog.text::pg_catalog.xid8)"
    " FROM pg_catalog.pg_locks l WHERE l.pid = $1::pg_catalog.int4 AND l.granted AND ("
    "(l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock')"
    " OR (l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'"
    " AND l.database = $2::pg_catalog.oid AND l.relation = ANY ($3::pg_catalog.oid[])))";

/*
 * The transaction is the one that the actor's backend has open now, and it is its top level: no
 * xid that the backend holds is older.
 */
static enum bs_done
take_held(struct pass *p, const PGresult *res, struct bs_err *err)
{
    uint32_t top = (uint32_t)p->what->xid;
    bool ours = false, older = false;

    p->hidden = bs_arena_array(&p->c->arena, (size_t)PQntuples(res) + 1, sizeof(*p->hidden));
    if (p->hidden == NULL)
        return BS_FAIL(err, LIMIT, "there are more locks than memory set aside for them");
    for (int i = 0; i < PQntuples(res); i++) {
        uint32_t xid = (uint32_t)strtoul(PQgetvalue(res, i, 1), NULL, 10);
        if (PQgetisnull(res, i, 1)) {
            p->hidden[p->n_hidden++] = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
            continue;
        }
        ours = ours || (xid == top && strcmp(PQgetvalue(res, i, 2), "in progress") == 0);
        older = older || (int32_t)(xid - top) < 0; /* xids go round */
    }
    if (!ours || older)
        return BS_FAIL(err, NO_POINT,
                       "transaction %" PRIu64 " is not what the actor's session has open now",
                       p->what->xid);
    return BS_DONE;
}

static enum bs_done
ask_held(struct pass *p, struct bs_err *err)
{
    char pid[16], database[16], xid[24];
    const char *params[] = {pid, database, oids_text(p, true), xid};
    PGresult *res = NULL;
    enum bs_done done;

    if (params[2] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    (void)snprintf(pid, sizeof(pid), "%d", p->c->req.actor_pid);
    (void)snprintf(database, sizeof(database), "%u", p->c->m.source.database_oid);
    (void)snprintf(xid, sizeof(xid), "%" PRIu64, p->what->xid);
    if (bs_step_ask_again(p->c, held_sql, 4, params, &res, err) != BS_DONE)
        return BS_FAILED;
    done = take_held(p, res, err);
    PQclear(res);
    return done;
}

/*
 * The next xid, without taking it: the actor's has that age now. The snapshot does not tell: its
 * xmax is where ended transactions end.
 */
static enum bs_done
note_until(struct pass *p, struct bs_err *err)
{
    char xid[16];
    const char *params[] = {xid};
    PGresult *res = NULL;

    (void)snprintf(xid, sizeof(xid), "%" PRIu32, (uint32_t)p->what->xid);
    if (bs_helper_query(&p->c->helper, "SELECT pg_catalog.age($1::pg_catalog.xid)", 1, params, &res,
                        err) != BS_DONE)
        return BS_FAILED;
    p->c->m.capture.xid = p->what->xid;
    p->c->m.capture.xid_until = p->what->xid + strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return BS_DONE;
}

/* Sizes from the catalog: asking for the real ones would wait for locks. */
static const char tables_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
    " COALESCE((SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid"
    " ORDER BY i.inhseqno LIMIT 1), 0), c.relminmxid::pg_catalog.text,"
    " c.oid < $2::pg_catalog.oid"
    " OR n.nspname IN ('pg_catalog', 'pg_toast', 'information_schema'),"
    " GREATEST(c.relpages, 0)::pg_catalog.int8"
    " * pg_catalog.current_setting('block_size')::pg_catalog.int8,"
    " c.reltuples::pg_catalog.float8"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[]) ORDER BY c.oid";

static const struct bs_changed *
changed_of(const struct pass *p, uint32_t oid)
{
    for (size_t i = 0; i < p->what->n_changed; i++) {
        if (p->what->changed[i].oid == oid && is_kept(p, &p->what->changed[i]))
            return &p->what->changed[i];
    }
    return NULL;
}

static bool
is_hidden(const struct pass *p, uint32_t oid)
{
    for (size_t i = 0; i < p->n_hidden; i++) {
        if (p->hidden[i] == oid)
            return true;
    }
    return false;
}

/* Why rows of this relation cannot be read from outside; NULL: they can. */
static const char *
unreadable(const struct pass *p, const PGresult *res, int i, uint32_t oid)
{
    if (PQgetvalue(res, i, 7)[0] == 't')
        return "is a system relation";
    if (PQgetvalue(res, i, 3)[0] != 'r')
        return "is not an ordinary table";
    if (is_hidden(p, oid))
        return "was truncated, dropped, altered or locked ACCESS EXCLUSIVE by the transaction";
    return NULL;
}

/* As the plan named it, where it did. */
static void
describe(const struct bs_capture *c, struct bs_point_object *o)
{
    const struct bs_plan *plan = c->req.plan;

    o->kind = c->req.statement.kind;
    o->reach = "effect";
    for (size_t i = 0; plan != NULL && i < plan->n_tables; i++) {
        if (plan->tables[i].oid != o->oid)
            continue;
        o->kind = bs_kind_name(plan->tables[i].kind);
        o->reach = bs_facts_reach(plan->tables[i].reach);
    }
}

static enum bs_done
take_table(struct pass *p, const PGresult *res, int i, struct bs_err *err)
{
    struct bs_manifest *m = &p->c->m;
    struct bs_point_object *o = &m->objects[m->n_objects];
    struct table *t = &p->tables[m->n_objects];
    uint32_t oid = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10);
    const char *why = unreadable(p, res, i, oid);

    t->changed = changed_of(p, oid);
    bs_assert(t->changed != NULL);
    if (PQgetvalue(res, i, 4)[0] == 't')
        return BS_DONE; /* nobody but the actor's session ever saw it */
    if (why != NULL && t->changed->replaced == 0)
        return BS_DONE; /* nothing was lost in it */
    if (why != NULL)
        return BS_FAIL(err, UNCOVERED, "\"%.60s\".\"%.60s\" %s", PQgetvalue(res, i, 1),
                       PQgetvalue(res, i, 2), why);
    (void)snprintf(t->relminmxid, sizeof(t->relminmxid), "%s", PQgetvalue(res, i, 6));
    *o = (struct bs_point_object){
        .schema = bs_arena_str(&p->c->arena, PQgetvalue(res, i, 1)),
        .name = bs_arena_str(&p->c->arena, PQgetvalue(res, i, 2)),
        .oid = oid,
        .relkind = 'r',
        .parent_oid = (uint32_t)strtoul(PQgetvalue(res, i, 5), NULL, 10),
        .format = BS_ROWS_BINARY,
        .partial = true,
        .replaced = t->changed->replaced,
        .inserted = t->changed->inserted,
    };
    if (o->schema == NULL || o->name == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    describe(p->c, o);
    m->n_objects++;
    return BS_DONE;
}

/* About how much disk the replaced rows take now. */
static int64_t
bytes_of(const struct pass *p, const PGresult *res, int i)
{
    const struct bs_changed *ch = changed_of(p, (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10));
    double all = strtod(PQgetvalue(res, i, 8), NULL), rows = strtod(PQgetvalue(res, i, 9), NULL);

    if (ch == NULL || rows <= (double)ch->replaced)
        return (int64_t)all;
    return (int64_t)(all * (double)ch->replaced / rows);
}

/* What is not in the catalog of others was made by this transaction: no committed rows in it. */
static enum bs_done
find_tables(struct pass *p, int64_t *bytes, struct bs_err *err)
{
    char first[16];
    const char *params[] = {oids_text(p, false), first};
    struct bs_capture *c = p->c;
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    *bytes = 0;
    if (params[0] == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    (void)snprintf(first, sizeof(first), "%d", FIRST_NORMAL_OID);
    if (bs_helper_query(&c->helper, tables_sql, 2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    c->m.objects = bs_arena_array(&c->arena, (size_t)PQntuples(res) + 1, sizeof(*c->m.objects));
    p->tables = bs_arena_array(&c->arena, (size_t)PQntuples(res) + 1, sizeof(*p->tables));
    if (c->m.objects == NULL || p->tables == NULL)
        done = BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    for (int i = 0; done == BS_DONE && i < PQntuples(res); i++) {
        done = take_table(p, res, i, err);
        *bytes += bytes_of(p, res, i);
    }
    PQclear(res);
    return done == BS_DONE ? bs_facts_columns(&c->helper, &c->arena, &c->m, err) : BS_FAILED;
}

/*
 * See the top of this file. age() counts from one and the same xid all through the transaction.
 * mxid_age() counts from the next multixact at each call, which may be a later one: the arguments
 * of an operator are evaluated in their order, so the bound, asked last, is never too low.
 */
static void
put_condition(const struct pass *p, const struct table *t, char out[CONDITION_MAX])
{
    char young[128], members[256] = "";

    (void)snprintf(young, sizeof(young), "<= pg_catalog.age('%" PRIu32 "'::pg_catalog.xid)",
                   (uint32_t)p->what->xid);
    if (p->members)
        (void)snprintf(members, sizeof(members),
                       " AND EXISTS (SELECT FROM pg_catalog.pg_get_multixact_members(xmax) m"
                       " WHERE pg_catalog.age(m.xid) %s)",
                       young);
    (void)snprintf(out, CONDITION_MAX,
                   "xmax <> '0'::pg_catalog.xid AND (pg_catalog.age(xmax) %s"
                   " OR CASE WHEN pg_catalog.mxid_age(xmax) BETWEEN 1"
                   " AND pg_catalog.mxid_age('%s'::pg_catalog.xid) THEN true%s ELSE false END)",
                   young, t->relminmxid, members);
}

/*
 * A large table of which few rows were replaced, at places that are known: these alone. As many as
 * the server has counted are all of them, as each counts once at least. Only what carries the
 * transaction's own number counts; what another locks, or a savepoint wrote, means a scan.
 */
static enum bs_done
copy_places(struct pass *p, size_t i, bool *found, struct bs_err *err)
{
    struct bs_capture *c = p->c;
    const struct bs_changed *changed = p->tables[i].changed;
    const char *where;
    char path[PATH_MAX];

    *found = false;
    if (changed->places == NULL || changed->replaced == 0)
        return BS_DONE;
    where = bs_arena_fmt(
        &c->arena, "ctid = ANY ('%s'::pg_catalog.tid[]) AND xmax = '%" PRIu32 "'::pg_catalog.xid",
        changed->places, (uint32_t)p->what->xid);
    if (where == NULL)
        return BS_DONE;
    if (bs_step_copy(c, i, where, err) != BS_DONE)
        return BS_FAILED;
    *found = c->m.objects[i].row_count >= changed->replaced;
    if (*found)
        return BS_DONE;
    (void)atomic_fetch_sub(&c->rows, c->m.objects[i].row_count);
    (void)atomic_fetch_sub(&c->raw, c->m.objects[i].raw_bytes);
    if (bs_spool_path(&c->spool, i, 0, path, err) != BS_DONE)
        return BS_FAILED;
    (void)unlink(path);
    return BS_DONE;
}

/* Tables that have lost rows, and of which there is none to keep, make no object. */
static enum bs_done
copy_all(struct pass *p, struct bs_err *err)
{
    struct bs_manifest *m = &p->c->m;
    size_t kept = 0;

    for (size_t i = 0; i < m->n_objects; i++) {
        char path[PATH_MAX], where[CONDITION_MAX];
        bool found = false;
        m->objects[kept] = m->objects[i];
        p->tables[kept] = p->tables[i];
        if (m->objects[kept].replaced != 0)
            put_condition(p, &p->tables[kept], where);
        else
            (void)snprintf(where, sizeof(where), "false"); /* it has only got rows */
        if (copy_places(p, kept, &found, err) != BS_DONE ||
            (!found && bs_step_copy(p->c, kept, where, err) != BS_DONE))
            return BS_FAILED;
        if (m->objects[kept].row_count != 0 || m->objects[kept].replaced == 0) {
            kept++;
            continue;
        }
        if (bs_spool_path(&p->c->spool, kept, 0, path, err) != BS_DONE)
            return BS_FAILED;
        (void)unlink(path);
    }
    m->n_objects = kept;
    return BS_DONE;
}

static enum bs_done
read_all(struct pass *p, struct bs_err *err)
{
    struct bs_capture *c = p->c;
    int64_t bytes = 0;

    if (bs_step_snapshot(c, err) != BS_DONE || note_until(p, err) != BS_DONE ||
        find_tables(p, &bytes, err) != BS_DONE || bs_step_room(c, bytes, err) != BS_DONE)
        return BS_FAILED;
    bs_step_enter(c, BS_CAPTURE_COPYING);
    if (copy_all(p, err) != BS_DONE ||
        bs_step_sequences(c, p->what->sequences, p->what->n_sequences, p->hidden, p->n_hidden,
                          err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(&c->helper, "COMMIT", 0, NULL, NULL, err);
}

/*
 * A number that is no multixact may be too old to be asked for by now, and a server may not let
 * everybody ask: then without, by another snapshot, which sees the same.
 */
static enum bs_done
read_again(struct pass *p, struct bs_err *err)
{
    struct bs_capture *c = p->c;
    struct bs_err why = {0};

    p->members = true;
    c->helper.sqlstate[0] = '\0';
    if (read_all(p, &why) == BS_DONE)
        return BS_DONE;
    if (!bs_step_only_refused(c) || strcmp(c->helper.sqlstate, "55P03") == 0)
        return bs_err_set(err, why.code, "%s", why.message);
    p->members = false;
    c->m.objects = NULL;
    c->m.n_objects = c->m.n_sequences = 0;
    atomic_store(&c->rows, 0);
    atomic_store(&c->raw, 0);
    bs_spool_close(&c->spool);
    bs_helper_close(&c->helper);
    if (bs_helper_open(&c->helper, c->req.helper, &c->watch, BS_E_NO_POINT, err) != BS_DONE ||
        bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE)
        return BS_FAILED;
    return read_all(p, err);
}

static enum bs_done
run(struct pass *p, struct bs_capture_result *out, struct bs_err *err)
{
    struct bs_capture *c = p->c;

    for (size_t i = 0; i < p->what->n_changed; i++) {
        if (p->what->changed[i].replaced < 0 || p->what->changed[i].inserted < 0)
            return BS_FAIL(err, UNCOVERED, "the counters of relation %u say less than nothing",
                           p->what->changed[i].oid);
    }
    bs_step_enter(c, BS_CAPTURE_CHECKING);
    if (bs_step_name(c, "rows", "read after it ran and before COMMIT; no table was locked for it",
                     err) != BS_DONE ||
        ask_held(p, err) != BS_DONE || bs_helper_budget(&c->helper, err) != BS_DONE ||
        bs_step_actor(c, err) != BS_DONE ||
        bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE ||
        read_again(p, err) != BS_DONE)
        return BS_FAILED;
    out->copied_us = bs_mono_us() - p->start_us;
    if (c->m.n_objects == 0 && c->m.n_sequences == 0)
        return BS_DONE;
    return bs_step_store(c, err) == BS_DONE ? bs_step_manifest(c, p->start_us, out, err)
                                            : BS_FAILED;
}

/* Was it the budget that ended it? Then numbers, for whoever has to choose a larger one. */
static enum bs_done
tell(const struct pass *p, const struct bs_err *why, struct bs_err *err)
{
    const struct bs_capture *c = p->c;
    struct bs_err late = {0};
    int64_t replaced = 0;

    if (bs_watch_check(&c->watch, &late) == BS_DONE && strcmp(c->helper.sqlstate, "57014") != 0)
        return bs_err_set(err, why->code, "%s", why->message);
    if (why->code != BS_E_NO_POINT)
        return bs_err_set(err, why->code, "%s", why->message);
    for (size_t i = 0; i < p->what->n_changed; i++)
        replaced += p->what->changed[i].replaced;
    return BS_FAIL(err, NO_POINT,
                   "the budget was over after %" PRId64 " ms, while %s: %lld of at most %" PRId64
                   " replaced rows read (%lld bytes), %lld bytes stored, %lld proven",
                   (bs_mono_us() - p->start_us) / 1000,
                   bs_capture_phase_name((enum bs_capture_phase)atomic_load(&c->phase)),
                   (long long)atomic_load(&c->rows), replaced, (long long)atomic_load(&c->raw),
                   (long long)atomic_load(&c->put), (long long)atomic_load(&c->proven));
}

enum bs_done
bs_capture_replaced(struct bs_capture *c,
                    const struct bs_replaced *what,
                    struct bs_capture_result *out,
                    struct bs_err *err)
{
    struct pass p = {.c = c, .what = what, .start_us = bs_mono_us()};
    struct bs_err why = {0}, told = {0};
    enum bs_done done;

    *out = (struct bs_capture_result){0};
    if (c->ran)
        return BS_FAIL(err, NO_POINT, "a capture runs once");
    c->ran = true;
    if (what->deadline_us != 0)
        c->watch.deadline_us = what->deadline_us;
    done = run(&p, out, &why);
    if (done != BS_DONE)
        (void)!tell(&p, &why, &told);
    return bs_step_end(c, done, &told, out, err);
}
