/*
 * copy.c - rows from a helper to a sealed file in the spool. What a helper's thread does touches of
 * its capture only what is constant by then, and counters.
 */
#include "recovery/copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/facts.h"

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

static void
put_copy(struct bs_buf *sql, const struct bs_point_object *o, const char *where)
{
    bs_put_str(sql, "COPY (SELECT ");
    for (size_t i = 0; i < o->n_columns; i++) {
        bs_put_str(sql, i == 0 ? "" : ", ");
        bs_facts_put_column(sql, o->columns[i].name);
    }
    bs_put_str(sql, " FROM ONLY ");
    bs_facts_put_name(sql, o->schema, o->name);
    if (where != NULL) {
        bs_put_str(sql, " WHERE ");
        bs_put_str(sql, where);
    }
    bs_put_fmt(sql, ") TO STDOUT (FORMAT %s)", o->format == BS_ROWS_TEXT ? "text" : "binary");
    bs_put_u8(sql, '\0');
}

enum bs_done
bs_copy_rows(struct bs_capture *c,
             struct bs_helper *h,
             const struct bs_copy_job *job,
             struct bs_sealed *out,
             struct bs_err *err)
{
    const struct bs_point_object *o = &c->m.objects[job->object];
    struct copying *k = bs_malloc(sizeof(*k));
    char path[PATH_MAX];
    struct bs_buf sql;
    int64_t tag = -1;
    enum bs_done done = BS_FAILED;

    k->c = c;
    k->watch = h->watch;
    bs_buf_init(&sql, SQL_MAX);
    put_copy(&sql, o, job->where);
    if (sql.failed)
        (void)BS_FAIL(err, NO_POINT, "\"%.60s\" has too many columns", o->name);
    else if (bs_spool_path(&c->spool, job->object, job->part, path, err) == BS_DONE &&
             bs_seal_new(path, o->format, o->n_columns, &k->seal, err) == BS_DONE &&
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
    struct bs_point_object *o = &c->m.objects[i];
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

    if (bs_copy_rows(c, &c->helper, &job, &sealed, err) != BS_DONE)
        return BS_FAILED;
    return bs_copy_note(c, i, &sealed, 1, err);
}
