/*
 * idempotent.c - a fixed number of rows, looked through one by one: it is asked once a POST.
 */
#include "api/idempotent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ROWS      1024
#define BYTES_MAX ((size_t)32 << 20) /* of all answers */
#define LIFE_US   ((int64_t)24 * 3600 * 1000000)
#define KEY_MAX   128

struct row {
    char key[BS_SHA256_TEXT]; /* of operator, method, path and key; "" free */
    char body[BS_SHA256_TEXT];
    int64_t at_us;
    int status;     /* 0: being answered */
    char *text;     /* NULL: none, or a secret */
    char *location; /* NULL: none */
    size_t bytes;
    bool secret;
};

struct bs_idempotent {
    pthread_mutex_t lock;
    size_t bytes;
    struct row rows[ROWS];
};

struct bs_idempotent *
bs_idempotent_new(void)
{
    struct bs_idempotent *t = bs_malloc(sizeof(*t));

    (void)pthread_mutex_init(&t->lock, NULL);
    return t;
}

static void
forget(struct bs_idempotent *t, struct row *row)
{
    t->bytes -= row->bytes;
    free(row->text);
    free(row->location);
    *row = (struct row){0};
}

void
bs_idempotent_free(struct bs_idempotent **t)
{
    if (*t == NULL)
        return;
    for (size_t i = 0; i < ROWS; i++)
        forget(*t, &(*t)->rows[i]);
    (void)pthread_mutex_destroy(&(*t)->lock);
    free(*t);
    *t = NULL;
}

static void
key_of(const struct bs_request *q, const char *key, char out[BS_SHA256_TEXT])
{
    bs_sha256_text(bs_arena_fmt(q->arena, "%s %s %s %s", q->by.name, q->method, q->path, key), out);
}

static struct row *
find(struct bs_idempotent *t, const char *key)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(t->rows[i].key, key) == 0)
            return &t->rows[i];
    }
    return NULL;
}

/* What was answered longest ago; NULL: nothing was. */
static struct row *
oldest(struct bs_idempotent *t)
{
    struct row *old = NULL;

    for (size_t i = 0; i < ROWS; i++) {
        struct row *row = &t->rows[i];
        if (row->status != 0 && (old == NULL || row->at_us < old->at_us))
            old = row;
    }
    return old;
}

/* More are never being answered at once than there are threads: one row can be freed. */
static struct row *
make_room(struct bs_idempotent *t, int64_t now_us)
{
    struct row *row;

    while ((row = oldest(t)) != NULL && (row->at_us < now_us - LIFE_US || t->bytes > BYTES_MAX))
        forget(t, row);
    row = find(t, "");
    if (row != NULL)
        return row;
    row = oldest(t);
    bs_assert(row != NULL);
    forget(t, row);
    return row;
}

static enum bs_done
check_key(const char *key, struct bs_err *err)
{
    size_t n = 0;

    while (key[n] > ' ' && key[n] <= '~')
        n++;
    return n > 0 && n <= KEY_MAX && key[n] == '\0'
               ? BS_DONE
               : BS_FAIL(err, USAGE, "an Idempotency-Key has 1 to %d printable characters",
                         KEY_MAX);
}

/* It is known: give the answer again, or say why not. */
static enum bs_done
answer_again(const struct row *row,
             const struct bs_request *q,
             const char *body,
             struct bs_answer *a,
             struct bs_err *err)
{
    if (strcmp(row->body, body) != 0)
        return BS_FAIL(err, DATA, "this Idempotency-Key came with another body before");
    if (row->status == 0)
        return BS_FAIL(err, CONFLICT, "the request with this Idempotency-Key is being answered");
    if (row->secret)
        return BS_FAIL(err, CONFLICT, "this was done; its answer held a secret and is not kept");
    a->status = row->status;
    a->text = bs_strdup(row->text);
    a->type = row->status < 400 ? "application/json" : "application/problem+json";
    a->location = bs_arena_str(q->arena, row->location);
    a->again = true;
    return BS_DONE;
}

enum bs_done
bs_idempotent_begin(struct bs_idempotent *t,
                    const struct bs_request *q,
                    const char *key,
                    struct bs_answer *a,
                    struct bs_err *err)
{
    char digest[BS_SHA256_TEXT], body[BS_SHA256_TEXT];
    int64_t now_us = bs_mono_us();
    enum bs_done done = BS_DONE;
    struct row *row;

    if (check_key(key, err) != BS_DONE)
        return BS_FAILED;
    key_of(q, key, digest);
    bs_sha256_text(q->body.n == 0 ? "" : bs_arena_copy(q->arena, q->body), body);
    (void)pthread_mutex_lock(&t->lock);
    row = find(t, digest);
    if (row != NULL && row->status != 0 && row->at_us < now_us - LIFE_US) {
        forget(t, row);
        row = NULL;
    }
    if (row != NULL) {
        done = answer_again(row, q, body, a, err);
    } else {
        row = make_room(t, now_us);
        memcpy(row->key, digest, sizeof(digest));
        memcpy(row->body, body, sizeof(body));
        row->at_us = now_us;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return done;
}

void
bs_idempotent_end(struct bs_idempotent *t,
                  const struct bs_request *q,
                  const char *key,
                  const struct bs_answer *a)
{
    char digest[BS_SHA256_TEXT];
    struct row *row;

    key_of(q, key, digest);
    (void)pthread_mutex_lock(&t->lock);
    row = find(t, digest);
    bs_assert(row != NULL && row->status == 0);
    if (a->status >= 500) {
        forget(t, row);
    } else {
        row->status = a->status;
        row->secret = a->secret;
        row->text = a->secret ? NULL : bs_strdup(a->text);
        row->location = a->location == NULL ? NULL : bs_strdup(a->location);
        row->bytes = row->text == NULL ? 0 : strlen(row->text) + 1;
        t->bytes += row->bytes;
    }
    (void)pthread_mutex_unlock(&t->lock);
}
