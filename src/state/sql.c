/*
 * sql.c - what all drivers of SQL share: rows into arenas, one lock, and transactions.
 *
 * One connection behind one mutex: the state is asked a few times per held statement, never per
 * SAFE one.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "state/sqlite.h"

/* --- the driver --- */

enum bs_done
bs_sq_query(struct bs_sqlite *q,
            const char *sql,
            const struct bs_sq_value *values,
            struct bs_arena *arena,
            struct bs_sq_rows *out,
            struct bs_err *err)
{
    *out = (struct bs_sq_rows){.q = q, .arena = arena};
    if (q->driver->query(q, sql, values, out, err) == BS_DONE)
        return BS_DONE;
    bs_sq_close(out);
    return BS_FAILED;
}

enum bs_sq_next
bs_sq_next(struct bs_sq_rows *r, struct bs_err *err)
{
    return r->q->driver->next(r, err);
}

void
bs_sq_close(struct bs_sq_rows *r)
{
    r->q->driver->done(r);
    r->st = NULL;
}

const char *
bs_sq_peek(struct bs_sq_rows *r, int column)
{
    return r->q->driver->text(r, column);
}

int64_t
bs_sq_int(struct bs_sq_rows *r, int column)
{
    return r->q->driver->number(r, column);
}

/* --- statements --- */

enum bs_done
bs_sq_run(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          int *changed,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;

    if (bs_sq_query(q, sql, values, NULL, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    if (changed != NULL)
        *changed = q->driver->changed(&r);
    bs_sq_close(&r);
    return next == BS_SQ_BAD ? BS_FAILED : BS_DONE;
}

enum bs_done
bs_sq_number(struct bs_sqlite *q,
             const char *sql,
             const struct bs_sq_value *values,
             int64_t otherwise,
             int64_t *out,
             struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;

    if (bs_sq_query(q, sql, values, NULL, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    *out = next == BS_SQ_ROW ? bs_sq_int(&r, 0) : otherwise;
    bs_sq_close(&r);
    return next == BS_SQ_BAD ? BS_FAILED : BS_DONE;
}

const char *
bs_sq_text(struct bs_sq_rows *r, int column)
{
    const char *text = bs_sq_peek(r, column);
    char *copy;

    if (text == NULL)
        return NULL;
    copy = bs_arena_str(r->arena, text);
    r->full = r->full || copy == NULL;
    return copy;
}

enum bs_done
bs_sq_texts(struct bs_sq_rows *r, int column, const char ***out, size_t *n, struct bs_err *err)
{
    const char *text = bs_sq_peek(r, column);
    json_t *list = text == NULL ? NULL : json_loads(text, 0, NULL), *item;
    enum bs_done done = BS_DONE;
    size_t i;

    *out = NULL;
    *n = 0;
    if (text == NULL)
        return BS_DONE;
    if (json_is_array(list))
        *out = bs_arena_array(r->arena, json_array_size(list) + 1, sizeof(**out));
    else
        done = BS_FAIL(err, DAMAGED, "a list in the state is damaged");
    r->full = r->full || (done == BS_DONE && *out == NULL);
    json_array_foreach(list, i, item)
    {
        if (*out == NULL)
            break;
        if (!json_is_string(item)) {
            done = BS_FAIL(err, DAMAGED, "a list in the state is damaged");
            break;
        }
        (*out)[i] = bs_arena_str(r->arena, json_string_value(item));
        r->full = r->full || (*out)[i] == NULL;
        ++*n;
    }
    json_decref(list);
    return done;
}

enum bs_done
bs_sq_texts_of_two(
    struct bs_sq_rows *r, int a, int b, const char ***out, size_t *n, struct bs_err *err)
{
    const char **first, **second, **all;
    size_t n_first, n_second;

    *out = NULL;
    *n = 0;
    if (bs_sq_texts(r, a, &first, &n_first, err) != BS_DONE ||
        bs_sq_texts(r, b, &second, &n_second, err) != BS_DONE)
        return BS_FAILED;
    all = bs_arena_array(r->arena, n_first + n_second + 1, sizeof(*all));
    r->full = r->full || all == NULL;
    if (r->full)
        return BS_DONE;
    for (size_t i = 0; i < n_first; i++)
        all[i] = first[i];
    for (size_t i = 0; i < n_second; i++)
        all[n_first + i] = second[i];
    *out = all;
    *n = n_first + n_second;
    return BS_DONE;
}

char *
bs_sq_texts_write(const char *const *list, size_t n)
{
    json_t *out = json_array();
    char *text;

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_string(list[i]));
    text = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    bs_assert(text != NULL); /* what comes in was checked to be UTF-8 */
    return text;
}

void
bs_sq_copy(struct bs_sq_rows *r, int column, char *out, size_t size)
{
    const char *text = bs_sq_peek(r, column);

    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static enum bs_done
bs_sq_read(struct bs_sq_rows *r, bs_sq_read_fn *read, void *item, struct bs_err *err)
{
    if (read(r, item, err) != BS_DONE)
        return BS_FAILED;
    if (r->full)
        return BS_FAIL(err, LIMIT, "rows of the state do not fit into %zu bytes", r->arena->max);
    return BS_DONE;
}

/* Rows are gathered on the heap first: how many there are is known only at the end. */
static enum bs_done
bs_sq_gather(struct bs_sq_rows *r,
             size_t each,
             bs_sq_read_fn *read,
             struct bs_buf *all,
             size_t *n,
             struct bs_err *err)
{
    enum bs_sq_next next;

    while ((next = bs_sq_next(r, err)) == BS_SQ_ROW) {
        uint8_t *item = bs_buf_room(all, each);
        if (item == NULL)
            return BS_FAIL(err, LIMIT, "too many rows in the state");
        memset(item, 0, each);
        if (bs_sq_read(r, read, item, err) != BS_DONE)
            return BS_FAILED;
        all->n += each;
        ++*n;
    }
    return next == BS_SQ_DONE ? BS_DONE : BS_FAILED;
}

enum bs_done
bs_sq_all(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          struct bs_arena *arena,
          size_t each,
          bs_sq_read_fn *read,
          void **out,
          size_t *n,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    struct bs_buf all;
    size_t found = 0;
    enum bs_done done;

    if (bs_sq_query(q, sql, values, arena, &r, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&all, arena->max);
    done = bs_sq_gather(&r, each, read, &all, &found, err);
    bs_sq_close(&r);
    if (done == BS_DONE && found > 0) {
        *out = bs_arena_array(arena, found, each);
        if (*out == NULL)
            done = BS_FAIL(err, LIMIT, "rows of the state do not fit into %zu bytes", arena->max);
        else
            memcpy(*out, all.p, all.n);
    }
    if (done == BS_DONE)
        *n = found;
    bs_buf_fini(&all);
    return done;
}

enum bs_done
bs_sq_one(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          struct bs_arena *arena,
          bs_sq_read_fn *read,
          void *out,
          const char *what,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;
    enum bs_done done = BS_FAILED;

    if (bs_sq_query(q, sql, values, arena, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    if (next == BS_SQ_ROW)
        done = bs_sq_read(&r, read, out, err);
    else if (next == BS_SQ_DONE)
        (void)BS_FAIL(err, NOT_FOUND, "there is no such %s", what);
    bs_sq_close(&r);
    return done;
}

/* --- the lock and transactions --- */

void
bs_sq_init(struct bs_sqlite *q, const struct bs_sq_driver *driver)
{
    pthread_mutexattr_t again; /* whoever has begun a transaction goes on in it */

    q->base.ops = &bs_sq_operations;
    q->driver = driver;
    (void)pthread_mutexattr_init(&again);
    (void)pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&q->lock, &again);
    (void)pthread_mutexattr_destroy(&again);
}

void
bs_sq_state_close(struct bs_state *s)
{
    struct bs_sqlite *q = bs_sq_of(s);

    (void)pthread_mutex_destroy(&q->lock);
    q->driver->close(q);
}

struct bs_sqlite *
bs_sq_of(struct bs_state *s)
{
    return (struct bs_sqlite *)s;
}

void
bs_sq_lock(struct bs_sqlite *q)
{
    (void)pthread_mutex_lock(&q->lock);
}

void
bs_sq_unlock(struct bs_sqlite *q)
{
    (void)pthread_mutex_unlock(&q->lock);
}

enum bs_done
bs_sq_begin(struct bs_sqlite *q, struct bs_err *err)
{
    bs_sq_lock(q);
    if (q->depth != 0 || q->driver->begin(q, err) == BS_DONE) {
        q->depth++;
        return BS_DONE;
    }
    bs_sq_unlock(q);
    return BS_FAILED;
}

/* Of one inside another the outer one decides, and it does not outlive a failure of the inner one. */
enum bs_done
bs_sq_end(struct bs_sqlite *q, enum bs_done done, struct bs_err *err)
{
    bool outer = --q->depth == 0;

    if (outer && done == BS_DONE && q->failed)
        done = BS_FAIL(err, INTERNAL, "a part of the change has failed");
    if (outer && done == BS_DONE)
        done = q->driver->commit(q, err);
    /* The first failure is the one to tell; a rollback that fails leaves nothing to do. */
    if (outer && done != BS_DONE)
        q->driver->rollback(q);
    q->failed = !outer && (q->failed || done != BS_DONE);
    bs_sq_unlock(q);
    return done;
}

enum bs_done
bs_sq_state_begin(struct bs_state *s, struct bs_err *err)
{
    return bs_sq_begin(bs_sq_of(s), err);
}

enum bs_done
bs_sq_state_end(struct bs_state *s, enum bs_done done, struct bs_err *err)
{
    return bs_sq_end(bs_sq_of(s), done, err);
}
