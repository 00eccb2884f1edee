/*
 * steps.c - whatever is copied goes the same way: sealed into the spool, stored, read back, and
 * only the manifest makes it a point.
 */
#include "recovery/steps.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "recovery/crew.h"
#include "recovery/crypt.h"
#include "recovery/fence.h"
#include "recovery/points.h"
#include "recovery/scratch.h"

enum {
    CLOSE_MS = 500, /* for the store to take the end of what failed */
};

void
bs_step_enter(struct bs_capture *c, enum bs_capture_phase phase)
{
    atomic_store(&c->phase, (int)phase);
    if (phase < BS_CAPTURE_PROVEN)
        atomic_store(&c->busy, (int)phase);
}

size_t
bs_step_objects(const struct bs_capture *c)
{
    return c->m.n_objects + c->m.n_globals;
}

struct bs_point_object *
bs_step_object(const struct bs_capture *c, size_t i)
{
    return i < c->m.n_objects ? &c->m.objects[i] : &c->m.globals[i - c->m.n_objects].rows;
}

/* For the gateway a failure is: told to stop, more than can be covered, or there is no point. */
enum bs_done
bs_step_no_point(struct bs_err *err, const struct bs_err *why)
{
    if (why->code == BS_E_CANCELLED || why->code == BS_E_LIMIT || why->code == BS_E_UNCOVERED)
        (void)bs_err_set(err, why->code, "%s", why->message);
    else
        (void)BS_FAIL(err, NO_POINT, "%s", why->message);
    if (why->hint[0] != '\0')
        bs_err_hint(err, "%s", why->hint);
    return BS_FAILED;
}

/* A key of its own for the point, where points are encrypted; and what of the manifest is. */
static enum bs_done
encrypt(struct bs_capture *c, struct bs_err *err)
{
    struct bs_point_statement *s = &c->m.statement;

    if (bs_keys_current(c->store.keys) == NULL)
        return BS_DONE;
    c->m.encryption = bs_arena_array(&c->arena, 1, sizeof(*c->m.encryption));
    if (c->m.encryption == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a point's key");
    if (bs_point_key_new(c->store.keys, c->m.id, &c->arena, c->m.encryption, &c->key, err) !=
        BS_DONE)
        return BS_FAILED;
    c->m.n_encryption = 1;
    c->encryption = c->m.encryption;
    if (s->text == NULL)
        return BS_DONE;
    s->sealed = bs_crypt_text(&c->key, "statement", s->text, &c->arena);
    s->text = NULL;
    return s->sealed == NULL ? BS_FAIL(err, LIMIT, "the statement is too long to be kept")
                             : BS_DONE;
}

enum bs_done
bs_step_name(struct bs_capture *c, const char *mode, const char *why, struct bs_err *err)
{
    struct bs_buf dir;

    c->m.format = BS_MANIFEST_FORMAT;
    bs_point_id_new(c->m.id);
    c->m.created_us = bs_now_us();
    c->m.gateway_version = BS_VERSION;
    c->m.statement = c->req.statement;
    c->m.capture.mode = mode;
    c->m.capture.why = why;
    c->m.capture.xid = c->req.actor_xid;
    c->m.capture.started_us = c->m.created_us;
    bs_buf_init(&dir, BS_KEY_MAX);
    bs_point_put_dir(&dir, &c->m);
    if (!dir.failed)
        c->dir = bs_arena_copy(&c->arena, bs_buf_view(&dir));
    bs_buf_fini(&dir);
    if (c->dir == NULL)
        return BS_FAIL(err, LIMIT, "the name of the database is too long");
    return encrypt(c, err);
}

enum bs_done
bs_step_actor(struct bs_capture *c, struct bs_err *err)
{
    char pid[16];
    const char *params[] = {pid};
    PGresult *res = NULL;
    bool here, standby;

    c->m.actor = c->req.actor;
    c->m.actor.backend_pid = c->req.actor_pid;
    c->m.actor.backend_start = NULL;
    (void)snprintf(pid, sizeof(pid), "%d", c->req.actor_pid);
    if (bs_helper_query(&c->helper,
                        "SELECT a.backend_start::pg_catalog.text, a.datid,"
                        " pg_catalog.pg_is_in_recovery() FROM (SELECT) one LEFT JOIN"
                        " pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) a ON true",
                        1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) == 1 && !PQgetisnull(res, 0, 0))
        c->m.actor.backend_start = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    here =
        PQntuples(res) == 1 && strtoul(PQgetvalue(res, 0, 1), NULL, 10) == c->m.source.database_oid;
    standby = PQntuples(res) == 1 && PQgetvalue(res, 0, 2)[0] == 't';
    PQclear(res);
    /* Process numbers of another host may be the same, and what is not replayed yet is not seen. */
    if (standby)
        return BS_FAIL(err, NO_POINT, "the helper is connected to a standby");
    if (!here)
        return BS_FAIL(err, NO_POINT, "the actor's session is not in the helper's database");
    return BS_DONE;
}

enum bs_done
bs_step_snapshot(struct bs_capture *c, struct bs_err *err)
{
    if (bs_helper_query(&c->helper, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL,
                        NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_step_snapshot_note(c, err);
}

enum bs_done
bs_step_snapshot_note(struct bs_capture *c, struct bs_err *err)
{
    PGresult *res = NULL;

    if (bs_helper_query(&c->helper, "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text", 0,
                        NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    c->m.capture.snapshot_us = bs_now_us();
    c->m.capture.snapshot = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    PQclear(res);
    if (c->m.capture.snapshot == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a snapshot's name");
    return BS_DONE;
}

/* On disk rows are at most lightly compressed; half their size is more than zstd leaves. */
enum bs_done
bs_step_room(struct bs_capture *c, int64_t bytes, struct bs_err *err)
{
    atomic_store(&c->bytes, bytes);
    return bs_spool_reserve(&c->spool, (uint64_t)bytes / 2 + (16u << 20), err);
}

static enum bs_done
store_definition(struct bs_capture *c, struct bs_err *err)
{
    const struct bs_spool_crypt crypt = {&c->key, c->encryption, c->dir};

    return bs_spool_schema(&c->spool, &c->store, &c->m, &c->arena,
                           c->encryption == NULL ? NULL : &crypt, &c->watch, err);
}

enum bs_done
bs_step_intend(struct bs_capture *c, struct bs_err *err)
{
    if (c->intended)
        return BS_DONE;
    c->intended = true;
    return bs_points_intend(&c->store, c->dir, &c->m, err);
}

enum bs_done
bs_step_store(struct bs_capture *c, struct bs_err *err)
{
    bs_step_enter(c, BS_CAPTURE_STORING);
    if (bs_step_intend(c, err) != BS_DONE)
        return BS_FAILED;
    if (bs_crew_put(c, err) != BS_DONE)
        return BS_FAILED;
    if (c->spool.pg_dump != NULL && store_definition(c, err) != BS_DONE)
        return BS_FAILED;
    if (c->m.n_databases != 0 && bs_step_database_store(c, err) != BS_DONE)
        return BS_FAILED;
    bs_step_enter(c, BS_CAPTURE_PROVING);
    if (bs_crew_prove(c, err) != BS_DONE)
        return BS_FAILED;
    return c->req.grade == BS_CAPTURE_RESTORED ? bs_scratch_prove(c, err) : BS_DONE;
}

/* Reads the manifest back: it is the one object whose loss would lose all others. */
static enum bs_done
manifest_back(struct bs_capture *c, const char *key, struct bs_bytes was, struct bs_err *err)
{
    struct bs_buf is;
    enum bs_done done;

    bs_buf_init(&is, BS_MANIFEST_MAX);
    done = bs_store_get(&c->store, key, &is, err);
    if (done == BS_DONE && !bs_bytes_equal(bs_buf_view(&is), was))
        done = BS_FAIL(err, NO_POINT, "the store gives back another manifest");
    bs_buf_fini(&is);
    return done;
}

static const char *
grade_name(const struct bs_capture *c)
{
    switch (c->req.grade) {
    case BS_CAPTURE_STORED:
        return "stored";
    case BS_CAPTURE_RESTORED:
        return "restored";
    case BS_CAPTURE_READ_BACK:
        break;
    }
    return "read-back";
}

enum bs_done
bs_step_manifest(struct bs_capture *c,
                 int64_t start_us,
                 struct bs_capture_result *out,
                 struct bs_err *err)
{
    struct bs_point_proof *proof = bs_arena_array(&c->arena, 1, sizeof(*proof));
    char key[BS_KEY_MAX + 1];
    struct bs_buf text;
    enum bs_done done = BS_FAILED;

    if (proof == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a proof");
    c->m.capture.finished_us = bs_now_us();
    *proof = (struct bs_point_proof){grade_name(c), "ok", c->m.capture.finished_us, "capture"};
    c->m.proofs = proof;
    c->m.n_proofs = 1;
    bs_buf_init(&text, BS_MANIFEST_MAX);
    (void)snprintf(key, sizeof(key), "%smanifest.json", c->dir);
    if (bs_watch_check(&c->watch, err) == BS_DONE &&
        bs_manifest_print(&c->m, &text, out->manifest_sha256, err) == BS_DONE &&
        bs_store_put(&c->store, key, bs_buf_view(&text), err) == BS_DONE) {
        c->stored = true;
        done = manifest_back(c, key, bs_buf_view(&text), err);
    }
    bs_buf_fini(&text);
    if (done != BS_DONE || bs_watch_check(&c->watch, err) != BS_DONE)
        return BS_FAILED;
    out->manifest = &c->m;
    out->dir = c->dir;
    out->total_us = bs_mono_us() - start_us;
    return BS_DONE;
}

enum bs_done
bs_step_ask_again(struct bs_capture *c,
                  const char *sql,
                  int n,
                  const char *const *params,
                  PGresult **res,
                  struct bs_err *err)
{
    struct bs_err why = {0};

    if (c->helper.conn != NULL && bs_helper_query(&c->helper, sql, n, params, res, &why) == BS_DONE)
        return BS_DONE;
    if (bs_watch_check(&c->watch, err) != BS_DONE)
        return BS_FAILED;
    bs_helper_close(&c->helper);
    if (bs_helper_open(&c->helper, c->req.helper, &c->watch, BS_E_NO_POINT, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(&c->helper, sql, n, params, res, err);
}

/* What was begun will be no point that anybody used: so that it is not taken for one, or waited
 * for. The actor still holds its lock, so a store that does not answer gets a moment only. */
static void
close_begun(struct bs_capture *c)
{
    struct bs_point_event event = {.state = c->stored ? BS_EVENT_NOT_USED : BS_EVENT_ABANDONED,
                                   .by = "capture"};
    struct bs_err why = {0};
    struct bs_watch moment;
    struct bs_store view;

    if (bs_watch_init(&moment, bs_mono_us() + (int64_t)CLOSE_MS * 1000, &why) != BS_DONE)
        return;
    view = bs_store_watched(c->req.store, &moment);
    if (bs_points_event(&view, c->dir, &event, &why) != BS_DONE)
        BS_LOG(WARNING, "a recovery point that was not proven stays open until the next start",
               BS_F_STR("point", c->m.id), BS_F_STR("error", why.message));
    bs_watch_fini(&moment);
}

/* The statement will not run, so everybody may come in again. */
static void
lift(const struct bs_capture *c)
{
    struct bs_err why = {0};

    if (bs_fence_end(c->req.spool, c->req.helper, c->m.id, &why) != BS_DONE)
        BS_LOG(ERROR, "a fence is still up", BS_F_STR("point", c->m.id),
               BS_F_STR("reason", why.message), BS_F_STR("hint", why.hint));
}

enum bs_done
bs_step_end(struct bs_capture *c,
            enum bs_done done,
            const struct bs_err *why,
            struct bs_capture_result *out,
            struct bs_err *err)
{
    bs_child_kill(&c->dump);
    bs_spool_close(&c->spool);
    bs_step_enter(c, done == BS_DONE ? BS_CAPTURE_PROVEN : BS_CAPTURE_FAILED);
    if (done == BS_DONE)
        return BS_DONE;
    *out = (struct bs_capture_result){0};
    /* The helper may be in the middle of anything; its snapshot holds back vacuum, too. */
    bs_helper_close(&c->helper);
    if (c->stored || c->intended)
        close_begun(c);
    if (c->fenced)
        lift(c);
    return bs_step_no_point(err, why);
}
