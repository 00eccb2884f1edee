/*
 * copy.c - rows from a helper to a sealed file in the spool. What a helper's thread does touches of
 * its capture only what is constant by then, and counters.
 */
#include "recovery/copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/earlier.h"
#include "recovery/facts.h"
#include "recovery/globals.h"

enum {
    BATCH = 64 * 1024, /* rows are handed on in pieces of this size */
    SQL_MAX = 4 * 1024 * 1024,
};

struct copying {
    struct bs_capture *c;
    const struct bs_watch *watch;
    struct bs_seal *seal;
    uint8_t batch[BATCH];
    size_t n;
    int64_t rows; /* told to the progress so far */
};

static enum bs_done
hand_on(struct copying *k, struct bs_bytes data, struct bs_err *err)
{
    int64_t rows;

    if (bs_watch_check(k->watch, err) != BS_DONE || bs_seal_put(k->seal, data, err) != BS_DONE)
        return BS_FAILED;
    rows = bs_seal_rows(k->seal);
    (void)atomic_fetch_add(&k->c->rows, rows - k->rows);
    (void)atomic_fetch_add(&k->c->raw, (int64_t)data.n);
    k->rows = rows;
    return BS_DONE;
}

static enum bs_done
flush_batch(struct copying *k, struct bs_err *err)
{
    size_t n = k->n;

    k->n = 0;
    return n == 0 ? BS_DONE : hand_on(k, (struct bs_bytes){k->batch, n}, err);
}

/* libpq gives a row at a time; compressing and hashing so small pieces would cost more than they. */
static enum bs_done
take_row(void *ctx, struct bs_bytes data, struct bs_err *err)
{
    struct copying *k = ctx;

    if (data.n > sizeof(k->batch) - k->n && flush_batch(k, err) != BS_DONE)
        return BS_FAILED;
    if (data.n > sizeof(k->batch))
        return hand_on(k, data, err);
    memcpy(k->batch + k->n, data.p, data.n);
    k->n += data.n;
    return BS_DONE;
}

/* What the manifest's globals are copied by. */
static void
put_copy_globals(const struct bs_capture *c, struct bs_buf *sql)
{
    bs_put_str(sql, "COPY (");
    bs_globals_put_select(sql, c->req.plan->globals, c->m.source.server_version_num);
    bs_put_str(sql, ") TO STDOUT (FORMAT binary)");
    bs_put_u8(sql, '\0');
}

/* COPY of a table takes no generated columns, nor none at all; otherwise it is quicker than a query. */
static bool
is_plain(const struct bs_point_object *o, const char *where)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].generated != 0)
            return false;
    }
    return where == NULL && o->relkind == 'r' && o->n_columns != 0;
}

static void
put_copy(struct bs_buf *sql, const struct bs_point_object *o, const char *where)
{
    bool plain = is_plain(o, where);

    bs_put_str(sql, "COPY ");
    if (plain)
        bs_facts_put_name(sql, o->schema, o->name);
    bs_put_str(sql, plain ? " (" : "(SELECT ");
    for (size_t i = 0; i < o->n_columns; i++) {
        bs_put_str(sql, i == 0 ? "" : ", ");
        bs_facts_put_column(sql, o->columns[i].name);
    }
    if (!plain) {
        bs_put_str(sql, " FROM ONLY ");
        bs_facts_put_name(sql, o->schema, o->name);
    }
    if (where != NULL) {
        bs_put_str(sql, " WHERE ");
        bs_put_str(sql, where);
    }
    bs_put_fmt(sql, ") TO STDOUT (FORMAT %s)", o->format == BS_ROWS_TEXT ? "text" : "binary");
    bs_put_u8(sql, '\0');
}

static enum bs_done
open_seal(struct bs_capture *c,
          const struct bs_copy_job *job,
          struct bs_seal **out,
          struct bs_err *err)
{
    const struct bs_point_object *o = bs_step_object(c, job->object);
    char path[PATH_MAX];

    if (bs_spool_path(&c->spool, job->object, job->part, path, err) != BS_DONE ||
        bs_seal_new(path, o->format, o->n_columns, out, err) != BS_DONE)
        return BS_FAILED;
    if (c->encryption != NULL)
        bs_seal_encrypt(*out, &c->key, job->key);
    return BS_DONE;
}

enum bs_done
bs_copy_rows(struct bs_capture *c,
             struct bs_helper *h,
             const struct bs_copy_job *job,
             struct bs_sealed *out,
             struct bs_err *err)
{
    const struct bs_point_object *o = bs_step_object(c, job->object);
    struct copying *k = bs_malloc(sizeof(*k));
    struct bs_buf sql;
    int64_t tag = -1;
    enum bs_done done = BS_FAILED;

    k->c = c;
    k->watch = h->watch;
    bs_buf_init(&sql, SQL_MAX);
    if (job->object < c->m.n_objects)
        put_copy(&sql, o, job->where);
    else
        put_copy_globals(c, &sql);
    if (sql.failed)
        (void)BS_FAIL(err, NO_POINT, "\"%.60s\" has too many columns", o->name);
    else if (open_seal(c, job, &k->seal, err) == BS_DONE &&
             bs_helper_copy(h, (const char *)sql.p, take_row, k, &tag, err) == BS_DONE &&
             flush_batch(k, err) == BS_DONE)
        done = bs_seal_finish(k->seal, out, err);
    if (done == BS_DONE && out->rows != tag)
        done = BS_FAIL(err, NO_POINT, "\"%.60s\": the server counts %lld rows, %lld arrived",
                       o->name, (long long)tag, (long long)out->rows);
    bs_seal_free(&k->seal);
    bs_buf_fini(&sql);
    free(k);
    return done;
}

enum bs_done
bs_copy_note(
    struct bs_capture *c, size_t i, const struct bs_sealed *parts, size_t n, struct bs_err *err)
{
    struct bs_point_object *o = bs_step_object(c, i);
    struct bs_sealed sum = {0};
    char sha256[BS_SHA256_TEXT];

    o->parts = bs_arena_array(&c->arena, n, sizeof(*o->parts));
    if (o->parts == NULL)
        goto full;
    for (size_t k = 0; k < n; k++) {
        o->parts[k] =
            (struct bs_point_part){bs_spool_key(&c->arena, c->dir, i, n == 1 ? 0 : k + 1, o),
                                   parts[k].stored_bytes, bs_arena_str(&c->arena, parts[k].sha256)};
        if (o->parts[k].key == NULL || o->parts[k].sha256 == NULL)
            goto full;
        bs_sealed_add(&sum, &parts[k]);
    }
    o->n_parts = n;
    bs_parts_sha256(o->parts, n, sha256);
    o->key = o->parts[0].key;
    o->row_count = sum.rows;
    o->raw_bytes = sum.raw_bytes;
    o->stored_bytes = sum.stored_bytes;
    o->sha256 = bs_arena_str(&c->arena, sha256);
    o->row_hash = bs_arena_str(&c->arena, sum.row_hash);
    if (o->sha256 != NULL && o->row_hash != NULL)
        return BS_DONE;
full:
    return BS_FAIL(err, LIMIT, "no memory set aside for the names of an object");
}

enum bs_done
bs_step_copy(struct bs_capture *c, size_t i, const char *where, struct bs_err *err)
{
    struct bs_copy_job job = {.object = i, .where = where};
    struct bs_sealed sealed;

    bs_manifest_encrypted(&c->m);
    if (c->encryption != NULL) {
        job.key = bs_spool_key(&c->arena, c->dir, i, 0, bs_step_object(c, i));
        if (job.key == NULL)
            return BS_FAIL(err, LIMIT, "no memory set aside for the name of an object");
    }
    if (bs_copy_rows(c, &c->helper, &job, &sealed, err) != BS_DONE)
        return BS_FAILED;
    return bs_copy_note(c, i, &sealed, 1, err);
}

/* The manifest's entry, still without rows. NULL: the arena is full. */
static struct bs_point_globals *
describe_globals(struct bs_capture *c)
{
    static const char *const columns[BS_GLOBALS_COLUMNS][2] = {
        {"class", "text"}, {"oid", "oid"}, {"name", "text"}, {"value", "jsonb"}};
    const struct bs_plan *plan = c->req.plan;
    struct bs_point_globals *g = bs_arena_array(&c->arena, 1, sizeof(*g));
    struct bs_point_column *all = bs_arena_array(&c->arena, BS_GLOBALS_COLUMNS, sizeof(*all));
    struct bs_point_name *about = bs_arena_array(&c->arena, plan->n_about + 1, sizeof(*about));
    struct bs_buf names;

    if (g == NULL || all == NULL || about == NULL)
        return NULL;
    for (int i = 0; i < BS_GLOBALS_COLUMNS; i++)
        all[i] = (struct bs_point_column){
            .name = columns[i][0], .type = columns[i][1], .typmod = -1, .attnum = i + 1};
    for (size_t i = 0; i < plan->n_about; i++)
        about[i].name = plan->about[i];
    bs_buf_init(&names, 256);
    bs_globals_put_names(&names, plan->globals);
    *g = (struct bs_point_globals){
        .classes = bs_arena_copy(&c->arena, bs_buf_view(&names)),
        .about = about,
        .n_about = plan->n_about,
        .bits = plan->globals,
        .rows = {.schema = "",
                 .name = "globals",
                 .format = BS_ROWS_BINARY,
                 .columns = all,
                 .n_columns = BS_GLOBALS_COLUMNS},
    };
    bs_buf_fini(&names);
    return g->classes == NULL ? NULL : g;
}

enum bs_done
bs_step_globals(struct bs_capture *c, struct bs_err *err)
{
    if (c->req.plan->globals == 0)
        return BS_DONE;
    c->m.globals = describe_globals(c);
    if (c->m.globals == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for what belongs to the cluster");
    c->m.n_globals = 1;
    /* The number first: no snapshot holds the server's file, which may change behind it. */
    if (bs_earlier_globals(&c->helper, c->req.plan->globals, c->m.source.server_version_num,
                           &c->arena, &c->m.globals->digest, err) == BS_DONE &&
        bs_step_copy(c, c->m.n_objects, NULL, err) == BS_DONE)
        return BS_DONE;
    c->m.n_globals = 0;
    if (strcmp(c->helper.sqlstate, "42501") == 0 && bs_globals_hint(c->req.plan->globals) != NULL)
        bs_err_hint(err, "%s", bs_globals_hint(c->req.plan->globals));
    return BS_FAILED;
}
