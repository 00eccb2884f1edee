/*
 * points.c - a store's keys say all that a list needs; what the database says decides the rest.
 */
#include "recovery/points.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "recovery/helper.h"

enum { EVENT_MAX = 1 << 20, ID_SHORTEST = 4, CLOSE_BUDGET_MS = 60000, START_BUDGET_MS = 1000 };

struct listing {
    struct bs_arena *arena;
    struct bs_points *out;
    size_t cap;
};

static struct bs_point_ref *
point_add(struct listing *l, const char *key, size_t n)
{
    struct bs_points *p = l->out;
    struct bs_point_ref *ref;

    if (p->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        struct bs_point_ref *more = bs_arena_array(l->arena, cap, sizeof(*more));
        if (more == NULL)
            return NULL;
        if (p->n != 0)
            memcpy(more, p->list, p->n * sizeof(*more));
        p->list = more;
        l->cap = cap;
    }
    ref = &p->list[p->n];
    *ref = (struct bs_point_ref){
        .outcome = BS_EVENT_NONE, .proof = BS_EVENT_NONE, .erased = BS_EVENT_NONE};
    memcpy(ref->id, key + n - BS_POINT_ID_TEXT, BS_POINT_ID_TEXT - 1);
    ref->dir = bs_arena_copy(l->arena, (struct bs_bytes){(const uint8_t *)key, n});
    if (ref->dir == NULL)
        return NULL;
    p->n++;
    return ref;
}

/* Of "<ULID>-<state>.json". */
static int64_t
event_time_us(const char *name)
{
    char id[BS_POINT_ID_TEXT];

    (void)snprintf(id, sizeof(id), "RP-%.26s", name);
    return bs_point_id_time_us(id);
}

/* events/<ULID>-<state>.json; events come in the order of their ULIDs. */
static enum bs_done
event_seen(struct listing *l, struct bs_point_ref *ref, const char *key, const char *name)
{
    char word[24];
    size_t n = strlen(name), at = BS_ULID_TEXT; /* the ULID and its dash */
    enum bs_event_state state;

    if (n < at + 6 || n - at - 5 >= sizeof(word) || strcmp(name + n - 5, ".json") != 0)
        return BS_DONE;
    memcpy(word, name + at, n - at - 5);
    word[n - at - 5] = '\0';
    state = bs_event_find(word);
    ref->n_events++;
    if (state == BS_EVENT_VERIFIED || state == BS_EVENT_DAMAGED) {
        ref->proof = state;
        ref->proof_us = event_time_us(name);
    } else if (state == BS_EVENT_RESTORED) {
        ref->restored = true;
        ref->restored_us = event_time_us(name);
    } else if (state == BS_EVENT_EXPIRED || state == BS_EVENT_KEPT) {
        ref->expired = state == BS_EVENT_EXPIRED;
        ref->erased = BS_EVENT_NONE;
    } else if (state == BS_EVENT_ERASING || state == BS_EVENT_ERASED) {
        ref->expired = true;
        ref->erased = state;
    } else if (state == BS_EVENT_HELD || state == BS_EVENT_RELEASED) {
        ref->held = state == BS_EVENT_HELD;
    } else if (state != BS_EVENT_NONE) {
        ref->outcome = state;
    }
    if (state == BS_EVENT_ARMED) {
        ref->armed_key = bs_arena_str(l->arena, key);
        if (ref->armed_key == NULL)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
visit(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    struct listing *l = ctx;
    size_t n = bs_point_dir_length(key);
    struct bs_point_ref *ref = l->out->n == 0 ? NULL : &l->out->list[l->out->n - 1];

    (void)size;
    if (n == 0)
        return BS_DONE;
    if (ref == NULL || strncmp(ref->dir, key, n) != 0)
        ref = point_add(l, key, n);
    if (ref == NULL)
        return BS_FAIL(err, LIMIT, "there are more points than memory set aside for them");
    if (strcmp(key + n, "manifest.json") == 0)
        ref->complete = true;
    if (strcmp(key + n, "intent.json") == 0)
        ref->intended = true;
    if (strncmp(key + n, "events/", 7) == 0 && event_seen(l, ref, key, key + n + 7) != BS_DONE)
        return BS_FAIL(err, LIMIT, "there are more points than memory set aside for them");
    return BS_DONE;
}

static int
newest_first(const void *a, const void *b)
{
    const struct bs_point_ref *x = a, *y = b;

    return strcmp(y->id, x->id);
}

enum bs_done
bs_points_list(struct bs_store *store,
               const char *base,
               struct bs_arena *arena,
               struct bs_points *out,
               struct bs_err *err)
{
    struct listing l = {arena, out, 0};

    *out = (struct bs_points){0};
    if (bs_store_list(store, base, visit, &l, err) != BS_DONE)
        return BS_FAILED;
    if (out->n != 0)
        qsort(out->list, out->n, sizeof(*out->list), newest_first);
    return BS_DONE;
}

enum bs_done
bs_points_find(struct bs_store *store,
               const char *id,
               struct bs_arena *arena,
               struct bs_point_ref *out,
               struct bs_err *err)
{
    struct bs_points all = {0};
    char want[BS_POINT_ID_TEXT] = "RP-";
    size_t n = 3, found = 0;

    if (strncasecmp(id, "RP-", 3) == 0)
        id += 3;
    if (strlen(id) < ID_SHORTEST || strlen(id) > BS_POINT_ID_TEXT - 4)
        return BS_FAIL(err, USAGE, "a point is named by %d to 26 characters of its id",
                       ID_SHORTEST);
    for (; *id != '\0'; id++)
        want[n++] = (char)toupper((unsigned char)*id);
    if (bs_points_list(store, "", arena, &all, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < all.n; i++) {
        if (strncmp(all.list[i].id, want, n) != 0)
            continue;
        *out = all.list[i];
        found++;
    }
    if (found == 0)
        return BS_FAIL(err, NOT_FOUND, "there is no point \"%s\"", want);
    if (found > 1)
        return BS_FAIL(err, CONFLICT, "\"%s\" could be any of %zu points", want, found);
    return BS_DONE;
}

struct closing {
    struct bs_store *store;
    struct bs_helper helper;
    int64_t until_us; /* how long transactions in progress are waited for */
    struct bs_points_closed *out;
};

/* pg_xact_status of an xid. */
static enum bs_done
ask_status(struct closing *c, uint64_t xid, enum bs_event_state *out, struct bs_err *err)
{
    char text[24];
    const char *params[] = {text};
    PGresult *res = NULL;
    const char *said;
    struct bs_err why = {0};

    *out = BS_EVENT_UNKNOWN;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)xid);
    if (bs_helper_query(&c->helper, "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)", 1,
                        params, &res, &why) != BS_DONE) {
        /* An xid from a future that this server lost (a failover) is refused: unknown. */
        if (strcmp(c->helper.sqlstate, "22023") == 0)
            return BS_DONE;
        return bs_err_set(err, why.code, "%s", why.message);
    }
    said = PQgetvalue(res, 0, 0);
    if (strcmp(said, "committed") == 0)
        *out = BS_EVENT_COMMITTED;
    else if (strcmp(said, "aborted") == 0)
        *out = BS_EVENT_ROLLED_BACK;
    else if (strcmp(said, "in progress") == 0)
        *out = BS_EVENT_ARMED;
    PQclear(res);
    return BS_DONE;
}

/* Asks until the transaction has ended or the patience has. */
static enum bs_done
await_status(struct closing *c, uint64_t xid, enum bs_event_state *out, struct bs_err *err)
{
    for (;;) {
        if (ask_status(c, xid, out, err) != BS_DONE)
            return BS_FAILED;
        if (*out != BS_EVENT_ARMED || bs_mono_us() >= c->until_us)
            return BS_DONE;
        (void)poll(NULL, 0, 20);
    }
}

/* Is the backend that was to run the statement still there? Its start time tells it from a later
 * one with the same pid. */
static enum bs_done
actor_lives(struct closing *c, const struct bs_point_actor *a, bool *lives, struct bs_err *err)
{
    char pid[16];
    const char *params[] = {pid, a->backend_start};
    PGresult *res = NULL;

    (void)snprintf(pid, sizeof(pid), "%d", a->backend_pid);
    if (bs_helper_query(&c->helper,
                        "SELECT 1 FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) a"
                        " WHERE a.backend_start::pg_catalog.text = COALESCE($2,"
                        " a.backend_start::pg_catalog.text) OR a.backend_start IS NULL",
                        2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    *lives = PQntuples(res) != 0;
    PQclear(res);
    return BS_DONE;
}

/* Whoever runs the statement may have noted its end since the point was listed. All that it notes
 * before COMMIT is there by the time the database tells how the transaction ended. */
static enum bs_done
changed_since(struct closing *c, const struct bs_point_ref *p, bool *changed, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_points now = {0};
    enum bs_done done;

    bs_arena_init(&arena, "point", EVENT_MAX);
    done = bs_points_list(c->store, p->dir, &arena, &now, err);
    *changed = done == BS_DONE && (now.n != 1 || now.list[0].outcome != p->outcome);
    bs_arena_fini(&arena);
    return done;
}

static enum bs_done
note(struct closing *c, const struct bs_point_ref *p, enum bs_event_state state, struct bs_err *err)
{
    struct bs_point_event event = {.state = state, .by = "gateway"};
    bool changed;

    if (changed_since(c, p, &changed, err) != BS_DONE)
        return BS_FAILED;
    if (changed) {
        c->out->open++; /* look again: what is noted last must be the truth */
        return BS_DONE;
    }
    if (bs_points_event(c->store, p->dir, &event, err) != BS_DONE)
        return BS_FAILED;
    c->out->committed += state == BS_EVENT_COMMITTED;
    c->out->rolled_back += state == BS_EVENT_ROLLED_BACK;
    c->out->not_used += state == BS_EVENT_NOT_USED;
    c->out->unknown += state == BS_EVENT_UNKNOWN;
    c->out->abandoned += state == BS_EVENT_ABANDONED;
    return BS_DONE;
}

/* DROP DATABASE has no transaction to ask about; but the database is there, or it is not. */
static enum bs_done
ask_database(struct closing *c,
             const struct bs_point_ref *p,
             enum bs_event_state *out,
             struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_manifest m;
    struct bs_err why = {0};
    char oid[16];
    const char *params[] = {oid};
    PGresult *res = NULL;
    bool lives = false;
    enum bs_done done = BS_DONE;

    bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
    if (bs_points_load(c->store, p, &arena, &m, &why) != BS_DONE || m.n_databases == 0)
        goto out; /* nobody knows */
    done = actor_lives(c, &m.actor, &lives, err);
    (void)snprintf(oid, sizeof(oid), "%u", m.databases->oid);
    if (done == BS_DONE)
        done = bs_helper_query(&c->helper,
                               "SELECT 1 FROM pg_catalog.pg_database"
                               " WHERE oid = $1::pg_catalog.oid AND datconnlimit <> -2",
                               1, params, &res, err);
    if (done == BS_DONE)
        *out = PQntuples(res) == 0 ? BS_EVENT_COMMITTED
               : lives             ? BS_EVENT_ARMED
                                   : BS_EVENT_ROLLED_BACK;
    PQclear(res);
out:
    bs_arena_fini(&arena);
    return done;
}

/* How the statement ended; *read is false where the event armed, which has the number, is damaged. */
static enum bs_done
ask_end(struct closing *c,
        const struct bs_point_ref *p,
        bool *read,
        enum bs_event_state *out,
        struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_buf text;
    struct bs_point_event event = {0};
    struct bs_err why = {0};
    enum bs_done done = BS_DONE;

    *out = BS_EVENT_UNKNOWN;
    bs_arena_init(&arena, "event", EVENT_MAX * 2);
    bs_buf_init(&text, EVENT_MAX);
    *read = bs_store_get(c->store, p->armed_key, &text, &why) == BS_DONE &&
            bs_event_parse(bs_buf_view(&text), &arena, &event, &why) == BS_DONE;
    if (!*read && bs_store_silent(why.code))
        done = bs_err_set(err, why.code, "%s", why.message);
    else if (*read && event.xid != 0)
        done = await_status(c, event.xid, out, err);
    else if (*read)
        done = ask_database(c, p, out, err);
    bs_buf_fini(&text);
    bs_arena_fini(&arena);
    return done;
}

static enum bs_done
close_armed(struct closing *c, const struct bs_point_ref *p, struct bs_err *err)
{
    enum bs_event_state state;
    bool read;

    if (ask_end(c, p, &read, &state, err) != BS_DONE)
        return BS_FAILED;
    if (!read)
        c->out->damaged++;
    else if (state == BS_EVENT_ARMED)
        c->out->open++;
    else
        return note(c, p, state, err);
    return BS_DONE;
}

/*
 * Complete, but its COMMIT was never let go; or only begun. Once the actor's backend is gone, its
 * statement never will commit.
 */
static enum bs_done
close_unarmed(struct closing *c, const struct bs_point_ref *p, struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_manifest m;
    struct bs_err why = {0};
    bool lives = true;
    enum bs_done done;

    bs_arena_init(&arena, "manifest", (size_t)BS_MANIFEST_MAX * 4);
    done = p->complete ? bs_points_load(c->store, p, &arena, &m, &why)
                       : bs_points_intent(c->store, p, &arena, &m, &why);
    if (done != BS_DONE && bs_store_silent(why.code)) {
        (void)bs_err_set(err, why.code, "%s", why.message);
    } else if (done != BS_DONE) {
        c->out->damaged++;
        done = BS_DONE;
    } else if (p->complete && strcmp(m.capture.mode, "snapshot") == 0) {
        done = note(c, p, BS_EVENT_TAKEN, err); /* for no statement: nothing is to be waited for */
    } else {
        done = actor_lives(c, &m.actor, &lives, err);
        if (done == BS_DONE && lives)
            c->out->open++;
        else if (done == BS_DONE)
            done = note(c, p, p->complete ? BS_EVENT_NOT_USED : BS_EVENT_ABANDONED, err);
    }
    bs_arena_fini(&arena);
    return done;
}

/* Prefix of this database's points, and a NUL; without the name at the end: it may have been renamed. */
static enum bs_done
put_base(struct closing *c, struct bs_arena *arena, struct bs_buf *base, struct bs_err *err)
{
    struct bs_point_source source;

    if (bs_helper_source(&c->helper, arena, &source, err) != BS_DONE)
        return BS_FAILED;
    bs_put_str(base, "v1/");
    bs_key_segment(base, source.system_identifier);
    bs_put_fmt(base, "/%u-", source.database_oid);
    bs_put_u8(base, '\0');
    return BS_DONE;
}

static enum bs_done
ask_here(struct closing *c,
         const struct bs_point_ref *p,
         enum bs_event_state *out,
         struct bs_err *err)
{
    struct bs_arena arena;
    struct bs_buf base;
    bool read = false;
    enum bs_done done;

    bs_arena_init(&arena, "point", EVENT_MAX);
    bs_buf_init(&base, BS_KEY_MAX + 1);
    done = put_base(c, &arena, &base, err);
    if (done == BS_DONE && strncmp(p->dir, (const char *)base.p, base.n - 1) != 0)
        done = BS_FAIL(err, CONFLICT, "%s is of another database than this one", p->id);
    else if (done == BS_DONE && p->armed_key != NULL)
        done = ask_end(c, p, &read, out, err);
    if (done == BS_DONE && !read)
        done = BS_FAIL(err, DAMAGED, "%s does not say any more which transaction it was", p->id);
    bs_buf_fini(&base);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_points_ask(struct bs_store *store,
              const char *helper,
              const struct bs_point_ref *point,
              enum bs_event_state *out,
              struct bs_err *err)
{
    struct closing c = {.store = store};
    struct bs_watch watch;
    enum bs_done done;

    *out = BS_EVENT_UNKNOWN;
    if (bs_watch_init(&watch, bs_mono_us() + (int64_t)CLOSE_BUDGET_MS * 1000, err) != BS_DONE)
        return BS_FAILED;
    watch.late = BS_E_UNAVAILABLE;
    done = bs_helper_open(&c.helper, helper, &watch, BS_E_UNAVAILABLE, err);
    if (done == BS_DONE)
        done = ask_here(&c, point, out, err);
    bs_helper_close(&c.helper);
    bs_watch_fini(&watch);
    return done;
}

static enum bs_done
close_all(struct closing *c, struct bs_arena *arena, struct bs_err *err)
{
    struct bs_points points = {0};
    struct bs_buf base;
    enum bs_done done;

    bs_buf_init(&base, BS_KEY_MAX + 1);
    done = put_base(c, arena, &base, err);
    if (done == BS_DONE)
        done = bs_points_list(c->store, (const char *)base.p, arena, &points, err);
    bs_buf_fini(&base);
    for (size_t i = 0; done == BS_DONE && i < points.n; i++) {
        const struct bs_point_ref *p = &points.list[i];
        if (p->outcome == BS_EVENT_ARMED)
            done = close_armed(c, p, err);
        else if (p->outcome == BS_EVENT_NONE && (p->complete || p->intended))
            done = close_unarmed(c, p, err);
    }
    return done;
}

enum bs_done
bs_points_open_close(struct bs_store *store,
                     const char *helper,
                     int wait_ms,
                     struct bs_points_closed *out,
                     struct bs_err *err)
{
    struct closing c = {.out = out};
    struct bs_watch watch;
    struct bs_store view;
    struct bs_arena arena;
    enum bs_done done;

    *out = (struct bs_points_closed){0};
    c.until_us = bs_mono_us() + (int64_t)wait_ms * 1000;
    if (bs_watch_init(&watch, c.until_us + (int64_t)CLOSE_BUDGET_MS * 1000, err) != BS_DONE)
        return BS_FAILED;
    watch.late = BS_E_UNAVAILABLE;
    /* Whoever waits here has agents waiting; without it there is all the time. */
    if (wait_ms != 0)
        watch.deadline_us = c.until_us + (int64_t)START_BUDGET_MS * 1000;
    view = bs_store_watched(store, &watch);
    c.store = &view;
    bs_arena_init(&arena, "points", (size_t)BS_MANIFEST_MAX * 4);
    done = bs_helper_open(&c.helper, helper, &watch, BS_E_UNAVAILABLE, err);
    if (done == BS_DONE)
        done = close_all(&c, &arena, err);
    bs_helper_close(&c.helper);
    bs_arena_fini(&arena);
    bs_watch_fini(&watch);
    return done;
}
